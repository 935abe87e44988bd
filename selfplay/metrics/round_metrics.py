"""Metrics of a round: figures of its samples, its ledger and the collapse alarm."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.estimators.information import Floats
from selfplay.journal.samples import Column, SampleTable, read_samples
from selfplay.layout import base_folder, round_folder
from selfplay.metrics.collapse import alarm_metrics, watch
from selfplay.metrics.early_stopping import improvement_of
from selfplay.metrics.engine_shares import summary as summary_of_engines
from selfplay.metrics.ledger import COLUMNS, RoundSamples, round_ledger, sample_flops, summary, tokens_of
from selfplay.metrics.samples import by_difficulty, sampling_metrics
from selfplay.models.flops import decoder_of
from selfplay.recipe.sections import Recipe
from selfplay.records import ACCEPTED
from selfplay.shards.provenance import read_provenance
from selfplay.shards.schema import operations
from selfplay.training.mix import mix_in_words, mix_metrics
from selfplay.training.start import RoundModels
from tasks import Task

REMEDIES = (
    'Against it: [training] start = "base", start_share or repeat_hard; [selection] choose = "diverse" or a smaller '
    "max_traces_per_task; [selection.mix] earlier_rounds or corpus"
)
EVALUATION_COLUMNS: tuple[Column, ...] = ("prompt_tokens", "cached_tokens", "text")


def read_round(recipe: Recipe, folder: Path, models: RoundModels, tasks: Iterable[Task]) -> RoundSamples:
    """The samples of a played round in `folder`; `models`: the sampled model, and the one that training made."""
    run, index = folder.parent, int(folder.name.removeprefix("round_"))
    earlier = [round_folder(run, number) for number in range(index)]
    sampled = read_samples(folder / "journal", COLUMNS)
    stages = [("start", base_folder(run)), *((f"round {number}", past) for number, past in enumerate(earlier))]
    stages = [*stages, (f"round {index}", folder)] if recipe.evaluation else []
    flops, counted_from = _sampling_flops(folder, models.sampled, sampled)
    return RoundSamples(
        folder=folder,
        earlier=earlier,
        verified=recipe.selection.verified,
        sampled=sampled,
        flops=flops,
        counted_from=counted_from,
        learner=decoder_of(models.trained),
        groups=by_difficulty(sampled, tasks),
        evaluations=[(name, read_samples(stage / "evaluation", EVALUATION_COLUMNS)) for name, stage in stages],
    )


def round_metrics(
    recipe: Recipe, folder: Path, models: RoundModels, tasks: Iterable[Task], parts: dict[str, Any]
) -> dict[str, Any]:
    """All metrics of a played round in `folder`, as metrics.json holds them.

    models: the sampled model, and the one that training made. parts: what the steps of the round returned, by section;
    the figures of its samples are added here.
    """
    run, index = folder.parent, int(folder.name.removeprefix("round_"))
    samples = read_round(recipe, folder, models, tasks)
    metrics = {"round": index} | parts
    metrics["sampling"] = sampling_metrics(samples.sampled, samples.groups) | parts["sampling"]
    if recipe.mixes:
        metrics["mix"] = mix_metrics(recipe, index, parts["selection"].get(ACCEPTED, 0), folder / "shards")
    metrics["ledger"] = round_ledger(samples, metrics)
    watched = []
    if recipe.evaluation:
        *past, (_, present) = samples.evaluations
        watched = watch(past, present, max(recipe.evaluation.k))
    metrics |= alarm_metrics(watched)
    if improvement := improvement_of(recipe, run, index, metrics["ledger"]):
        metrics["stop"] = improvement.to_dict()
    return metrics


def base_ledger(model: str, evaluation: Path) -> dict[str, Any]:
    """The ledger of the first model, from the journal of its evaluation."""
    samples = read_samples(evaluation, EVALUATION_COLUMNS)
    flops = sample_flops(decoder_of(model), samples)
    return {"evaluation_tokens": tokens_of(samples), "evaluation_flops": None if flops is None else float(flops.sum())}


def lines_of(metrics: dict[str, Any]) -> list[str]:
    """Lines of progress when a round has ended: its scores, what it was trained on, the ledger in short, every alarm."""
    sampling, scores = metrics["sampling"], metrics["evaluation"].get("pass_at_k", {})
    accepted = metrics["selection"].get(ACCEPTED, 0)
    correct = f"{sampling['num_correct']} of {sampling['num_samples']} samples correct, {accepted} accepted"
    return [
        ", ".join([correct, *(f"pass@{k} {value:.3f}" for k, value in scores.items())]),
        *([mix_in_words(metrics["mix"])] if "mix" in metrics else []),
        f"ledger: {summary(metrics['ledger'])}",
        f"engines: {summary_of_engines(metrics['engines'])}",
        *(f"COLLAPSE ALARM: {alarm}. {REMEDIES}" for alarm in metrics["alarms"]),
    ]


def _sampling_flops(folder: Path, model: str, sampled: SampleTable) -> tuple[Floats | None, str]:
    """Operations of each sample of a round, and their source; None where the size of a model is not known."""
    provenance = read_provenance(folder)
    if provenance.teachers:
        models = [sampled.model.names[code] for code in sampled.model.codes]
        tokens = [sampled.prompt_tokens, sampled.cached_tokens, sampled.completion_tokens]
        flops = operations(models, tokens, provenance)
        if not np.isnan(flops).any():
            return flops, "each teacher"
    decoder = decoder_of(model)
    if decoder is None:
        return None, "nothing: no config of the model is on this machine"
    return sample_flops(decoder, sampled), decoder.source
