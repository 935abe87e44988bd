"""HumanEval: 164 Python functions to complete, with tests (Chen et al. 2021, MIT licence).

One real row: {"task_id": "HumanEval/0", "prompt": "from typing import List\\n\\n\\ndef has_close_elements(...", "test":
"def check(candidate): ...", "entry_point": "has_close_elements", "canonical_solution": "    for idx, elem in ..."}
"""

import ast
import re
from collections.abc import Iterator

from tasks.errors import UserError
from tasks.references import AssertTests
from tasks.sources.datasets import NumTasks, Template, rows_of
from tasks.task import Task

TEMPLATE = (
    "Complete this Python function. Answer with the whole function, its imports included, in one code block.\n\n"
    "```python\n{problem}```"
)


def humaneval(
    path: str = "openai/openai_humaneval", split: str = "test", num_tasks: NumTasks = 0, template: Template = TEMPLATE
) -> Iterator[Task]:
    """HumanEval from the hub or a local JSONL or Parquet file of its form. 0 tasks means all."""
    for number, row in enumerate(rows_of(path, split)):
        if num_tasks and number >= num_tasks:
            return
        missing = {"prompt", "test", "entry_point"} - set(row)
        if missing:
            raise UserError(f"{path}, row {number + 1}: HumanEval's columns {', '.join(sorted(missing))} are missing")
        yield Task.make(
            "humaneval",
            template.format(problem=row["prompt"]),
            AssertTests(own_helpers(row) + row["test"], row["entry_point"]),
            number=number,
            name=row.get("task_id"),
            solution=row["prompt"] + row.get("canonical_solution", ""),
            license="MIT",
        )


def own_helpers(row: dict) -> str:
    """The other functions of the prompt that the tests call. A program could redefine them, so the tests bring their own."""
    try:
        body = ast.parse(row["prompt"]).body
    except SyntaxError:
        return ""
    others = [node for node in body if isinstance(node, ast.FunctionDef) and node.name != row["entry_point"]]
    helpers = [node for node in others if re.search(rf"\b{node.name}\(", row["test"])]
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))] if helpers else []
    return "".join(f"{ast.unparse(node)}\n" for node in imports + helpers)
