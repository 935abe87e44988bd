"""Verdicts for traces that have some already; equal pairs of reference and answer share one."""

from collections import OrderedDict

from selfplay.records import Trace
from tasks import MathReference
from verifiers import Reason, Verdict, verify, verify_answer
from verifiers.extract import extract

CACHE_PAIRS = 100_000  # of reference and answer, that one process remembers

_known: OrderedDict[tuple[str, str], Verdict] = OrderedDict()  # of this process: (reference, answer) -> verdict


def grade_groups(groups: list[list[Trace]]) -> list[tuple[list[Verdict], int]]:
    """For the traces of each task, their new verdicts and how many were those of an equal answer or program."""
    return [_grade_task(group) for group in groups]


def _grade_task(group: list[Trace]) -> tuple[list[Verdict], int]:
    reference = group[0].task.reference
    programs: dict[str, Verdict] = {}
    verdicts: list[Verdict] = []
    num_shared = 0
    for trace in group:
        text = trace.sample.text
        if trace.sample.finish_reason == "failed":
            verdicts.append(trace.verdict)  # no sample: there is nothing to check
        elif isinstance(reference, MathReference):
            verdict, shared = _math_verdict(reference, text)
            verdicts.append(verdict)
            num_shared += shared
        else:
            num_shared += text in programs
            if text not in programs:
                programs[text] = verify(reference, text)
            verdicts.append(programs[text])
    return verdicts, num_shared


def _math_verdict(reference: MathReference, text: str) -> tuple[Verdict, bool]:
    """The verdict of a text, and whether it was that of an equal pair of reference and answer."""
    try:
        answer = extract(text)
    except Exception:  # the verify boundary, which `verify` makes a verdict of
        answer = None
    if not answer:
        return verify(reference, text), False
    pair = (reference.answer, answer)
    if pair in _known:
        _known.move_to_end(pair)
        return _known[pair], True
    verdict = verify_answer(reference, answer)
    if verdict.reason not in (Reason.CHECKER_TIMEOUT, Reason.CHECKER_FAILURE):
        _known[pair] = verdict
        if len(_known) > CACHE_PAIRS:
            _known.popitem(last=False)
    return verdict, False


def undecided(group: list[Trace]) -> tuple[list[Verdict], int]:
    """What a task gets that killed the process which graded it."""
    return [Verdict.of(Reason.CHECKER_FAILURE, "the verifier's process died", 0.0, "none@0") for _ in group], 0
