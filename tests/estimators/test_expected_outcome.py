"""Expectations of stopping rules over a spread of solve rates: against closed forms and the real allocators."""

import numpy as np
import pytest

from selfplay.allocation import RULES, Allocation
from selfplay.estimators.expected_outcome import Spread, expected_outcome
from selfplay.estimators.stopping import StoppingRule, samples_drawn
from selfplay.planning.simulation import simulated_outcome


def known(rates, weights):
    """A spread that is known exactly."""
    return Spread(np.array(rates, float), np.tile(np.array(weights, float), (16, 1)))


def test_a_fixed_number_of_samples_has_binomial_outcomes():
    spread = known([0.0, 0.25, 1.0], [0.2, 0.5, 0.3])
    outcome = expected_outcome(StoppingRule.fixed(4), spread, most_kept=2)
    mean = 0.5 * 0.25 + 0.3
    assert outcome.correct[0] == pytest.approx(4 * mean)
    assert outcome.wrong[0] == pytest.approx(4 * (1 - mean))
    assert outcome.solved[0] == pytest.approx(0.5 * (1 - 0.75**4) + 0.3)
    chances = [0.75**4, 4 * 0.25 * 0.75**3]
    assert outcome.kept[0] == pytest.approx(0.5 * (chances[1] + 2 * (1 - sum(chances))) + 0.3 * 2)


def test_samples_are_those_of_the_stopping_rule():
    rule = StoppingRule.until(4, 32, 12)
    for rate in (0.0, 0.01, 0.3, 0.9, 1.0):
        outcome = expected_outcome(rule, known([rate], [1.0]))
        assert outcome.correct[0] + outcome.wrong[0] == pytest.approx(samples_drawn(rule, rate))


SPREADS = {"easy": (1.6, 0.6), "middle": (0.4, 1.34), "hard": (0.15, 1.5)}
RULES_TRIED = {
    "fixed": {"rule": "fixed", "samples_per_task": 8},
    "until": {"rule": "until", "accepted_per_task": 3, "cap": 16, "give_up_failures": 10},
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("rule", RULES_TRIED)
def test_formulas_agree_with_the_real_allocators(spread, rule):
    a, b = SPREADS[spread]
    rates = np.random.default_rng(0).beta(a, b, 2000)
    exact = known(rates, np.full(2000, 1 / 2000))
    settings = Allocation.model_validate(RULES_TRIED[rule])
    formula = expected_outcome(RULES[settings.rule].task_rule(settings), exact, most_kept=2)
    played = simulated_outcome(settings, exact, 10**6, (10.0, 20.0), most_kept=2)
    for name in ("correct", "wrong", "kept", "solved"):
        mean, error = getattr(played, name).mean(), getattr(played, name).std() / 4  # of 16 passes of 1,000 tasks
        assert abs(getattr(formula, name)[0] - mean) < 4 * error + 0.002


def test_a_budget_is_spent_on_simulated_tasks():
    settings = Allocation(rule="budget", token_budget=150_000, accepted_per_task=2, cap=16)
    outcome = simulated_outcome(settings, known([0.0, 0.5], [0.5, 0.5]), 10_000, (10.0, 20.0))
    tokens = outcome.correct * 10 + outcome.wrong * 20
    assert tokens.mean() == pytest.approx(15.0, rel=0.1)


def test_more_samples_narrow_the_spread():
    rng = np.random.default_rng(1)
    rates = rng.beta(0.4, 1.34, 100)
    few, many = (Spread.after(np.full(100, n), rng.binomial(n, rates)).pass_at(1) for n in (2, 64))
    assert np.std(many) < np.std(few)
    assert np.median(many) == pytest.approx(rates.mean(), abs=0.03)
