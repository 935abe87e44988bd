"""Checker programs: for tasks with several right answers, a program of the reference's that judges each one.

The checker is Python source with a function `check`. It runs confined in a process of its own, apart from the program, and
gets data only: `check(input, output, expected)` of text for `stdio_tests`, `check(args, result, expected)` of values for
`function_tests`. It returns True or False, or raises AssertionError for a wrong answer. A checker that fails otherwise is
asked about the expected answer itself: where it can judge that one, the program's answer was at fault.
"""

import os
from collections.abc import Sequence
from typing import Any

from verifiers.sandbox.controller import ForkServer
from verifiers.sandbox.inside import wire
from verifiers.verdict import Reason

Case = tuple[Any, str, Any]  # what was given, the answer as text of the wire, what is expected

_CPU_SECONDS, _WALL_SECONDS = 10.0, 60.0  # over all cases together
_ASKED = "_asked_"
_ASK = f"""

def {_ASKED}(given, answer, expected):
    try:
        return check(given, answer, expected)
    except AssertionError:
        return False
"""
_FOUND = {b'["value", "true"]': True, b'["value", "false"]': False}


def check_answers(server: ForkServer, checker: str, cases: Sequence[Case], memory_bytes: int) -> tuple[Reason, str]:
    """The reason of a verdict by a checker, and a short account."""
    found, failure = _ask(server, checker, cases, memory_bytes)
    if False in found:
        number = found.index(False)
        return Reason.MISMATCH, f"case {number + 1} of {len(cases)}: the checker refuses {cases[number][1][:200]}"
    if not failure:
        return Reason.MATCH, ""
    number = len(found)
    given, answer, expected = cases[number]
    try:
        own, own_failure = _ask(server, checker, [(given, wire.encode(expected), expected)], memory_bytes)
    except wire.NotPlain:
        own, own_failure = [], failure
    reason = Reason.CHECKER_TIMEOUT if "in time" in (own_failure or failure) else Reason.CHECKER_FAILURE
    if own and not own_failure:
        reason = Reason.TIMEOUT if "in time" in failure else Reason.MISMATCH
        return reason, f"case {number + 1} of {len(cases)}: no checker can judge {answer[:200]}: {failure}"
    return reason, f"case {number + 1} of {len(cases)}: the reference's checker {own_failure or failure}"


def _ask(server: ForkServer, checker: str, cases: Sequence[Case], memory_bytes: int) -> tuple[list[bool], str]:
    """What a checker says of each case, up to the one at which it failed; and how it failed."""
    calls = [wire.pack_call(_ASKED, list(case), {}) for case in cases]
    job = wire.pack_job({"program": checker + _ASK, "calls": calls, "decoded": True})
    ended = server.wait(server.start("calls", job, _CPU_SECONDS, memory_bytes, _WALL_SECONDS))
    found = []
    for line in ended.answers.splitlines():
        if line not in _FOUND or len(found) == len(cases):
            return found, f"says {line[:200].decode(errors='replace')}"
        found.append(_FOUND[line])
    if len(found) == len(cases):
        return found, ""
    if ended.killed or ended.cpu_seconds > _CPU_SECONDS:
        return found, "did not end in time"
    signal = os.WTERMSIG(ended.status) if os.WIFSIGNALED(ended.status) else 0
    return found, f"was ended by signal {signal}" if signal else "left cases unjudged"
