"""GSM8K: grade-school word problems with a solution that ends in `#### answer` (Cobbe et al. 2021, MIT licence).

One real row: {"question": "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total
does it take?", "answer": "It takes 2/2=<<2/2=1>>1 bolt of white fiber\\nSo the total ... 3 bolts of fabric\\n#### 3"}
"""

from collections.abc import Iterator

from tasks.errors import UserError
from tasks.references import MathReference
from tasks.sources.datasets import BOXED, NumTasks, Template, rows_of
from tasks.task import Task


def gsm8k(
    path: str = "openai/gsm8k",
    split: str = "test",
    num_tasks: NumTasks = 0,
    template: Template = BOXED,
    literal: bool = False,
) -> Iterator[Task]:
    """GSM8K from the hub, or from a local JSONL or Parquet file with columns question and answer. 0 tasks means all.

    With `literal` an answer counts only written out: 7, and not 3+4.
    """
    for number, row in enumerate(rows_of(path, split, "main")):
        if num_tasks and number >= num_tasks:
            return
        solution = row.get("answer", row.get("ground_truth", ""))
        final = solution.replace("\nA: ", "\n#### ").rpartition("####")[2].strip()
        if "question" not in row or not final:
            raise UserError(f"{path}, row {number + 1}: a question and an answer that ends in '#### number' are needed")
        yield Task.make(
            "gsm8k",
            template.format(problem=row["question"]),
            MathReference(final, literal),
            number=number,
            split=split,
            solution=solution,
            license="MIT",
        )
