"""pass@k, its bounds and intervals, against rational arithmetic, brute force and simulation."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.estimators.intervals import over_tasks, paired_difference, within_tasks
from selfplay.estimators.passk import (
    best_of_k,
    majority_at_k,
    mean_pass_at_k,
    pass_at_every_k,
    pass_at_k,
    pass_at_k_bounds,
    resampling_cap,
    right_at_k,
)


def exact(n: int, c: int, k: int) -> float:
    return float(1 - Fraction(comb(n - c, k), comb(n, k)))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_equals_rational_arithmetic(case):
    n, c, k = case
    assert abs(pass_at_k([n], [c], k)[0] - exact(n, c, k)) < 1e-12
    assert abs(pass_at_every_k([n], [c])[0, k - 1] - exact(n, c, k)) < 1e-12


@pytest.mark.parametrize("c", [1, 2, 40, 5000, 9999])
def test_ten_thousand_samples_stay_exact(c):
    curve = pass_at_every_k([10_000], [c])[0]
    for k in (1, 2, 7, 100, 1234, 5000, 9999, 10_000):
        assert abs(curve[k - 1] - exact(10_000, c, k)) < 1e-12
        assert abs(pass_at_k([10_000], [c], k)[0] - exact(10_000, c, k)) < 1e-12


@pytest.mark.parametrize("rate", [0.03, 0.4, 0.9])
def test_pass_at_k_is_unbiased(rate):
    n, c = 12, np.arange(13)
    chance = np.array([comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in c])
    for k in range(1, 13):
        assert chance @ pass_at_k(np.full(13, n), c, k) == pytest.approx(1 - (1 - rate) ** k, abs=1e-12)


def test_fewer_samples_than_k_are_undefined_and_left_out_of_the_mean():
    assert np.isnan(pass_at_k([2, 4], [1, 2], 3)).tolist() == [True, False]
    assert np.isnan(pass_at_every_k([2, 4], [1, 2])).tolist() == [[False, False, True, True], [False] * 4]
    mean = mean_pass_at_k([2, 4], [1, 2], 3)
    assert (mean.value, mean.num_tasks) == (1.0, 1)
    nothing = mean_pass_at_k([2], [1], 3)
    assert np.isnan(nothing.value) and nothing.num_tasks == 0


def test_every_task_counts_the_same_however_many_samples_it_has():
    assert mean_pass_at_k([1000, 2], [0, 2], 1).value == 0.5


def test_no_tasks_give_empty_arrays():
    assert pass_at_k([], [], 1).shape == (0,)
    assert pass_at_every_k([], []).shape == (0, 0)


@pytest.mark.parametrize("n, c", [([3], [4]), ([3], [-1]), ([3, 4], [1])])
def test_counts_that_cannot_be_are_named(n, c):
    with pytest.raises(ValueError, match="correct"):
        pass_at_k(n, c, 1)


def test_undecided_samples_bound_the_estimate():
    low, high = pass_at_k_bounds([6], [2], [3], 4)
    assert low[0] == pytest.approx(exact(9, 2, 4)) and high[0] == pytest.approx(exact(9, 5, 4))
    assert low[0] < pass_at_k([6], [2], 4)[0] < high[0]


def test_best_of_k_equals_brute_force():
    rng = np.random.default_rng(0)
    correct, scores = rng.integers(0, 2, 7), rng.normal(size=7)
    scores[3] = scores[5]  # a tie
    for k in range(1, 8):
        chosen = []
        for choice in itertools.combinations(range(7), k):
            best = [i for i in choice if scores[i] == max(scores[j] for j in choice)]
            chosen.append(np.mean([np.mean([correct[j] for j in range(7) if scores[j] == scores[i]]) for i in best]))
        assert best_of_k(correct, scores, k) == pytest.approx(np.mean(chosen), abs=1e-12)
    assert np.isnan(best_of_k(correct, scores, 8))


def test_majority_at_k_agrees_with_brute_force():
    answers, right = ["7", "7", "7", "8", "8", "", "9"], [1, 1, 1, 0, 0, 0, 0]
    for k in (1, 3, 5, 7):
        shares = []
        for choice in itertools.combinations(range(7), k):
            votes = {a: sum(answers[i] == a for i in choice) for a in ("7", "8", "9")}
            winners = [a for a in votes if votes[a] == max(votes.values()) > 0]
            shares.append(winners.count("7") / len(winners) if winners else 0.0)
        assert majority_at_k(answers, right, k) == pytest.approx(np.mean(shares), abs=0.04)
    assert np.isnan(majority_at_k(answers, right, 8))


def test_no_answer_is_no_vote():
    assert majority_at_k(["", "", "", "4"], [0, 0, 0, 1], 4) == 1.0
    assert majority_at_k(["", ""], [0, 0], 2) == 0.0


def test_right_at_k_is_unbiased_for_a_verifier_that_errs():
    n, rate, f, t, k = 20, 0.1, 0.05, 0.9, 6
    accepted = rate * t + (1 - rate) * f
    c = np.arange(n + 1)
    chance = np.array([comb(n, i) * accepted**i * (1 - accepted) ** (n - i) for i in c])
    truth = rate * t / accepted * (1 - (1 - accepted) ** k)
    assert chance @ right_at_k(np.full(n + 1, n), c, k, f, 1 - t) == pytest.approx(truth, abs=1e-12)
    assert right_at_k([20], [3], 6, 0.0)[0] == pytest.approx(pass_at_k([20], [3], 6)[0])


def test_resampling_cannot_pass_the_cap_of_false_accepts():
    rates = np.array([0.01, 0.2, 0.0])
    cap = resampling_cap(rates, 0.05)
    assert cap == pytest.approx((0.01 / (0.01 + 0.99 * 0.05) + 0.2 / (0.2 + 0.8 * 0.05)) / 3)
    assert resampling_cap(rates, 0.0) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="more often"):
        resampling_cap(rates, 0.6, 0.5)


def covered(intervals, truth) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def test_intervals_over_tasks_cover_other_tasks_of_the_kind():
    rng = np.random.default_rng(1)
    truth = float(np.mean(1 - (1 - rng.beta(0.4, 1.34, 1_000_000)) ** 8))
    intervals = []
    for _ in range(400):
        correct = rng.binomial(16, rng.beta(0.4, 1.34, 100))
        intervals.append(over_tasks(pass_at_k(np.full(100, 16), correct, 8)))
    assert 0.92 < covered(intervals, truth) < 0.98


def test_intervals_within_tasks_cover_these_tasks_and_are_narrower():
    rng = np.random.default_rng(2)
    rates = rng.beta(0.4, 1.34, 100)
    truth = float(np.mean(1 - (1 - rates) ** 8))
    n, within, over = np.full(100, 16), [], []
    for _ in range(300):
        correct = rng.binomial(16, rates)
        within.append(within_tasks(n, correct, 8))
        over.append(over_tasks(pass_at_k(n, correct, 8)))
    assert 0.91 < covered(within, truth) < 0.985
    assert np.mean([i.high - i.low for i in within]) < 0.6 * np.mean([i.high - i.low for i in over])


def test_a_paired_difference_is_sharper_than_two_runs_apart():
    rng = np.random.default_rng(3)
    rates = rng.beta(0.4, 1.34, 200)
    first, second = rng.binomial(64, rates) / 64, rng.binomial(64, np.minimum(1, rates + 0.03)) / 64
    change = paired_difference(first, second)
    assert change.low > 0 and change.low < 0.03 < change.high
    assert change.high - change.low < over_tasks(first).high - over_tasks(first).low


def test_intervals_of_nothing_to_resample_are_still_wide():
    solved = over_tasks(np.ones(20))
    assert solved.high == 1.0 and 0.8 < solved.low < 0.9
    one = over_tasks([0.5])
    assert one.high - one.low > 0.7
    same = paired_difference(np.ones(20), np.ones(20))
    assert same.low < -0.1 and same.high > 0.1
    assert over_tasks([np.nan]).num_tasks == 0


def test_many_different_figures_are_resampled_as_well_as_few():
    values = np.random.default_rng(5).beta(0.4, 1.34, 3000)
    interval = over_tasks(values)
    error = values.std() / np.sqrt(len(values))
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.06)
    assert interval.value == pytest.approx(values.mean())
