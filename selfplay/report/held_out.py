"""The samples of held-out tasks, as rows like those of a shard: from an evaluation's journal and the recipe's own tasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from selfplay.journal import read_rows
from selfplay.layout import base_folder
from selfplay.recipe.sections import Recipe
from selfplay.report.arms import Arm, Stage
from selfplay.rounds.data import evaluation_tasks
from selfplay.shards.schema import task_columns
from tasks import UserError

SELECTION = "held out"
_SHARED = (
    "task_number",
    "task_id",
    "source",
    "license",
    "prompt",
    "reference",
    "metadata",
)  # as task_columns gives them


@dataclass(frozen=True)
class HeldOut:
    """The evaluations of a report's arms; one that arms share is the first one's."""

    arms: list[Arm]

    @cached_property
    def evaluations(self) -> list[tuple[int, Stage]]:
        """Place of the arm, and the stage."""
        seen: dict[Path, tuple[int, Stage]] = {}
        for place, arm in enumerate(self.arms):
            for stage in arm.stages:
                seen.setdefault(stage.folder, (place, stage))
        return list(seen.values())

    @property
    def missing(self) -> str:
        """How many held-out tasks could not be had again, and why; empty where all are there."""
        tasks, failures = self._loaded
        played = {task_id for _, stage in self.evaluations for task_id in stage.evaluation.samples.task_ids}
        lost = len(played - set(tasks))
        return (
            f"{lost:,} held-out tasks are missing: {'; '.join(failures) or 'their source no longer has them'}."
            if lost
            else ""
        )

    def sizes(self, stage: Stage) -> Iterator[tuple[str, bool, int]]:
        """Task id, whether it is correct, and characters of each sample of an evaluation whose task is there."""
        for row in read_rows(stage.folder / "evaluation", token_ids=False):
            if row["sample"]["task_id"] in self._tasks:
                yield row["sample"]["task_id"], row["verdict"]["outcome"] == "correct", len(row["sample"]["text"])

    def rows(self, stage: Stage, chosen: set[str] | None) -> list[dict[str, Any]]:
        """The samples of an evaluation, tasks together and their samples in order; `chosen`: of these tasks alone."""
        rows = []
        for row in read_rows(stage.folder / "evaluation", token_ids=False):
            sample, verdict = row["sample"], row["verdict"]
            task = self._tasks.get(sample["task_id"])
            if task and (chosen is None or sample["task_id"] in chosen):
                renamed = {
                    "sample_index": sample["index"],
                    "completion": sample["text"],
                    "verify_seconds": verdict["seconds"],
                }
                rows.append(sample | verdict | task | renamed | {"selection": SELECTION})
        return sorted(rows, key=lambda row: (row["task_number"], row["sample_index"]))

    @property
    def _tasks(self) -> dict[str, dict[str, Any]]:
        """What the rows of each task share, by its id."""
        return self._loaded[0]

    @cached_property
    def _loaded(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The tasks of all recipes, and why those of a recipe could not be had: a report may be made far from its run."""
        found: dict[str, dict[str, Any]] = {}
        failures: dict[str, None] = {}
        seen: set[tuple[str, int, str]] = set()
        for arm in self.arms:
            kind = str(base_folder(arm.folder)), arm.recipe["seed"], str(arm.recipe.get("evaluation"))
            if not arm.stages or kind in seen:
                continue
            seen.add(kind)
            try:
                for number, task in enumerate(evaluation_tasks(Recipe.model_validate(arm.recipe), arm.folder)):
                    found.setdefault(task.id, dict(zip(_SHARED, task_columns(task, number), strict=True)))
            except (UserError, OSError, TypeError, ValueError) as error:
                failures[str(error)] = None
        return found, list(failures)
