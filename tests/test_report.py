"""The report's figures and its file, from runs written to disk by the run's own writers."""

import numpy as np
import pytest

from selfplay.report.arms import bootstrap


def test_interval_of_a_mean_covers_it_nineteen_times_in_twenty():
    numbers = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        rates = numbers.beta(0.5, 1.0, 150)
        figure = bootstrap((numbers.binomial(16, rates) / 16)[:, None])[0]
        covered += figure.low <= 1 / 3 <= figure.high
    assert 0.91 <= covered / 300 <= 0.98


def test_interval_of_no_tasks_is_nothing():
    assert bootstrap(np.empty((0, 0))) == []


if __name__ == "__main__":
    pytest.main([__file__])
