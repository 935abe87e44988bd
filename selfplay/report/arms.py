"""What a report reads of a run: its arms, and of each arm the evaluations and the figures of its rounds."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.files_on_disk import CONTROL, METRICS, RECIPE, finished_rounds, read_json
from selfplay.forecast import Forecast, forecast
from selfplay.intervals import Interval, over_tasks, paired_difference
from selfplay.measuring import Tally, tally
from selfplay.passk import pass_at_every_k
from tasks import UserError

LEAST_TO_FORECAST = 8  # samples a task
FORECAST_TIMES = 100  # a forecast goes to so many times the samples a task


@dataclass(frozen=True)
class Evaluation:
    """The samples of held-out tasks by one model."""

    tallies: dict[str, Tally]  # by task id
    asked: tuple[int, ...] = ()  # k that the recipe names

    @property
    def num_tasks(self) -> int:
        return len(self.tallies)

    @property
    def num_undecided(self) -> int:
        return sum(counts.num_undecided for counts in self.tallies.values())

    @cached_property
    def counts(self) -> tuple[list[int], list[int]]:
        """Decided samples and correct ones, one entry a task."""
        return [t.num_decided for t in self.tallies.values()], [t.num_correct for t in self.tallies.values()]

    @cached_property
    def curve(self) -> dict[int, Interval]:
        """pass@k by k, over the k that every task defines: those asked for, powers of two and what lies half between."""
        num_samples, num_correct = self.counts
        most = min(num_samples, default=0)
        if not most:
            return {}
        ks = sorted({k for power in range(most.bit_length()) for k in (2**power, 3 * 2**power // 2)} | {most, *self.asked})
        per_task = pass_at_every_k(num_samples, num_correct, most)
        return {k: over_tasks(per_task[:, k - 1]) for k in ks if k <= most}

    @cached_property
    def forecast(self) -> tuple[Forecast, ...]:
        """pass@k beyond the samples, where there are enough to say something."""
        num_samples, num_correct = self.counts
        most = min(num_samples, default=0)
        if most < LEAST_TO_FORECAST or not any(num_correct) or num_samples == num_correct:
            return ()
        ks = np.unique(np.geomspace(most, most * FORECAST_TIMES, 4).astype(int))
        return forecast(num_samples, num_correct, ks.tolist(), confidence=0.95).points


@dataclass(frozen=True)
class Stage:
    """A point on the way of an arm: the first model, or what a round made of it."""

    position: int  # rounds played so far; 0 is the first model
    folder: Path
    metrics: dict[str, Any]

    @cached_property
    def evaluation(self) -> Evaluation:
        asked = self.metrics.get("evaluation", {}).get("pass_at_k", {})
        return Evaluation(tally(self.folder / "evaluation"), tuple(map(int, asked)))

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


def paired_pass_at_1(left: Evaluation, right: Evaluation) -> Interval | None:
    """pass@1 of right less that of left over the tasks that both have; None below two of them."""
    shared = [
        [evaluation.tallies[task_id] for evaluation in (left, right)] for task_id in left.tallies if task_id in right.tallies
    ]
    rates = [[t.num_correct / t.num_decided for t in pair] for pair in shared if all(t.num_decided for t in pair)]
    return paired_difference(*zip(*rates, strict=True)) if len(rates) > 1 else None


def in_words(interval: Interval) -> str:
    """The value and the larger half of its interval."""
    return f"{interval.value:.3f} ± {max(interval.high - interval.value, interval.value - interval.low):.3f}"
