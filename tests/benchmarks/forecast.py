"""Forecasts of pass@10,000 from 100 samples a task, on data sets whose truth is known.

    nice -n 15 python -m tests.benchmarks.forecast [--sets 200] [--hold-out]

Rivals on the same data: a beta-binomial by maximum likelihood, and the power law -log pass@k = A k^-b by least squares on
logarithms, over every k up to 100 and over 20 values of k evenly spaced in log k. "error" is the mean absolute error.
"truth" is pass@10,000 of the whole population; "these" is that of the tasks in the data set. "less the best rival" is the
error less that of the rival that errs least there, over the same data sets, with two standard errors.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import NormalDist

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # the matrices are small: threads that wait for each other cost threefold

import numpy as np

from selfplay.estimators.forecast import forecast
from selfplay.estimators.passk import pass_at_every_k
from selfplay.estimators.solve_rates import _derivatives, log_beta

SAMPLES, K = 100, 10_000
FAMILIES = {
    "Beta(0.40, 1.34)": lambda rng, n: rng.beta(0.40, 1.34, n),
    "half Beta(2, 3), half Beta(0.3, 20)": lambda rng, n: np.where(
        rng.random(n) < 0.5, rng.beta(2, 3, n), rng.beta(0.3, 20, n)
    ),
    "20% impossible, rest Beta(0.5, 2)": lambda rng, n: np.where(rng.random(n) < 0.2, 0.0, rng.beta(0.5, 2, n)),
    "Kumaraswamy(0.35, 3)": lambda rng, n: (1 - (1 - rng.random(n)) ** (1 / 3)) ** (1 / 0.35),
}


HOLD_OUT = {  # that the families of selfplay.priors were not chosen by; all but the third lie outside of them, or nearly so
    "30% at 0.9, rest Beta(0.2, 5)": lambda rng, n: np.where(rng.random(n) < 0.3, 0.9, rng.beta(0.2, 5, n)),
    "10% impossible, rest Beta(0.2, 5)": lambda rng, n: np.where(rng.random(n) < 0.1, 0.0, rng.beta(0.2, 5, n)),
    "logit-normal(-3, 2.5)": lambda rng, n: 1 / (1 + np.exp(-rng.normal(-3, 2.5, n))),
    "log-uniform from 0.0001": lambda rng, n: 10.0 ** (-4 * rng.random(n)),
}


def beta_pass(a: float, b: float, k: int = K) -> float:
    return float(1 - np.exp(log_beta(a, b + k) - log_beta(a, b)))


def kumaraswamy_pass(a: float, b: float) -> float:
    """By quadrature in log p."""
    u = np.linspace(-80, 0, 400_001)[:-1]
    p = np.exp(u)
    density = a * b * p**a * (1 - p**a) ** (b - 1)
    return float(1 - np.sum(density * np.exp(K * np.log1p(-p))) * (u[1] - u[0]))


def quantile_pass(rate_at: Callable[[np.ndarray], np.ndarray]) -> float:
    """Of a distribution given by its quantile function, by the midpoint rule."""
    return float(np.mean(-np.expm1(K * np.log1p(-rate_at((np.arange(200_000) + 0.5) / 200_000)))))


TRUTH = {
    "Beta(0.40, 1.34)": beta_pass(0.40, 1.34),
    "half Beta(2, 3), half Beta(0.3, 20)": (beta_pass(2, 3) + beta_pass(0.3, 20)) / 2,
    "20% impossible, rest Beta(0.5, 2)": 0.8 * beta_pass(0.5, 2),
    "Kumaraswamy(0.35, 3)": kumaraswamy_pass(0.35, 3),
    "30% at 0.9, rest Beta(0.2, 5)": 0.3 + 0.7 * beta_pass(0.2, 5),
    "10% impossible, rest Beta(0.2, 5)": 0.9 * beta_pass(0.2, 5),
    "logit-normal(-3, 2.5)": quantile_pass(lambda u: 1 / (1 + np.exp(3 - 2.5 * np.vectorize(NormalDist().inv_cdf)(u)))),
    "log-uniform from 0.0001": quantile_pass(lambda u: 10.0 ** (-4 * u)),
}


def beta_binomial(correct: np.ndarray) -> float:
    counts, tasks = np.unique(correct, return_counts=True)

    def objective(points: np.ndarray) -> np.ndarray:
        a, b = np.exp(points.T)[:, :, None]
        return (log_beta(a + counts, b + SAMPLES - counts) - log_beta(a, b)) @ tasks

    here = np.array([-1.0, 0.0])
    for _ in range(100):
        value, slope, second = _derivatives(objective, here, 1e-3)
        values, vectors = np.linalg.eigh(-second)
        step = (vectors / np.maximum(values, 1e-3)) @ vectors.T @ slope
        tries = here + np.clip(step, -2, 2) * np.array([1.0, 0.5, 0.1, 0.01])[:, None]
        best = int(np.argmax(objective(tries)))
        if objective(tries)[best] - value < 1e-9:
            break
        here = tries[best]
    return beta_pass(*np.exp(here))


def least_squares(correct: np.ndarray, ks: np.ndarray) -> float:
    curve = pass_at_every_k(np.full(len(correct), SAMPLES), correct).mean(axis=0)[ks - 1]
    ks, curve = ks[curve < 1], curve[curve < 1]
    slope, level = np.polyfit(np.log(ks), np.log(-np.log(curve)), 1)
    return float(np.exp(-np.exp(level + slope * np.log(K))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--only", default="", help="families whose name holds this")
    parser.add_argument("--hold-out", action="store_true", help="other families than the four")
    options = parser.parse_args()
    spaced = np.unique(np.round(np.geomspace(1, SAMPLES, 20)).astype(int))
    print(f"Beta(0.40, 1.34): pass@100 = {beta_pass(0.4, 1.34, 100):.4f}, pass@10,000 = {beta_pass(0.4, 1.34):.4f}")
    print(
        f"{'family':36} {'tasks':>5} {'truth':>6} | {'error':>6} {'beta':>6} {'LS all':>6} {'LS log':>6} | {'bias':>7} {'holds truth':>11} {'these':>6} {'width':>6} {'s':>5} {'less the best rival':>19}"
    )
    for family, draw in (HOLD_OUT if options.hold_out else FAMILIES).items():
        if options.only not in family:
            continue
        truth, pooled = TRUTH[family], []
        for tasks in (128, 1000):
            rng = np.random.default_rng(options.seed)
            errors, held, width, bias, began, spent = [], [], [], [], 0.0, 0.0
            for _ in range(options.sets):
                rates = draw(rng, tasks)
                correct = rng.binomial(SAMPLES, rates)
                began = time.perf_counter()
                point = forecast(np.full(tasks, SAMPLES), correct, [K]).points[0]
                spent += time.perf_counter() - began
                rivals = [
                    beta_binomial(correct),
                    least_squares(correct, np.arange(1, SAMPLES + 1)),
                    least_squares(correct, spaced),
                ]
                errors.append(np.abs(np.array([point.value, *rivals]) - truth))
                these = np.mean(-np.expm1(K * np.log1p(-np.minimum(rates, 1 - 1e-16))))
                held.append((point.low <= truth <= point.high, point.low <= these <= point.high))
                width.append(point.high - point.low)
                bias.append(point.value - truth)
            behind = np.array(errors)[:, 0] - np.array(errors)[:, 1 + int(np.argmin(np.mean(errors, axis=0)[1:]))]
            error, holds = np.mean(errors, axis=0), np.mean(held, axis=0)
            pooled.append(error)
            print(
                f"{family:36} {tasks:5} {truth:6.4f} | "
                + " ".join(f"{e:6.4f}" for e in error)
                + f" | {np.mean(bias):+7.4f} "
                f"{holds[0]:11.3f} {holds[1]:6.3f} {np.mean(width):6.3f} {spent / options.sets:5.2f} {behind.mean():+8.4f} ± {2 * behind.std() / len(behind) ** 0.5:.4f}",
                flush=True,
            )
        print(f"{'':36}  both        | " + " ".join(f"{e:6.4f}" for e in np.mean(pooled, axis=0)), flush=True)


if __name__ == "__main__":
    main()
