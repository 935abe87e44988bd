"""What a stopping rule brings from tasks whose solve rates are only known by a pilot: samples, correct traces, solved tasks.

The spread of solve rates over tasks comes as draws from its posterior after the pilot's counts, over the families of
`forecast`. Under each draw the expectation over stopping points is exact; over the draws it has an interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.estimators.forecast import posterior_draws
from selfplay.estimators.solve_rates import Counts
from selfplay.estimators.stopping import StoppingRule, stopping_points

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Draws of the distribution of solve rates, all equally likely."""

    rates: Floats  # solve rates of the grid, shape [points]
    weights: Floats  # their probabilities under each draw, shape [draws, points]

    @classmethod
    def after(cls, num_samples: ArrayLike, num_correct: ArrayLike, num_draws: int = 400) -> "Spread":
        """After a pilot's decided samples and correct ones, one entry a task."""
        counts = Counts(num_samples, num_correct)
        shares, weights = posterior_draws(counts)
        chosen = np.random.default_rng(0).choice(len(shares), num_draws, p=shares / shares.sum())
        return cls(np.append(np.exp(counts.grid.log_p), [0.0, 1.0]), weights[chosen])

    def mean(self, of_rate: Floats) -> Floats:
        """The mean over tasks of a figure that depends on the solve rate, shape [draws]; of_rate: shape [points]."""
        return self.weights @ of_rate

    def pass_at(self, k: int) -> Floats:
        """Share of tasks that k samples solve, shape [draws]."""
        return self.mean(1.0 - (1.0 - self.rates) ** k)

    def informative(self, low: float = 0.1, high: float = 0.9) -> Floats:
        """Share of tasks whose solve rate lies between two bounds, shape [draws]."""
        return self.mean(((self.rates > low) & (self.rates < high)).astype(float))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Means a task, under each draw of a spread: shape [draws]."""

    correct: Floats  # correct samples
    wrong: Floats
    kept: Floats  # correct ones, at most so many a task
    solved: Floats  # share of tasks with a correct sample


def expected_outcome(rule: StoppingRule, spread: Spread, most_kept: int = 0) -> Outcome:
    """What a task brings under the rule. most_kept: correct traces that are kept of a task; 0: all."""
    s, f, paths = stopping_points(rule)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p, log_q = np.log(spread.rates), np.log1p(-spread.rates)
        chance = np.exp(
            paths[:, None]
            + np.where(s[:, None] > 0, s[:, None] * log_p, 0.0)
            + np.where(f[:, None] > 0, f[:, None] * log_q, 0.0)
        )  # [stopping points, points]
    kept = np.minimum(s, most_kept) if most_kept else s
    return Outcome(*(spread.mean(figure @ chance) for figure in (s, f, kept, s > 0)))
