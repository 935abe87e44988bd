"""Work in several processes, some of which die."""

import os
import time

from selfplay.parallel import in_order


def lethal(items):
    if 7 in items:
        os._exit(1)
    return [item * 10 for item in items]


def test_an_item_that_kills_its_process_costs_only_its_own_result():
    chunks = ([number, number + 1] for number in range(0, 20, 2))
    results = list(in_order(lethal, chunks, 2, lambda item: -1))
    assert results == [(number, -1 if number == 7 else number * 10) for number in range(20)]


def test_a_chunk_that_comes_after_the_death_is_worked_on():
    def chunks():
        yield [7]
        time.sleep(1.0)  # the pool notices
        yield [8]

    assert list(in_order(lethal, chunks(), 2, lambda item: -1)) == [(7, -1), (8, 80)]
