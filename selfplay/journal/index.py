"""Compact indexes for resuming a run: 17 bytes per journal row, 8 per task, so memory stays flat.

A task is known by 64 bits of a hash of its id (`task_key`). Searches are Python's own: numpy releases the interpreter's
lock, and in one process with busy verifying threads getting it back takes up to 5 ms.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from selfplay.journal.journal import read_lines, row_facts, task_key
from selfplay.records import OUTCOME_CODES, OUTCOMES
from verifiers import Outcome

_RECENT = 1 << 16  # tasks in the set before they are sorted into the array


class JournalIndex:
    """The rows of a journal, found by task; 17 bytes a row."""

    def __init__(self, folder: Path):
        keys, indices, tokens, outcomes = array("Q"), array("I"), array("I"), array("B")
        self.damaged: list[int] = []  # line numbers of rows with a wrong checksum; their samples are requested again
        for _, line in read_lines(folder, self.damaged):
            task_id, index, num_tokens, outcome = row_facts(line)
            keys.append(task_key(task_id))
            indices.append(index)
            tokens.append(num_tokens)
            outcomes.append(OUTCOME_CODES[outcome.decode()])
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        self._keys, *self._rows = (_ordered(column, order) for column in (keys, indices, outcomes, tokens))

    def __len__(self) -> int:
        """Rows of the journal."""
        return len(self._keys)

    def of(self, task_id: str) -> Iterator[tuple[int, Outcome, int]]:
        """(index, outcome, completion tokens) of each row of a task, in the order written."""
        key = task_key(task_id.encode())
        first, last = bisect_left(self._keys, key), bisect_right(self._keys, key)
        for index, outcome, tokens in zip(*(column[first:last] for column in self._rows), strict=True):
            yield index, OUTCOMES[outcome], tokens


def _ordered(column: array, order: np.ndarray) -> array:
    return array(column.typecode, np.array(column)[order].tobytes())


class TaskIdSet:
    """A set of task ids: a sorted array of 8 bytes a task, and a small set of the latest."""

    def __init__(self) -> None:
        self._sorted = array("Q")
        self._recent: set[int] = set()

    def add(self, task_id: str) -> bool:
        """Add a task; whether it is new."""
        key = task_key(task_id.encode())
        place = bisect_left(self._sorted, key)
        if key in self._recent or (place < len(self._sorted) and self._sorted[place] == key):
            return False
        self._recent.add(key)
        if len(self._recent) >= max(_RECENT, len(self._sorted) // 16):  # rarely enough that sorting costs little
            together = np.concatenate([np.array(self._sorted, np.uint64), np.fromiter(self._recent, np.uint64)])
            self._sorted = array("Q", np.sort(together, kind="stable").tobytes())
            self._recent.clear()
        return True
