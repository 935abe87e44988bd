"""What a report reads of a run: its arms, and of each arm the evaluations and the figures of its rounds."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.files_on_disk import METRICS, RECIPE, finished_rounds, read_json
from selfplay.measuring import Tally, tally
from selfplay.passk import pass_at_every_k
from tasks import UserError

CONTROL = "control"  # folder of the control within a run
NUM_RESAMPLES = 1000  # of the bootstrap
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The value and the larger half of its interval."""
        return f"{self.value:.3f} ± {max(self.high - self.value, self.value - self.low):.3f}"


@dataclass(frozen=True)
class Evaluation:
    """The samples of held-out tasks by one model."""

    tallies: dict[str, Tally]  # by task id

    @cached_property
    def num_tasks(self) -> int:
        return len(self.tallies)

    @cached_property
    def per_task(self) -> NDArray[np.float64]:
        """pass@k of each task, shape [tasks, k]; nan where a task has fewer than k samples."""
        counts = self.tallies.values()
        return pass_at_every_k([t.num_decided for t in counts], [t.num_correct for t in counts])

    @cached_property
    def curve(self) -> dict[int, Figure]:
        """pass@k by k, over the k that every task defines."""
        whole = self.per_task[:, ~np.isnan(self.per_task).any(axis=0)] if self.tallies else np.empty((0, 0))
        return {k + 1: figure for k, figure in enumerate(bootstrap(whole))}

    @property
    def pass_at_1(self) -> Figure | None:
        return self.curve.get(1)


@dataclass(frozen=True)
class Stage:
    """A point on the way of an arm: the first model, or what a round made of it."""

    position: int  # rounds played so far; 0 is the first model
    folder: Path
    metrics: dict[str, Any]

    @cached_property
    def evaluation(self) -> Evaluation:
        return Evaluation(tally(self.folder / "evaluation"))

    @property
    def name(self) -> str:
        return f"round {self.position - 1}" if self.position else "start"


@dataclass(frozen=True)
class Arm:
    """One line of a plot: a run, or the control of a run."""

    name: str
    folder: Path
    recipe: dict[str, Any]
    is_control: bool
    base: Stage | None  # None where the recipe evaluates nothing
    rounds: list[Stage]

    @property
    def stages(self) -> list[Stage]:
        """The stages that have an evaluation, in order."""
        return [stage for stage in ([self.base] if self.base else []) + self.rounds if stage.evaluation.num_tasks]

    def sampled_tokens(self, position: int) -> int:
        """Completion tokens sampled for training until a stage; evaluations do not count."""
        return sum(stage.metrics["sampling"]["completion_tokens"] for stage in self.rounds if stage.position <= position)

    @property
    def ks(self) -> list[int]:
        """The k that the recipe asks for."""
        return sorted(self.recipe.get("evaluation", {}).get("k", []))


def open_arms(runs: list[Path]) -> list[Arm]:
    """The arms of the runs, each run before its control; UserError where a folder holds no run."""
    folders = [path for run in runs for path in (run, run / CONTROL) if path == run or (path / RECIPE).exists()]
    arms = [_open(folder) for folder in dict.fromkeys(folders)]
    if [arm.is_control for arm in arms] == [False, True]:
        names = ["verified", "control"]
    else:
        names = [arm.name + (", control" if arm.is_control else "") for arm in arms]
    repeated = {name for name in names if names.count(name) > 1}
    return [
        Arm(f"{name} ({arm.folder})" if name in repeated else name, arm.folder, arm.recipe, arm.is_control, arm.base, arm.rounds)
        for name, arm in zip(names, arms, strict=True)
    ]


def _open(folder: Path) -> Arm:
    if not (folder / RECIPE).exists():
        raise UserError(f"{folder} holds no run: it has no {RECIPE}; give the folder of a run, such as runs/quickstart")
    recipe = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    is_control = folder.name == CONTROL and (folder.parent / RECIPE).exists()
    base = (folder.parent if is_control else folder) / "base"
    rounds = [
        Stage(int(path.name.removeprefix("round_")) + 1, path, read_json(path / METRICS)) for path in finished_rounds(folder)
    ]
    start = Stage(0, base, read_json(base / METRICS)) if (base / METRICS).exists() else None
    return Arm(recipe["name"], folder, recipe, is_control, start, rounds)


def bootstrap(per_task: NDArray[np.float64]) -> list[Figure]:
    """The mean over tasks of each column of [tasks, columns], with its interval from resampling the tasks.

    Tasks are drawn with replacement, each with its own samples, and the interval runs between percentiles (Efron and
    Tibshirani 1993, section 13.3). The estimates of the tasks carry the noise within each task with them.
    """
    num_tasks = len(per_task)
    if not num_tasks:
        return []
    draws = np.random.default_rng(0).multinomial(num_tasks, np.full(num_tasks, 1 / num_tasks), NUM_RESAMPLES)
    low, high = np.quantile(draws @ per_task / num_tasks, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [Figure(*map(float, column)) for column in zip(per_task.mean(axis=0), low, high, strict=True)]


def paired_difference(left: Evaluation, right: Evaluation) -> tuple[Figure, int] | None:
    """pass@1 of right less that of left over the tasks that both have, and the number of those; None below two."""
    shared = [task_id for task_id in left.tallies if task_id in right.tallies]
    rates = [
        [side.tallies[task_id].num_correct / side.tallies[task_id].num_decided for side in (left, right)]
        for task_id in shared
        if left.tallies[task_id].num_decided and right.tallies[task_id].num_decided
    ]
    if len(rates) < 2:
        return None
    differences = np.array([[right_rate - left_rate] for left_rate, right_rate in rates])
    return bootstrap(differences)[0], len(rates)
