"""A task is valid only if its verifier accepts its own reference, and refuses what is known to be wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks import Task
from tasks.imports import is_named
from verifiers import Outcome, Reason, Verdict, verifier_of, verify, verify_answer

_SHOWN = 60  # characters of a wrong solution in a fault


@dataclass(frozen=True, slots=True)
class Validity:
    task: Task
    valid: bool | None  # None: the task holds no solution to try
    fault: str = ""  # why it is not valid


def validate(task: Task) -> Validity:
    """Put the task's own solution through its verifier, or else its own answer; then its wrong solutions.

    A kind from outside this project has to prove more: each task needs a solution of its own, and an empty completion
    must not be accepted.
    """
    if fault := verifier_of(task.reference).fault(task.reference):
        return Validity(task, False, fault)
    verdict = _own_verdict(task)
    is_own_kind = is_named(task.reference.kind)
    if verdict is not None and verdict.outcome is not Outcome.CORRECT:
        advice = verifier_of(task.reference).advice if verdict.reason is Reason.UNSUPPORTED else ""
        fault = f"its own reference gets {verdict.outcome}, {verdict.reason}: {verdict.answer}"
        return Validity(task, False, f"{fault}; {advice}" if advice else fault)
    if verdict is None and is_own_kind:
        return Validity(
            task,
            False,
            'it holds no solution to try: give its metadata a "solution", or its verifier own_solution() or own_answer()',
        )
    if fault := next(_accepted_wrongly(task, is_own_kind), ""):
        return Validity(task, False, fault)
    return Validity(task, None if verdict is None else True)


def _own_verdict(task: Task) -> Verdict | None:
    verifier = verifier_of(task.reference)
    if solution := verifier.own_solution(task):
        return verify(task, solution)
    answer = verifier.own_answer(task.reference)
    return None if answer is None else verify_answer(task.reference, answer)


def _accepted_wrongly(task: Task, is_own_kind: bool) -> Iterator[str]:
    wrong = list(verifier_of(task.reference).wrong_solutions(task))
    for text in [*wrong, ""] if is_own_kind else wrong:
        verdict = verify(task, text)
        if verdict.outcome is Outcome.CORRECT or verdict.reason is Reason.CHECKER_FAILURE:
            yield f"a wrong solution gets {verdict.outcome}, {verdict.reason}: {text!r:.{_SHOWN}}"
