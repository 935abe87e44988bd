"""Traces and tasks that a list rules out, such as the one that `selfplay audit --labels` writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.records import Trace
from tasks import UserError


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Rows {"task_id"} rule out a task; rows with "sample_index" too rule out that sample, in "round" or in every round."""

    tasks: frozenset[str] = frozenset()
    samples: frozenset[tuple[int | None, str, int]] = frozenset()  # round (None: every one), task, index

    def holds(self, trace: Trace) -> bool:
        task, index = trace.task.id, trace.sample.index
        return task in self.tasks or bool({(trace.round, task, index), (None, task, index)} & self.samples)


def read_exclusions(path: str) -> Exclusions:
    """The list at a path, one JSON object a line; nothing for an empty path. UserError names a faulty line."""
    tasks, samples = set(), set()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines() if path else []
    except OSError as error:
        raise UserError(f"cannot read exclude = {json.dumps(path)} in [selection]: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        row = _row(line, f"{path}, line {number}")
        if "sample_index" in row:
            samples.add((row.get("round"), row["task_id"], row["sample_index"]))
        else:
            tasks.add(row["task_id"])
    return Exclusions(frozenset(tasks), frozenset(samples))


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error}); each line must be one JSON object") from None
    kinds = {"task_id": str, "sample_index": int, "round": int}
    if (
        not isinstance(row, dict)
        or "task_id" not in row
        or any(not isinstance(row[name], kind) for name, kind in kinds.items() if name in row)
    ):
        raise UserError(
            f'{where}: an object with "task_id" (text), and perhaps "sample_index" and "round" (numbers), is needed, not '
            f"{line.strip():.60}"
        )
    return row
