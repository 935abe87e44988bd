"""Rates from a stratified random sample: the share of faults in a population that was drawn from unevenly, with its interval.

The interval inverts a score test (Wilson 1927 for one stratum; Yan and Su 2010, Stratified Wilson and Newcombe confidence
intervals, for several): a rate belongs to it if the estimate lies within z standard errors, computed under that rate. The
strata's own rates are then those of greatest likelihood among all that give the tested rate, so that a stratum without a
fault still contributes its uncertainty. A stratum that was looked at whole contributes none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NUM_HALVINGS = 60
LARGEST = 1e12  # pressure at which every rate is 0 or 1 to the last digits


@dataclass(frozen=True, slots=True)
class Stratum:
    """One part of the population."""

    size: int  # members of the population
    drawn: int  # of these, drawn at random without replacement and judged
    faults: int  # of those


@dataclass(frozen=True, slots=True)
class Rate:
    """A share between 0 and 1, with its interval."""

    value: float
    low: float
    high: float


def stratified_rate(strata: Sequence[Stratum], confidence: float = 0.95) -> Rate:
    """The share of faults in the whole population. ValueError if a stratum with members has no judged one.

    Strata are few (tens); the cost is some milliseconds.
    """
    strata = [stratum for stratum in strata if stratum.size]
    if not strata:
        raise ValueError("no stratum has a member, so there is no rate")
    for stratum in strata:
        if not 0 < stratum.drawn <= stratum.size or not 0 <= stratum.faults <= stratum.drawn:
            raise ValueError(f"{stratum}: 1 to size members must be drawn, and 0 to drawn of them faulty")
    size, drawn, faults = (
        np.array([getattr(stratum, name) for stratum in strata], float) for name in ("size", "drawn", "faults")
    )
    weight = size / size.sum()
    unseen = np.where(size > 1, (size - drawn) / np.maximum(size - 1, 1), 0.0)  # finite population correction
    value = float(weight @ (faults / drawn))
    if not unseen.any():
        return Rate(value, value, value)
    z = NormalDist().inv_cdf((1 + confidence) / 2)

    def tested(pressure: float) -> tuple[float, bool]:
        """The rate of the whole under this pressure, and whether the interval holds it."""
        rates = _likeliest(pressure, weight, drawn, faults)
        rate = float(weight @ rates)
        variance = float((weight**2 * rates * (1 - rates) / drawn * unseen).sum())
        return rate, (rate - value) ** 2 <= z * z * variance

    return Rate(value, min(value, _edge(tested, 1.0)), max(value, _edge(tested, -1.0)))


def _edge(tested: Callable[[float], tuple[float, bool]], direction: float) -> float:
    """The last rate that the interval holds, as the pressure grows from 0 in one direction."""
    inside, outside = 0.0, direction
    while tested(outside)[1] and abs(outside) < LARGEST:
        inside, outside = outside, 4 * outside
    for _ in range(NUM_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if tested(middle)[1] else (inside, middle)
    return tested(inside)[0]


def _likeliest(pressure: float, weight: Floats, drawn: Floats, faults: Floats) -> Floats:
    """The strata's rates of greatest likelihood among all with the same weighted mean, shape [strata].

    By Lagrange: faults / p - (drawn - faults) / (1 - p) = pressure * weight in each stratum. The mean falls as the
    pressure rises; pressure 0 gives the plain shares.
    """
    push = pressure * weight
    root = np.sqrt((push + drawn) ** 2 - 4 * push * faults)
    # the root between 0 and 1 of push p^2 - (push + drawn) p + faults, in the form that keeps its digits
    rates = np.clip(2 * faults / np.maximum(push + drawn + root, 1e-300), 0.0, 1.0)
    if pressure < 0:  # a stratum without a fault leaves 0 once the pressure outweighs its clean members
        clean = faults == 0
        rates[clean] = np.maximum(0.0, 1 + drawn[clean] / push[clean])
    return rates
