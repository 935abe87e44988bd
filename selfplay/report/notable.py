"""Which traces a person should read first: correct ones that look unlike the others, and solutions of the hardest tasks."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from statistics import median

LENGTH_FACTOR = 3.0  # a solution so many times longer or shorter than the middle one is marked
FAMILIARITY = (
    0.5  # a solution is marked when it shares less than this part of what the middle one shares with the others
)
LEAST_SHARED = 0.2  # below it the solutions of a task all differ, and none stands out
COMPARED = 4_000  # characters of a solution's beginning that are compared with the others
LEAST_SOLUTIONS = 4  # of a task, to compare them with each other
NUM_HARDEST = 100  # tasks

_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Notable:
    """What is looked at of one trace."""

    task: int
    correct: bool
    text: str
    reason: str
    finish_reason: str


def mark_notable(traces: list[Notable], difficulties: list[str]) -> tuple[list[tuple[int, list[str]]], list[int]]:
    """The suspicious rows with what is odd about each, oddest first, and the hardest solved tasks, hardest first.

    `difficulties` has one entry a task.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    attempts: Counter[int] = Counter()
    for row, trace in enumerate(traces):
        attempts[trace.task] += 1
        if trace.correct:
            groups[trace.task].append(row)
    notes: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for found in (_odd_lengths(traces, groups, difficulties), _unlike_others(traces, groups), _odd_verdicts(traces)):
        for row, weight, note in found:
            notes[row].append((weight, note))
    suspicious = sorted(notes, key=lambda row: (-sum(weight for weight, _ in notes[row]), row))
    hardest = sorted(groups, key=lambda task: ((len(groups[task]) + 0.5) / (attempts[task] + 1), task))
    unsolved_often = [task for task in hardest if len(groups[task]) < attempts[task]]
    return [(row, [note for _, note in notes[row]]) for row in suspicious], unsolved_often[:NUM_HARDEST]


def _odd_lengths(
    traces: list[Notable], groups: dict[int, list[int]], difficulties: list[str]
) -> Iterable[tuple[int, float, str]]:
    """Correct traces much shorter or longer than the middle one of their task, or of their difficulty where the task has few."""
    by_difficulty: dict[str, list[int]] = defaultdict(list)
    for task, rows in groups.items():
        by_difficulty[difficulties[task]] += [len(traces[row].text) for row in rows]
    middles = {name: median(lengths) for name, lengths in by_difficulty.items()}
    for task, rows in groups.items():
        own = len(rows) >= LEAST_SOLUTIONS
        middle = median(len(traces[row].text) for row in rows) if own else middles[difficulties[task]]
        compared = (
            "the task's solutions" if own else "solutions of this difficulty" if difficulties[task] else "solutions"
        )
        for row in rows:
            factor = (len(traces[row].text) + 1) / (middle + 1)
            if not 1 / LENGTH_FACTOR <= factor <= LENGTH_FACTOR:
                times = f"{factor:.1f}" if factor > 1 else f"{factor:.2f}"
                yield (
                    row,
                    abs(log(factor)),
                    f"very {'long' if factor > 1 else 'short'}: {times} times the median length of {compared}",
                )


def _unlike_others(traces: list[Notable], groups: dict[int, list[int]]) -> Iterable[tuple[int, float, str]]:
    """Correct traces that share few runs of three words with the task's other solutions."""
    for rows in groups.values():
        if len(rows) < LEAST_SOLUTIONS:
            continue
        runs = [_runs_of_words(traces[row].text) for row in rows]
        counts = Counter(run for each in runs for run in each)
        shared = [sum(counts[run] > 1 for run in each) / max(len(each), 1) for each in runs]
        middle = median(shared)
        if middle < LEAST_SHARED:
            continue
        for row, share in zip(rows, shared, strict=True):
            if share < FAMILIARITY * middle:
                yield (
                    row,
                    1 + middle - share,
                    f"unlike the task's other solutions: shares {share:.0%} of its word runs, they {middle:.0%}",
                )


def _odd_verdicts(traces: list[Notable]) -> Iterable[tuple[int, float, str]]:
    for row, trace in enumerate(traces):
        if trace.correct and trace.finish_reason == "length":
            yield row, 1.5, "cut off at the token limit, and yet correct"
        if trace.reason == "rounded":
            yield row, 1.0, "correct only as a rounded value"


def _runs_of_words(text: str) -> set[tuple[str, ...]]:
    words = _WORDS.findall(text[:COMPARED])
    return set(zip(words, words[1:], words[2:], strict=False)) or {tuple(words)}
