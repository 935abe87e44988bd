"""Intervals for a figure averaged over tasks, such as pass@k.

Two questions have two answers:

- What would other tasks of this kind give? The tasks are a sample, and each one's figure is itself uncertain. Weighing
  the tasks anew at random carries both, since a task brings its own binomial error along: `over_tasks`.
- What is the figure of these very tasks? Only the binomial error within each task counts: `within_tasks`. It is the
  narrower one, and the one for a benchmark whose tasks are fixed.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.estimators.passk import checked_counts, pass_at_k
from selfplay.estimators.solve_rates import Counts, Grid, likeliest_mixture
from selfplay.estimators.stopping import StoppingRule, pass_at_k_stopped, stopping_points

Floats = NDArray[np.float64]

NUM_RESAMPLES = 4000
MAX_DISTINCT = 512  # distinct figures that are weighed apart
METHOD = "Bayesian bootstrap over tasks"


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float
    num_tasks: int  # tasks whose figure is defined
    method: str


def over_tasks(per_task: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Interval:
    """The mean over tasks like these, from one figure between 0 and 1 a task; nan figures are left out."""
    return _mean_interval(_defined(per_task), (0.0, 1.0), confidence, seed)


def paired_difference(first: ArrayLike, second: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Mean of second minus first over tasks that both define; entry i of both is the same task."""
    return _mean_interval(
        _defined(np.asarray(second, dtype=float) - np.asarray(first, dtype=float)), (-1.0, 1.0), confidence, seed
    )


def within_tasks(
    num_samples: ArrayLike, num_correct: ArrayLike, k: int, rule: StoppingRule | None = None, confidence: float = 0.95
) -> Interval:
    """pass@k of these very tasks, from decided samples and correct ones, one entry a task.

    Wilson's interval with the number of trials that gives the estimate's variance. A task's variance is the one that
    its estimate has at its solve rate, averaged over the rates that its counts leave open, under the spread of solve
    rates fitted to all tasks. `rule`: how sampling stopped, where it looked at verdicts.
    """
    n, c = checked_counts(num_samples, num_correct)
    values = pass_at_k(n, c, k) if rule is None else pass_at_k_stopped(rule, c, n - c, k)
    defined = ~np.isnan(values)
    n, c, values = n[defined], c[defined], values[defined]
    mean, num = float(values.mean()) if values.size else float("nan"), int(values.size)
    if not num:
        return Interval(mean, 0.0, 1.0, 0, "no task defines it")
    variance = _variance(n, c, k, rule) / num**2
    trials = mean * (1.0 - mean) / variance if 0.0 < mean < 1.0 and variance > 0.0 else float(n.sum() / k)
    low, high = wilson(mean, trials, confidence)
    return Interval(mean, low, high, num, "binomial within tasks, spread of solve rates fitted")


def wilson(share: float, trials: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval (1927) of a share seen in so many trials."""
    if trials <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    center = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, center - reach), min(1.0, center + reach)


def _defined(per_task: ArrayLike) -> Floats:
    values = np.asarray(per_task, dtype=float)
    return values[~np.isnan(values)]


def _mean_interval(values: Floats, ends: tuple[float, float], confidence: float, seed: int) -> Interval:
    """Bayesian bootstrap (Rubin 1981) with half a task at either end of what a figure can be.

    For figures that are all 0 or 1 this is Jeffreys' interval of a share, so that a run without a miss needs no method of
    its own. Widened by Student's t for few tasks (Hesterberg 2015, section 3.2).
    """
    num = len(values)
    if not num:
        return Interval(float("nan"), *ends, 0, METHOD)
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > MAX_DISTINCT:  # time grows with them; neighbours are resampled as one
        which = np.round((values - distinct[0]) / np.ptp(values) * (MAX_DISTINCT - 1)).astype(int)
        counts = np.bincount(which)
        distinct = (np.bincount(which, values) / np.maximum(counts, 1))[counts > 0]
        counts = counts[counts > 0]
    figures, weights = np.concatenate([distinct, ends]), np.concatenate([counts, [0.5, 0.5]])
    drawn = np.random.default_rng(seed).standard_gamma(weights, (NUM_RESAMPLES, len(weights)))
    means = drawn @ figures / drawn.sum(axis=1)
    freedom = max(num - 1, 1)
    reach = _student(0.5 + confidence / 2, freedom) * sqrt((num + 2) / freedom)
    low, high = np.quantile(means, [NormalDist().cdf(-reach), NormalDist().cdf(reach)])
    mean = float(values.mean())
    return Interval(mean, float(min(low, mean)), float(max(high, mean)), num, METHOD)


def _student(level: float, freedom: int) -> float:
    """Quantile of Student's t by the Cornish-Fisher expansion (good to 1% from 3 degrees of freedom)."""
    z = NormalDist().inv_cdf(level)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _variance(n: NDArray[np.int64], c: NDArray[np.int64], k: int, rule: StoppingRule | None) -> float:
    """Expected variance of the tasks' estimates, given their counts, summed."""
    counts = Counts(n, c)
    rates = counts.likelihood * likeliest_mixture(counts)  # [pairs, grid + 2]: what the counts leave open
    rates *= (counts.num_tasks / rates.sum(axis=1))[:, None]
    sizes = counts.pairs[0] if rule is None else np.zeros(len(rates))  # under a rule n is its doing, not given
    groups = [(size, rates[sizes == size].sum(axis=0)) for size in np.unique(sizes)]
    return float(sum(group[:-2] @ _variance_at_rates(counts.grid, k, rule, int(size)) for size, group in groups))


def _variance_at_rates(grid: Grid, k: int, rule: StoppingRule | None, size: int) -> Floats:
    """Variance of the estimate for each solve rate of the grid."""
    if rule is None:
        correct, wrong = np.arange(size + 1), size - np.arange(size + 1)
        log_ways = np.concatenate([[0.0], np.cumsum(np.log(wrong[:-1] / (correct[1:])))])
        estimates = pass_at_k(np.full(size + 1, size), correct, k)
    else:
        correct, wrong, log_ways = stopping_points(rule)
        estimates = pass_at_k_stopped(rule, correct, wrong, k)
    chance = np.exp(log_ways + np.outer(grid.log_p, correct) + np.outer(grid.log_q, wrong))  # [grid, points]
    return np.maximum(0.0, chance @ estimates**2 - (chance @ estimates) ** 2)
