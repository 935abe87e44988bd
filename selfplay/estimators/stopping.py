"""pass@k when sampling stopped on what it saw: the unbiased estimate for sequential binomial sampling.

A task's samples walk on the lattice of (successes, failures), one step a sample in index order, and stop at the first
point where the rule stops. The share of paths to that point that begin with k failures is the unbiased estimate of
(1 - p)^k (Girshick, Mosteller and Savage 1946, Annals of Mathematical Statistics 17: 13-23, theorem 1). The naive
estimate from the counts alone is biased there: a task that stopped on a success shows too high a share of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.estimators.passk import pass_at_k
from verifiers import Outcome

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A task goes on while it has fewer than `accepted` successes, fewer than `cap` samples, and has not given up."""

    accepted: int  # successes that are enough
    cap: int  # most samples
    give_up: tuple[int, ...]  # by successes so far (accepted entries): failures at which it stops; cap means never

    def __post_init__(self) -> None:
        if self.accepted < 1 or self.cap < 1 or len(self.give_up) != self.accepted or min(self.give_up) < 1:
            raise ValueError(
                f"{self}: accepted and cap must be at least 1, and give_up needs one number above 0 for each count of "
                "successes below accepted"
            )

    @classmethod
    def until(cls, accepted: int, cap: int, give_up_failures: int = 0) -> "StoppingRule":
        """Until `accepted` successes, at most `cap` samples, or `give_up_failures` failures without a success."""
        never = (cap,) * accepted
        return cls(accepted, cap, (give_up_failures or cap, *never[1:]))

    @classmethod
    def fixed(cls, num_samples: int) -> "StoppingRule":
        return cls.until(num_samples, num_samples)

    def goes_on(self, successes: int, failures: int, undecided: int = 0) -> bool:
        """Whether a task with these counts draws another sample. An undecided sample only uses up the cap."""
        return (
            successes < self.accepted
            and failures < self.give_up[successes]
            and successes + failures + undecided < self.cap
        )

    def sure_draws(self, successes: int, failures: int, undecided: int = 0) -> int:
        """Samples that will be drawn whatever their verdicts: the distance to the nearest point that stops."""
        to_give_up = min(
            (more + max(self.give_up[successes + more] - failures, 0) for more in range(self.accepted - successes)),
            default=0,
        )
        return max(0, min(self.accepted - successes, self.cap - successes - failures - undecided, to_give_up))


def stopping_point(
    rule: StoppingRule, outcomes: Iterable[Outcome], undecided_as: Outcome | None = None
) -> tuple[int, int, bool]:
    """(successes, failures, stopped) where a task's outcomes, in index order, first meet the rule.

    Samples past that point are left out. `undecided_as` counts undecided ones as CORRECT or WRONG, for bounds.
    """
    successes = failures = undecided = 0
    for outcome in outcomes:
        if not rule.goes_on(successes, failures, undecided):
            break
        if outcome is Outcome.UNDECIDED and undecided_as is not None:
            outcome = undecided_as
        successes += outcome is Outcome.CORRECT
        failures += outcome is Outcome.WRONG
        undecided += outcome is Outcome.UNDECIDED
    return successes, failures, not rule.goes_on(successes, failures, undecided)


def pass_at_k_stopped(rule: StoppingRule, successes: ArrayLike, failures: ArrayLike, k: int) -> Floats:
    """pass@k of each task that stopped at (successes, failures), shape [tasks]; unbiased for every solve rate.

    nan for every task where k failures in a row are more than the rule ever draws: (1 - p)^k then has no estimate.
    A point that the rule cannot stop at (a run that was cut short) is nan too.
    """
    s, f = np.atleast_1d(np.asarray(successes)), np.atleast_1d(np.asarray(failures))
    if rule.accepted == rule.cap and min(rule.give_up) >= rule.cap:  # a fixed number: the closed form
        return np.where(s + f == rule.cap, pass_at_k(s + f, s, k), np.nan)
    if k > min(rule.cap, rule.give_up[0]):
        return np.full(s.shape, np.nan)
    everything, after_failures = log_paths(rule, 0), log_paths(rule, k)
    inside = (s >= 0) & (s <= rule.accepted) & (f >= 0) & (f <= rule.cap)
    at = np.where(inside, s, 0), np.where(inside, f, 0)
    total = np.where(inside, everything[at], -np.inf)
    with np.errstate(invalid="ignore"):
        estimate = 0.0 - np.expm1(after_failures[at] - total)
    return np.where(np.isfinite(total) & _stops(rule)[at], estimate, np.nan)


def pass_at_k_of_runs(rule: StoppingRule, runs: Sequence[Sequence[Outcome]], k: int) -> tuple[Floats, Floats, Floats]:
    """pass@k of each task from its outcomes in index order: the estimate, and its bounds over the undecided samples.

    The estimate leaves undecided samples out (they only used up the cap). The bounds replay the rule with every one
    taken for wrong, and for correct; where the rule would then have gone on, the upper bound is 1. nan as in
    `pass_at_k_stopped`, and for a task that has not stopped.
    """
    estimates, lows, highs = np.full((3, len(runs)), np.nan)
    for place, outcomes in enumerate(runs):
        successes, failures, stopped = stopping_point(rule, outcomes)
        if not stopped:
            continue
        undecided = sum(outcome is Outcome.UNDECIDED for outcome in outcomes)
        cap = rule.cap - undecided
        if cap > 0:
            left = (
                StoppingRule(rule.accepted, cap, tuple(min(limit, cap) for limit in rule.give_up))
                if undecided
                else rule
            )
            estimates[place] = pass_at_k_stopped(left, successes, failures, k)[0]
        worst = stopping_point(rule, outcomes, Outcome.WRONG)
        best = stopping_point(rule, outcomes, Outcome.CORRECT)
        lows[place] = pass_at_k_stopped(rule, worst[0], worst[1], k)[0]
        highs[place] = pass_at_k_stopped(rule, best[0], best[1], k)[0] if best[2] else 1.0
    return estimates, lows, highs


@lru_cache(maxsize=256)
def log_paths(rule: StoppingRule, first_failures: int) -> Floats:
    """Logarithm of the number of ways to reach each point, shape [accepted + 1, cap + 1], that begin with failures.

    Only points that go on are passed through. Entry [s, f] is -inf where no such path arrives.
    """
    stops = _stops(rule)
    paths = np.full(stops.shape, -np.inf)
    paths[0, first_failures] = 0.0
    for f in range(first_failures, rule.cap + 1):
        for s in range(rule.accepted + 1):
            if f > first_failures and not stops[s, f - 1]:
                paths[s, f] = np.logaddexp(paths[s, f], paths[s, f - 1])
            if s > 0 and not stops[s - 1, f]:
                paths[s, f] = np.logaddexp(paths[s, f], paths[s - 1, f])
    paths.setflags(write=False)
    return paths


@lru_cache(maxsize=256)
def _stops(rule: StoppingRule) -> NDArray[np.bool_]:
    """Where the rule stops, shape [accepted + 1, cap + 1]."""
    s, f = np.ogrid[: rule.accepted + 1, : rule.cap + 1]
    limit = np.append(rule.give_up, 0)[:, None]
    return (f >= limit) | (s + f >= rule.cap)


def stopping_points(rule: StoppingRule) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Every (successes, failures) where the rule can stop, and the logarithm of the number of paths to it."""
    reached = log_paths(rule, 0)
    s, f = np.nonzero(_stops(rule) & np.isfinite(reached))
    return s, f, reached[s, f]


def samples_drawn(rule: StoppingRule, solve_rate: float) -> float:
    """Samples that a task of this solve rate draws on average under the rule."""
    s, f, paths = stopping_points(rule)
    chance = np.exp(paths + _times_log(s, solve_rate) + _times_log(f, 1.0 - solve_rate))
    return float(np.sum(chance * (s + f)))


def _times_log(counts: Sequence[int] | NDArray[np.int64], share: float) -> Floats:
    """counts * log(share), with 0 log 0 = 0."""
    counts = np.asarray(counts, dtype=float)
    return counts * np.log(share) if share > 0 else np.where(counts > 0, -np.inf, 0.0)
