"""The models that a run begins with; created and pretrained if the recipe says so."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.models.tiny_llama import create_model
from selfplay.progress import Progress
from selfplay.recipe.sections import Create, Recipe
from selfplay.seeds import number_of
from selfplay.training.corpus import pretraining_corpus
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning
from selfplay.training.step import once, run_with_progress, training_seed


@dataclass(frozen=True, slots=True)
class RoundModels:
    """The models of a round, by path or hub name; the same one unless a student learns."""

    sampled: str
    trained: str  # what is evaluated
    start: str  # where training starts


def first_models(recipe: Recipe, folder: Path, progress: Progress) -> RoundModels:
    """The models of the first round; what is made here lies in `folder`."""
    sampled = recipe.model.name
    if recipe.model.create:
        sampled = str(folder / "model")
        if not Path(sampled).exists():
            untrained = _created(recipe.model.create, folder / "untrained", number_of(recipe.seed, "model"))
            if recipe.pretraining:
                title, settings = "base: training", recipe.pretraining
                seed = training_seed(recipe, title)

                def make(out: Path) -> dict[str, Any]:
                    job = FineTuning(str(untrained), out, settings, seed)
                    return run_with_progress(job, _examples(recipe), title, progress)

                once(folder, make)
            else:
                untrained.rename(sampled)
    student = recipe.model.student
    if not student:
        return RoundModels(sampled, sampled, sampled)
    if not student.create:
        return RoundModels(sampled, student.path, student.path)
    trained = folder / "student"
    if not trained.exists():
        _created(student.create, folder / "student.tmp", number_of(recipe.seed, "student")).rename(trained)
    return RoundModels(sampled, str(trained), str(trained))


def _examples(recipe: Recipe) -> Iterator[TrainingExample]:
    return (TrainingExample(prompt, completion) for prompt, completion in pretraining_corpus(recipe))


def _created(settings: Create, folder: Path, number: int) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return create_model(folder, seed=number % 2**31, **settings.model_dump())
