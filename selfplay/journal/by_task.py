"""The traces of a round, task by task. A journal holds them in the order of their verdicts.

The journal stays on the disk; 20 bytes a row are held in memory: the task's key, the sample's index, the line's offset.
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

    Each iteration calls `tasks` again. Afterwards `num_without_task` counts the rows whose task was not in the stream.
    """

    def __init__(self, tasks: Callable[[], Iterable[Task]], journal: Path, round: int):
        self._tasks = tasks
        self._path = journal / "samples.jsonl"
        self._round = round
        self.damaged: list[int] = []  # line numbers of rows with a wrong checksum
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
        taken = np.zeros(len(self), bool)  # at the first row of each task that came already
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
