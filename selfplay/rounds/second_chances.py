"""Second chances of a round: passes over the tasks that no sample solved, and the training rows that come of them.

Each pass has a journal of its own, in the round's folder second_chances: hints, repair_1, repair_2 and so on. The round's own
journal, and with it every pass@k, knows nothing of them. Their rows stand in the shards of the kind "mixed", marked by the
column `selection`; how many turns and tokens a repaired one took stands in its metadata.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from selfplay.journal.by_task import TracesByTask
from selfplay.recipe.sections import Recipe, SecondChances
from selfplay.records import ACCEPTED, Trace
from selfplay.selection.decontamination import Contamination
from selfplay.selection.second_chances import RATIONALIZED, REPAIRED, can_repair, hint_fault, hinted, repaired
from selfplay.selection.selection import select
from selfplay.shards.provenance import Provenance
from selfplay.shards.schema import SCHEMA, row_of, task_columns
from tasks import Task
from verifiers import Outcome

FOLDER = "second_chances"
HINTS = "hints"


@dataclass(frozen=True)
class SecondChance:
    """The second chances of one round, from its journals alone."""

    recipe: Recipe
    folder: Path  # of the round
    index: int
    tasks: Callable[[], Iterable[Task]]

    @property
    def settings(self) -> SecondChances:
        assert self.recipe.second_chances is not None
        return self.recipe.second_chances

    def journal(self, name: str) -> Path:
        """The journal of one pass: "hints", or "repair_1" of the first turn."""
        return self.folder / FOLDER / name

    def hinted_tasks(self) -> list[Task]:
        """The tasks without a correct sample, with a hint; those whose steps could not be checked are left out."""
        tasks = (hinted(traces[0].task, self.settings.hint) for traces in self._unsolved(self.folder / "journal"))
        return [task for task in tasks if task is not None]

    def tasks_to_repair(self, turn: int) -> list[Task]:
        """The conversations of a turn, from 1: each asks to correct the first wrong sample of the turn before."""
        if turn == 1:
            groups = self._unsolved(self.folder / "journal")
            groups = (group for group in groups if can_repair(group[0].task))
        else:
            before = {task.id: task for task in self.tasks_to_repair(turn - 1)}
            groups = self._unsolved(self.journal(f"repair_{turn - 1}"), before)
        return [repaired(group[0].task, _failed(group).sample.text, _failed(group).verdict) for group in groups]

    def rows(
        self, contamination: Contamination | None, provenance: Provenance, counts: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The training rows, as rows of a shard; `counts` gets the samples, tokens and traces of each kind."""
        if self.settings.hinted_samples:
            yield from self._rows(HINTS, self._hinted_traces(), contamination, provenance, counts)
        for turn in range(1, self.settings.repair_turns + 1):
            yield from self._rows(f"repair_{turn}", self._repaired_traces(turn), contamination, provenance, counts)

    def _rows(
        self,
        name: str,
        traces: list[Trace],
        contamination: Contamination | None,
        provenance: Provenance,
        counts: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        reasons: Counter[str] = Counter()
        solved = {trace.task.id for trace in traces if trace.verdict.outcome is Outcome.CORRECT}
        counts[name] = {
            "num_tasks": len({trace.task.id for trace in traces}),
            "num_samples": len(traces),
            "completion_tokens": sum(trace.sample.completion_tokens for trace in traces),
            "num_solved": len(solved),
            "reasons": reasons,
        }
        for trace, reason in select(traces, self.recipe.selection, contamination):
            if reason == ACCEPTED and name == HINTS:
                reason = hint_fault(trace, self.settings.hint) or ACCEPTED
            reasons[reason] += 1
            if reason == ACCEPTED:
                kind = RATIONALIZED if name == HINTS else REPAIRED
                row = row_of(trace, kind, task_columns(trace.task, -1), provenance)
                yield dict(zip(SCHEMA.names, row, strict=True)) | {"task_number": None}

    def _hinted_traces(self) -> list[Trace]:
        """With their tasks as they were without a hint."""
        return list(TracesByTask(self.tasks, self.journal(HINTS), self.index))

    def _repaired_traces(self, turn: int) -> list[Trace]:
        """With their tasks as conversations, or as they were at first."""
        conversations = {task.id: task for task in self.tasks_to_repair(turn)}
        tasks = [task for task in self.tasks() if task.id in conversations]
        spent: Counter[str] = Counter()
        for before in range(1, turn):
            for trace in TracesByTask(lambda: tasks, self.journal(f"repair_{before}"), self.index):
                spent[trace.task.id] += trace.sample.completion_tokens
        traces = []
        for trace in TracesByTask(lambda: tasks, self.journal(f"repair_{turn}"), self.index):
            task = conversations[trace.task.id] if self.settings.repair_as == "conversation" else trace.task
            took = {"repair_turns": turn, "repair_tokens": spent[task.id] + trace.sample.completion_tokens}
            traces.append(replace(trace, task=replace(task, metadata=dict(task.metadata) | took)))
        return traces

    def _unsolved(self, journal: Path, tasks: dict[str, Task] | None = None) -> Iterator[list[Trace]]:
        """The traces of each task with a wrong sample and no correct one; of `tasks` by id, or of all of the round."""
        traces = TracesByTask((lambda: tasks.values()) if tasks else self.tasks, journal, self.index)
        for _, group in groupby(traces, key=lambda trace: trace.task.id):
            found = list(group)
            outcomes = {trace.verdict.outcome for trace in found}
            if Outcome.CORRECT not in outcomes and Outcome.WRONG in outcomes:
                yield found


def _failed(traces: list[Trace]) -> Trace:
    """The first wrong sample."""
    return next(trace for trace in traces if trace.verdict.outcome is Outcome.WRONG)
