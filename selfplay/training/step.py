"""The training step of a round. Idempotent: a killed run resumes, and the model is made exactly once."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.records import ACCEPTED
from selfplay.seeds import number_of
from selfplay.shards.files import MIXED, read_rows
from selfplay.storage import force_to_disk, read_json, write_json
from selfplay.training.mix import adds_rows
from selfplay.training.sft import FineTuning, TrainingExample, fit_by_command

RECORD = "training.json"  # the figures of a training, beside the model that it made
_LEARNT = ["prompt", "completion", "token_ids", "finish_reason"]  # columns of a shard


def train(recipe: Recipe, title: str, folder: Path, start: str, progress: Progress) -> dict[str, Any]:
    """Train the model `start` on the shards of a round's folder, into `folder`/model. Returns the training's record."""
    checkpoint, shards = folder / "checkpoint", folder / "shards"

    def make(out: Path) -> dict[str, Any]:
        settings = recipe.training
        if settings.command:
            kinds = "[am]*" if adds_rows(recipe) else f"{ACCEPTED}-*"  # accepted and mixed, not rejected
            seconds = fit_by_command(settings.command, start, f"{shards}/{kinds}.parquet", out, checkpoint)
            return {"start": start, "seconds": seconds}
        job = FineTuning(start, out, settings, training_seed(recipe, title), recipe.sampling)
        return {"start": start} | run_with_progress(job, examples_of(recipe, shards), title, progress)

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


def run_with_progress(
    job: FineTuning, examples: Iterable[TrainingExample], title: str, progress: Progress
) -> dict[str, Any]:
    """Train, with a line of progress; the result as a record."""
    with progress.step(title) as show:
        show("starting")
        return asdict(job.run(examples, lambda step, steps, loss: show(f"step {step} of {steps}, loss {loss:.3f}")))


def examples_of(recipe: Recipe, shards: Path) -> Iterator[TrainingExample]:
    """The accepted traces, as many as the recipe allows, and the mixed-in rows.

    They are learnt token by token as they were sampled; by their text if there are no tokens, and by a student, whose
    tokens may be others.
    """
    by_text = recipe.model.student is not None
    own = islice(read_rows(shards, ACCEPTED, _LEARNT), recipe.training.num_rows or None)
    for row in chain(own, read_rows(shards, MIXED, _LEARNT)):
        tokens = () if by_text else row["token_ids"]
        yield TrainingExample(row["prompt"], row["completion"], tokens, row["finish_reason"] == "stop")
