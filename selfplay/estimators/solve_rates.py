"""How solve rates spread over the tasks of a run, fitted to counts of correct samples.

A component of the spread has the density

    shape / B(tail / shape, top) * p ** (tail - 1) * (1 - p ** shape) ** (top - 1),    0 < p < 1

(the generalized beta of the first kind, McDonald 1984, Econometrica 52: 647-663). shape = 1 is the beta distribution,
shape = tail is Kumaraswamy's; as p ** shape is then beta distributed, 1 / shape can be read as a number of steps that
must all succeed. Near zero the density is a power law, so the unsolved share falls as k ** -tail in the end (Schaeffer
et al. 2025). Beside these stands the normal distribution of logit p, which has fewer hard tasks than any power law. A
family may hold two components (an easy and a hard kind of task) and a share of impossible tasks.

The likelihood p ** c * (1 - p) ** (n - c) holds for any n, and for samples that stopped on what they saw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.estimators.passk import checked_counts

Floats = NDArray[np.float64]

LOWEST, HIGHEST = -22.0, 14.0  # of the grid on logit p; solve rates beyond are taken for 0 and 1


class Grid:
    """Solve rates, evenly spaced on the logit scale, finely enough for tasks of up to `num_samples` samples.

    The likelihood of n samples is a bump of width at least 2 / sqrt(n) there, on which the trapezoid rule at this
    spacing is exact to nine digits.
    """

    def __init__(self, num_samples: int):
        spacing = min(0.15, 1.5 / np.sqrt(max(1, num_samples)))
        logits = np.arange(LOWEST, HIGHEST + spacing, spacing)
        self.log_p = -np.logaddexp(0.0, -logits)
        self.log_q = -np.logaddexp(0.0, logits)
        self.log_cell = np.log(spacing) + self.log_p + self.log_q  # width in p
        self.log_cell[[0, -1]] -= np.log(2.0)  # half a cell at either end

    def component(self, log_tail: Floats, log_top: Floats, log_shape: Floats) -> Floats:
        """Probabilities [draws, grid + 2] of one component; the last two are those of p = 0 and p = 1."""
        # Tasks all alike drive the parameters up without end; a component is never narrower than the grid can tell.
        tail = np.exp(np.clip(log_tail, -6.0, 4.0))[:, None]
        top, shape = np.exp(np.clip(log_top, -4.0, 7.0))[:, None], np.exp(np.clip(log_shape, -3.0, 1.5))[:, None]
        log_scale = np.log(shape) - log_beta(tail / shape, top)
        log_rest = np.log(-np.expm1(np.minimum(shape * self.log_p, -1e-300)))  # log(1 - p ** shape)
        inner = np.exp(log_scale + (tail - 1.0) * self.log_p + (top - 1.0) * log_rest + self.log_cell)
        first = log_scale + tail * self.log_p[0] + (top - 1.0) * log_rest[:, :1]
        below = np.exp(first) / tail  # mass below the grid: the power law, integrated
        total = inner.sum(axis=1, keepdims=True) + below
        above = np.maximum(0.0, 1.0 - total)
        return np.concatenate([inner, below, above], axis=1) / (total + above)

    def chance_of_none(self, k: float) -> Floats:
        """(1 - p) ** k at each point, shape [grid + 2]."""
        return np.append(np.exp(k * self.log_q), [1.0, 0.0])


class Counts:
    """What a run saw: each distinct (samples, correct) once, with the tasks that have it and its likelihood."""

    def __init__(self, num_samples: ArrayLike, num_correct: ArrayLike):
        n, c = checked_counts(num_samples, num_correct)
        self.pairs, self.num_tasks = np.unique(np.stack([n, c]), axis=1, return_counts=True)
        samples, correct = self.pairs
        wrong = samples - correct
        self.grid = Grid(int(n.max(initial=1)))
        log_likelihood = np.outer(correct, self.grid.log_p) + np.outer(wrong, self.grid.log_q)
        scale = log_likelihood.max(axis=1, initial=-np.inf)
        at_zero, at_one = (np.exp(np.where(against == 0, -scale, -np.inf)) for against in (correct, wrong))
        inner = np.exp(log_likelihood - scale[:, None])
        self.likelihood = np.concatenate(
            [inner, at_zero[:, None], at_one[:, None]], axis=1
        )  # [pairs, grid + 2], scaled
        self._log_scale = float(scale @ self.num_tasks)

    def log_likelihood(self, weights: Floats) -> Floats:
        """Of distributions given as probabilities [draws, grid + 2], shape [draws]."""
        return np.log(np.maximum(weights @ self.likelihood.T, 1e-300)) @ self.num_tasks + self._log_scale


# Beliefs before any sample: mean and standard deviation of the logarithm of each parameter (of a share, its logit).
# A solution has steps that must all succeed, so a shape below 1 is expected; the rest is wide.
TAIL, TOP, SHAPE = (-1.0, 0.8), (0.7, 1.0), (-0.7, 0.5)
HARD_TOP, EASY_TAIL, EASY_TOP = (2.0, 1.2), (0.5, 0.6), (0.7, 0.8)
MEAN, DEVIATION = (-1.0, 1.5), (0.5, 0.5)  # of logit p
EASY_SHARE, IMPOSSIBLE_SHARE = (0.0, 1.0), (-1.7, 1.0)


@dataclass(frozen=True, slots=True)
class Family:
    """A set of distributions with a prior over its parameters."""

    name: str
    components: Callable[[Grid, Floats], Floats]  # parameters [draws, d] -> probabilities [draws, grid + 2]
    prior: tuple[tuple[float, float], ...]  # mean and standard deviation of each of the d parameters
    impossible: bool = False  # the last parameter is the logit of a share of tasks that cannot be solved

    @property
    def means(self) -> Floats:
        return np.array(self.prior)[:, 0]

    @property
    def deviations(self) -> Floats:
        return np.array(self.prior)[:, 1]

    def with_impossible(self) -> "Family":
        return Family(f"{self.name}, some impossible", self.components, (*self.prior, IMPOSSIBLE_SHARE), True)

    def weights(self, grid: Grid, parameters: Floats) -> Floats:
        """Probabilities [draws, grid + 2] of distributions with parameters [draws, d]."""
        weights = self.components(grid, parameters)
        if self.impossible:
            share = 1.0 / (1.0 + np.exp(-parameters[:, -1:]))
            weights *= 1.0 - share
            weights[:, -2:-1] += share
        return weights

    def log_posterior(self, counts: Counts, parameters: Floats) -> tuple[Floats, Floats]:
        """Log likelihood plus log prior, shape [draws], and the probabilities [draws, grid + 2]."""
        weights = self.weights(counts.grid, parameters)
        scaled = (parameters - self.means) / self.deviations
        log_prior = -0.5 * np.sum(scaled**2 + np.log(2 * np.pi * self.deviations**2), axis=1)
        return counts.log_likelihood(weights) + log_prior, weights


def _two_betas(grid: Grid, parameters: Floats) -> Floats:
    hard_tail, hard_top, easy_tail, easy_top, logit_share = parameters.T[:5]
    easy = (1.0 / (1.0 + np.exp(-logit_share)))[:, None]
    plain = np.zeros(len(parameters))
    return easy * grid.component(easy_tail, easy_top, plain) + (1.0 - easy) * grid.component(hard_tail, hard_top, plain)


def _logit_normal(grid: Grid, parameters: Floats) -> Floats:
    """The normal distribution of logit p that the Rasch model of tests has (Rasch 1960)."""
    deviation = np.exp(np.clip(parameters[:, 1:2], -1.5, 2.0))
    log_density = -0.5 * ((grid.log_p - grid.log_q - np.clip(parameters[:, :1], -15.0, 9.0)) / deviation) ** 2
    weights = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.concatenate([weights, np.zeros((len(parameters), 2))], axis=1)


BETA = Family("beta", lambda grid, x: grid.component(x[:, 0], x[:, 1], np.zeros(len(x))), (TAIL, TOP))
KUMARASWAMY = Family("Kumaraswamy", lambda grid, x: grid.component(x[:, 0], x[:, 1], x[:, 0]), (TAIL, TOP))
GENERAL = Family("generalized beta", lambda grid, x: grid.component(x[:, 0], x[:, 1], x[:, 2]), (TAIL, TOP, SHAPE))
LOGIT_NORMAL = Family("logit-normal", _logit_normal, (MEAN, DEVIATION))
TWO_BETAS = Family("two betas", _two_betas, (TAIL, HARD_TOP, EASY_TAIL, EASY_TOP, EASY_SHARE))


@dataclass(frozen=True, slots=True)
class Mode:
    """The most probable parameters of a family and the spread around them."""

    parameters: Floats  # [d]
    covariance: Floats  # [d, d], inverse of the negative second derivatives of the log posterior


def most_probable(counts: Counts, family: Family) -> Mode:
    """The mode of the posterior: Newton steps with numerical derivatives, from the best of 64 draws of the prior."""
    noise = np.random.default_rng(0).standard_normal((64, len(family.prior)))
    noise[0] = 0.0
    objective = lambda points: family.log_posterior(counts, points)[0]  # noqa: E731
    starts = family.means + family.deviations * noise
    here = starts[np.argmax(objective(starts))]
    for _ in range(50):
        value, slope, curvature = _derivatives(objective, here)
        covariance = _bounded_inverse(-curvature, 1.0 / np.max(family.deviations) ** 2)
        tries = here + (covariance @ slope) * np.array([1.0, 0.5, 0.25, 0.1, 0.02])[:, None]
        values = objective(tries)
        best = int(np.argmax(values))
        if values[best] - value < 1e-5:
            break
        here = tries[best]
    return Mode(here, covariance)


def _derivatives(
    objective: Callable[[Floats], Floats], here: Floats, width: float = 0.02
) -> tuple[float, Floats, Floats]:
    """Value, gradient and second derivatives by central differences, in one batch."""
    d = len(here)
    steps = width * np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    joint = np.array([steps[i] + steps[j] for i, j in pairs]).reshape(-1, d)
    values = objective(here + np.concatenate([np.zeros((1, d)), steps, -steps, joint, -joint]))
    middle, plus, minus = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
    both_plus, both_minus = np.split(values[2 * d + 1 :], 2)
    second = np.diag((plus - 2 * middle + minus) / width**2)
    for (i, j), mixed in zip(pairs, (both_plus - 2 * middle + both_minus) / width**2, strict=False):
        second[i, j] = second[j, i] = (mixed - second[i, i] - second[j, j]) / 2
    return float(middle), (plus - minus) / (2 * width), second


def _bounded_inverse(matrix: Floats, smallest: float) -> Floats:
    """Inverse of a symmetric matrix, its eigenvalues raised to `smallest`: no direction is wider than the prior."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors / np.maximum(values, smallest)) @ vectors.T


def likeliest_mixture(counts: Counts, num_steps: int = 300) -> Floats:
    """Probabilities [grid + 2] of the distribution that explains the counts best, of any form.

    The nonparametric maximum likelihood estimate (Laird 1978) by expectation-maximization from the uniform one. It is
    lumpy, and meant for averages over tasks.
    """
    weights = np.full(counts.likelihood.shape[1], 1.0 / counts.likelihood.shape[1])
    share = counts.num_tasks / counts.num_tasks.sum()
    for _ in range(num_steps):
        weights = weights * ((share / (counts.likelihood @ weights)) @ counts.likelihood)
    return weights / weights.sum()


@dataclass(frozen=True, slots=True)
class SolveRates:
    """One distribution of solve rates over tasks."""

    parameters: tuple[float, ...]  # of GENERAL: log tail, log top, log shape

    @classmethod
    def expected(cls) -> "SolveRates":
        """Before any sample."""
        return cls(tuple(GENERAL.means.tolist()))

    @classmethod
    def fit(cls, num_samples: ArrayLike, num_correct: ArrayLike) -> "SolveRates":
        """The most probable one after the counts, one entry a task."""
        return cls(tuple(most_probable(Counts(num_samples, num_correct), GENERAL).parameters.tolist()))

    def success_chances(self, max_successes: int, max_failures: int) -> Floats:
        """Chance that the next sample is correct after s successes and f failures, shape [s + 1, f + 1]."""
        grid = Grid(max_successes + max_failures + 1)
        weights = GENERAL.weights(grid, np.array([self.parameters]))[0]
        p = np.append(np.exp(grid.log_p), [0.0, 1.0])
        successes = p ** np.arange(max_successes + 2)[:, None]
        failures = (1.0 - p) ** np.arange(max_failures + 1)[:, None]
        joint = (successes * weights) @ failures.T
        return joint[1:] / joint[:-1]


def log_gamma(x: ArrayLike) -> Floats:
    """Logarithm of the gamma function of x > 0: Stirling's series after moving x above 8."""
    x = np.array(x, dtype=float)
    moved = np.ones_like(x)
    for _ in range(8):
        small = x < 8.0
        moved = np.where(small, moved * x, moved)
        x = np.where(small, x + 1.0, x)
    inverse = 1.0 / x
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    return (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + series - np.log(moved)


def log_beta(a: ArrayLike, b: ArrayLike) -> Floats:
    """Logarithm of the beta function."""
    return log_gamma(a) + log_gamma(b) - log_gamma(np.add(a, b))
