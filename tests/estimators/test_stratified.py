"""Rates of stratified samples: against closed forms and brute force."""

from math import comb

import numpy as np
import pytest

from selfplay.estimators.stratified import Stratum, stratified_rate


@pytest.mark.parametrize("faults", [1, 7, 50, 99])
def test_the_middle_of_a_large_stratum_is_the_observed_share(faults):
    rate = stratified_rate([Stratum(10**9, 100, faults)])
    middle = stratified_rate([Stratum(10**9, 100, faults)], confidence=1e-6)
    assert middle.low == pytest.approx(rate.value, abs=0.002)
    assert rate.low < rate.value < rate.high


@pytest.mark.parametrize("drawn", [20, 100, 1000])
def test_no_fault_seen_bounds_the_rate_by_about_two_over_the_number_judged(drawn):
    """The 97.5% point of Beta(1/3, n + 1/3) is about 2.0 / n; the one-sided bound of 95% confidence is 3.0 / n."""
    rate = stratified_rate([Stratum(10**9, drawn, 0)])
    assert rate.low == 0.0 and 1.7 < rate.high * drawn < 2.4


@pytest.mark.parametrize("faults", [0, 3, 40])
def test_strata_alike_and_drawn_in_proportion_are_as_good_as_one(faults):
    halves = stratified_rate([Stratum(500_000, 80, faults), Stratum(500_000, 80, faults)])
    whole = stratified_rate([Stratum(1_000_000, 160, 2 * faults)])
    assert (halves.value, halves.low, halves.high) == pytest.approx((whole.value, whole.low, whole.high), abs=4e-3)


def test_the_estimate_weighs_each_stratum_by_its_size():
    assert stratified_rate([Stratum(900, 10, 1), Stratum(100, 10, 5)]).value == pytest.approx(0.9 * 0.1 + 0.1 * 0.5)


def test_a_population_that_was_looked_at_whole_has_no_uncertainty():
    rate = stratified_rate([Stratum(20, 20, 3), Stratum(5, 5, 0)])
    assert (rate.value, rate.low, rate.high) == (0.12, 0.12, 0.12)


def test_faults_where_they_were_sought_narrow_the_interval():
    sought = stratified_rate([Stratum(9_500, 130, 0), Stratum(500, 70, 28)])
    plain = stratified_rate([Stratum(10_000, 200, 4)])
    assert sought.value == pytest.approx(plain.value)
    assert sought.high - sought.low < 0.8 * (plain.high - plain.low)


def test_a_stratum_without_a_fault_still_adds_its_uncertainty():
    clean = stratified_rate([Stratum(9_000, 10, 0), Stratum(1_000, 190, 0)])
    assert clean.low == 0.0 and clean.high > stratified_rate([Stratum(10_000, 200, 0)]).high * 3


@pytest.mark.parametrize("strata", [[], [Stratum(0, 0, 0)], [Stratum(5, 0, 0)], [Stratum(5, 6, 0)], [Stratum(5, 2, 3)]])
def test_counts_that_cannot_be_are_refused(strata):
    with pytest.raises(ValueError):
        stratified_rate(strata)


def test_the_interval_covers_about_as_often_as_it_says():
    """Over every sample that one small design can give, weighed by its exact probability."""
    sizes, faults, drawn = (300, 60), (9, 24), (30, 12)
    truth = sum(faults) / sum(sizes)

    def chances(size, bad, number):
        return [comb(bad, x) * comb(size - bad, number - x) / comb(size, number) for x in range(number + 1)]

    covered = 0.0
    for x, chance in enumerate(chances(sizes[0], faults[0], drawn[0])):
        for y, other in enumerate(chances(sizes[1], faults[1], drawn[1])):
            rate = stratified_rate([Stratum(sizes[0], drawn[0], x), Stratum(sizes[1], drawn[1], y)])
            covered += chance * other * (rate.low <= truth <= rate.high)
    assert 0.93 <= covered <= 0.98


def test_random_designs_give_ordered_figures_within_bounds():
    rng = np.random.default_rng(0)
    for _ in range(100):
        strata = []
        for _ in range(rng.integers(1, 7)):
            size = int(rng.integers(1, 2000))
            drawn = int(rng.integers(1, size + 1))
            strata.append(Stratum(size, drawn, int(rng.integers(0, drawn + 1))))
        rate = stratified_rate(strata)
        assert 0.0 <= rate.low <= rate.value <= rate.high <= 1.0
