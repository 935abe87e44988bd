"""A run: rounds of sampling, checking, selecting, training and evaluating, each resumable at any point."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay import trackers, training
from selfplay.accounts import base_accounts, lines_of, round_accounts
from selfplay.allocation import AllocationRule
from selfplay.contamination import Contamination
from selfplay.engines import Engines
from selfplay.ensemble import Ensemble
from selfplay.files_on_disk import CONTROL, MANIFEST, METRICS, finished_rounds, model_digest, read_json, round_folder, write_json
from selfplay.ledger import record_engine_time
from selfplay.measuring import evaluation_metrics, sampling_metrics
from selfplay.models import create_model
from selfplay.ordering import OrderedTraces
from selfplay.pipeline import Meter
from selfplay.progress import Progress
from selfplay.provenance import provenance_of, read_provenance
from selfplay.recipe import Fitting, Pretraining, Recipe, Tasks
from selfplay.records import Trace
from selfplay.run_folder import open_run
from selfplay.selection import ACCEPTED, Account, select
from selfplay.shard_schema import SCHEMA_VERSION
from selfplay.shards import Shard, read_shards, write_shards
from selfplay.training import Lesson
from tasks import Task, load
from tasks.arithmetic import organic_corpus
from tasks.sources import takes

MAX_COUNTED = 100_000  # tasks, about a second


@dataclass(frozen=True, slots=True)
class Round:
    """The manifest of a round that is complete."""

    index: int
    model: str  # path or hub name of the model that was sampled
    model_digest: str
    next_model: str  # what the next round samples; the same as `model` where nothing was trained
    recipe_digest: str
    shards: list[Shard]
    metrics: str  # file name of the figures
    schema_version: int  # of the shards
    parents: list[str]  # SHA-256 of the shards that the sampled model was trained on; empty for the first model


def run(recipe: Recipe, progress: Progress) -> list[Path]:
    """Play a recipe, or what is left of it; gives the folders of the run and of its control."""
    folder = open_run(Path(recipe.output), recipe)
    arms = [(recipe, folder)]
    if recipe.control:
        control = recipe.model_copy(update={"selection": recipe.selection.model_copy(update={"verified": False}), "control": False})
        arms.append((control, open_run(folder / CONTROL, control)))
    with Engines(recipe, progress) as engines:
        model = make_base(recipe, folder / "base", engines, progress)
        for arm, arm_folder in arms:
            play_rounds(arm, arm_folder, model, engines, progress)
    return [arm_folder for _, arm_folder in arms]


def make_base(recipe: Recipe, folder: Path, engines: Engines, progress: Progress) -> str:
    """The model of the first round, made and fitted where the recipe says so, and its evaluation."""
    model = recipe.model.name
    if recipe.model.create:
        model = str(folder / "model")
        if not Path(model).exists():
            untrained = folder / "untrained"
            shutil.rmtree(untrained, ignore_errors=True)
            create_model(untrained, seed=_number(recipe.seed, "model") % 2**31, **recipe.model.create.model_dump())
            if recipe.pretraining:
                lessons = _corpus(recipe.pretraining, _number(recipe.seed, "corpus"))
                _fit(recipe, "base: training", str(untrained), lessons, recipe.pretraining, Path(model), progress)
            else:
                untrained.rename(model)
    if recipe.evaluation and not (folder / METRICS).exists():
        evaluation = evaluate(recipe, "base", model, folder, engines)
        described = {"model": model, "model_digest": model_digest(model), "evaluation": evaluation}
        write_json(folder / METRICS, described | base_accounts(model, folder))
    return model


def play_rounds(recipe: Recipe, folder: Path, base: str, engines: Engines, progress: Progress) -> None:
    model = base
    for index in range(recipe.rounds):
        manifest = round_folder(folder, index) / MANIFEST
        if not manifest.exists():
            play_round(recipe, round_folder(folder, index), index, model, base, engines, progress)
        model = read_json(manifest)["next_model"]


def play_round(
    recipe: Recipe, folder: Path, index: int, model: str, base: str, engines: Engines, progress: Progress
) -> None:
    """Sample, check, select, train, evaluate; the manifest is written last."""
    name = f"{'' if recipe.selection.verified else CONTROL + ' '}round {index}"
    provenance = provenance_of(recipe, model, folder, [teacher.path for teacher in recipe.model.teachers])
    meter = sample(recipe, name, index, model, folder, engines)
    record_engine_time(folder, meter, recipe.ray.num_samplers)
    shards, account = make_shards(recipe, index, folder)
    next_model, fitted = train(recipe, name, index, model, base, folder, progress)
    evaluation = evaluate(recipe, name, next_model, folder, engines) if recipe.evaluation else {}
    metrics = {
        "round": index,
        "sampling": sampling_metrics(folder / "journal", round_tasks(recipe, index)) | _timing(meter),
        "allocation": meter.rule,
        "selection": dict(account.counts),
        "selection_cost": account.to_dict(),
        "training": fitted,
        "evaluation": evaluation,
    }
    metrics |= round_accounts(recipe, folder, index, model, next_model, metrics, round_tasks(recipe, index))
    write_json(folder / METRICS, metrics)
    parents = _parents(folder.parent, index)
    manifest = Round(index, model, provenance.model_digest, next_model, recipe.digest, shards, METRICS, SCHEMA_VERSION, parents)
    write_json(folder / MANIFEST, asdict(manifest))
    for line in (_summary(metrics), *lines_of(metrics)):
        progress.say(f"{name}: {line}")
    trackers.publish(folder.parent, f"{recipe.name}{'' if recipe.selection.verified else '-' + CONTROL}", index, metrics)


def sample(recipe: Recipe, name: str, index: int, model: str, folder: Path, engines: Engines) -> Meter:
    rule = recipe.allocation.as_rule
    return engines.play(
        f"{name}: sampling",
        teachers_of(recipe, index) or model,
        round_tasks(recipe, index),
        rule,
        folder / "journal",
        lambda task_id, number: _number(recipe.seed, "sample", index, task_id, number),
        recipe.tasks.options.get("num_tasks") or num_tasks_of(round_tasks(recipe, index)),
    )


def teachers_of(recipe: Recipe, index: int) -> Ensemble | None:
    """The models of a round that samples several."""
    teachers = recipe.model.teachers
    if not teachers:
        return None
    return Ensemble(
        tuple(teacher.path for teacher in teachers),
        tuple(teacher.weight for teacher in teachers),
        lambda task_id, number: _number(recipe.seed, "teacher", index, task_id, number),
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
    selected = account.record(select(traces, recipe.selection, contamination(recipe), account))
    return write_shards(selected, out or folder / "shards", read_provenance(folder)), account


def contamination(recipe: Recipe) -> Contamination | None:
    """The evaluation tasks that no training task may copy; None where the recipe names none."""
    sections = dict(recipe.selection.against)
    if recipe.evaluation:
        sections["evaluation"] = recipe.evaluation.tasks
    if not recipe.selection.decontaminate or not recipe.selection.verified or not sections:
        return None
    return Contamination({name: _load(section, _number(recipe.seed, "evaluation tasks")) for name, section in sections.items()})


def train(
    recipe: Recipe, name: str, index: int, model: str, base: str, folder: Path, progress: Progress
) -> tuple[str, dict[str, Any]]:
    """The next round's model and what its training did."""
    settings = recipe.training
    if settings is None:
        return model, {}
    out = folder / "model"
    record = folder / "training.json"  # survives a kill between training and manifest
    if out.exists() and record.exists():
        return str(out), read_json(record)
    shutil.rmtree(out, ignore_errors=True)
    start = base if settings.start == "base" else model
    if settings.command:
        fitted = {"seconds": training.fit_by_command(settings.command, start, f"{folder}/shards/{ACCEPTED}-*.parquet", out)}
    else:
        lessons = (_lesson(trace, recipe) for trace, _ in read_shards(folder / "shards", ACCEPTED))
        kept = [lesson for number, lesson in enumerate(lessons) if not settings.num_rows or number < settings.num_rows]
        fitted = asdict(_fit(recipe, f"{name}: training", start, kept, settings, out, progress))
    write_json(record, fitted)
    return str(out), fitted


def evaluate(recipe: Recipe, name: str, model: str, folder: Path, engines: Engines) -> dict[str, Any]:
    """pass@k of a model on the held-out tasks."""
    settings = recipe.evaluation
    tasks = list(_load(settings.tasks, _number(recipe.seed, "evaluation tasks")))
    rule = AllocationRule(rule="fixed", samples_per_task=settings.samples_per_task)
    journal = folder / "evaluation"
    engines.play(
        f"{name}: evaluation",
        model,
        iter(tasks),
        rule,
        journal,
        lambda task_id, number: _number(recipe.seed, "evaluation", folder.name, task_id, number),
        len(tasks),
    )
    return evaluation_metrics(journal, tasks, settings.k)


def round_tasks(recipe: Recipe, index: int) -> Iterator[Task]:
    """The tasks of a round: fresh ones where the source makes them, else the same in each round."""
    return _load(recipe.tasks, _number(recipe.seed, "tasks", index))


def _load(section: Tasks, seed: int) -> Iterator[Task]:
    options = section.options
    if takes(section.source, "seed"):
        options.setdefault("seed", seed)
    return load(section.source, **options)


def _lesson(trace: Trace, recipe: Recipe) -> Lesson:
    """A trace as it was sampled, token by token; where stop texts were cut off its end, by its text."""
    tokens = () if recipe.sampling.stop else trace.sample.token_ids
    return Lesson(trace.task.prompt, trace.sample.text, tokens, trace.sample.finish_reason == "stop")


def _corpus(settings: Pretraining, seed: int) -> Iterator[Lesson]:
    rows = organic_corpus(settings.steps * settings.batch_size, seed, settings.corruption, settings.redundancy)
    return (Lesson(({"role": "user", "content": prompt},), text) for prompt, text in rows)


def _fit(
    recipe: Recipe, title: str, model: str, lessons: Iterable[Lesson], settings: Fitting, out: Path, progress: Progress
) -> training.Fit:
    seed = _number(recipe.seed, title) % 2**31
    with progress.step(title) as show:
        show("starting")
        return training.fit(
            model, lessons, settings, out, seed, lambda step, steps, loss: show(f"step {step} of {steps}, loss {loss:.3f}")
        )


def _parents(run: Path, index: int) -> list[str]:
    if not index:
        return []
    shards = read_json(round_folder(run, index - 1) / MANIFEST)["shards"]
    return [shard["sha256"] for shard in shards if shard["kind"] == ACCEPTED]


def _timing(meter: Meter) -> dict[str, float]:
    """Of the process that finished the pass; a resumed pass was sampled in part by another."""
    seconds = meter.elapsed_seconds
    return {
        "num_resumed": meter.num_resumed,
        "num_retries": meter.num_retries,
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


def _number(*parts: object) -> int:
    """63 random bits that depend on all parts: every random choice of a run comes from here."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8]) >> 1
