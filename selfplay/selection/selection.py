"""Selection: which traces of a round become training data, and why the others do not.

Five stages; each gives the traces that it rejects a reason:

1. the verdict: only correct traces go on, and none that `exclude` names (exclusions.py)
2. the task: none that copies an evaluation task (decontamination.py)
3. the text: filters (filters.py), and no trace that quotes an evaluation task
4. with `across_tasks`: no trace that nearly repeats one kept for an earlier task with nearly the same prompt (dedup.py)
5. the traces of one task together: no duplicates or near duplicates, and at most `max_traces_per_task`, by `choose`

If `max_traces` or `max_tokens` bounds the round, only the traces that `prefer` ranks highest are then kept. Without
`verified` there is no selection: the control arm keeps every trace that has a text, or a random part of them that
fits `max_tokens`, so that it trains on as much as the verified arm.
"""

import hashlib
import math
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from selfplay.recipe.sections import Selection
from selfplay.records import ACCEPTED, Trace, normalised
from selfplay.selection.decontamination import Contamination, text_of
from selfplay.selection.dedup import KeptTraces, signature, similarities, sketch_of
from selfplay.selection.exclusions import read_exclusions
from selfplay.selection.filters import filter_texts
from verifiers import Outcome

PLENTY = 4  # with so many times the budget, `prefer = "difficulty"` keeps the hard ones
MAX_NAMED = 1000  # contaminated tasks that the statistics name


class SelectionStats:
    """Traces, tokens and tasks by reason of rejection, and the seconds of each stage."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # traces by reason
        self.tokens: Counter[str] = Counter()  # completion tokens by reason
        self.lost_tasks: Counter[str] = (
            Counter()
        )  # tasks with a correct trace and none accepted, by their first rejection
        self.seconds: dict[str, float] = defaultdict(float)  # of each filter's or stage's work
        self.contaminated: dict[str, str] = {}  # task id -> evaluation task
        self.second_chances: dict[str, Any] = {}  # figures of each pass of second chances

    def record(self, selected: Iterable[tuple[Trace, str]]) -> Iterator[tuple[Trace, str]]:
        """Count the results of `select` and pass them on."""
        for _, group in groupby(selected, key=lambda row: row[0].task.id):
            lost = ""
            kept = False
            for trace, reason in group:
                self.counts[reason] += 1
                self.tokens[reason] += trace.sample.completion_tokens
                kept |= reason == ACCEPTED
                if trace.verdict.outcome is Outcome.CORRECT and reason != ACCEPTED:
                    lost = lost or reason
                yield trace, reason
            if lost and not kept:
                self.lost_tasks[lost] += 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "reasons": {
                reason: {
                    "num_traces": count,
                    "completion_tokens": self.tokens[reason],
                    "num_tasks_lost": self.lost_tasks[reason],
                }
                for reason, count in self.counts.most_common()
            },
            "rule_seconds": dict(self.seconds),
            "contaminated_tasks": self.contaminated,
        }


def select(
    traces: Iterable[Trace],
    settings: Selection,
    contamination: Contamination | None = None,
    stats: SelectionStats | None = None,
    num_processes: int = 1,
) -> Iterator[tuple[Trace, str]]:
    """Every trace with `accepted` or the reason of its rejection, in the order given.

    Traces of one task must follow each other. A budget needs two passes over `traces`, so they cannot be an iterator.
    The result depends neither on the order of verdicts nor on the number of processes.
    """
    stats = stats or SelectionStats()
    if settings.verified:
        judged = _by_task(traces, settings, contamination, stats, num_processes)
    else:
        settings = settings.model_copy(update={"prefer": "random", "max_traces": 0})
        judged = (([trace], [_sample_reason(trace) or ACCEPTED]) for trace in traces)
    if settings.max_traces or settings.max_tokens:
        return _within_budget(traces, judged, settings)
    return ((trace, reason) for group, reasons in judged for trace, reason in zip(group, reasons, strict=False))


def _by_task(
    traces: Iterable[Trace],
    settings: Selection,
    contamination: Contamination | None,
    stats: SelectionStats,
    num_processes: int,
) -> Iterator[tuple[list[Trace], list[str]]]:
    excluded = read_exclusions(settings.exclude)
    before = KeptTraces(settings.near_duplicates or 1.0) if settings.across_tasks and settings.drop_duplicates else None
    groups = (list(group) for _, group in groupby(traces, key=lambda trace: trace.task.id))
    for task_traces, (faults, seconds) in filter_texts(
        groups, settings.reject, settings.drop_duplicates, num_processes
    ):
        for name, spent in seconds.items():
            stats.seconds[name] += spent
        reasons = [_verdict_reason(trace) or ("excluded" if excluded.holds(trace) else "") for trace in task_traces]
        if not all(reasons) and contamination is not None:
            copied = _timed(stats, "contaminated", contamination.match, text_of(task_traces[0].task))
            if copied:
                if len(stats.contaminated) < MAX_NAMED:
                    stats.contaminated[task_traces[0].task.id] = copied
                reasons = [reason or "contaminated" for reason in reasons]
        seen: dict[str, str] = {}  # text of this task -> its fault
        for number, trace in enumerate(task_traces):
            if not reasons[number]:
                reasons[number] = _text_reason(trace, faults[number], seen, settings, contamination, stats)
        if before is not None:
            _timed(stats, "duplicate_across_tasks", partial(_across, task_traces, reasons, settings), before)
        _among(task_traces, reasons, settings, stats)
        if before is not None and not all(reasons):
            kept = [
                sketch_of(trace.sample.text) for trace, reason in zip(task_traces, reasons, strict=False) if not reason
            ]
            before.add(text_of(task_traces[0].task), kept)
        yield task_traces, [reason or ACCEPTED for reason in reasons]


def _sample_reason(trace: Trace) -> str:
    return "no_sample" if trace.sample.finish_reason == "failed" else ""


def _verdict_reason(trace: Trace) -> str:
    return _sample_reason(trace) or ("" if trace.verdict.outcome is Outcome.CORRECT else str(trace.verdict.outcome))


def _text_reason(
    trace: Trace,
    fault: str,
    seen: dict[str, str],
    settings: Selection,
    contamination: Contamination | None,
    stats: SelectionStats,
) -> str:
    """Why a trace is rejected for its own text, or as a duplicate of an earlier trace of its task."""
    text = normalised(trace.sample.text)
    if settings.drop_duplicates and text in seen:
        return seen[text] or "duplicate"
    if not fault and contamination is not None and _timed(stats, "quotes_evaluation", contamination.quoted, text):
        fault = "quotes_evaluation"
    seen[text] = fault
    return fault


def _across(traces: list[Trace], reasons: list[str], settings: Selection, before: KeptTraces) -> None:
    """Reject traces that nearly repeat one kept for a task with nearly the same prompt."""
    if all(reasons):
        return
    others = before.of_like_tasks(text_of(traces[0].task))
    for number, trace in enumerate(traces if len(others) else ()):
        if not reasons[number] and (others == sketch_of(trace.sample.text)).mean(axis=1).max() >= (
            settings.near_duplicates or 1.0
        ):
            reasons[number] = "duplicate_across_tasks"


def _among(traces: list[Trace], reasons: list[str], settings: Selection, stats: SelectionStats) -> None:
    """Reject near duplicates of kept traces, and the traces beyond `max_traces_per_task`."""
    order = [number for number, reason in enumerate(reasons) if not reason]
    if settings.choose != "first":
        order.sort(key=lambda number: _rank(traces[number], settings.choose))
    near = settings.near_duplicates if settings.drop_duplicates else 0.0
    most = settings.max_traces_per_task or len(order)
    started = time.perf_counter()
    signatures = {}
    if len(order) > 1 and (near or settings.choose == "diverse"):
        signatures = {
            number: sketch for number in order if (sketch := signature(traces[number].sample.text)) is not None
        }
    if settings.choose == "diverse":
        order = _most_different(order, signatures)
    kept: list[Any] = []
    num_kept = 0
    for number in order:
        sketch = signatures.get(number)
        if near and sketch is not None and kept and similarities(sketch, kept).max() >= near:
            reasons[number] = "near_duplicate"
        elif num_kept >= most:
            reasons[number] = "max_traces_per_task"
        else:
            num_kept += 1
            if sketch is not None:
                kept.append(sketch)
    stats.seconds["near_duplicate"] += time.perf_counter() - started


def _rank(trace: Trace, choose: str) -> tuple[float, int]:
    """Sort key of the traces that are kept first: the shortest, or random ones."""
    return (_length(trace) if choose == "shortest" else _chance(trace), trace.sample.index)


def _most_different(order: list[int], signatures: dict[int, Any]) -> list[int]:
    """The first trace, then each time the one whose nearest neighbour among those taken is farthest (Gonzalez 1985)."""
    left = order[1:]
    taken = order[:1]
    nearest = {number: 0.0 for number in left}
    while left:
        last = signatures.get(taken[-1])
        for number in left:
            sketch = signatures.get(number)
            if sketch is not None and last is not None:
                nearest[number] = max(nearest[number], float((sketch == last).mean()))
        best = min(left, key=lambda number: nearest[number])
        left.remove(best)
        taken.append(best)
    return taken


def _within_budget(
    traces: Iterable[Trace], judged: Iterable[tuple[list[Trace], list[str]]], settings: Selection
) -> Iterator[tuple[Trace, str]]:
    """Reject all accepted traces but those that `prefer` ranks highest, as many as the budget allows.

    Holds 21 bytes a trace.
    """
    codes = bytearray()
    names: dict[str, int] = defaultdict(lambda: len(names))
    scores, ties, lengths = array("d"), array("d"), array("I")
    for group, reasons in judged:
        decided = [trace.verdict.outcome for trace in group if trace.verdict.outcome is not Outcome.UNDECIDED]
        rate = sum(outcome is Outcome.CORRECT for outcome in decided) / len(decided) if decided else 0.0
        for trace, reason in zip(group, reasons, strict=False):
            codes.append(names[reason])
            scores.append(_score(trace, rate, settings.prefer) if reason == ACCEPTED else -math.inf)
            ties.append(_chance(trace))
            lengths.append(_length(trace))
    if scores:
        for number, reason in _beyond_budget(
            np.frombuffer(scores), np.frombuffer(ties), np.frombuffer(lengths, np.uint32), settings
        ):
            codes[number] = names[reason]
    reason_of = list(names)
    for code, trace in zip(codes, traces, strict=True):
        yield trace, reason_of[code]


def _beyond_budget(
    scores: np.ndarray, ties: np.ndarray, lengths: np.ndarray, settings: Selection
) -> Iterator[tuple[int, str]]:
    """The numbers of the accepted traces (those with a finite score) that are not kept, each with the bound that it passes."""
    accepted = np.isfinite(scores)
    pool, pool_tokens = int(accepted.sum()), int(lengths[accepted].sum())
    scarce = pool < PLENTY * settings.max_traces or pool_tokens < PLENTY * settings.max_tokens
    if settings.prefer == "difficulty" and scarce:
        scores = np.where(accepted, -scores, scores)  # the easy ones
    order = np.lexsort((ties, -scores))[:pool]
    most = fitting = settings.max_traces or pool
    if settings.max_tokens:
        fitting = int(np.searchsorted(np.cumsum(lengths[order], dtype=np.int64), settings.max_tokens, side="right"))
    for place in range(min(most, fitting), pool):
        yield int(order[place]), "max_traces" if place >= most else "max_tokens"


def _score(trace: Trace, rate: float, prefer: str) -> float:
    """Higher is kept first. `rate` is the share of the task's decided samples that are correct.

    hard and easy: by that share. difficulty: the hard ones where data is plenty, the easy ones where it is scarce
    (Sorscher et al. 2022, "Beyond neural scaling laws", section 3; plenty is read as PLENTY times the budget).
    information: bits that the check added, -log2(rate), a completion token. short: fewest tokens.
    """
    match prefer:
        case "hard" | "difficulty":
            return -rate
        case "easy":
            return rate
        case "information":
            return -math.log2(rate) / _length(trace) if rate else 0.0
        case "short":
            return -_length(trace)
    return 0.0


def _length(trace: Trace) -> int:
    """Completion tokens; characters if the engine did not count."""
    return trace.sample.completion_tokens or len(trace.sample.text) or 1


def _chance(trace: Trace) -> float:
    """A random number in [0, 1) that depends on the sample alone."""
    name = f"{trace.sample.task_id}/{trace.sample.index}/{trace.sample.seed}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / 2**48


def _timed(stats: SelectionStats, name: str, work: Callable[[Any], Any], argument: Any) -> Any:
    started = time.perf_counter()
    result = work(argument)
    stats.seconds[name] += time.perf_counter() - started
    return result
