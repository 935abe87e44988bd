"""Rows of a JSONL or Parquet file, or of a dataset on the hub, and the template that makes a prompt of one."""

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
    """The rows of a JSONL or Parquet file, or of a dataset on the Hugging Face hub, one at a time."""
    if path.endswith((".jsonl", ".json")):
        yield from _jsonl(Path(path))
    elif path.endswith(".parquet"):
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(_existing(Path(path))).iter_batches(256):
            yield from batch.to_pylist()
    elif Path(path).exists():
        raise UserError(f"{path} is neither .jsonl nor .parquet; convert it to one of them")
    else:
        yield from _hub(path, split, name)


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with _existing(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(
                    f"{path}, line {number}: not JSON ({error}); each line must be one JSON object"
                ) from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: a JSON object is needed, not {line.strip():.60}")
            yield row


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
