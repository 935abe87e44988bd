"""Tasks from any JSONL, Parquet or hub dataset, its columns named by the recipe.

One real row of a JSONL file, with `prompt = "question"` and `answer = "final"`:

    {"question": "What is 2+3?", "final": "5"}
"""

import json
from collections.abc import Iterator
from typing import Any

from tasks.errors import UserError
from tasks.references import reference_from_dict
from tasks.sources.datasets import NumTasks, Template, rows_of
from tasks.sources.layouts import LAYOUTS, row_of
from tasks.task import Task

_WRITTEN = {"id", "source", "prompt", "reference", "metadata"}  # the keys of a row that `selfplay tasks --out` wrote


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
) -> Iterator[Task]:
    """Tasks from the columns `prompt` and `answer` (a final answer), or `reference` (an object as in `selfplay verify`).

    A prompt may be text, put into `template` at {problem}, or a list of chat messages. 0 tasks means all. `kind` says how a
    final answer is compared: "math" by its value, "text" as it is written, or a kind of your own whose references have an
    `answer`; `reference_options` are more keys of each such reference, for example {case_sensitive = true}. With
    `literal` an answer of mathematics counts only written out: 7, and not 3+4. With `layout` the rows are those of a
    published set of programs, whole: humaneval, humaneval+, mbpp, mbpp+, leetcode, kodcode, apps, taco, code_contests or
    livecodebench; the other keys of columns do not count then.
    """
    for number, row in enumerate(rows_of(path, split, name)):
        if num_tasks and number >= num_tasks:
            return
        where = f"{path}, row {number + 1}"
        if layout:
            found = row_of(layout, row, where)
            metadata = {"number": number, "license": license or LAYOUTS[layout].license}
            metadata |= {"solution": found.solution} if found.solution else {}
            metadata |= {"difficulty": row.get(difficulty)} if difficulty else {}
            yield Task.make("files", template.format(problem=found.prompt), found.reference, **metadata)
            continue
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
            value = {"answer": str(value), **({"literal": True} if literal else {}), **(reference_options or {})}
            checked = reference_from_dict({"kind": kind, **value})
        metadata = {"number": number, "license": license or "unknown"}
        source = "files"
        if set(row) >= _WRITTEN:
            source, metadata = row["source"], metadata | row["metadata"]
        if difficulty:
            metadata["difficulty"] = row.get(difficulty)
        if not (text.strip() if isinstance(text, str) else text):
            raise UserError(f'{where}: column "{prompt}" is empty; give the task a prompt, or take the row out')
        content = template.format(problem=text) if isinstance(text, str) else text
        yield Task.make(source, content, checked, **metadata)


def _column(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row or row[name] is None:
        raise UserError(f'{where} has no column "{name}"; it has {", ".join(row)}. Name the right one in the recipe')
    return row[name]
