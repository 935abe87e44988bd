"""MATH: competition problems with LaTeX answers (Hendrycks et al. 2021, MIT licence), and its 500 of PRM800K.

One real row: {"problem": "Convert the point $(0,3)$ ... to polar coordinates. ...", "solution": "... \\boxed{...}",
"answer": "\\left( 3, \\frac{\\pi}{2} \\right)", "subject": "Precalculus", "level": 2}
"""

from collections.abc import Iterator

from tasks.errors import UserError
from tasks.references import MathReference
from tasks.sources.datasets import BOXED, NumTasks, Template, rows_of
from tasks.task import Task


def competition_math(
    path: str = "HuggingFaceH4/MATH-500", split: str = "test", num_tasks: NumTasks = 0, template: Template = BOXED
) -> Iterator[Task]:
    """MATH-500 or any dataset of its form: columns problem and answer, and solution if there is one. 0 tasks means all."""
    for number, row in enumerate(rows_of(path, split)):
        if num_tasks and number >= num_tasks:
            return
        if "problem" not in row or not row.get("answer"):
            raise UserError(
                f"{path}, row {number + 1}: the columns problem and answer are needed; it has {', '.join(row)}"
            )
        level = row.get("level")
        yield Task.make(
            "math500",
            template.format(problem=row["problem"]),
            MathReference(row["answer"]),
            number=number,
            split=split,
            difficulty=int(str(level).removeprefix("Level ")) if level is not None else None,
            subject=row.get("subject"),
            solution=row.get("solution"),
            license="MIT",
        )
