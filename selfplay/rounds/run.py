"""A run: its rounds one after the other, and those of its control. A killed run resumes wherever it was."""

from pathlib import Path

from selfplay.driver.executor import Executor
from selfplay.layout import CONTROL, MANIFEST, METRICS
from selfplay.metrics.early_stopping import stop_before
from selfplay.metrics.round_metrics import base_ledger
from selfplay.models.files import model_digest
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.rounds.data import Round, keep_held_out_tasks
from selfplay.rounds.manifest import read_manifest
from selfplay.rounds.round import evaluate, play, start_of
from selfplay.rounds.run_folder import open_run
from selfplay.shards.mirror import copy_run
from selfplay.storage import Location, write_json
from selfplay.training.start import RoundModels, first_models
from tasks import UserError


def run(recipe: Recipe, progress: Progress | None = None) -> list[Path]:
    """Play a recipe, or the rest of an interrupted run; returns the folders of the run and of its control."""
    progress = progress or Progress()
    folder = open_run(Path(recipe.output), recipe)
    arms = [(recipe, folder)]
    if recipe.control:
        control = recipe.model_copy(
            update={
                "selection": recipe.selection.model_copy(update={"verified": False}),
                "control": False,
                "stop": None,
            }
        )
        arms.append((control, open_run(folder / CONTROL, control)))
    keep_held_out_tasks(recipe, folder)
    with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
        base = make_base(recipe, folder / "base", executor, progress)
        num_rounds = recipe.rounds
        for arm, arm_folder in arms:  # the control plays as many rounds as the run before it
            num_rounds = play_rounds(
                arm.model_copy(update={"rounds": num_rounds}), arm_folder, base, executor, progress
            )
    if recipe.copy_to:
        copy_run(folder, recipe.copy_to)  # what could not be copied before, or an error
    return [arm_folder for _, arm_folder in arms]


def make_base(recipe: Recipe, folder: Path, executor: Executor, progress: Progress) -> RoundModels:
    """The models of the first round, and the evaluation of the one that will be trained."""
    models = first_models(recipe, folder, progress)
    if recipe.evaluation and not (folder / METRICS).exists():
        evaluation = evaluate(recipe, folder, models.trained, executor, progress)
        described = {"model": models.trained, "model_digest": model_digest(models.trained), "evaluation": evaluation}
        write_json(folder / METRICS, described | {"ledger": base_ledger(models.trained, folder / "evaluation")})
    return models


def play_rounds(recipe: Recipe, folder: Path, base: RoundModels, executor: Executor, progress: Progress) -> int:
    """Play the rounds of an arm that are not complete; returns how many rounds are, fewer than asked for if it stops early."""
    models = base
    for index in range(recipe.rounds):
        round = Round(recipe, folder, index)
        if not (round.folder / MANIFEST).exists():
            if improvement := stop_before(recipe, folder, index):
                progress.say(
                    f"stopped after {index} of {recipe.rounds} rounds: {improvement}. To go on, change [stop] or leave it out"
                )
                return index
            play(round, models, executor, progress)
        if recipe.copy_to:
            _copy(recipe, folder, progress)
        played = read_manifest(round.folder)
        trained = played.student or played.next_model
        models = RoundModels(played.next_model, trained, start_of(recipe, models, trained))
    return recipe.rounds


def _copy(recipe: Recipe, folder: Path, progress: Progress) -> None:
    """Copy the finished rounds that are not copied yet. If that fails, the run goes on, and the next round tries again."""
    to = Location.of(recipe.copy_to) if recipe.selection.verified else Location.of(recipe.copy_to) / CONTROL
    try:
        if num_copied := copy_run(folder, to):
            progress.say(f"{num_copied} round{'s' if num_copied > 1 else ''} copied to {to}")
    except UserError as error:
        progress.say(f"not copied yet: {error}")
