"""The tasks that a run keeps: a copy in its folder, so that a source that is edited or lost changes nothing that has begun.

    RUN/round_000/tasks.jsonl             the tasks of a round, written before its first sample
    RUN/round_000/tasks.bad_rows.txt      the rows of its source that were left out, one line each, if there are any
    RUN/held_out/evaluation.jsonl         the held-out tasks
    RUN/held_out/NAME.jsonl               the tasks of [selection.against.NAME]

A row is a task as `selfplay tasks --out` writes it, and the source `files` reads it. A run of an earlier version keeps
none; its tasks come from their source.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasks import Task, UserError


def keep_tasks(tasks: Iterable[Task], path: Path) -> None:
    """Write tasks to a file. UserError if a row of the source is bad, or the disk fails."""
    with _whole_file(path) as file:
        for task in tasks:
            try:
                file.write(json.dumps(task.to_dict()).encode() + b"\n")
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"task {task.id} of the source {task.source} cannot be kept as JSON: {error}; change its metadata"
                ) from None


def bad_rows_path(path: Path) -> Path:
    """The file that names the rows which were left out of the tasks kept at `path`."""
    return path.with_name(f"{path.stem}.bad_rows.txt")


@contextmanager
def naming_bad_rows(path: Path) -> Iterator[Callable[[str], None]]:
    """What writes the text of each row that is left out of the tasks kept at `path`, while they are read."""
    with _whole_file(bad_rows_path(path)) as file:

        def write(text: str) -> None:
            file.write(" ".join(text.split()).encode("utf-8", "replace") + b"\n")

        yield write
    if not count_bad_rows(path):
        bad_rows_path(path).unlink()


def count_bad_rows(path: Path) -> int:
    """How many rows were left out of the tasks kept at `path`."""
    return count_tasks(bad_rows_path(path)) if bad_rows_path(path).exists() else 0


def copy_tasks(source: Path, path: Path) -> None:
    """Keep the tasks of a file that a run keeps already."""
    with source.open("rb") as kept, _whole_file(path) as file:
        shutil.copyfileobj(kept, file)


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that is either absent or whole on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; free or repair the disk and run again") from error


def read_tasks(path: Path) -> Iterator[Task]:
    """The tasks of a file, one at a time; UserError if a row is damaged."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield Task.from_dict(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}, line {number} is damaged ({error}); remove the file, and the tasks are read from their source"
                ) from None


def count_tasks(path: Path) -> int:
    """The number of tasks in a file."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
