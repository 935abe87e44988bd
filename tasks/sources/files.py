"""Tasks from any JSONL, Parquet or hub dataset, its columns named by the recipe.

One real row of a JSONL file, with `prompt = "question"` and `answer = "final"`:

    {"question": "What is 2+3?", "final": "5"}
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from tasks.errors import UserError
from tasks.references import Reference, reference_from_dict
from tasks.sources.bad_rows import BadRow
from tasks.sources.datasets import NumTasks, Template, rows_with_faults
from tasks.sources.layouts import LAYOUTS, row_of
from tasks.sources.messages import prompt_of
from tasks.task import Message, Task

_WRITTEN = {"id", "source", "prompt", "reference", "metadata"}  # the keys of a row that `selfplay tasks --out` wrote
_T = TypeVar("_T")


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
    license: str = "",
    kind: str = "math",
    reference_options: dict[str, Any] | None = None,
    layout: str = "",
    on_bad_row: Literal["stop", "skip"] = "stop",
) -> Iterator[Task | BadRow]:
    """Tasks from the columns `prompt` and `answer` (a final answer), or `reference` (an object as in `selfplay verify`).

    A prompt may be text, put into `template` at {problem}, or a list of chat messages. 0 tasks means all. `kind` says how a
    final answer is compared: "math" by its value, "text" as it is written, or a kind of your own whose references have an
    `answer`; `reference_options` are more keys of each such reference, for example {case_sensitive = true}. With
    `literal` an answer of mathematics counts only written out: 7, and not 3+4. With `layout` the rows are those of a
    published set of programs, whole: humaneval, humaneval+, mbpp, mbpp+, leetcode, kodcode, apps, taco, code_contests or
    livecodebench; the other keys of columns do not count then. A row that cannot be used stops the run before it samples,
    with every such row named; with `on_bad_row = "skip"` it is left out, and named in the round's folder.
    """
    taken = 0
    for number, row in enumerate(rows_with_faults(path, split, name)):
        if num_tasks and taken >= num_tasks:
            return
        where = f"{path}, row {number + 1}"
        try:
            if isinstance(row, UserError):
                raise row
            if layout:
                content, checked, metadata = _of_layout(row, layout, where)
            else:
                content = _named(where, prompt, prompt_of, _column(row, prompt, where))
                checked = _reference(
                    row, answer, reference, where, {"kind": kind, "literal": literal}, reference_options
                )
                metadata = {}
            found = {
                "number": number,
                "license": license or (LAYOUTS[layout].license if layout else "unknown"),
            } | metadata
            source = "files"
            if not layout and set(row) >= _WRITTEN:
                source, found = _written(row, found, where)
            if difficulty:
                found["difficulty"] = _named(where, difficulty, _scalar, row.get(difficulty))
            if isinstance(content, str):
                content = template.format(problem=content)
            task = Task.make(source, content, checked, **found)
        except UserError as error:
            yield BadRow(str(error), is_left_out=on_bad_row == "skip")
            continue
        except UnicodeEncodeError as error:
            fault = f"{where} holds half of a surrogate pair ({error}); write its text as whole characters"
            yield BadRow(fault, is_left_out=on_bad_row == "skip")
            continue
        taken += 1
        yield task


def _of_layout(row: dict[str, Any], layout: str, where: str) -> tuple[str | list[Message], Reference, dict[str, Any]]:
    """Prompt, reference and metadata of a row of a published set."""
    found = row_of(layout, row, where)
    return found.prompt, found.reference, {"solution": found.solution} if found.solution else {}


def _reference(
    row: dict[str, Any], answer: str, reference: str, where: str, kind: dict[str, Any], options: dict[str, Any] | None
) -> Reference:
    """The reference that a row holds, or one made of its final answer."""
    if reference or (answer not in row and "reference" in row):  # as `selfplay tasks --out` writes it
        value = _column(row, reference or "reference", where)
        try:
            return reference_from_dict(json.loads(value) if isinstance(value, str) else value)
        except (UserError, ValueError, RecursionError) as error:
            raise UserError(f"{where}: {error}") from None
    value = _named(where, answer, _answer, _column(row, answer, where))
    keys = kind if kind["literal"] else {"kind": kind["kind"]}
    try:
        return reference_from_dict({**keys, "answer": value, **(options or {})})
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _answer(value: Any) -> str:
    """A final answer as text; UserError for a value that is none."""
    if isinstance(value, bytes):
        raise UserError(f"holds bytes, {value!r:.60}; write the answer as text")
    if isinstance(value, (dict, list)):
        raise UserError(f"holds no final answer but {value!r:.60}; is it a `reference`?")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"holds {value}, which is no number; correct the answer, or take the row out")
    text = str(value)
    if not text.strip():
        raise UserError("is empty; give the task an answer, or take the row out")
    if not _is_text(text):
        raise UserError(f"holds half of a surrogate pair, {text!r:.60}; write the answer as whole characters")
    return text


def _scalar(value: Any) -> Any:
    """A value that JSON can hold."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"holds {value!r:.60}, which cannot be kept ({error}); write it as text or a number") from None
    return value


def _written(row: dict[str, Any], metadata: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Source and metadata of a row that `selfplay tasks --out` wrote."""
    if not isinstance(row["source"], str) or not isinstance(row["metadata"], dict):
        raise UserError(
            f'{where}: "source" must be a text and "metadata" an object, as `selfplay tasks --out` writes them'
        )
    return row["source"], metadata | row["metadata"]


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _named(where: str, column: str, read: Callable[[Any], _T], value: Any) -> _T:
    """What `read` makes of a value; its errors get their place."""
    try:
        return read(value)
    except UserError as error:
        raise UserError(f'{where}: column "{column}" {error}') from None


def _column(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row:
        raise UserError(f'{where} has no column "{name}"; it has {", ".join(row)}. Name the right one in the recipe')
    if row[name] is None:
        raise UserError(f'{where}: column "{name}" is null; fill it, or take the row out')
    return row[name]
