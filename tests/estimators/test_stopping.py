"""pass@k under stopping rules: exact over every path, against closed forms and simulation."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.estimators.intervals import over_tasks, within_tasks
from selfplay.estimators.passk import mean_pass_at_k, pass_at_k
from selfplay.estimators.stopping import (
    StoppingRule,
    log_paths,
    pass_at_k_of_runs,
    pass_at_k_stopped,
    samples_drawn,
    stopping_point,
    stopping_points,
)
from verifiers import Outcome

RIGHT, WRONG, UNDECIDED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
ISSUE_RULE = StoppingRule.until(4, 32, 16)

rules = st.integers(1, 4).flatmap(
    lambda m: st.integers(1, 10).flatmap(
        lambda cap: st.builds(StoppingRule, st.just(m), st.just(cap), st.tuples(*[st.integers(1, cap)] * m))
    )
)


def expectation(rule: StoppingRule, rate: float, k: int) -> float:
    s, f, paths = stopping_points(rule)
    return float(np.exp(paths + s * np.log(rate) + f * np.log(1 - rate)) @ pass_at_k_stopped(rule, s, f, k))


@given(rules, st.floats(0.01, 0.99), st.integers(1, 10))
def test_estimate_is_unbiased_under_any_rule(rule, rate, k):
    value = expectation(rule, rate, k)
    if k > min(rule.cap, rule.give_up[0]):
        assert np.isnan(value)
    else:
        assert value == pytest.approx(1 - (1 - rate) ** k, abs=1e-11)


@given(rules)
def test_paths_are_counted_as_walking_every_sequence_counts_them(rule):
    ends = {}
    for sequence in itertools.product((RIGHT, WRONG), repeat=rule.cap):
        s, f, stopped = stopping_point(rule, sequence)
        assert stopped
        ends.setdefault((s, f), set()).add(sequence[: s + f])
    s, f, paths = stopping_points(rule)
    assert {(int(a), int(b)): round(np.exp(c)) for a, b, c in zip(s, f, paths, strict=False)} == {
        k: len(v) for k, v in ends.items()
    }


@pytest.mark.parametrize("m, n, k", [(4, 10, 3), (2, 5, 2), (4, 500, 77), (4, 700, 650), (1, 9, 4), (4, 7, 6)])
def test_until_accepted_has_its_closed_form(m, n, k):
    rule = StoppingRule.until(m, 1000)
    closed = 1 - comb(n - k - 1, m - 1) / comb(n - 1, m - 1) if n > k else 1.0
    assert pass_at_k_stopped(rule, [m], [n - m], k)[0] == pytest.approx(closed, abs=1e-12)


def test_a_fixed_number_is_the_plain_estimate():
    c = np.arange(9)
    assert pass_at_k_stopped(StoppingRule.fixed(8), c, 8 - c, 3) == pytest.approx(pass_at_k(np.full(9, 8), c, 3))
    through_lattice = StoppingRule(8, 8, (8,) * 8)
    assert np.exp(log_paths(through_lattice, 0)[3, 5]) == pytest.approx(comb(8, 3))


def test_k_beyond_the_longest_row_of_failures_is_undefined_for_every_task():
    assert np.isnan(pass_at_k_stopped(ISSUE_RULE, [4, 0], [3, 16], 17)).all()
    assert pass_at_k_stopped(ISSUE_RULE, [4, 0], [3, 16], 16).tolist() == [1.0, 0.0]


def test_a_point_where_the_rule_goes_on_has_no_estimate():
    assert np.isnan(pass_at_k_stopped(ISSUE_RULE, [1, 4, 9], [3, 40, 0], 2)).all()


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_bias_of_the_issue_rule_is_nil_where_the_plain_estimate_errs(rate):
    rng = np.random.default_rng(0)
    s, f = stopped(rng, np.full(20_000, rate))
    for k in (1, 4, 16):
        assert expectation(ISSUE_RULE, rate, k) == pytest.approx(1 - (1 - rate) ** k, abs=1e-12)
        assert pass_at_k_stopped(ISSUE_RULE, s, f, k).mean() == pytest.approx(1 - (1 - rate) ** k, abs=0.012)
    assert abs(mean_pass_at_k(s + f, s, 4).value - (1 - (1 - rate) ** 4)) > 0.02


def test_intervals_cover_under_the_issue_rule():
    rng = np.random.default_rng(1)
    rates = np.repeat([0.05, 0.2, 0.5], 50)
    for k in (1, 4):
        held = []
        for _ in range(200):
            s, f = stopped(rng, rates)
            within = within_tasks(s + f, s, k, ISSUE_RULE)
            alike = s[:50], f[:50]
            over = over_tasks(pass_at_k_stopped(ISSUE_RULE, *alike, k))
            held.append(
                (within.low <= np.mean(1 - (1 - rates) ** k) <= within.high, over.low <= 1 - 0.95**k <= over.high)
            )
        assert (np.mean(held, axis=0) > 0.89).all() and (np.mean(held, axis=0) < 0.995).all()


def stopped(rng, rates):
    """Where each task stops, from its whole sequence of draws."""
    draws = rng.random((len(rates), ISSUE_RULE.cap)) < rates[:, None]
    s = np.concatenate([np.zeros((len(rates), 1), int), np.cumsum(draws, axis=1)], axis=1)
    f = np.arange(ISSUE_RULE.cap + 1) - s
    stops = (s >= 4) | (s + f >= 32) | ((s == 0) & (f >= 16))
    first = stops.argmax(axis=1)
    return s[np.arange(len(s)), first], f[np.arange(len(s)), first]


@given(rules, st.lists(st.sampled_from([RIGHT, WRONG]), max_size=10))
def test_sure_draws_reach_the_next_possible_stop_and_no_further(rule, outcomes):
    s, f, stopped_here = stopping_point(rule, outcomes)
    sure = rule.sure_draws(s, f)
    if stopped_here:
        assert sure == 0
        return
    stops_after = [
        any(not rule.goes_on(*_after(s, f, more[:-1])) for more in itertools.product((0, 1), repeat=length))
        for length in range(1, sure + 2)
    ]
    assert stops_after == [False] * sure + [True]


def _after(s, f, more):
    return s + sum(more), f + len(more) - sum(more)


def test_samples_past_the_stop_are_left_out():
    rule = StoppingRule.until(2, 10)
    assert stopping_point(rule, [WRONG, RIGHT, RIGHT, WRONG, RIGHT]) == (2, 1, True)
    assert stopping_point(rule, [WRONG, RIGHT]) == (1, 1, False)


def test_undecided_samples_use_up_the_cap_and_bound_the_estimate():
    rule = StoppingRule.until(2, 6)
    runs = [[WRONG, UNDECIDED, RIGHT, WRONG, WRONG, WRONG], [RIGHT, RIGHT], [WRONG, WRONG]]
    value, low, high = pass_at_k_of_runs(rule, runs, 3)
    assert low[0] < value[0] < high[0]
    assert value[1] == low[1] == high[1] == pass_at_k_stopped(rule, [2], [0], 3)[0]
    assert np.isnan(value[2])  # cut short
    lost = pass_at_k_of_runs(StoppingRule.until(1, 2), [[UNDECIDED, UNDECIDED]], 1)
    assert np.isnan(lost[0][0]) and (lost[1][0], lost[2][0]) == (0.0, 1.0)


def test_an_undecided_success_that_would_have_kept_a_task_going_bounds_by_one():
    value, low, high = pass_at_k_of_runs(StoppingRule.until(4, 8, 3), [[WRONG, UNDECIDED, WRONG, WRONG]], 2)
    assert (value[0], low[0], high[0]) == (0.0, 0.0, 1.0)


def test_average_samples_agree_with_drawing_them():
    rng = np.random.default_rng(2)
    s, f = stopped(rng, np.full(20_000, 0.2))
    assert samples_drawn(ISSUE_RULE, 0.2) == pytest.approx((s + f).mean(), rel=0.02)
    assert samples_drawn(ISSUE_RULE, 1.0) == 4.0
