"""pass@k: the chance that at least one of k samples of a task is correct, from n >= k samples of it.

Every function takes counts, one entry a task: `num_samples` (decided samples, n) and `num_correct` (c of them).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> Floats:
    """pass@k of each task, shape [tasks]; nan where n < k, where it has no unbiased estimate.

    1 - C(n - c, k) / C(n, k) (Chen et al. 2021, section 2.1): unbiased when n was fixed before sampling; for samples
    that stop on what they saw, see selfplay.stopping.
    """
    n, c = checked_counts(num_samples, num_correct)
    if k < 1:
        raise ValueError(f"k is {k}; pass@k needs k of at least 1")
    # C(n - c, k) / C(n, k) is symmetric in c and k; the product over the smaller one has fewer factors, and its
    # relative error only matters while the product is not yet small.
    steps, other = np.minimum(c, k), np.maximum(c, k)
    none_correct = np.ones(n.shape)
    for step in range(int(steps.max(initial=0))):
        alive = step < steps
        factor = np.maximum(n - other - step, 0) / np.maximum(n - step, 1)
        none_correct = np.where(alive, none_correct * factor, none_correct)
    return np.where(n >= k, 1.0 - none_correct, np.nan)


def pass_at_every_k(num_samples: ArrayLike, num_correct: ArrayLike, max_k: int | None = None) -> Floats:
    """pass@1 to pass@max_k of each task, shape [tasks, max_k]; nan where n < k. max_k defaults to the largest n."""
    n, c = checked_counts(num_samples, num_correct)
    draws = np.arange(n.max(initial=0) if max_k is None else max_k)
    factors = np.maximum((n - c)[:, None] - draws, 0) / np.maximum(n[:, None] - draws, 1)
    none_correct = np.cumprod(factors, axis=1, out=factors)
    return np.where(draws < n[:, None], 1.0 - none_correct, np.nan)


@dataclass(frozen=True, slots=True)
class Mean:
    """A macro average: every task counts the same, however many samples it has."""

    value: float  # nan where no task defines it
    num_tasks: int  # tasks that define it


def mean_pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> Mean:
    """pass@k averaged over the tasks with n >= k."""
    return macro_average(pass_at_k(num_samples, num_correct, k))


def macro_average(per_task: ArrayLike) -> Mean:
    """The average over the tasks where the figure is defined (not nan)."""
    values = np.asarray(per_task, dtype=float)
    defined = values[~np.isnan(values)]
    return Mean(float(defined.mean()) if defined.size else float("nan"), int(defined.size))


def checked_counts(num_samples: ArrayLike, num_correct: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts as arrays; ValueError names the first task whose counts cannot be."""
    n, c = np.atleast_1d(np.asarray(num_samples, dtype=np.int64)), np.atleast_1d(np.asarray(num_correct, dtype=np.int64))
    if n.shape != c.shape or n.ndim != 1:
        raise ValueError(f"num_samples and num_correct need one entry a task each, not shapes {n.shape} and {c.shape}")
    wrong = np.flatnonzero((c < 0) | (c > n))
    if wrong.size:
        first = wrong[0]
        raise ValueError(f"task {first} has {c[first]} correct of {n[first]} samples; correct must lie in 0 to samples")
    return n, c
