"""The data of a round: its tasks, its random choices, and the shards that its journal makes. No engine is needed here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay.allocation import Allocation
from selfplay.driver.plan import SamplingPlan
from selfplay.journal.by_task import TracesByTask
from selfplay.layout import CONTROL, EVALUATION, TASKS, held_out_path, is_control, round_folder
from selfplay.proposals.lessons import lessons
from selfplay.proposals.propose import Proposing, left_for_samples
from selfplay.proposals.window import within_window
from selfplay.recipe.sections import Recipe, Tasks
from selfplay.records import ACCEPTED
from selfplay.rounds.kept_tasks import copy_tasks, count_tasks, keep_tasks, naming_bad_rows, read_tasks
from selfplay.rounds.second_chances import SecondChance
from selfplay.seeds import number_of
from selfplay.selection.decontamination import Contamination
from selfplay.selection.filters import processes_for
from selfplay.selection.selection import SelectionStats, select
from selfplay.shards.files import Shard, write_mixed, write_shards
from selfplay.shards.provenance import read_provenance
from selfplay.training.mix import LESSONS, mixed_rows, num_wanted
from tasks import Task
from tasks.sources import load_rows, takes

MAX_COUNTED = 100_000  # tasks, about a second


@dataclass(frozen=True)
class Round:
    """One round of a run, whether played or not."""

    recipe: Recipe
    run: Path  # folder of the run, or of its control
    index: int  # from 0

    @property
    def folder(self) -> Path:
        return round_folder(self.run, self.index)

    @property
    def name(self) -> str:
        return stage_name(self.recipe, self.folder)

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    def seed(self, choice: str, *parts: object) -> int:
        """63 random bits of a choice in this round, such as "sample" with a task's id and a sample's index."""
        return number_of(self.recipe.seed, choice, self.index, *parts)

    def plan(self, model: str) -> SamplingPlan:
        """The models and the seed of each sample: one model, or all teachers if `model` names the recipe's teachers."""

        def seed_of(task_id: str, number: int) -> int:
            return self.seed("sample", task_id, number)

        teachers = self.recipe.model.teachers
        if not teachers or model != self.recipe.model.name:
            return SamplingPlan((model,), seed_of)
        return SamplingPlan(
            tuple(teacher.path for teacher in teachers),
            seed_of,
            tuple(teacher.weight for teacher in teachers),
            lambda task_id, number: self.seed("teacher", task_id, number),
            tuple(self.recipe.ray.samplers_of_teachers),
        )

    def tasks(self) -> Iterator[Task]:
        """The tasks in order: as the round keeps them, or from their source if it keeps none."""
        kept = self.folder / TASKS
        return read_tasks(kept) if kept.exists() else _load(self.recipe.tasks, self.seed("tasks"))

    def keep_tasks(self) -> int:
        """Write the tasks into the round's folder, unless it keeps them already; their number.

        A control keeps those of the same round of its run.
        """
        kept, of_run = self.folder / TASKS, round_folder(self.run.parent, self.index) / TASKS
        if not kept.exists():
            if is_control(self.run) and of_run.exists():
                copy_tasks(of_run, kept)
            else:
                _keep(self.recipe.tasks, self.seed("tasks"), kept)
        return count_tasks(kept)

    def proposing(self) -> Proposing:
        """The step that writes the tasks of this round, in a recipe with [proposer]."""
        evaluated = contamination(self.recipe, self.run)
        return Proposing(
            self.recipe, self.run, self.index, lambda: _load(self.recipe.tasks, self.seed("tasks")), evaluated
        )

    @property
    def allocation(self) -> Allocation:
        """How many samples each task gets, of a budget what the proposals left."""
        return left_for_samples(self.recipe, self.folder)

    def make_shards(self, out: Path | None = None) -> tuple[list[Shard], SelectionStats]:
        """The shards of the journal, in the order of the tasks, and what selection did. They are written to `out`, or to
        the round's own folder of shards."""
        out = out or self.shards
        traces = TracesByTask(self.tasks, self.journal, self.index)
        stats, evaluated = SelectionStats(), contamination(self.recipe, self.run)
        selected = select(traces, self.recipe.selection, evaluated, stats, processes_for(len(traces)))
        if self.recipe.proposer:
            selected = within_window(selected, self.recipe, self.folder)
        shards = write_shards(stats.record(selected), out, read_provenance(self.folder))
        if self.recipe.adds_rows:
            shards += write_mixed(self._further_rows(stats, evaluated), out)
        return shards, stats

    def _further_rows(self, stats: SelectionStats, evaluated: Contamination | None) -> Iterator[dict[str, Any]]:
        """What the round trains on beside its accepted traces."""
        recipe, num_accepted = self.recipe, stats.counts[ACCEPTED]
        if recipe.mixes:
            taught = lessons(self.proposing(), num_wanted(recipe, self.index, num_accepted)[LESSONS])
            yield from mixed_rows(recipe, self.index, self.run, num_accepted, evaluated, taught)
        if recipe.second_chances:
            provenance = read_provenance(self.folder)
            yield from self.second_chance.rows(evaluated, provenance, stats.second_chances)

    @property
    def second_chance(self) -> SecondChance:
        """The second chances of this round; only with [second_chances]."""
        return SecondChance(self.recipe, self.folder, self.index, self.tasks)


def stage_name(recipe: Recipe, folder: Path) -> str:
    """The folder of a round, or of the first models, for people: "base" or such as "control round 1"."""
    if not folder.name.startswith("round_"):
        return folder.name
    return f"{'' if recipe.selection.verified else CONTROL + ' '}round {int(folder.name.removeprefix('round_'))}"


def evaluation_tasks(recipe: Recipe, run: Path | None = None) -> Iterator[Task]:
    """The held-out tasks, the same before the first round and after each: as `run` keeps them, or else from their source."""
    return _held_out(recipe, EVALUATION, held_out_sets(recipe)[EVALUATION], run)


def keep_held_out_tasks(recipe: Recipe, run: Path) -> None:
    """Write the held-out tasks, and all that training may not copy, into the folder of a run, unless they are there."""
    for name, section in held_out_sets(recipe).items():
        is_needed = name == EVALUATION or recipe.selection.decontaminate
        if is_needed and not (path := held_out_path(run, name)).exists():
            _keep(section, _seed_of_held_out(recipe), path)


def held_out_sets(recipe: Recipe) -> dict[str, Tasks]:
    """Every section of tasks that no training task may copy, by name."""
    sections = dict(recipe.selection.against)
    if recipe.evaluation:
        sections[EVALUATION] = recipe.evaluation.tasks
    return sections


def contamination(recipe: Recipe, run: Path | None = None) -> Contamination | None:
    """The evaluation tasks that no training task may copy; None if the recipe names none."""
    sections = held_out_sets(recipe)
    if not recipe.selection.decontaminate or not recipe.selection.verified or not sections:
        return None
    return Contamination({name: _held_out(recipe, name, section, run) for name, section in sections.items()})


def num_tasks_of(tasks: Iterator[Task]) -> int:
    """The number of tasks of a stream; 0 if there are more than MAX_COUNTED, since counting them would take long."""
    number = sum(1 for _ in islice(tasks, MAX_COUNTED + 1))
    return number if number <= MAX_COUNTED else 0


def _held_out(recipe: Recipe, name: str, section: Tasks, run: Path | None) -> Iterator[Task]:
    kept = held_out_path(run, name) if run else None
    return read_tasks(kept) if kept and kept.exists() else _load(section, _seed_of_held_out(recipe))


def _seed_of_held_out(recipe: Recipe) -> int:
    return number_of(recipe.seed, "evaluation tasks")


def _keep(section: Tasks, seed: int, path: Path) -> None:
    """Keep the tasks of a source, and name the rows that its options leave out."""
    with naming_bad_rows(path) as left_out:
        keep_tasks(_load(section, seed, left_out), path)


def _load(section: Tasks, seed: int, left_out: Callable[[str], None] = lambda text: None) -> Iterator[Task]:
    options = section.options
    if takes(section.source, "seed"):
        options.setdefault("seed", seed)
    return load_rows(section.source, options, left_out)
