"""What counts as right: verify(task, completion) -> Verdict."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tasks import Reference, Task, UserError
from verifiers.kinds import Verifier, verifier_of
from verifiers.verdict import Outcome, Reason, Verdict

__all__ = ["Outcome", "Reason", "Verdict", "Verifier", "verifier_of", "verify", "verify_answer", "verify_many"]


def verify(task: Task | Reference, completion: str) -> Verdict:
    """The verdict of one completion against a task's reference.

    Never raises for what a model wrote: a checker that fails gives `undecided` with reason `checker_failure`.
    """
    reference = task.reference if isinstance(task, Task) else task
    return _guarded(verifier_of(reference).verify, reference, completion)


def verify_many(references: Sequence[Reference], completions: Sequence[str]) -> list[Verdict]:
    """The verdicts of many completions, in order; a verifier that checks several at once better than one gets them so."""
    verdicts: dict[int, Verdict] = {}
    rows: dict[Verifier, list[int]] = {}
    for number, reference in enumerate(references):
        rows.setdefault(verifier_of(reference), []).append(number)
    for verifier, numbers in rows.items():
        for start in range(0, len(numbers), verifier.most_at_once):
            some = numbers[start : start + verifier.most_at_once]
            asked, texts = [references[number] for number in some], [completions[number] for number in some]
            verdicts |= zip(some, _guarded_many(verifier, asked, texts), strict=True)
    return [verdicts[number] for number in range(len(references))]


def verify_answer(reference: Reference, answer: str) -> Verdict:
    """The verdict of an answer that is already extracted; UserError if the reference's kind has no answers."""
    verifier = verifier_of(reference)
    if not verifier.has_answers:
        raise UserError(f"a {reference.kind} reference needs a completion: its verifier extracts no answer")
    return _guarded(verifier.verify_answer, reference, answer)


def _guarded_many(verifier: Verifier, references: Sequence[Reference], completions: Sequence[str]) -> list[Verdict]:
    if len(references) > 1:
        try:
            return verifier.verify_many(references, completions)
        except Exception:  # the verify boundary: the check at fault is found one by one, and gets a verdict of its own
            pass
    return [_guarded(verifier.verify, *pair) for pair in zip(references, completions, strict=True)]


def _guarded(check: Callable[[Any, str], Verdict], reference: Reference, text: str) -> Verdict:
    start = time.perf_counter()
    try:
        verdict = check(reference, text)
    except Exception as error:  # the verify boundary: a checker's failure is a verdict of its own
        account = f"{type(error).__name__}: {error}"
        return Verdict.of(Reason.CHECKER_FAILURE, account[:500], time.perf_counter() - start, "none@0")
    if not isinstance(verdict, Verdict) or not isinstance(verdict.reason, Reason):
        account = f"the verifier returned {verdict!r:.200}, which is no Verdict with a Reason"
        return Verdict.of(Reason.CHECKER_FAILURE, account, time.perf_counter() - start, "none@0")
    return verdict if verdict.seconds else replace(verdict, seconds=time.perf_counter() - start)
