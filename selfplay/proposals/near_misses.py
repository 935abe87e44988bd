"""Wrong answers next to the right one: a reference that takes them all decides nothing."""

import re
from collections.abc import Iterator

from tasks import Task
from verifiers import Outcome, verifier_of, verify, verify_answer

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MOST_DIGITS = 300
_NO_PROGRAM = "```python\npass\n```"


def refuses_a_near_miss(task: Task) -> bool:
    """Whether the task's own verifier refuses at least one answer that is nearly the right one."""
    verifier = verifier_of(task.reference)
    own = verifier.own_answer(task.reference) if verifier.has_answers else None
    if own is None:
        wrong = [*verifier.wrong_solutions(task), _NO_PROGRAM, ""]
        return any(verify(task, text).outcome is Outcome.WRONG for text in wrong)
    return any(verify_answer(task.reference, answer).outcome is Outcome.WRONG for answer in near_misses(own))


def near_misses(answer: str) -> Iterator[str]:
    """Answers like this one with its last number changed by little, then by much; of a text, with a letter more."""
    numbers = list(_NUMBER.finditer(answer))
    if not numbers:
        yield f"{answer}x"
        yield "none of these"
        return
    last = numbers[-1]
    if len(last[0]) > _MOST_DIGITS:
        return
    value = float(last[0]) if "." in last[0] else int(last[0])
    for other in (value + 1, value - 1, 2 * value + 3):
        written = str(other).rjust(len(last[0]), "0") if last[0].startswith("0") and value else str(other)
        yield answer[: last.start()] + written + answer[last.end() :]
