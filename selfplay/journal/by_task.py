"""A round's traces in the order of its tasks, read from a journal that holds them in the order of their verdicts.

The journal stays on the disk. What is held is 20 bytes a row: the task's key, the sample's index, the offset of the line.
"""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from selfplay.journal.journal import read_lines, row_head, task_key
from selfplay.records import Sample, Trace
from tasks import Task
from verifiers import Verdict


class TracesByTask:
    """The traces of a journal by task, in the order of `tasks()`, and within a task by index.

    It can be iterated over again and again; `tasks` is called each time. Afterwards `num_without_task` counts the rows
    whose task the stream did not give.
    """

    def __init__(self, tasks: Callable[[], Iterable[Task]], journal: Path, round: int):
        self._tasks = tasks
        self._path = journal / "samples.jsonl"
        self._round = round
        self.damaged: list[int] = []  # line numbers of rows that fail their checksum
        self.num_without_task = 0
        keys, indices, offsets = array("Q"), array("I"), array("Q")
        for offset, line in read_lines(journal, self.damaged):
            task_id, index = row_head(line)
            keys.append(task_key(task_id))
            indices.append(index)
            offsets.append(offset)
        self._keys = np.frombuffer(keys, np.uint64) if keys else np.empty(0, np.uint64)
        order = np.lexsort((np.frombuffer(indices, np.uint32), self._keys)) if keys else np.empty(0, np.int64)
        self._keys = self._keys[order]
        self._offsets = np.frombuffer(offsets, np.uint64)[order] if keys else np.empty(0, np.uint64)

    def __len__(self) -> int:
        """Rows of the journal."""
        return len(self._keys)

    def __iter__(self) -> Iterator[Trace]:
        self.num_without_task = len(self)
        if not len(self):
            return
        taken = np.zeros(len(self), bool)  # at the first row of each task that the stream gave already
        with self._path.open("rb") as lines:
            for task in self._tasks():
                key = task_key(task.id.encode())
                first, last = (int(np.searchsorted(self._keys, np.uint64(key), side)) for side in ("left", "right"))
                if first == last or taken[first]:
                    continue
                taken[first] = True
                for offset in self._offsets[first:last].tolist():
                    lines.seek(offset)
                    row = json.loads(lines.readline())
                    self.num_without_task -= 1
                    yield Trace(task, Sample.from_dict(row["sample"]), Verdict.from_dict(row["verdict"]), self._round)
