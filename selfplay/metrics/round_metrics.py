"""What is reckoned when a round's work is done: its ledger, and the alarm where the run collapses."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.journal.journal import read_rows
from selfplay.journal.samples import Pass, read_pass
from selfplay.layout import round_folder
from selfplay.metrics.collapse import alarm_metrics, watch
from selfplay.metrics.ledger import Floats, in_words, round_ledger, sample_flops, tokens_of
from selfplay.models.flops import decoder_of
from selfplay.recipe.sections import Recipe
from selfplay.shards.provenance import read_provenance
from selfplay.shards.schema import operations
from tasks import Task


def round_accounts(
    recipe: Recipe,
    folder: Path,
    index: int,
    model: str,
    next_model: str,
    metrics: dict[str, Any],
    tasks: Iterable[Task],
) -> dict[str, Any]:
    """ "ledger", "alarm" and "alarms" of a round, for its metrics; the last is a sentence for each alarm."""
    earlier = [round_folder(folder.parent, number) for number in range(index)]
    watched, evaluations = [], []
    if recipe.evaluation:
        stages = [
            ("start", Path(recipe.output) / "base"),
            *((f"round {number}", past) for number, past in enumerate(earlier)),
        ]
        past = [(name, read_pass(stage / "evaluation")) for name, stage in stages]
        present = read_pass(folder / "evaluation")
        watched = watch(past, present, max(recipe.evaluation.k))
        evaluations = [past[-1][1], present]
    sampled = read_pass(folder / "journal")
    ledger = round_ledger(
        folder,
        metrics,
        tasks,
        sampled,
        evaluations,
        decoder_of(model),
        decoder_of(next_model),
        earlier,
        recipe.selection.verified,
        _flops_by_teacher(folder, sampled),
    )
    return {"ledger": ledger, **alarm_metrics(watched)}


def _flops_by_teacher(folder: Path, sampled: Pass) -> Floats | None:
    """Operations of each sample of a round with several teachers; None where there is one model, or one of unknown size."""
    provenance = read_provenance(folder)
    if not provenance.teachers:
        return None
    models = [row["sample"]["model"] for row in read_rows(folder / "journal", token_ids=False)]
    tokens = [sampled.prompt_tokens, sampled.cached_tokens, sampled.completion_tokens]
    flops = operations(models, tokens, provenance)
    return None if np.isnan(flops).any() else flops


def base_accounts(model: str, folder: Path) -> dict[str, Any]:
    """The ledger of the first model's evaluation."""
    samples = read_pass(folder / "evaluation")
    flops = sample_flops(decoder_of(model), samples)
    return {
        "ledger": {
            "evaluation_tokens": tokens_of(samples),
            "evaluation_flops": None if flops is None else float(flops.sum()),
        }
    }


def lines_of(metrics: dict[str, Any]) -> list[str]:
    """Lines of progress: the ledger in short, and every alarm."""
    return [f"ledger: {in_words(metrics['ledger'])}", *(f"COLLAPSE ALARM: {alarm}" for alarm in metrics["alarms"])]
