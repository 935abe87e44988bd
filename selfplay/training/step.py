"""The step of a round that trains: from its shards to a model, once, however often the run is killed."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfplay.progress import Progress
from selfplay.recipe.sections import Fitting, Recipe
from selfplay.records import ACCEPTED
from selfplay.seeds import number_of
from selfplay.shards.files import MIXED, read_rows
from selfplay.storage import force_to_disk, read_json, write_json
from selfplay.training import sft as training
from selfplay.training.sft import Lesson

RECORD = "training.json"  # what a training did, beside the model that it made
_LEARNT = ["prompt", "completion", "token_ids", "finish_reason"]  # columns of a shard


def train(recipe: Recipe, title: str, folder: Path, start: str, progress: Progress) -> dict[str, Any]:
    """Train the model `start` on the shards of a round's folder; it is `folder`/model then. Gives what training did."""
    checkpoint = folder / "checkpoint"
    fitted = once(
        folder, lambda out: {"start": start} | _train(recipe, title, folder, start, out, checkpoint, progress)
    )
    shutil.rmtree(checkpoint, ignore_errors=True)
    return fitted


def once(folder: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """`folder`/model and its record, made by make(out) unless they are there.

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


def fit(
    recipe: Recipe, title: str, model: str, lessons: Iterable[Lesson], settings: Fitting, out: Path, progress: Progress
) -> dict[str, Any]:
    """Train with live progress, with the seed that belongs to the title."""
    seed = number_of(recipe.seed, title) % 2**31
    with progress.step(title) as show:
        show("starting")
        return asdict(
            training.fit(
                model,
                lessons,
                settings,
                out,
                seed,
                lambda step, steps, loss: show(f"step {step} of {steps}, loss {loss:.3f}"),
            )
        )


def _train(
    recipe: Recipe, title: str, folder: Path, start: str, out: Path, checkpoint: Path, progress: Progress
) -> dict[str, Any]:
    settings = recipe.training
    if settings.command:
        mixed = recipe.selection.mix is not None
        shards = f"{folder}/shards/{'[am]*' if mixed else f'{ACCEPTED}-*'}.parquet"  # accepted and mixed, not rejected
        return {"seconds": training.fit_by_command(settings.command, start, shards, out, checkpoint)}
    return fit(recipe, title, start, _lessons(recipe, folder / "shards"), settings, out, progress)


def _lessons(recipe: Recipe, shards: Path) -> Iterator[Lesson]:
    """The accepted traces, as many as the recipe allows, and what is mixed in.

    They are learnt as they were sampled, token by token; by their text where stop texts were cut off their end, and by a
    student, whose tokens may be others.
    """
    by_text = bool(recipe.sampling.stop) or recipe.model.student is not None
    own = islice(read_rows(shards, ACCEPTED, _LEARNT), recipe.training.num_rows or None)
    for row in chain(own, read_rows(shards, MIXED, _LEARNT)):
        yield Lesson(
            row["prompt"], row["completion"], () if by_text else row["token_ids"], row["finish_reason"] == "stop"
        )
