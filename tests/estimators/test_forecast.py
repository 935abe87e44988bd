"""The spread of solve rates and the forecast of pass@k, against closed forms and data whose truth is known."""

import itertools
from math import lgamma

import numpy as np
import pytest

from selfplay.allocation import Allocation
from selfplay.estimators.forecast import fit_power_law, forecast, measure
from selfplay.estimators.passk import mean_pass_at_k, pass_at_every_k
from selfplay.estimators.solve_rates import (
    BETA,
    GENERAL,
    KUMARASWAMY,
    TWO_BETAS,
    Counts,
    Grid,
    likeliest_mixture,
    log_beta,
    log_gamma,
)
from selfplay.estimators.stopping import StoppingRule
from tests.benchmarks.allocation import play
from tests.benchmarks.forecast import FAMILIES, SAMPLES, TRUTH, K, beta_pass, kumaraswamy_pass


def counts(family: str, num_tasks: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return np.full(num_tasks, SAMPLES), rng.binomial(SAMPLES, FAMILIES[family](rng, num_tasks))


def test_log_gamma_agrees_with_the_standard_library():
    x = np.geomspace(1e-3, 1e5, 500)
    expected = np.array([lgamma(value) for value in x])
    assert np.max(np.abs(log_gamma(x) - expected) / np.maximum(1, np.abs(expected))) < 1e-12


@pytest.mark.parametrize("k", [1, 100, 10_000])
@pytest.mark.parametrize("a, b", [(0.4, 1.34), (0.1, 0.5), (2.0, 3.0), (0.3, 20.0)])
def test_the_grid_integrates_beta_distributions(a, b, k):
    weights = BETA.weights(Grid(100), np.log([[a, b]]))
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert 1 - weights @ Grid(100).chance_of_none(k) == pytest.approx([beta_pass(a, b, k)], abs=2e-4)


def test_the_grid_integrates_kumaraswamy_distributions():
    weights = KUMARASWAMY.weights(Grid(100), np.log([[0.35, 3.0]]))
    assert 1 - weights @ Grid(100).chance_of_none(K) == pytest.approx([kumaraswamy_pass(0.35, 3.0)], abs=2e-4)


def test_a_share_of_impossible_tasks_stays_unsolved():
    family = BETA.with_impossible()
    weights = family.weights(Grid(100), np.array([[np.log(0.5), np.log(2.0), np.log(0.25)]]))  # a fifth
    assert 1 - weights @ Grid(100).chance_of_none(K) == pytest.approx([0.8 * beta_pass(0.5, 2.0)], abs=2e-4)


def test_likelihood_of_counts_is_the_beta_binomial():
    n, c = np.array([10, 10, 7, 100]), np.array([0, 3, 7, 41])
    data = Counts(n, c)
    a, b = 0.7, 1.9
    expected = float(np.sum(log_beta(a + c, b + n - c) - log_beta(a, b)))
    assert data.log_likelihood(BETA.weights(data.grid, np.log([[a, b]])))[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", [BETA, KUMARASWAMY, GENERAL, TWO_BETAS, GENERAL.with_impossible()])
@pytest.mark.parametrize("correct", [0, 5, 100])
def test_tasks_all_alike_give_finite_fits(family, correct):
    data = Counts(np.full(300, 100), np.full(300, correct))
    drawn = family.means + family.deviations * np.random.default_rng(0).normal(size=(200, len(family.prior))) * 4
    value, weights = family.log_posterior(data, drawn)
    assert np.isfinite(value).all() and np.allclose(weights.sum(axis=1), 1.0)


def test_the_curve_of_an_8b_model_on_math_comes_out_of_its_beta():
    assert beta_pass(0.40, 1.34, 100) == pytest.approx(0.829, abs=0.01)
    assert beta_pass(0.40, 1.34, 10_000) == pytest.approx(0.984, abs=0.011)


@pytest.mark.parametrize("family", FAMILIES)
def test_forecast_holds_the_truth_for_a_thousand_tasks(family):
    point = forecast(*counts(family, 1000), [K]).points[0]
    assert point.low <= TRUTH[family] <= point.high
    assert abs(point.value - TRUTH[family]) < 0.05 or not point.supported


def test_forecasts_of_128_tasks_mostly_hold_the_truth():
    held = []
    for family in FAMILIES:
        for seed in range(3):
            point = forecast(*counts(family, 128, seed), [K]).points[0]
            held.append(point.low <= TRUTH[family] <= point.high)
    assert np.mean(held) > 0.8


def test_interval_is_wide_where_tasks_may_be_impossible():
    found = forecast(*counts("20% impossible, rest Beta(0.5, 2)", 128), [K])
    point = found.points[0]
    assert point.high - point.low > 0.15 and not point.supported
    assert any("impossible" in note for note in found.notes) and any("wider" in note for note in found.notes)


def test_many_tasks_tell_that_some_are_impossible():
    found = forecast(*counts("20% impossible, rest Beta(0.5, 2)", 3000), [K])
    assert found.impossible > 0.9
    assert forecast(*counts("Beta(0.40, 1.34)", 3000), [K]).impossible < 0.3


def test_pass_at_k_never_falls_and_lies_in_its_interval():
    points = forecast(*counts("Kumaraswamy(0.35, 3)", 128), [10_000, 100, 1_000_000, 300, 1000]).points
    assert [point.k for point in points] == [100, 300, 1000, 10_000, 1_000_000]
    for before, after in itertools.pairwise(points):
        assert before.value <= after.value and before.low <= after.low and before.high <= after.high
    assert all(0 <= point.low <= point.value <= point.high <= 1 for point in points)


def test_the_same_counts_give_the_same_forecast_in_any_order():
    n, c = counts("Beta(0.40, 1.34)", 128)
    shuffled = np.random.default_rng(1).permutation(c)
    first, second = forecast(n, c, [K]), forecast(n, shuffled, [K])
    assert first.points[0].value == pytest.approx(second.points[0].value, abs=1e-9)
    assert first.tail == pytest.approx(second.tail)


def test_exponent_of_the_power_law_is_near_the_tail_of_the_beta():
    found = forecast(*counts("Beta(0.40, 1.34)", 1000), [K])
    assert found.tail[0] < 0.40 < found.tail[2]
    assert found.exponent[0] < found.exponent[1] < found.exponent[2]


def test_power_law_passes_through_the_measured_curve():
    n, c = counts("Kumaraswamy(0.35, 3)", 1000)
    law, curve = fit_power_law(*measure(n, c)), pass_at_every_k(n, c).mean(axis=0)
    assert all(abs(law.at(k) - curve[k - 1]) < 0.02 for k in (1, 10, 100))
    assert law.at(10, -1.0) < law.at(10) < law.at(10, 1.0)


def test_nothing_solved_supports_no_forecast():
    found = forecast(np.full(50, 20), np.zeros(50, int), [1000])
    assert not found.points[0].supported and found.points[0].low < 0.05
    assert any("no sample is correct" in note for note in found.notes)


def test_everything_solved_forecasts_one():
    point = forecast(np.full(50, 20), np.full(50, 20), [1000]).points[0]
    assert point.value > 0.99 and point.high == pytest.approx(1.0, abs=1e-3)


def test_tasks_without_a_decided_sample_do_not_count():
    n, c = counts("Beta(0.40, 1.34)", 128)
    with_empty = forecast(np.append(n, 0), np.append(c, 0), [K])
    assert with_empty.points == forecast(n, c, [K]).points
    with pytest.raises(ValueError, match="at least one task"):
        forecast([0], [0], [10])


def test_a_stopping_rule_does_not_mislead_the_forecast():
    rng = np.random.default_rng(0)
    draws = rng.random((2000, 64)) < rng.beta(0.40, 1.34, 2000)[:, None]
    enough = np.cumsum(draws, axis=1) >= 4
    n = np.where(enough.any(axis=1), enough.argmax(axis=1) + 1, 64)
    c = np.array([row[:stop].sum() for row, stop in zip(draws, n, strict=False)])
    for how in ({"rule": StoppingRule.until(4, 64)}, {"plain_curve": False}):
        point = forecast(n, c, [1000], **how).points[0]
        assert point.low <= beta_pass(0.40, 1.34, 1000) <= point.high
        assert abs(point.value - beta_pass(0.40, 1.34, 1000)) < 0.02


def test_a_budget_that_favours_some_tasks_does_not_mislead_the_forecast():
    rates = np.random.default_rng(1).beta(0.40, 1.34, 1000)
    rule = Allocation(rule="budget", accepted_per_task=4, cap=256, token_budget=7_500_000)
    played = play(rule, rates, np.full(1000, 500.0), 256, seed=1)
    for point in forecast(played.drawn, played.correct, [1, 16], plain_curve=False).points:
        assert point.low <= np.mean(1 - (1 - rates) ** point.k) <= point.high
        assert abs(point.value - np.mean(1 - (1 - rates) ** point.k)) < 0.03
    assert mean_pass_at_k(played.drawn, played.correct, 16).value > np.mean(1 - (1 - rates) ** 16) + 0.1


def test_the_likeliest_mixture_reproduces_what_was_measured():
    rng = np.random.default_rng(0)
    rates = rng.choice([0.05, 0.2, 0.5], 3000)
    data = Counts(np.full(3000, 32), rng.binomial(32, rates))
    weights = likeliest_mixture(data)
    for k in (1, 4, 16):
        assert 1 - weights @ data.grid.chance_of_none(k) == pytest.approx(np.mean(1 - (1 - rates) ** k), abs=0.01)
