"""One round: sample, verify, select, train, evaluate. Each step is skipped or resumed if an earlier process did it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.stats import PassStats
from selfplay.journal.samples import read_samples
from selfplay.layout import CONTROL, METRICS, TASKS, is_control
from selfplay.metrics import trackers
from selfplay.metrics.engine_shares import Phase, engine_shares, phase_of_pass, phase_of_training
from selfplay.metrics.health import COLUMNS as HEALTH_COLUMNS
from selfplay.metrics.health import health_of, summary
from selfplay.metrics.ledger import record_engine_time
from selfplay.metrics.round_metrics import lines_of, round_metrics
from selfplay.metrics.samples import evaluation_metrics
from selfplay.progress import Progress
from selfplay.proposals.figures import figures_of
from selfplay.proposals.figures import summary as summary_of_proposals
from selfplay.proposals.propose import ONE_SAMPLE
from selfplay.recipe.sections import Recipe
from selfplay.rounds.data import Round, evaluation_tasks, stage_name
from selfplay.rounds.kept_tasks import bad_rows_path, count_bad_rows
from selfplay.rounds.manifest import Manifest, parents_of
from selfplay.rounds.pass_progress import shown_by, timing
from selfplay.rounds.second_chances import HINTS
from selfplay.seeds import number_of
from selfplay.shards.files import Shard
from selfplay.shards.provenance import provenance_of, read_provenance
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import write_json
from selfplay.training.start import RoundModels
from selfplay.training.step import train
from tasks import Task


def play(round: Round, models: RoundModels, executor: Executor, progress: Progress) -> None:
    """Play a round from these models, or the rest of one that was interrupted. Its manifest is written last."""
    recipe, folder = round.recipe, round.folder
    provenance_of(recipe, models.sampled, folder, round.plan(models.sampled).models)
    propose(round, models.sampled, executor, progress)
    began = time.monotonic()  # of the account of the engines' time, in which proposing does not stand
    stats = sample(round, models.sampled, executor, progress)
    phases = [phase_of_pass("sampling", stats, recipe.ray.num_samplers)]
    if recipe.second_chances:
        try_again(round, models.sampled, executor, progress, phases)
    seen = health(round)
    progress.say(f"{round.name}: health: {summary(seen, recipe.sampling)}")
    shards, selection = round.make_shards()
    training: dict[str, Any] = {}
    if recipe.training:
        training, phase = timed_training(round, models.start, executor, progress)
        phases.append(phase)
    after = models_after(round, models)
    evaluation = evaluate(recipe, folder, after.trained, executor, progress, phases)
    parts = {
        "sampling": timing(stats) | {"num_bad_rows": count_bad_rows(folder / TASKS)},
        "health": seen,
        "allocation": stats.rule,
        "selection": dict(selection.counts),
        "selection_cost": selection.to_dict(),
        "training": training,
        "evaluation": evaluation,
        "engines": engine_shares(phases, time.monotonic() - began, recipe.ray.num_samplers),
    }
    if recipe.proposer:
        parts["proposals"] = figures_of(recipe, folder)
        progress.say(f"{round.name}: {summary_of_proposals(parts['proposals'])}")
    if recipe.second_chances:
        parts["second_chances"] = selection.second_chances
    metrics = round_metrics(recipe, folder, replace(models, trained=after.trained), round.tasks(), parts)
    write_json(folder / METRICS, metrics)
    complete(round, models, after, shards)
    for line in lines_of(metrics):
        progress.say(f"{round.name}: {line}")
    arm = recipe.name if recipe.selection.verified else f"{recipe.name}-{CONTROL}"
    trackers.publish(round.run, arm, round.index, metrics, progress.say)


def propose(round: Round, model: str, executor: Executor, progress: Progress) -> None:
    """Let the model write the tasks of a round, if the recipe has a [proposer]; a control keeps those of its run."""
    if round.recipe.proposer is None or is_control(round.run):
        return
    with progress.step(f"{round.name}: proposing tasks") as show:
        digest = read_provenance(round.folder).model_digest
        round.proposing().write(model, digest, executor, shown_by(show, ONE_SAMPLE))


def sample(round: Round, model: str, executor: Executor, progress: Progress) -> PassStats:
    """Sample the round's tasks from a model, or from all teachers, into its journal, each sample with its verdict."""
    allocation = round.allocation
    with progress.step(f"{round.name}: sampling") as show:
        show("reading the tasks")
        num_tasks = round.keep_tasks()
        kept = round.folder / TASKS
        if left_out := count_bad_rows(kept):
            progress.say(f"{round.name}: {left_out:,} bad rows left out, named in {bad_rows_path(kept)}")
        observe = shown_by(show, allocation, num_tasks)
        stats = executor.run_pass(round.tasks(), round.plan(model), allocation, round.journal, observe)
    record_engine_time(round.folder, stats, round.recipe.ray.num_samplers)
    return stats


def try_again(round: Round, model: str, executor: Executor, progress: Progress, phases: list[Phase]) -> None:
    """Give the tasks that no sample solved their second chances, each pass into a journal of its own."""
    again, settings = round.second_chance, round.second_chance.settings

    def run_pass(name: str, tasks: list[Task], num_samples: int) -> None:
        plan = replace(round.plan(model), seed_of=lambda *sample: round.seed(name, *sample))
        allocation = Allocation(rule="fixed", samples_per_task=num_samples)
        with progress.step(f"{round.name}: second chances, {name.replace('_', ' ')}") as show:
            watch = shown_by(show, allocation, len(tasks))
            stats = executor.run_pass(tasks, plan, allocation, again.journal(name), watch)
        phases.append(phase_of_pass("second chances", stats, round.recipe.ray.num_samplers))

    if settings.hinted_samples and (tasks := again.hinted_tasks()):
        run_pass(HINTS, tasks, settings.hinted_samples)
    for turn in range(1, settings.repair_turns + 1):
        if tasks := again.tasks_to_repair(turn):
            run_pass(f"repair_{turn}", tasks, settings.repair_samples)


def timed_training(round: Round, start: str, executor: Executor, progress: Progress) -> tuple[dict[str, Any], Phase]:
    """Train on the round's shards; the training's record, and the engines' time in it."""
    began = time.monotonic()
    title = f"{round.name}: training"
    record = train(round.recipe, title, round.folder, start, progress, executor.make_room)
    seconds = time.monotonic() - began
    return record, phase_of_training(round.recipe, seconds, record.get("num_workers", 1))


def health(round: Round) -> dict[str, Any]:
    """The health of the round's samples, as metrics.json holds it."""
    return health_of(read_samples(round.journal, HEALTH_COLUMNS), round.tasks()).to_dict()


def evaluate(
    recipe: Recipe,
    folder: Path,
    model: str,
    executor: Executor,
    progress: Progress,
    phases: list[Phase] | None = None,
) -> dict[str, Any]:
    """pass@k of a model on the held-out tasks; `folder` is that of the round that made it, or of the first models.

    Empty without [evaluation]. `phases` gets the engines' time.
    """
    if (settings := recipe.evaluation) is None:
        return {}
    tasks = list(evaluation_tasks(recipe, folder.parent))
    allocation = Allocation(rule="fixed", samples_per_task=settings.samples_per_task)
    plan = SamplingPlan((model,), lambda *sample: number_of(recipe.seed, "evaluation", folder.name, *sample))
    with progress.step(f"{stage_name(recipe, folder)}: evaluation") as show:
        watch = shown_by(show, allocation, len(tasks))
        stats = executor.run_pass(tasks, plan, allocation, folder / "evaluation", watch)
    if phases is not None:
        phases.append(phase_of_pass("evaluation", stats, recipe.ray.num_samplers))
    return evaluation_metrics(read_samples(folder / "evaluation"), tasks, settings.k)


def complete(round: Round, models: RoundModels, after: RoundModels, shards: list[Shard]) -> None:
    """Write the manifest of a round, with the models before and after it."""
    Manifest(
        index=round.index,
        model=models.sampled,
        model_digest=read_provenance(round.folder).model_digest,
        next_model=after.sampled,
        recipe_digest=round.recipe.digest,
        shards=shards,
        metrics=METRICS,
        schema_version=SCHEMA_VERSION,
        parents=parents_of(round.run, round.index),
        student=after.trained if after.trained != after.sampled else "",
    ).write(round.folder)


def models_after(round: Round, models: RoundModels) -> RoundModels:
    """The models after a round: what it trained, and what the next round samples."""
    if round.recipe.training is None:
        return models
    student, made = round.recipe.model.student, str(round.folder / "model")
    sampled = models.sampled if student and not student.teaches else made
    return RoundModels(sampled, made, start_of(round.recipe, models, made))


def start_of(recipe: Recipe, models: RoundModels, trained: str) -> str:
    """Where the next training starts: from the model that was trained last, or from the first one again."""
    return models.start if recipe.training and recipe.training.start == "base" else trained
