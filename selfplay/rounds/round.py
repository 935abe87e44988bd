"""One round: sample, verify, select, train, evaluate; its manifest is written last."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.stats import PassStats
from selfplay.journal.samples import read_samples
from selfplay.layout import CONTROL, MANIFEST, METRICS, round_folder
from selfplay.metrics import trackers
from selfplay.metrics.early_stopping import improvement_of
from selfplay.metrics.ledger import record_engine_time
from selfplay.metrics.round_metrics import ledger_and_alarm, lines_of, read_round
from selfplay.metrics.samples import evaluation_metrics, sampling_metrics
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.records import ACCEPTED
from selfplay.rounds.data import evaluation_tasks, make_shards, num_tasks_of, round_tasks, sampling_plan
from selfplay.rounds.pass_progress import shown_by
from selfplay.seeds import number_of
from selfplay.shards.files import MIXED, Shard
from selfplay.shards.provenance import provenance_of
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import read_json, write_json
from selfplay.training.mix import mix_in_words, mix_metrics
from selfplay.training.start import RoundModels
from selfplay.training.step import train


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


def play_round(
    recipe: Recipe,
    folder: Path,
    index: int,
    models: RoundModels,
    base: RoundModels,
    executor: Executor,
    progress: Progress,
) -> None:
    """Sample, check, select, train, evaluate; the manifest is written last."""
    name = f"{'' if recipe.selection.verified else CONTROL + ' '}round {index}"
    provenance = provenance_of(recipe, models.sampled, folder, sampling_plan(recipe, models.sampled, index).models)
    stats = sample(recipe, name, index, models.sampled, folder, executor, progress)
    record_engine_time(folder, stats, recipe.ray.num_samplers)
    shards, account = make_shards(recipe, index, folder)
    start = base if recipe.training and recipe.training.start == "base" else models
    fitted = train(recipe, f"{name}: training", folder, start.trained, progress) if recipe.training else {}
    following = _following(recipe, models, folder / "model")
    evaluation = evaluate(recipe, name, following.trained, folder, executor, progress) if recipe.evaluation else {}
    samples = read_round(recipe, folder, RoundModels(models.sampled, following.trained), round_tasks(recipe, index))
    metrics = {
        "round": index,
        "sampling": sampling_metrics(samples.sampled, samples.groups) | _timing(stats),
        "allocation": stats.rule,
        "selection": dict(account.counts),
        "selection_cost": account.to_dict(),
        "training": fitted,
        "evaluation": evaluation,
    }
    if recipe.selection.mix:
        metrics["mix"] = mix_metrics(recipe, index, account.counts[ACCEPTED], folder / "shards")
    metrics |= ledger_and_alarm(samples, metrics, max(recipe.evaluation.k) if recipe.evaluation else 1)
    if improvement := improvement_of(recipe, folder.parent, index, metrics["ledger"]):
        metrics["stop"] = improvement.to_dict()
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


def sample(
    recipe: Recipe, name: str, index: int, model: str, folder: Path, executor: Executor, progress: Progress
) -> PassStats:
    rule = recipe.allocation
    tasks = round_tasks(recipe, index)
    num_tasks = recipe.tasks.options.get("num_tasks") or num_tasks_of(round_tasks(recipe, index))
    with progress.step(f"{name}: sampling") as show:
        observe = shown_by(show, rule, num_tasks)
        return executor.run_pass(tasks, sampling_plan(recipe, model, index), rule, folder / "journal", observe)


def evaluate(
    recipe: Recipe, name: str, model: str, folder: Path, executor: Executor, progress: Progress
) -> dict[str, Any]:
    """pass@k of a model on the held-out tasks."""
    settings = recipe.evaluation
    tasks = list(evaluation_tasks(recipe))
    rule = Allocation(rule="fixed", samples_per_task=settings.samples_per_task)
    journal = folder / "evaluation"
    plan = SamplingPlan(
        (model,), lambda task_id, number: number_of(recipe.seed, "evaluation", folder.name, task_id, number)
    )
    with progress.step(f"{name}: evaluation") as show:
        executor.run_pass(tasks, plan, rule, journal, shown_by(show, rule, len(tasks)))
    return evaluation_metrics(read_samples(journal), tasks, settings.k)


def _following(recipe: Recipe, models: RoundModels, made: Path) -> RoundModels:
    """The models after a round whose training made a model at `made`."""
    if recipe.training is None:
        return models
    student = recipe.model.student
    return RoundModels(models.sampled if student and not student.teaches else str(made), str(made))


def _parents(run: Path, index: int) -> list[str]:
    if not index:
        return []
    before = read_json(round_folder(run, index - 1) / MANIFEST)
    if before["next_model"] == before["model"]:
        return []
    return [shard["sha256"] for shard in before["shards"] if shard["kind"] in (ACCEPTED, MIXED)]


def _timing(stats: PassStats) -> dict[str, float]:
    """Of the process that finished the pass; a resumed pass was sampled in part by another."""
    seconds = stats.elapsed_seconds
    return {
        "num_resumed": stats.num_resumed,
        "num_retries": stats.num_retries,
        "num_sandbox_failures": stats.num_sandbox_failures,
        "num_duplicate_tasks": stats.num_duplicate_tasks,
        "seconds": seconds,
        "tokens_per_second": stats.num_tokens / seconds if seconds else 0.0,
        "engine_idle_seconds": stats.engine_idle_seconds,
    }


def _summary(metrics: dict[str, Any]) -> str:
    sampling, evaluation = metrics["sampling"], metrics["evaluation"]
    text = f"{sampling['num_correct']} of {sampling['num_samples']} samples correct, {metrics['selection'].get(ACCEPTED, 0)} accepted"
    scores = [f"pass@{k} {value:.3f}" for k, value in evaluation.get("pass_at_k", {}).items()]
    return ", ".join([text, *scores])
