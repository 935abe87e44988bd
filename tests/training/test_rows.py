"""The order of training rows: a step is the same rows, whatever computes it."""

from collections import Counter

import pytest
import torch  # noqa: F401  imported before the first example is timed
from hypothesis import given
from hypothesis import strategies as st

from selfplay.recipe.sections import Training
from selfplay.training.rows import Shape, batches, num_steps, order_of

SIZES = st.integers(1, 40)


@given(SIZES, st.integers(1, 12), st.sampled_from([0.5, 1.0, 2.5]), SIZES)
def test_an_epoch_has_each_row_once(num_rows, batch_size, epochs, steps):
    settings = Training(epochs=epochs, batch_size=batch_size)
    found = list(batches(settings, num_rows, seed=3))
    assert len(found) == num_steps(settings, num_rows)
    of_an_epoch = -(-num_rows // batch_size)
    whole = [row for step in found[:of_an_epoch] for row in step]
    assert len(set(whole)) == len(whole) <= num_rows
    if epochs >= 1:
        assert sorted(whole) == list(range(num_rows))
    assert len(list(batches(Training(steps=steps, batch_size=batch_size), num_rows, 3))) == steps


@given(SIZES, st.integers(1, 12), st.integers(0, 5), st.integers(1, 5))
def test_each_step_has_the_same_rows_on_any_number_of_workers_and_micro_batches(num_rows, batch_size, micro, workers):
    settings = Training(steps=5, batch_size=batch_size, micro_batch_size=micro)
    shape = Shape.of(settings, workers)
    steps = list(batches(settings, num_rows, 0))
    order = order_of(steps, [1] * num_rows, shape, empty=-1)
    assert len(order) == 5 * shape.places and shape.places < batch_size + shape.micro * shape.num_workers
    for number, step in enumerate(steps):
        placed = order[number * shape.places : (number + 1) * shape.places]
        assert Counter(placed) - Counter({-1: shape.places}) == Counter(step)


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_of_a_micro_batch_are_of_like_length_and_steps_are_not(seed):
    lengths = [number % 50 for number in range(400)]
    settings = Training(batch_size=40, micro_batch_size=4)
    steps = list(batches(settings, len(lengths), seed))
    order = order_of(steps, lengths, Shape.of(settings, 1), empty=None)
    padded = sum(4 * max(lengths[row] for row in order[start : start + 4]) for start in range(0, len(order), 4))
    assert padded < 1.1 * sum(lengths)
    means = [sum(lengths[row] for row in step) / 40 for step in steps]
    assert max(means) - min(means) < 15  # a step draws from all lengths
