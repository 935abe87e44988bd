"""pass@k: the chance that at least one of k samples of a task is correct, from n >= k samples of it.

Every function takes counts, one entry a task: `num_samples` (decided samples, n) and `num_correct` (c of them).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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


def pass_at_k_bounds(
    num_samples: ArrayLike, num_correct: ArrayLike, num_undecided: ArrayLike, k: int
) -> tuple[Floats, Floats]:
    """pass@k of each task if every undecided sample were wrong, and if every one were correct."""
    undecided = np.atleast_1d(np.asarray(num_undecided, dtype=np.int64))
    n, c = checked_counts(np.add(num_samples, undecided), num_correct)
    return pass_at_k(n, c, k), pass_at_k(n, c + undecided, k)


def best_of_k(correct: ArrayLike, logprobs: ArrayLike, k: int) -> float:
    """Chance that the likeliest of k samples of one task is correct; nan where there are fewer than k.

    Exact over all choices of k of the samples: the one of rank r (from 0) is the likeliest of C(n - 1 - r, k - 1) of
    the C(n, k) choices. Equal log-probabilities share their ranks.
    """
    right, scores = np.asarray(correct, dtype=float), np.asarray(logprobs, dtype=float)
    n = len(right)
    if k < 1 or scores.shape != right.shape or np.isnan(scores).any():
        raise ValueError(f"best-of-{k} needs k of at least 1 and a log-probability for each of the {n} samples")
    if n < k:
        return float("nan")
    _, ties = np.unique(-scores, return_inverse=True)
    share = np.bincount(ties, right) / np.bincount(ties)
    return float(np.bincount(np.sort(ties), _chance_of_ranks(n, k)) @ share)


def majority_at_k(
    answers: Sequence[str] | NDArray[Any], correct: ArrayLike, k: int, num_choices: int = 2000, no_vote: Any = ""
) -> float:
    """Chance that the most frequent answer among k samples of one task is correct; nan where there are fewer than k.

    Over `num_choices` random choices of k samples (standard error at most 0.5 / sqrt(num_choices)), always the same
    ones; exact for k = 1. The answer `no_vote` is none; a tie is drawn by lot; no vote at all is wrong.
    """
    right = np.asarray(correct, dtype=float)
    n = len(right)
    if k < 1 or len(answers) != n:
        raise ValueError(
            f"majority@{k} needs k of at least 1 and an answer for each of the {n} samples, not {len(answers)}"
        )
    if n < k:
        return float("nan")
    if k == 1:
        return float(np.mean(right * (np.asarray(answers) != no_vote)))
    names, which = np.unique(np.asarray(answers), return_inverse=True)
    share = np.bincount(which, right) / np.bincount(which)  # of an answer's samples, those judged correct
    chosen = which[_choices(n, k, num_choices)] + len(names) * np.arange(num_choices)[:, None]
    votes = np.bincount(chosen.ravel(), minlength=num_choices * len(names)).reshape(num_choices, -1).astype(float)
    votes[:, names == no_vote] = 0.0
    most = votes.max(axis=1, keepdims=True)
    winners = (votes == most) & (most > 0)
    return float(np.mean(winners @ share / np.maximum(winners.sum(axis=1), 1)))


@lru_cache(maxsize=64)
def _chance_of_ranks(n: int, k: int) -> Floats:
    """Chance that the sample of each rank is the likeliest of k of n, shape [n]."""
    return np.diff(pass_at_k(np.full(n + 1, n), np.arange(n + 1), k))


@lru_cache(maxsize=8)
def _choices(n: int, k: int, num_choices: int) -> NDArray[np.int64]:
    """Random choices of k of n, shape [num_choices, k]."""
    return np.argsort(np.random.default_rng(0).random((num_choices, n)), axis=1)[:, :k]


def right_at_k(
    num_samples: ArrayLike, num_accepted: ArrayLike, k: int, false_accept: float, false_reject: float = 0.0
) -> Floats:
    """Chance that the first accepted of k samples is truly right, by task, when the verifier errs; nan where n < k.

    A wrong sample is accepted with probability `false_accept` (f), a right one refused with `false_reject` (1 - t). A
    sample is accepted with probability a = p t + (1 - p) f, so that the chance is
    t / (t - f) * (1 - f / a) * (1 - (1 - a)^k), of which
    t / (t - f) * (pass@k - f * sum of (1 - a)^j over j < k) is the unbiased estimate. That of a task that was accepted
    less often than f can be below 0: average over tasks.
    """
    t, f = _verifier_rates(false_accept, false_reject)
    n, c = checked_counts(num_samples, num_accepted)
    none = np.ones((len(n), k))
    none[:, 1:] -= pass_at_every_k(n, c, k - 1)
    return t / (t - f) * (pass_at_k(n, c, k) - f * none.sum(axis=1))


def resampling_cap(
    solve_rates: ArrayLike, false_accept: float, false_reject: float = 0.0, weights: ArrayLike | None = None
) -> float:
    """What `right_at_k` cannot pass however large k is, over tasks of these true solve rates (Stroebl et al. 2024).

    Resampling stops at the first accepted sample, and of a hard task's accepted samples most are false.
    """
    t, f = _verifier_rates(false_accept, false_reject)
    p = np.asarray(solve_rates, dtype=float)
    accepted = p * t + (1.0 - p) * f
    right = np.divide(p * t, accepted, out=np.zeros_like(p), where=accepted > 0)
    return float(np.average(right, weights=weights))


def _verifier_rates(false_accept: float, false_reject: float) -> tuple[float, float]:
    if not 0 <= false_accept < 1 - false_reject <= 1:
        raise ValueError(
            f"false_accept {false_accept} and false_reject {false_reject} must be shares, and a right sample must be "
            "accepted more often than a wrong one"
        )
    return 1.0 - false_reject, false_accept


def checked_counts(num_samples: ArrayLike, num_correct: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts as arrays; ValueError names the first task whose counts cannot be."""
    n, c = (
        np.atleast_1d(np.asarray(num_samples, dtype=np.int64)),
        np.atleast_1d(np.asarray(num_correct, dtype=np.int64)),
    )
    if n.shape != c.shape or n.ndim != 1:
        raise ValueError(f"num_samples and num_correct need one entry a task each, not shapes {n.shape} and {c.shape}")
    wrong = np.flatnonzero((c < 0) | (c > n))
    if wrong.size:
        first = wrong[0]
        raise ValueError(f"task {first} has {c[first]} correct of {n[first]} samples; correct must lie in 0 to samples")
    return n, c
