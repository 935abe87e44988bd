"""What the rules about one text say of the right traces of each task, in several processes where there is much to read."""

import functools
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from selfplay.duplicates import normalised
from selfplay.ordered_work import in_order
from selfplay.records import Trace
from selfplay.rules import RULES
from verifiers import Outcome

CHUNK_TRACES = 256
WORTH_TRACES = 50_000  # from which on it is worth the seconds that further processes take to start
MOST_PROCESSES = 4  # what hands out the traces keeps no more busy
DIED = "rules_died"  # reason of a trace whose text killed the process that read it

Found = tuple[list[str], Counter[str]]  # the fault of each trace of a task, "" for none, and the seconds of each rule


def text_faults(
    groups: Iterable[list[Trace]], reject: Iterable[str], each_text_once: bool, num_processes: int
) -> Iterator[tuple[list[Trace], Found]]:
    """Each task's traces with what the rules named in `reject` say, in order. Wrong traces, and with `each_text_once` equal
    ones but the first, are not read."""
    names = tuple(name for name in RULES if name in reject)
    work = functools.partial(_read, names=names, each_text_once=each_text_once)
    return in_order(
        work, _chunks(groups), num_processes if names else 1, lambda group: ([DIED] * len(group), Counter())
    )


def processes_for(num_traces: int) -> int:
    """How many processes are worth it."""
    return min(MOST_PROCESSES, os.cpu_count() or 1) if num_traces >= WORTH_TRACES else 1


def _read(groups: list[list[Trace]], names: tuple[str, ...], each_text_once: bool) -> list[Found]:
    return [_read_task(group, names, each_text_once) for group in groups]


def _read_task(traces: list[Trace], names: tuple[str, ...], each_text_once: bool) -> Found:
    faults, seconds, seen = [], Counter(), set()
    for trace in traces:
        text = normalised(trace.sample.text)
        read = trace.verdict.outcome is Outcome.CORRECT and not (each_text_once and text in seen)
        faults.append(_fault(trace, names, seconds) if read else "")
        if read:
            seen.add(text)
    return faults, seconds


def _fault(trace: Trace, names: tuple[str, ...], seconds: Counter[str]) -> str:
    """The first rule that rejects a trace."""
    for name in names:
        started = time.perf_counter()
        broken = RULES[name](trace)
        seconds[name] += time.perf_counter() - started
        if broken:
            return name
    return ""


def _chunks(groups: Iterable[list[Trace]]) -> Iterator[list[list[Trace]]]:
    chunk: list[list[Trace]] = []
    size = 0
    for group in groups:
        chunk.append(group)
        size += len(group)
        if size >= CHUNK_TRACES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
