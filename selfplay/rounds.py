"""A run: rounds of sampling, checking, selecting, training and evaluating, each resumable at any point."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay import trackers
from selfplay.accounts import base_accounts, lines_of, round_accounts
from selfplay.allocation import AllocationRule
from selfplay.contamination import Contamination
from selfplay.copying import copy_run
from selfplay.early_stop import payment, stops_before
from selfplay.engines import Engines
from selfplay.ensemble import Ensemble
from selfplay.files_on_disk import (
    CONTROL,
    MANIFEST,
    METRICS,
    model_digest,
    read_json,
    round_folder,
    write_json,
)
from selfplay.first_models import Models, first_models
from selfplay.learning import train
from selfplay.ledger import record_engine_time
from selfplay.measuring import evaluation_metrics, sampling_metrics
from selfplay.mixing import make_mixed, mix_in_words, mix_metrics
from selfplay.ordering import OrderedTraces
from selfplay.pipeline import Meter
from selfplay.places import Place
from selfplay.progress import Progress
from selfplay.provenance import provenance_of, read_provenance
from selfplay.recipe import Recipe, Tasks
from selfplay.run_folder import open_run
from selfplay.seeds import number_of
from selfplay.selection import ACCEPTED, Account, select
from selfplay.shard_schema import SCHEMA_VERSION
from selfplay.shards import MIXED, Shard, write_shards
from selfplay.text_faults import processes_for
from tasks import Task, UserError, load
from tasks.sources import takes

MAX_COUNTED = 100_000  # tasks, about a second


@dataclass(frozen=True, slots=True)
class Round:
    """The manifest of a round that is complete."""

    index: int
    model: str  # path or hub name of the model that was sampled
    model_digest: str
    next_model: str  # what the next round samples; the same as `model` where nothing was trained, or only a student
    recipe_digest: str
    shards: list[Shard]
    metrics: str  # file name of the figures
    schema_version: int  # of the shards
    parents: list[str]  # SHA-256 of the shards that the sampled model was trained on; empty for the first model
    student: str = ""  # what this round trained, where it is another than what is sampled


def run(recipe: Recipe, progress: Progress) -> list[Path]:
    """Play a recipe, or what is left of it; gives the folders of the run and of its control."""
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
    with Engines(recipe, progress) as engines:
        base = make_base(recipe, folder / "base", engines, progress)
        num_rounds = recipe.rounds
        for arm, arm_folder in arms:  # the control plays as many rounds as the run before it
            num_rounds = play_rounds(arm.model_copy(update={"rounds": num_rounds}), arm_folder, base, engines, progress)
    if recipe.copy_to:
        copy_run(folder, recipe.copy_to)  # what could not be copied before, or an error
    return [arm_folder for _, arm_folder in arms]


def make_base(recipe: Recipe, folder: Path, engines: Engines, progress: Progress) -> Models:
    """The models of the first round, and the evaluation of the one that will be trained."""
    models = first_models(recipe, folder, progress)
    if recipe.evaluation and not (folder / METRICS).exists():
        evaluation = evaluate(recipe, "base", models.trained, folder, engines)
        described = {"model": models.trained, "model_digest": model_digest(models.trained), "evaluation": evaluation}
        write_json(folder / METRICS, described | base_accounts(models.trained, folder))
    return models


def play_rounds(recipe: Recipe, folder: Path, base: Models, engines: Engines, progress: Progress) -> int:
    """The rounds that are still to be played; gives how many there are then."""
    models = base
    for index in range(recipe.rounds):
        manifest = round_folder(folder, index) / MANIFEST
        if not manifest.exists():
            if paid := stops_before(recipe, folder, index):
                progress.say(
                    f"stopped after {index} of {recipe.rounds} rounds: {paid}. To go on, change [stop] or leave it out"
                )
                return index
            play_round(recipe, round_folder(folder, index), index, models, base, engines, progress)
        if recipe.copy_to:
            _copy(recipe, folder, progress)
        played = read_json(manifest)
        models = Models(played["next_model"], played.get("student") or played["next_model"])
    return recipe.rounds


def _copy(recipe: Recipe, folder: Path, progress: Progress) -> None:
    """Copy the finished rounds that are not copied yet. Where that fails the next rounds are played: each tries again."""
    to = Place.of(recipe.copy_to) if recipe.selection.verified else Place.of(recipe.copy_to) / CONTROL
    try:
        if num_copied := copy_run(folder, to):
            progress.say(f"{num_copied} round{'s' if num_copied > 1 else ''} copied to {to}")
    except UserError as error:
        progress.say(f"not copied yet: {error}")


def play_round(
    recipe: Recipe, folder: Path, index: int, models: Models, base: Models, engines: Engines, progress: Progress
) -> None:
    """Sample, check, select, train, evaluate; the manifest is written last."""
    name = f"{'' if recipe.selection.verified else CONTROL + ' '}round {index}"
    provenance = provenance_of(recipe, models.sampled, folder, models_of(recipe, models.sampled, index).models)
    meter = sample(recipe, name, index, models.sampled, folder, engines)
    record_engine_time(folder, meter, recipe.ray.num_samplers)
    shards, account = make_shards(recipe, index, folder)
    start = base if recipe.training and recipe.training.start == "base" else models
    fitted = train(recipe, f"{name}: training", folder, start.trained, progress) if recipe.training else {}
    following = _following(recipe, models, folder / "model")
    evaluation = evaluate(recipe, name, following.trained, folder, engines) if recipe.evaluation else {}
    metrics = {
        "round": index,
        "sampling": sampling_metrics(folder / "journal", round_tasks(recipe, index)) | _timing(meter),
        "allocation": meter.rule,
        "selection": dict(account.counts),
        "selection_cost": account.to_dict(),
        "training": fitted,
        "evaluation": evaluation,
    }
    if recipe.selection.mix:
        metrics["mix"] = mix_metrics(recipe, index, account.counts[ACCEPTED], folder / "shards")
    metrics |= round_accounts(
        recipe, folder, index, models.sampled, following.trained, metrics, round_tasks(recipe, index)
    )
    if paid := payment(recipe, folder.parent, index, metrics["ledger"]):
        metrics["stop"] = paid.to_dict()
    write_json(folder / METRICS, metrics)
    parents = _parents(folder.parent, index)
    student = following.trained if following.trained != following.sampled else ""
    manifest = Round(
        index,
        models.sampled,
        provenance.model_digest,
        following.sampled,
        recipe.digest,
        shards,
        METRICS,
        SCHEMA_VERSION,
        parents,
        student,
    )
    write_json(folder / MANIFEST, asdict(manifest))
    mixed = [mix_in_words(metrics["mix"])] if recipe.selection.mix else []
    for line in (_summary(metrics), *mixed, *lines_of(metrics)):
        progress.say(f"{name}: {line}")
    trackers.publish(
        folder.parent, f"{recipe.name}{'' if recipe.selection.verified else '-' + CONTROL}", index, metrics
    )


def sample(recipe: Recipe, name: str, index: int, model: str, folder: Path, engines: Engines) -> Meter:
    rule = recipe.allocation.as_rule
    return engines.play(
        f"{name}: sampling",
        models_of(recipe, model, index),
        round_tasks(recipe, index),
        rule,
        folder / "journal",
        lambda task_id, number: number_of(recipe.seed, "sample", index, task_id, number),
        recipe.tasks.options.get("num_tasks") or num_tasks_of(round_tasks(recipe, index)),
    )


def models_of(recipe: Recipe, model: str, index: int) -> Ensemble:
    """What a round samples: its model, or the teachers where these are it."""
    teachers = recipe.model.teachers
    if not teachers or model != recipe.model.name:
        return Ensemble((model,))
    return Ensemble(
        tuple(teacher.path for teacher in teachers),
        tuple(teacher.weight for teacher in teachers),
        lambda task_id, number: number_of(recipe.seed, "teacher", index, task_id, number),
        tuple(recipe.ray.samplers_of_teachers),
    )


def num_tasks_of(tasks: Iterator[Task]) -> int:
    """How many tasks a stream gives, for the time left; 0 where counting them would take long."""
    number = sum(1 for _ in islice(tasks, MAX_COUNTED + 1))
    return number if number <= MAX_COUNTED else 0


def make_shards(recipe: Recipe, index: int, folder: Path, out: Path | None = None) -> tuple[list[Shard], Account]:
    """The shards of a round's journal, in the order of its tasks, and what selection did; `out` is folder/shards."""
    traces = OrderedTraces(lambda: round_tasks(recipe, index), folder / "journal", index)
    account = Account()
    copied = contamination(recipe)
    selected = account.record(select(traces, recipe.selection, copied, account, processes_for(len(traces))))
    out = out or folder / "shards"
    shards = write_shards(selected, out, read_provenance(folder))
    if recipe.selection.mix:
        shards += make_mixed(recipe, index, folder.parent, account.counts[ACCEPTED], copied, out)
    return shards, account


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


def evaluate(recipe: Recipe, name: str, model: str, folder: Path, engines: Engines) -> dict[str, Any]:
    """pass@k of a model on the held-out tasks."""
    settings = recipe.evaluation
    tasks = list(evaluation_tasks(recipe))
    rule = AllocationRule(rule="fixed", samples_per_task=settings.samples_per_task)
    journal = folder / "evaluation"
    engines.play(
        f"{name}: evaluation",
        model,
        iter(tasks),
        rule,
        journal,
        lambda task_id, number: number_of(recipe.seed, "evaluation", folder.name, task_id, number),
        len(tasks),
    )
    return evaluation_metrics(journal, tasks, settings.k)


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


def _following(recipe: Recipe, models: Models, made: Path) -> Models:
    """The models after a round whose training made a model at `made`."""
    if recipe.training is None:
        return models
    student = recipe.model.student
    return Models(models.sampled if student and not student.teaches else str(made), str(made))


def _parents(run: Path, index: int) -> list[str]:
    if not index:
        return []
    before = read_json(round_folder(run, index - 1) / MANIFEST)
    if before["next_model"] == before["model"]:
        return []
    return [shard["sha256"] for shard in before["shards"] if shard["kind"] in (ACCEPTED, MIXED)]


def _timing(meter: Meter) -> dict[str, float]:
    """Of the process that finished the pass; a resumed pass was sampled in part by another."""
    seconds = meter.elapsed_seconds
    return {
        "num_resumed": meter.num_resumed,
        "num_retries": meter.num_retries,
        "num_sandbox_failures": meter.num_sandbox_failures,
        "num_duplicate_tasks": meter.num_duplicate_tasks,
        "seconds": seconds,
        "tokens_per_second": meter.num_tokens / seconds if seconds else 0.0,
        "engine_idle_seconds": meter.engine_idle_seconds,
    }


def _summary(metrics: dict[str, Any]) -> str:
    sampling, evaluation = metrics["sampling"], metrics["evaluation"]
    text = f"{sampling['num_correct']} of {sampling['num_samples']} samples correct, {metrics['selection'].get(ACCEPTED, 0)} accepted"
    scores = [f"pass@{k} {value:.3f}" for k, value in evaluation.get("pass_at_k", {}).items()]
    return ", ".join([text, *scores])
