"""The training step of a round. Idempotent: a killed run resumes, and the model is made exactly once."""

import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from selfplay.driver.training_place import TrainingPlace, training_place
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.records import ACCEPTED
from selfplay.seeds import number_of
from selfplay.shards.files import MIXED, read_rows
from selfplay.storage import force_to_disk, read_json, write_json
from selfplay.training.command import fit_by_command
from selfplay.training.rows import Example, LabelledExample, PreferenceExample, TrainingExample
from selfplay.training.sft import FineTuning, Workers
from verifiers import Outcome

RECORD = "training.json"  # the figures of a training, beside the model that it made
_LEARNT = ["prompt", "completion", "token_ids", "finish_reason"]  # columns of a shard


def train(
    recipe: Recipe,
    title: str,
    folder: Path,
    start: str,
    progress: Progress,
    make_room: Callable[[TrainingPlace], TrainingPlace],
) -> dict[str, Any]:
    """Train the model `start` on the shards of a round's folder, into `folder`/model. Returns the training's record.

    `make_room(place)` is called before a training that computes elsewhere, and returns its place.
    """
    checkpoint, shards = folder / "checkpoint", folder / "shards"

    def make(out: Path) -> dict[str, Any]:
        settings = recipe.training
        place = training_place(recipe.ray, recipe.sampling, settings)
        if place:
            place = make_room(place)
        if settings.command:
            kinds = "[am]*" if recipe.adds_rows else f"{ACCEPTED}-*"  # accepted and mixed, not rejected
            cluster = (cluster_address(recipe), place.num_gpus if place else 0.0)
            seconds = fit_by_command(settings.command, start, f"{shards}/{kinds}.parquet", out, checkpoint, *cluster)
            return {"start": start, "seconds": seconds}
        job = FineTuning(start, out, settings, training_seed(recipe, title), recipe.sampling)
        workers = _workers(recipe, place) if place else None
        examples = EXAMPLES[settings.method](recipe, shards)
        return {"start": start} | run_with_progress(job, examples, title, progress, workers)

    record = once(folder, make)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return record


def once(folder: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The record of `folder`/model; `make(out)` makes both unless they are there.

    The record is written when the model is whole, and then the model gets its name: no kill makes it twice.
    """
    record, model, unnamed = folder / RECORD, folder / "model", folder / "model.tmp"
    if not record.exists():
        shutil.rmtree(model, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        made = make(unnamed)
        force_to_disk(unnamed)
        write_json(record, made)
    if not model.exists():
        unnamed.rename(model)
    return read_json(record)


def training_seed(recipe: Recipe, title: str) -> int:
    """The seed of the training that this title names."""
    return number_of(recipe.seed, title) % 2**31


def cluster_address(recipe: Recipe) -> str:
    """host:port of the recipe's cluster; empty if there is none."""
    if recipe.ray.address == "none":
        return ""
    from selfplay.driver import cluster

    return cluster.address()


def _workers(recipe: Recipe, place: TrainingPlace) -> Workers:
    from selfplay.training.ray_job import RayTrainJob

    return RayTrainJob(recipe.ray, place)


def run_with_progress(
    job: FineTuning,
    examples: Iterable[Example],
    title: str,
    progress: Progress,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Train, with a line of progress; the result as a record."""
    with progress.step(title) as show:
        show("starting")

        def on_step(step: int, steps: int, loss: float) -> None:
            show(f"step {step} of {steps}, loss {loss:.3f}")

        return asdict(job.run(examples, on_step, workers))


def examples_of(recipe: Recipe, shards: Path) -> Iterator[TrainingExample]:
    """The accepted traces, as many as the recipe allows, and the mixed-in rows.

    They are learnt token by token as they were sampled; by their text if there are no tokens, and by a student, whose
    tokens may be others.
    """
    own = islice(read_rows(shards, ACCEPTED, [*_LEARNT, "task_id"]), recipe.training.num_rows or None)
    if recipe.training.repeat_hard > 1:
        own = _repeated(own, _bits(shards), recipe.training.repeat_hard)
    return (_example(recipe, row) for row in chain(own, read_rows(shards, MIXED, _LEARNT)))


def _bits(shards: Path) -> dict[str, float]:
    """The bits that the check added to a right trace of each task: -log2 of the share of its decided samples that are right."""
    decided: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for kind in (ACCEPTED, "rejected"):
        for row in read_rows(shards, kind, ["task_id", "outcome"]):
            decided[row["task_id"]] += row["outcome"] != Outcome.UNDECIDED
            right[row["task_id"]] += row["outcome"] == Outcome.CORRECT
    return {task: math.log2(decided[task] / number) for task, number in right.items() if number}


def _repeated(rows: Iterable[dict[str, Any]], bits: dict[str, float], most: int) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield from repeat(row, min(most, max(1, round(bits.get(row["task_id"], 0.0)))))


def preferences_of(recipe: Recipe, shards: Path) -> Iterator[PreferenceExample]:
    """Each accepted trace against a wrong one of its task, as long as there are wrong ones."""
    right, wrong = _right_and_wrong(recipe, shards)
    for task, chosen in right.items():
        for one, other in zip(chosen, wrong[task], strict=False):
            yield PreferenceExample(one, other)


def labelled_of(recipe: Recipe, shards: Path) -> Iterator[LabelledExample]:
    """The accepted traces, and of each task as many wrong ones."""
    right, wrong = _right_and_wrong(recipe, shards)
    for task, chosen in right.items():
        yield from (LabelledExample(example, True) for example in chosen)
        yield from (LabelledExample(example, False) for example in wrong[task])


EXAMPLES: dict[str, Callable[[Recipe, Path], Iterable[Example]]] = {
    "sft": examples_of,
    "dpo": preferences_of,
    "kto": labelled_of,
}


def _right_and_wrong(
    recipe: Recipe, shards: Path
) -> tuple[dict[str, list[TrainingExample]], dict[str, list[TrainingExample]]]:
    """Accepted traces by task, and of each such task as many wrong ones, in their order."""
    right: dict[str, list[TrainingExample]] = defaultdict(list)
    wrong: dict[str, list[TrainingExample]] = defaultdict(list)
    columns = [*_LEARNT, "task_id", "outcome"]
    for row in islice(read_rows(shards, ACCEPTED, columns), recipe.training.num_rows or None):
        right[row["task_id"]].append(_example(recipe, row))
    for row in read_rows(shards, "rejected", columns):
        task = row["task_id"]
        if row["outcome"] == Outcome.WRONG and row["completion"] and len(wrong[task]) < len(right.get(task, ())):
            wrong[task].append(_example(recipe, row))
    return right, wrong


def _example(recipe: Recipe, row: dict[str, Any]) -> TrainingExample:
    tokens = () if recipe.model.student is not None else row["token_ids"]
    return TrainingExample(row["prompt"], row["completion"], tokens, row["finish_reason"] == "stop")
