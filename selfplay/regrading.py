"""Verdicts for traces that have some already; equal pairs of reference and answer share one."""

import json
from collections import OrderedDict
from typing import Any

from tasks import MathReference, reference_from_dict
from verifiers import Reason, Verdict, verify, verify_answer
from verifiers.extract import extract

Row = dict[str, Any]  # of a shard
COLUMNS = [
    "task_id",
    "reference",
    "sample_index",
    "completion",
    "finish_reason",
    "outcome",
    "reason",
    "answer",
    "verify_seconds",
    "verifier",
]
CACHE_PAIRS = 100_000  # of reference and answer, that one process remembers

_known: OrderedDict[tuple[MathReference, str], Verdict] = (
    OrderedDict()
)  # of this process: (reference, answer) -> verdict


def grade_groups(groups: list[list[Row]]) -> list[tuple[list[Verdict], int]]:
    """For the rows of each task (COLUMNS), their new verdicts and how many were those of an equal answer or program."""
    return [_grade_task(rows) for rows in groups]


def _grade_task(rows: list[Row]) -> tuple[list[Verdict], int]:
    reference = reference_from_dict(json.loads(rows[0]["reference"]))
    programs: dict[str, Verdict] = {}
    verdicts: list[Verdict] = []
    num_shared = 0
    for row in rows:
        text = row["completion"]
        if row["finish_reason"] == "failed":
            verdicts.append(_old_verdict(row))  # no sample: there is nothing to check
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


def _old_verdict(row: Row) -> Verdict:
    return Verdict.from_dict(
        {name: row[name] for name in ("outcome", "reason", "answer", "verifier")} | {"seconds": row["verify_seconds"]}
    )


def _math_verdict(reference: MathReference, text: str) -> tuple[Verdict, bool]:
    """The verdict of a text, and whether it was that of an equal pair of reference and answer."""
    try:
        answer = extract(text)
    except Exception:  # the verify boundary, which `verify` makes a verdict of
        answer = None
    if not answer:
        return verify(reference, text), False
    pair = (reference, answer)
    if pair in _known:
        _known.move_to_end(pair)
        return _known[pair], True
    verdict = verify_answer(reference, answer)
    if verdict.reason not in (Reason.CHECKER_TIMEOUT, Reason.CHECKER_FAILURE):
        _known[pair] = verdict
        if len(_known) > CACHE_PAIRS:
            _known.popitem(last=False)
    return verdict, False


def undecided(rows: list[Row]) -> tuple[list[Verdict], int]:
    """What a task gets that killed the process which graded it."""
    return [Verdict.of(Reason.CHECKER_FAILURE, "the verifier's process died", 0.0, "none@0") for _ in rows], 0
