"""The data of a round: its tasks, the held-out tasks, and shards made from its journal."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from selfplay.driver.plan import SamplingPlan
from selfplay.journal.by_task import TracesByTask
from selfplay.recipe.sections import Recipe, Tasks
from selfplay.records import ACCEPTED
from selfplay.seeds import number_of
from selfplay.selection.decontamination import Contamination
from selfplay.selection.filters import processes_for
from selfplay.selection.selection import SelectionStats, select
from selfplay.shards.files import Shard, write_shards
from selfplay.shards.provenance import read_provenance
from selfplay.training.mix import make_mixed
from tasks import Task, load
from tasks.sources import takes

MAX_COUNTED = 100_000  # tasks, about a second


def sampling_plan(recipe: Recipe, model: str, index: int) -> SamplingPlan:
    """The models and seeds of a round: its model, or all teachers if the recipe's model is a set of teachers."""

    def seed_of(task_id: str, number: int) -> int:
        return number_of(recipe.seed, "sample", index, task_id, number)

    teachers = recipe.model.teachers
    if not teachers or model != recipe.model.name:
        return SamplingPlan((model,), seed_of)
    return SamplingPlan(
        tuple(teacher.path for teacher in teachers),
        seed_of,
        tuple(teacher.weight for teacher in teachers),
        lambda task_id, number: number_of(recipe.seed, "teacher", index, task_id, number),
        tuple(recipe.ray.samplers_of_teachers),
    )


def num_tasks_of(tasks: Iterator[Task]) -> int:
    """How many tasks a stream gives, for the time left; 0 where counting them would take long."""
    number = sum(1 for _ in islice(tasks, MAX_COUNTED + 1))
    return number if number <= MAX_COUNTED else 0


def make_shards(
    recipe: Recipe, index: int, folder: Path, out: Path | None = None
) -> tuple[list[Shard], SelectionStats]:
    """The shards of a round's journal, in the order of its tasks, and what selection did; `out` is folder/shards."""
    traces = TracesByTask(lambda: round_tasks(recipe, index), folder / "journal", index)
    stats = SelectionStats()
    copied = contamination(recipe)
    selected = stats.record(select(traces, recipe.selection, copied, stats, processes_for(len(traces))))
    out = out or folder / "shards"
    shards = write_shards(selected, out, read_provenance(folder))
    if recipe.selection.mix:
        shards += make_mixed(recipe, index, folder.parent, stats.counts[ACCEPTED], copied, out)
    return shards, stats


def contamination(recipe: Recipe) -> Contamination | None:
    """The evaluation tasks that no training task may copy; None where the recipe names none."""
    sections = dict(recipe.selection.against)
    if recipe.evaluation:
        sections["evaluation"] = recipe.evaluation.tasks
    if not recipe.selection.decontaminate or not recipe.selection.verified or not sections:
        return None
    return Contamination(
        {name: _load(section, number_of(recipe.seed, "evaluation tasks")) for name, section in sections.items()}
    )


def round_tasks(recipe: Recipe, index: int) -> Iterator[Task]:
    """The tasks of a round: fresh ones where the source makes them, else the same in each round."""
    return _load(recipe.tasks, number_of(recipe.seed, "tasks", index))


def evaluation_tasks(recipe: Recipe) -> Iterator[Task]:
    """The held-out tasks: the same before the first round and after each."""
    return _load(recipe.evaluation.tasks, number_of(recipe.seed, "evaluation tasks"))


def _load(section: Tasks, seed: int) -> Iterator[Task]:
    options = section.options
    if takes(section.source, "seed"):
        options.setdefault("seed", seed)
    return load(section.source, **options)
