"""pass@k under a stopping rule: bias of the path-counting estimate and of the plain one, and how often intervals hold.

    nice -n 15 python -m tests.benchmarks.stopping [--sets 1000]

The rule: 4 accepted, at most 32, give up after 16 failures without a success.
"""

import argparse
import os

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # the matrices are small: threads that wait for each other cost threefold

import numpy as np

from selfplay.estimators.intervals import over_tasks, within_tasks
from selfplay.estimators.passk import mean_pass_at_k
from selfplay.estimators.stopping import StoppingRule, pass_at_k_stopped, stopping_points

RULE = StoppingRule.until(4, 32, 16)
RATES, KS, TASKS = (0.05, 0.2, 0.5), (1, 4, 16), 200


def play(rng: np.random.Generator, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Successes and failures where each task stops, sample by sample."""
    successes, failures = np.zeros(len(rates), int), np.zeros(len(rates), int)
    going = np.ones(len(rates), bool)
    while going.any():
        right = rng.random(len(rates)) < rates
        successes += going & right
        failures += going & ~right
        going = np.array([RULE.goes_on(int(s), int(f)) for s, f in zip(successes, failures, strict=False)])
    return successes, failures


def bias(rng: np.random.Generator, num_tasks: int = 40_000) -> None:
    print(f"{'rate':>5} {'k':>3} {'truth':>7} {'paths':>8} {'simulated':>9} {'plain':>8}   (bias; bar: below 0.003)")
    points = stopping_points(RULE)
    for rate in RATES:
        s, f = play(rng, np.full(num_tasks, rate))
        for k in KS:
            truth = 1 - (1 - rate) ** k
            chance = np.exp(points[2] + points[0] * np.log(rate) + points[1] * np.log(1 - rate))
            exact = chance @ pass_at_k_stopped(RULE, points[0], points[1], k) - truth
            plain = mean_pass_at_k(s + f, s, k).value
            print(
                f"{rate:5} {k:3} {truth:7.4f} {exact:+8.1e} {pass_at_k_stopped(RULE, s, f, k).mean() - truth:+9.4f} {plain - truth:+8.4f}",
                flush=True,
            )


def coverage(rng: np.random.Generator, sets: int) -> None:
    print(f"\nshare of 95% intervals that hold the truth; {TASKS} tasks, {sets} data sets (bar: 0.93 to 0.97)")
    print(
        "over tasks: of pass@k of tasks like these, so not where different tasks are held fast; within tasks: of these very tasks"
    )
    print(f"{'tasks':34} {'k':>3} {'over tasks':>10} {'width':>6} {'within tasks':>12} {'width':>6}")
    thirds = np.repeat(RATES, -(-TASKS // 3))[:TASKS]
    kinds = {f"all at {rate}": lambda rate=rate: np.full(TASKS, rate) for rate in RATES}
    kinds["a third at each, the same tasks"] = lambda: thirds
    kinds["a third at each, fresh tasks"] = lambda: rng.choice(RATES, TASKS)
    kinds["Beta(0.40, 1.34), fresh tasks"] = lambda: rng.beta(0.40, 1.34, TASKS)
    population = {
        "a third at each, fresh tasks": np.array(RATES),
        "Beta(0.40, 1.34), fresh tasks": rng.beta(0.40, 1.34, 4_000_000),
    }
    for name, draw in kinds.items():
        held = {k: [] for k in KS}
        for _ in range(sets):
            rates = draw()
            s, f = play(rng, rates)
            for k in KS:
                kind = np.mean(1 - (1 - population.get(name, rates)) ** k)
                these = np.mean(1 - (1 - rates) ** k)
                estimates = pass_at_k_stopped(RULE, s, f, k)
                over, within = over_tasks(estimates), within_tasks(s + f, s, k, RULE)
                holds = over.low <= kind <= over.high, within.low <= these <= within.high
                held[k].append(
                    (holds[0], over.high - over.low, holds[1], within.high - within.low, np.ptp(estimates) == 0)
                )
        for k in KS:
            over, width, within, narrow, alike = np.mean(held[k], axis=0)
            asked = "-" if rates is thirds else f"{over:.3f}"
            note = (
                f"   {alike:.1%} of the data sets hold one figure alone: either nearly all intervals hold the truth, or nearly none"
                if alike > 0.07
                else ""
            )
            print(f"{name:34} {k:3} {asked:>10} {width:6.3f} {within:12.3f} {narrow:6.3f}{note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    bias(rng)
    coverage(rng, options.sets)


if __name__ == "__main__":
    main()
