"""A forecast of pass@k for k far beyond the samples drawn.

Two views are joined. Families of solve rates (selfplay.priors) are averaged by how well they explain the counts
(Bayesian model averaging); some of them let a share of the tasks be impossible. Beside them stands the power law
-log pass@k = A * k ** -b, fitted by least squares to the curve that was measured (Brown et al. 2024, section 3.1), which
assumes no family: it is steadier where the data say little about the family, and stands where they reject every single
one. Neither counts nor curve can tell an impossible task from a very hard one for sure: the interval says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import lgamma
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.estimators.passk import checked_counts, pass_at_every_k
from selfplay.estimators.solve_rates import (
    BETA,
    GENERAL,
    KUMARASWAMY,
    LOGIT_NORMAL,
    TWO_BETAS,
    Counts,
    Family,
    most_probable,
)
from selfplay.estimators.stopping import StoppingRule, pass_at_k_stopped

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """log(-log pass@k) = level + slope * log k."""

    coefficients: Floats  # level, slope
    covariance: Floats  # [2, 2], over tasks

    def at(self, k: int, deviations: float = 0.0) -> float:
        """pass@k, raised by so many standard errors."""
        direction = np.array([1.0, np.log(k)])
        spread = np.sqrt(direction @ self.covariance @ direction)
        return float(np.exp(-np.exp(direction @ self.coefficients - deviations * spread)))

    def exponent(self, deviations: float) -> tuple[float, float, float]:
        b, spread = -self.coefficients[1], deviations * np.sqrt(self.covariance[1, 1])
        return float(b - spread), float(b), float(b + spread)


def fit_power_law(ks: NDArray[np.int64], curves: Floats) -> PowerLaw | None:
    """The least-squares line through the mean of the curves [tasks, ks].

    None where fewer than 4 points lie strictly between 0 and 1. The covariance is that of the mean over tasks, carried
    through the fit to first order.
    """
    mean = curves.mean(axis=0) if len(curves) else np.zeros(len(ks))
    within = (mean > 0.0) & (mean < 1.0)
    if within.sum() < 4 or len(curves) < 2:
        return None
    ks, mean, curves = ks[within], mean[within], curves[:, within]
    fit = np.linalg.pinv(np.stack([np.ones(len(ks)), np.log(ks)], axis=1))
    influence = ((curves - mean) / (mean * np.log(mean))) @ fit.T
    return PowerLaw(fit @ np.log(-np.log(mean)), np.atleast_2d(np.cov(influence.T)) / len(curves))


def measure(
    n: NDArray[np.int64], c: NDArray[np.int64], rule: StoppingRule | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Up to 20 values of k, evenly spaced in log k, that every task measures, and pass@k there, shape [tasks, ks]."""
    most = int(n.min()) if rule is None else min(rule.cap, rule.give_up[0])
    ks = np.unique(np.round(np.geomspace(1, max(1, most), 20)).astype(int))
    if rule is None:
        return ks, pass_at_every_k(n, c, most)[:, ks - 1]
    curves = np.stack([pass_at_k_stopped(rule, c, n - c, int(k)) for k in ks], axis=1)
    return ks, curves[~np.isnan(curves).any(axis=1)]


# Prior probability of each family. The beta is what the field fits; half of the weight lets some tasks be impossible.
_PLAIN = {BETA: 0.8 * 4 / 7, KUMARASWAMY: 0.8 / 7, GENERAL: 0.8 / 7, LOGIT_NORMAL: 0.8 / 7, TWO_BETAS: 0.2}
LIKELY = 0.85  # probability of impossible tasks from which the value counts them in, fully at 1
PLAUSIBLE = 0.2  # and from which the interval reaches as low as they would have it
FAIR = 0.05  # probability of a family from which the interval holds that family's own
CURVE_ERROR = 0.0085  # by about how much the power law is off by itself when it is extended a hundredfold
SWITCH = 16  # how sharply the value goes from the families to the power law where their spread passes that error
SHARPNESS = 2  # power of a family's probability in the value: an average over rivals that explain less only adds error
TOO_WIDE = 0.15  # width of an interval that supports no plan
NUM_DRAWS = 500


@dataclass(frozen=True, slots=True)
class Forecast:
    """pass@k for one k, averaged over tasks."""

    k: int
    value: float
    low: float  # the interval is meant for these tasks and for a fresh set of tasks of their kind alike
    high: float
    supported: bool  # False: the interval is too wide to plan on the value


@dataclass(frozen=True, slots=True)
class Forecasts:
    points: tuple[Forecast, ...]  # by rising k
    exponent: tuple[float, float, float]  # b of the power law over the measured range: low, value, high; nan if unfit
    tail: tuple[
        float, float, float
    ]  # exponent of the unsolved share as k grows without end, over the families with one
    impossible: float  # probability that some tasks cannot be solved, from even odds
    families: dict[str, float]  # name -> probability after the counts
    notes: tuple[str, ...]  # what the data cannot support


def forecast(
    num_samples: ArrayLike,
    num_correct: ArrayLike,
    ks: Sequence[int],
    rule: StoppingRule | None = None,
    confidence: float = 0.9,
    plain_curve: bool = True,
) -> Forecasts:
    """pass@k for each k, from decided samples and correct ones, one entry a task. About a second for 1,000 tasks.

    `rule`: how sampling stopped, where it looked at verdicts. plain_curve=False: it looked at them in a way that no rule
    describes (a budget shared by tasks); the families stand alone then, since a likelihood does not ask how it stopped.
    """
    n, c = checked_counts(num_samples, num_correct)
    n, c = n[n > 0], c[n > 0]
    if not n.size:
        raise ValueError("a forecast needs at least one task with a decided sample; there is none")
    members = _posterior(Counts(n, c))
    ks_measured, curves = measure(n, c, rule) if rule or plain_curve else (np.array([1]), np.zeros((0, 1)))
    curve = fit_power_law(ks_measured, curves)
    measured = float(curves[:, -1].mean()) if len(curves) else 0.0
    margin = (1.0 - confidence) / 2
    points: list[Forecast] = []
    for k in sorted(set(ks)):
        point = _at(k, members, curve, margin)
        # pass@k never falls; the two views are weighed anew at each k
        before = points[-1] if points else Forecast(0, 0.0, 0.0, 0.0, True)
        value = max(point.value, before.value, measured if k >= ks_measured[-1] else 0.0)
        low, high = max(point.low, before.low), max(point.high, before.high, value)
        points.append(Forecast(k, value, low, high, point.supported))
    power_laws = [
        (member, member.tails) for member in members if member.family.components is not LOGIT_NORMAL.components
    ]
    tail = _quantiles(power_laws, [margin, 0.5, 1.0 - margin])
    return Forecasts(
        tuple(points),
        curve.exponent(_deviations(margin)) if curve else (np.nan, np.nan, np.nan),
        tuple(tail.tolist()),
        _share(members, lambda family: family.impossible),
        {member.family.name: member.probability for member in members},
        tuple(_notes(n, c, members, curve, points)),
    )


@dataclass(frozen=True, slots=True)
class _Member:
    """One family after the counts: its probability and weighted draws from its posterior."""

    family: Family
    probability: float
    shares: Floats  # weight of each draw, sum 1
    weights: Floats  # [draws, grid + 2]
    tails: Floats  # exponent of each draw; without meaning for the logit-normal families
    counts: Counts

    def tasks_like_these(self, none: Floats) -> Floats:
        """pass@k of each draw's distribution; none: (1 - p) ** k on the grid."""
        return 1.0 - self.weights @ none

    def these_tasks(self, none: Floats) -> Floats:
        """pass@k of the very tasks that were counted, one value a draw: each task's rate is drawn given its count.

        By the normal approximation to the sum over tasks.
        """
        likelihood, num_tasks = self.counts.likelihood.T, self.counts.num_tasks
        total = np.maximum(self.weights @ likelihood, 1e-300)
        mean = (self.weights * none) @ likelihood / total
        square = (self.weights * none**2) @ likelihood / total
        spread = np.sqrt(np.maximum(square - mean**2, 0.0) @ num_tasks)
        noise = np.random.default_rng(1).standard_normal(len(spread))
        return np.clip(1.0 - (mean @ num_tasks + noise * spread) / num_tasks.sum(), 0.0, 1.0)


def posterior_draws(counts: Counts) -> tuple[Floats, Floats]:
    """Draws from what the counts leave open about the spread of solve rates, over all families.

    Returns the weight of each draw, shape [draws], sum 1, and its probabilities on the grid of the counts, with those of
    p = 0 and p = 1 at the end, shape [draws, grid + 2].
    """
    members = _posterior(counts)
    shares = np.concatenate([member.probability * member.shares for member in members])
    return shares / shares.sum(), np.concatenate([member.weights for member in members])


def _posterior(counts: Counts) -> list[_Member]:
    families = {**_PLAIN, **{family.with_impossible(): share for family, share in _PLAIN.items()}}
    drawn = [_draw(counts, family) for family in families]
    log_odds = np.array([evidence for evidence, *_ in drawn]) + np.log(list(families.values()))
    odds = np.exp(log_odds - log_odds.max())
    return [
        _Member(family, float(probability), shares, weights, np.exp(parameters[:, 0]), counts)
        for family, probability, (_, shares, weights, parameters) in zip(
            families, odds / odds.sum(), drawn, strict=False
        )
    ]


def _draw(counts: Counts, family: Family) -> tuple[float, Floats, Floats, Floats]:
    """Log evidence; share, grid probabilities and parameters of draws by importance sampling.

    The proposal is Student's t with 5 degrees of freedom about the mode; where it fits badly, a second one is fitted to
    the first one's draws.
    """
    mode = most_probable(counts, family)
    center, covariance = mode.parameters, 1.3 * mode.covariance
    random, d, freedom = np.random.default_rng(0), len(family.prior), 5
    for _ in range(3):
        root = np.linalg.cholesky(covariance)
        normal, chi = random.standard_normal((NUM_DRAWS, d)), random.chisquare(freedom, NUM_DRAWS) / freedom
        parameters = center + (normal / np.sqrt(chi)[:, None]) @ root.T
        log_density = (
            lgamma((freedom + d) / 2) - lgamma(freedom / 2) - d / 2 * np.log(freedom * np.pi)
            - np.log(np.diag(root)).sum() - (freedom + d) / 2 * np.log1p((normal**2).sum(axis=1) / chi / freedom)
        )  # fmt: skip
        log_posterior, weights = family.log_posterior(counts, parameters)
        log_ratio = log_posterior - log_density
        ratio = np.exp(log_ratio - log_ratio.max())
        shares = ratio / ratio.sum()
        if 1.0 / np.sum(shares**2) > NUM_DRAWS / 5:
            break
        center = shares @ parameters
        away = parameters - center
        covariance = (away * shares[:, None]).T @ away + 1e-3 * covariance
    return float(log_ratio.max() + np.log(ratio.mean())), shares, weights, parameters


def _at(k: int, members: list[_Member], curve: PowerLaw | None, margin: float) -> Forecast:
    none = members[0].counts.grid.chance_of_none(k)
    levels = [margin, 0.5, 1.0 - margin]
    like = [(member, member.tasks_like_these(none)) for member in members]
    these = [(member, member.these_tasks(none)) for member in members]
    impossible = _share(members, lambda family: family.impossible)
    inflated = _quantiles([pair for pair in like if pair[0].family.impossible], levels)
    one_kind = [pair for pair in like if _one_kind(pair[0].family)]
    low, value, high = _quantiles(one_kind, levels, SHARPNESS)
    lows, highs = [], []
    # Where two kinds of task are needed as well, impossible ones and the tail of the hard kind look the same.
    of_one_kind = _share(members, lambda family: family.impossible and family.components is not TWO_BETAS.components)
    certainty = max(0.0, (impossible - LIKELY) / (1.0 - LIKELY)) if of_one_kind > impossible / 2 else 0.0
    if curve:
        to_curve = _trust_in_curve(members, (high - low) / (2 * _deviations(margin)))
        value = (1.0 - to_curve) * value + to_curve * curve.at(k)
        if certainty < 0.5:
            lows.append(curve.at(k, -_deviations(margin)))
            highs.append(curve.at(k, _deviations(margin)))
    value = (1.0 - certainty) * value + certainty * inflated[1]
    if impossible > PLAUSIBLE:
        lows.append(inflated[0])
    # Each family that explains the counts fairly well has its say about the ends, however well another one does.
    alone = [[pair] for pair in like if pair[0].family in _PLAIN and pair[0].probability > FAIR]
    for spread in (_quantiles(pairs, levels) for pairs in (like, these, *alone)):
        lows.append(spread[0])
        highs.append(spread[2])
    low, high = float(min(*lows, value)), float(max(*highs, value))
    return Forecast(k, float(value), low, high, high - low <= TOO_WIDE)


def _trust_in_curve(members: list[_Member], deviation: float) -> float:
    """Weight of the power law against the families of one kind of task, whose value has this standard deviation.

    The families decide where their own spread is small against the curve's error, unless the counts say that there is
    more than one kind of task.
    """
    from_spread = 1.0 / (1.0 + (CURVE_ERROR / max(deviation, 1e-4)) ** SWITCH)
    one = _share(members, _one_kind)
    single = one / (one + _share(members, lambda family: family is TWO_BETAS))
    return 1.0 - single * (1.0 - from_spread)


def _one_kind(family: Family) -> bool:
    return family in _PLAIN and family is not TWO_BETAS


def _share(members: list[_Member], which: Callable[[Family], bool]) -> float:
    return sum(member.probability for member in members if which(member.family))


def _quantiles(values: list[tuple[_Member, Floats]], levels: list[float], sharpness: int = 1) -> Floats:
    """Quantiles of one value a draw, families weighed by this power of their probability."""
    joined = np.concatenate([drawn for _, drawn in values])
    most = (
        max(member.probability for member, _ in values) or 1.0
    )  # of these families; a power of it may vanish by itself
    shares = np.concatenate([(member.probability / most) ** sharpness * member.shares for member, _ in values])
    order = np.argsort(joined)
    cumulative = np.cumsum(shares[order])
    place = np.searchsorted(cumulative / cumulative[-1], levels)
    return joined[order][np.minimum(place, len(joined) - 1)]


def _deviations(margin: float) -> float:
    return NormalDist().inv_cdf(1.0 - margin)


def _notes(
    n: NDArray[np.int64], c: NDArray[np.int64], members: list[_Member], curve: PowerLaw | None, points: list[Forecast]
) -> Iterator[str]:
    unsolved, impossible = int(np.sum(c == 0)), _share(members, lambda family: family.impossible)
    if unsolved == len(n):
        yield "no sample is correct: nothing tells hard tasks from impossible ones"
    elif unsolved and 0.1 < impossible < 0.9:
        yield f"the counts cannot tell whether some of the {unsolved} unsolved tasks are impossible (odds {impossible:.2f})"
    if curve is None:
        yield "fewer than 4 points of the measured curve lie between 0 and 1: no power law is fitted"
    wide = [point.k for point in points if not point.supported]
    if wide:
        yield f"the interval is wider than {TOO_WIDE} from k = {wide[0]}: draw more samples of the unsolved tasks first"
