"""Tasks from any JSONL, Parquet or hub dataset, its columns named by the recipe.

One real row of a JSONL file, with `prompt = "question"` and `answer = "final"`:

    {"question": "What is 2+3?", "final": "5"}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from tasks.errors import UserError
from tasks.task import MathReference, Task, reference_from_dict

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


_WRITTEN = {"id", "source", "prompt", "reference", "metadata"}  # the keys of a row that `selfplay tasks --out` wrote
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


def files(
    path: str,
    split: str = "train",
    name: str = "",
    num_tasks: NumTasks = 0,
    prompt: str = "prompt",
    answer: str = "answer",
    reference: str = "",
    difficulty: str = "",
    template: Template = "{problem}",
    literal: bool = False,
    license: str = "unknown",
) -> Iterator[Task]:
    """Tasks from the columns `prompt` and `answer` (a final answer), or `reference` (an object as in `selfplay verify`).

    A prompt may be text, put into `template` at {problem}, or a list of chat messages. 0 tasks means all. With `literal`
    an answer counts only written out: 7, and not 3+4.
    """
    for number, row in enumerate(rows_of(path, split, name)):
        if num_tasks and number >= num_tasks:
            return
        where = f"{path}, row {number + 1}"
        text = _column(row, prompt, where)
        if reference or (answer not in row and "reference" in row):  # as `selfplay tasks --out` writes it
            value = _column(row, reference or "reference", where)
            try:
                checked = reference_from_dict(json.loads(value) if isinstance(value, str) else value)
            except (UserError, json.JSONDecodeError) as error:
                raise UserError(f"{where}: {error}") from None
        else:
            value = _column(row, answer, where)
            if isinstance(value, (dict, list)):
                raise UserError(
                    f'{where}: column "{answer}" holds no final answer but {json.dumps(value):.60}; is it a `reference`?'
                )
            checked = MathReference(str(value), literal)
        metadata = {"number": number, "license": license}
        source = "files"
        if set(row) >= _WRITTEN:
            source, metadata = row["source"], metadata | row["metadata"]
        if difficulty:
            metadata["difficulty"] = row.get(difficulty)
        if not (text.strip() if isinstance(text, str) else text):
            raise UserError(f'{where}: column "{prompt}" is empty; give the task a prompt, or take the row out')
        content = template.format(problem=text) if isinstance(text, str) else text
        yield Task.make(source, content, checked, **metadata)


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


def _column(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row or row[name] is None:
        raise UserError(f'{where} has no column "{name}"; it has {", ".join(row)}. Name the right one in the recipe')
    return row[name]
