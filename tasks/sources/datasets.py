"""Rows of a JSONL or Parquet file, or of a dataset on the hub, and the template that makes a prompt of one."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from tasks.errors import UserError

NumTasks = Annotated[int, Field(ge=0)]  # how many tasks to take from the start; 0: all


def _holds_problem(template: str) -> str:
    try:
        filled = template.format(problem="\0")
    except (KeyError, IndexError, ValueError):
        filled = ""
    if "\0" not in filled:
        raise ValueError(
            "a template holds {problem}, where the problem goes, and other braces doubled, as in \\boxed{{}}"
        )
    return template


Template = Annotated[str, AfterValidator(_holds_problem)]
BOXED = "{problem}\n\nReason step by step, and put the final answer within \\boxed{{}}."


def rows_of(path: str, split: str = "train", name: str = "") -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file, or of a dataset on the Hugging Face hub, one at a time.

    UserError at a row that cannot be read.
    """
    for row in rows_with_faults(path, split, name):
        if isinstance(row, UserError):
            raise row
        yield row


def rows_with_faults(path: str, split: str = "train", name: str = "") -> Iterator[dict[str, Any] | UserError]:
    """The rows, and in place of a row that cannot be read the error that says why; what follows it is read all the same.

    UserError if the whole cannot be read: there is no such file, or it is damaged.
    """
    if path.endswith((".jsonl", ".json")):
        yield from _jsonl(Path(path))
    elif path.endswith(".parquet"):
        yield from _parquet(_existing(Path(path)))
    elif Path(path).exists():
        raise UserError(f"{path} is neither .jsonl nor .parquet; convert it to one of them")
    else:
        yield from _hub(path, split, name)


def _jsonl(path: Path) -> Iterator[dict[str, Any] | UserError]:
    with _existing(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode())
            except UnicodeDecodeError as error:
                yield UserError(f"{path}, line {number}: not UTF-8 (byte {error.start + 1}); write the file in UTF-8")
                continue
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, nesting without end
                yield UserError(f"{path}, line {number}: not JSON ({error}); each line must be one JSON object")
                continue
            if not isinstance(row, dict):
                row = UserError(f"{path}, line {number}: a JSON object is needed, not {line.decode().strip():.60}")
            yield row


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    """UserError if the file is cut or damaged."""
    import pyarrow
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(256):
            short = [one.name for one in batch.schema if one.type in (pyarrow.float16(), pyarrow.float32())]
            for row in batch.to_pylist():
                yield row | {name: _as_written(row[name]) for name in short}
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); write or fetch the file again") from None


def _as_written(value: float | None) -> float | None:
    """The number that a float of 32 bits was written for: 0.1, and not 0.10000000149011612."""
    import numpy

    return None if value is None else float(str(numpy.float32(value)))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"no file {path}; give a path that exists, from the folder that the command runs in")
    return path


def _hub(path: str, split: str, name: str) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        yield from datasets.load_dataset(path, name or None, split=split, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetNotFoundError) as error:
        raise UserError(
            f"cannot read {path!r} (split {split!r}): there is no such file, and the hub said: {error}"
        ) from error
