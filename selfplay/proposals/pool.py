"""The pool of a run: the tasks of its rounds with their solve rates, and the parents that these choose.

RUN/round_000/proposals/         journal of the completions that propose
RUN/round_000/proposals.jsonl    every proposal with the result of its checks, written before the first sample
RUN/round_000/pool.jsonl         the round's tasks with provenance and solve rate, written when the round is sampled
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.journal.samples import read_samples
from selfplay.layout import TASKS, round_folder
from selfplay.proposals.proposal import ADMITTED
from selfplay.storage import write_lines
from tasks import Task

PROPOSALS, POOL = "proposals.jsonl", "pool.jsonl"
MASTERED = 0.03  # weight as a parent of a task that is solved nearly always
LEAST = 50  # tasks that are solved sometimes; with fewer, every task of the pool may be a parent


@dataclass(frozen=True, slots=True)
class Tried:
    """A task that a round has sampled."""

    task: Task
    rate: float  # share of its decided samples that are correct
    num_samples: int  # decided ones
    provenance: dict[str, Any]  # its row of proposals.jsonl without the task; empty: a seed

    def to_dict(self) -> dict[str, Any]:
        row = {"solve_rate": self.rate, "num_samples": self.num_samples, "is_seed": not self.provenance}
        return row | {"proposal": self.provenance, "task": self.task.to_dict()}


def tried_in(folder: Path) -> list[Tried]:
    """The tasks of a round that have decided samples, in the round's order; [] if it keeps none."""
    kept = folder / TASKS
    if not kept.exists():
        return []
    samples = read_samples(folder / "journal")
    decided, correct = samples.num_decided.tolist(), samples.num_correct.tolist()
    origins = {row["task"]["id"]: row for row in read_jsonl(folder / PROPOSALS) if row["reason"] == ADMITTED}
    found = []
    for row in read_jsonl(kept):
        place = samples.places.get(row["id"])
        if place is None or not decided[place]:
            continue
        origin = {key: value for key, value in origins.get(row["id"], {}).items() if key != "task"}
        found.append(Tried(Task.from_dict(row), correct[place] / decided[place], decided[place], origin))
    return found


def write_pool(folder: Path) -> list[Tried]:
    """Write the pool of a round that was sampled; returns it."""
    tried = tried_in(folder)
    write_lines(folder / POOL, (one.to_dict() for one in tried))
    return tried


def earlier_tasks(run: Path, index: int) -> Iterator[Task]:
    """All tasks that the rounds before `index` proposed and admitted."""
    for number in range(index):
        for row in read_jsonl(round_folder(run, number) / PROPOSALS):
            if row["reason"] == ADMITTED:
                yield Task.from_dict(row["task"])


def weighted_parents(
    tried: Sequence[Tried], seeds: Sequence[Task], window: Sequence[float]
) -> list[tuple[Task, float]]:
    """Tasks with their weights as parents: those solved sometimes count 1, those solved nearly always MASTERED, others 0.

    Without LEAST tasks that are solved sometimes, every task tried and every seed counts 1.
    """
    low, high = window
    weighted = [(one.task, 1.0 if one.rate <= high else MASTERED) for one in tried if one.rate > low]
    if sum(weight == 1.0 for _, weight in weighted) >= LEAST:
        return weighted
    return [(task, 1.0) for task in unique([*seeds, *(one.task for one in tried)])]


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; [] if it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def unique(tasks: Iterable[Task]) -> list[Task]:
    """The tasks without those that stand before them already."""
    return list({task.id: task for task in tasks}.values())
