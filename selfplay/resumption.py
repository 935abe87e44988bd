"""What the driver remembers of tasks that it does not hold: a few bytes each, so that memory stays flat.

A task is known by 64 bits of its id's hash: two of a million tasks share one with a chance of 3 in 10**8.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from selfplay.journal import read_lines, row_facts, task_key
from verifiers import Outcome

_OUTCOMES = list(Outcome)
_NUMBERS = {outcome.value.encode(): number for number, outcome in enumerate(_OUTCOMES)}
_RECENT = 1 << 16  # tasks in the set before they are sorted into the array


class JournaledSamples:
    """The rows of a journal, by task: 17 bytes each."""

    def __init__(self, folder: Path):
        keys, indices, tokens, outcomes = array("Q"), array("I"), array("I"), array("B")
        self.damaged: list[int] = []  # line numbers of rows that fail their checksum: they are owed again
        for _, line in read_lines(folder, self.damaged):
            task_id, index, num_tokens, outcome = row_facts(line)
            keys.append(task_key(task_id))
            indices.append(index)
            tokens.append(num_tokens)
            outcomes.append(_NUMBERS[outcome])
        unsorted = np.array(keys, np.uint64)
        order = np.argsort(unsorted, kind="stable")
        self._keys = unsorted[order]
        self._rows = [np.array(column)[order] for column in (indices, outcomes, tokens)]

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, task_id: str) -> Iterator[tuple[int, Outcome, int]]:
        """(index, outcome, completion tokens) of each row of a task, in the order written."""
        if not len(self._keys):
            return
        key = np.uint64(task_key(task_id.encode()))
        first, last = np.searchsorted(self._keys, key), np.searchsorted(self._keys, key, "right")
        for index, outcome, tokens in zip(*(column[first:last].tolist() for column in self._rows), strict=True):
            yield index, _OUTCOMES[outcome], tokens


class SeenTasks:
    """A set of task ids: 8 bytes each, and a small set of the latest."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._recent: set[int] = set()

    def add(self, task_id: str) -> bool:
        """Whether the task is new."""
        key = task_key(task_id.encode())
        place = np.searchsorted(self._sorted, np.uint64(key))
        if key in self._recent or (place < len(self._sorted) and self._sorted[place] == key):
            return False
        self._recent.add(key)
        if len(self._recent) >= max(_RECENT, len(self._sorted) // 16):  # rarely enough that sorting costs little
            self._sorted = np.sort(np.concatenate([self._sorted, np.fromiter(self._recent, np.uint64)]), kind="stable")
            self._recent.clear()
        return True
