"""Rates from a stratified random sample: the share of faults in a population that was drawn from unevenly, with its interval.

The interval predicts the members that nobody judged. A stratum's rate has a beta distribution after its judged members; its
unseen faults are binomial under that rate; the interval holds the middle 95% of the sum over strata. The prior of the whole
is Beta(1/3, 1/3), which leaves the posterior's median at about the observed share (Kerman 2011, Neutral noninformative and
informative conjugate beta and gamma prior distributions), spread over the strata by their size: many small strata bring no
more of it than one large one. A stratum that was looked at whole contributes no uncertainty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NEUTRAL = 1 / 3  # both parameters of the prior
NUM_DRAWS = 10_000  # of the prediction: its bounds err by about 1% of the interval's width


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

    The value weighs each stratum's share by its size. Equal strata give equal figures: the prediction's draws are fixed.
    """
    strata = [stratum for stratum in strata if stratum.size]
    if not strata:
        raise ValueError("no stratum has a member, so there is no rate")
    for stratum in strata:
        if not 0 < stratum.drawn <= stratum.size or not 0 <= stratum.faults <= stratum.drawn:
            raise ValueError(f"{stratum}: 1 to size members must be drawn, and 0 to drawn of them faulty")
    total = sum(stratum.size for stratum in strata)
    value = sum(stratum.size * stratum.faults / stratum.drawn for stratum in strata) / total
    rng = np.random.default_rng(0)
    predicted = np.zeros(NUM_DRAWS)
    for stratum in strata:
        prior = NEUTRAL * stratum.size / total
        rates = rng.beta(prior + stratum.faults, prior + stratum.drawn - stratum.faults, NUM_DRAWS)
        predicted += stratum.faults + rng.binomial(stratum.size - stratum.drawn, rates)
    low, high = np.quantile(predicted / total, [(1 - confidence) / 2, (1 + confidence) / 2])
    if not any(stratum.faults for stratum in strata):
        low = 0.0
    if all(stratum.faults == stratum.drawn for stratum in strata):
        high = 1.0 if any(stratum.drawn < stratum.size for stratum in strata) else value
    return Rate(value, min(value, float(low)), max(value, float(high)))
