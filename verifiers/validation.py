"""A task is valid only if its verifier accepts its own reference."""

from dataclasses import dataclass

from tasks import MathReference, Task
from verifiers import Outcome, Verdict, verify, verify_answer


@dataclass(frozen=True, slots=True)
class Validity:
    task: Task
    valid: bool | None  # None: the source gives no reference solution to try
    verdict: Verdict | None


def validate(task: Task) -> Validity:
    """Put the task's own reference through its verifier: the source's solution text where it has one, else the answer."""
    solution = task.metadata.get("solution")
    if isinstance(task.reference, MathReference):
        verdict = verify(task, solution) if solution else verify_answer(task.reference, task.reference.answer)
    elif solution:
        verdict = verify(task, f"```python\n{solution}\n```")
    else:
        return Validity(task, None, None)
    return Validity(task, verdict.outcome is Outcome.CORRECT, verdict)
