"""The arms of a report's runs, with the evaluations and the metrics of their rounds."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.estimators.forecast import Forecast, forecast
from selfplay.estimators.intervals import Interval, over_tasks, paired_difference
from selfplay.estimators.passk import pass_at_every_k, pass_at_k_bounds
from selfplay.journal.samples import SampleTable, read_samples
from selfplay.layout import CONTROL, METRICS, RECIPE, base_folder, finished_rounds, is_control
from selfplay.metrics.collapse import coverage
from selfplay.rounds.run_folder import stored_recipe
from selfplay.storage import read_json
from tasks import UserError

LEAST_TO_FORECAST = 8  # samples a task
Counts = NDArray[np.int64]
FORECAST_TIMES = 100  # a forecast goes to so many times the samples a task


@dataclass(frozen=True)
class Evaluation:
    """The samples of held-out tasks by one model."""

    samples: SampleTable
    asked: tuple[int, ...] = ()  # k that the recipe names

    @property
    def num_tasks(self) -> int:
        return self.samples.num_tasks

    @property
    def num_undecided(self) -> int:
        return int(self.samples.num_undecided.sum())

    @property
    def counts(self) -> tuple[Counts, Counts]:
        """Decided samples and correct ones of each task, shape [tasks]."""
        return self.samples.num_decided, self.samples.num_correct

    @cached_property
    def curve(self) -> dict[int, Interval]:
        """pass@k by k, over the k that every task defines: those asked for, powers of two and what lies half between."""
        num_samples, num_correct = self.counts
        most = int(num_samples.min()) if num_samples.size else 0
        if not most:
            return {}
        ks = sorted(
            {k for power in range(most.bit_length()) for k in (2**power, 3 * 2**power // 2)} | {most, *self.asked}
        )
        per_task = pass_at_every_k(num_samples, num_correct, most)
        return {k: over_tasks(per_task[:, k - 1]) for k in ks if k <= most}

    def bounds(self, k: int) -> tuple[float, float]:
        """pass@k if every undecided sample were wrong, and if every one were correct."""
        low, high = pass_at_k_bounds(*self.counts, self.samples.num_undecided, k)
        return float(np.nanmean(low)), float(np.nanmean(high))

    @cached_property
    def forecast(self) -> tuple[Forecast, ...]:
        """pass@k beyond the samples, if there are enough of them."""
        num_samples, num_correct = self.counts
        most = int(num_samples.min()) if num_samples.size else 0
        if most < LEAST_TO_FORECAST or not num_correct.any() or (num_samples == num_correct).all():
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
        return Evaluation(read_samples(self.folder / "evaluation"), tuple(map(int, asked)))

    @property
    def name(self) -> str:
        return f"round {self.position - 1}" if self.position else "start"

    @property
    def ledger(self) -> dict[str, Any]:
        """Empty where the round kept none."""
        return self.metrics.get("ledger", {})

    @property
    def flops_per_sample(self) -> float | None:
        """Operations of a held-out sample; None where the size of the model is not known."""
        flops = self.ledger["flops"]["evaluation"] if "flops" in self.ledger else self.ledger.get("evaluation_flops")
        num_samples = len(self.evaluation.samples)
        return flops / num_samples if flops and num_samples else None


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
        return sum(
            stage.metrics["sampling"]["completion_tokens"] for stage in self.rounds if stage.position <= position
        )

    def flops(self, position: int) -> float | None:
        """Operations of sampling and training until a stage; None where a round's ledger does not tell."""
        spent = [stage.ledger.get("flops", {}) for stage in self.rounds if stage.position <= position]
        parts = [flops.get(kind) for flops in spent for kind in ("sampling", "training")]
        return None if None in parts else float(sum(parts))


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
        Arm(
            f"{name} ({arm.folder})" if name in repeated else name,
            arm.folder,
            arm.recipe,
            arm.is_control,
            arm.base,
            arm.rounds,
        )
        for name, arm in zip(names, arms, strict=True)
    ]


def _open(folder: Path) -> Arm:
    if not (folder / RECIPE).exists():
        raise UserError(f"{folder} holds no run: it has no {RECIPE}; give the folder of a run, such as runs/quickstart")
    recipe = stored_recipe(folder).model_dump(exclude_none=True)
    base = base_folder(folder)
    rounds = [
        Stage(int(path.name.removeprefix("round_")) + 1, path, read_json(path / METRICS))
        for path in finished_rounds(folder)
    ]
    start = Stage(0, base, read_json(base / METRICS)) if (base / METRICS).exists() else None
    return Arm(recipe["name"], folder, recipe, is_control(folder), start, rounds)


def paired(left: Evaluation, right: Evaluation, k: int) -> Interval | None:
    """pass@k of right less that of left over the tasks where both have k decided samples; None below two of them."""
    shared = [task_id for task_id in left.samples.task_ids if task_id in right.samples.places]
    if not shared:
        return None
    interval = paired_difference(coverage(left.samples, shared, k), coverage(right.samples, shared, k))
    return interval if interval.num_tasks > 1 else None


def in_words(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
