"""What counts as right: verify(task, completion) -> Verdict."""

import time

from tasks import MathReference, Reference, Task
from verifiers.verdict import Outcome, Reason, Verdict

__all__ = ["Outcome", "Reason", "Verdict", "verify", "verify_answer"]


def verify(task: Task | Reference, completion: str) -> Verdict:
    """The verdict of one completion against a task's reference.

    Never raises for what a model wrote: a checker that fails gives `undecided` with reason `checker_failure`.
    """
    reference = task.reference if isinstance(task, Task) else task
    if isinstance(reference, MathReference):
        from verifiers.mathematics import verify_math as check
    else:
        from verifiers.programs import verify_program as check
    return _guarded(check, reference, completion)


def verify_answer(reference: MathReference, answer: str) -> Verdict:
    """The verdict of an answer that is already extracted."""
    from verifiers.mathematics import verify_math_answer

    return _guarded(verify_math_answer, reference, answer)


def _guarded(check, reference: Reference, text: str) -> Verdict:
    start = time.perf_counter()
    try:
        return check(reference, text)
    except Exception as error:  # the verify boundary: a checker's failure is a verdict of its own
        account = f"{type(error).__name__}: {error}"
        return Verdict.of(Reason.CHECKER_FAILURE, account[:500], time.perf_counter() - start, "none@0")
