"""A pilot: what a kept preview or a finished run measured, as far as a plan needs it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.estimators.expected_outcome import Spread
from selfplay.journal.samples import SampleTable, read_samples
from selfplay.layout import METRICS
from selfplay.metrics.ledger import engine_seconds
from selfplay.models.flops import Decoder
from selfplay.records import ACCEPTED
from selfplay.shards.files import read_rows
from selfplay.shards.provenance import PROVENANCE, read_provenance
from selfplay.storage import read_json
from tasks import UserError

MIN_TASKS = 25  # with fewer the spread of solve rates is guesswork
GOOD_TASKS, GOOD_SAMPLES = 100, 4  # with these, tokens are within 15% and accepted traces within 30% in 9 of 10 pilots

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pilot:
    """Measured in one round of the pilot."""

    folder: Path
    samples: SampleTable
    num_kept: int  # accepted traces
    kept_tokens: tuple[int, int]  # of prompts and completions of these
    num_under_cap: int  # correct samples, at most `most_kept` of each task: those that selection could keep
    reasons: dict[str, int]  # traces by what selection made of them
    decoder: Decoder | None  # of the sampled model; None if its size is not known
    engine_seconds: float | None  # of all engines, to draw the samples
    metrics: dict[str, Any]  # of the round; empty for a preview
    rounds: list[tuple[Ints, Ints]]  # decided and correct samples of each task, of each finished round

    @property
    def spread(self) -> Spread:
        """The spread of solve rates over tasks, as the decided samples leave it open."""
        return Spread.after(self.samples.num_decided, self.samples.num_correct)

    @property
    def kept_share(self) -> float:
        """Accepted traces a correct sample that selection could keep."""
        return self.num_kept / self.num_under_cap if self.num_under_cap else 0.0

    @property
    def kept_length(self) -> tuple[float, float]:
        """Prompt and completion tokens of an accepted trace; of a correct sample, or any, if none was accepted."""
        if self.num_kept:
            return self.kept_tokens[0] / self.num_kept, self.kept_tokens[1] / self.num_kept
        table = self.samples
        chosen = table.correct if table.correct.any() else np.ones(len(table), bool)
        return float(table.prompt_tokens[chosen].mean()), float(table.completion_tokens[chosen].mean())

    @property
    def prompt_tokens(self) -> float:
        """Prompt tokens a sample that the engine computed, without cached ones."""
        return float((self.samples.prompt_tokens - self.samples.cached_tokens).mean())

    @property
    def verifier_seconds(self) -> float:
        """Seconds a check."""
        return float(self.samples.seconds.mean())

    def completion_tokens(self, num_draws: int, outcome: NDArray[np.bool_]) -> Floats:
        """Draws of the mean completion tokens of the samples chosen by `outcome`, shape [draws]: tasks drawn again.

        The mean of all samples if none is chosen.
        """
        chosen = outcome if outcome.any() else np.ones(len(self.samples), bool)
        table = self.samples
        tokens = np.bincount(table.task[chosen], table.completion_tokens[chosen], table.num_tasks)
        counts = np.bincount(table.task[chosen], minlength=table.num_tasks)
        weights = np.random.default_rng(2).dirichlet(np.ones(table.num_tasks), num_draws)  # Bayesian bootstrap
        return (weights @ tokens) / np.maximum(weights @ counts, 1e-12)


def read_pilot(run: Path, most_kept: int = 0) -> Pilot:
    """The last round of a run's folder that was sampled; `most_kept`: traces that selection keeps of a task, 0: all.

    UserError if the folder holds no samples, or too few tasks to plan from.
    """
    rounds = [folder for folder in sorted(run.glob("round_*")) if (folder / PROVENANCE).exists()]
    if not rounds:
        raise UserError(
            f"{run} holds no sampled round; make a pilot with `selfplay run RECIPE --preview {GOOD_TASKS} --keep`, or "
            "name the folder of a finished run"
        )
    finished = [folder for folder in rounds if (folder / METRICS).exists()]
    folder = finished[-1] if finished else rounds[-1]
    columns = ("prompt_tokens", "cached_tokens", "seconds")
    samples = read_samples(folder / "journal", columns)
    decided = int((samples.num_decided > 0).sum())
    if decided < MIN_TASKS:
        raise UserError(
            f"{folder} has decided samples of {decided} tasks, and a plan needs at least {MIN_TASKS}: the figures would be "
            f"guesses. {GOOD_TASKS} tasks with {GOOD_SAMPLES} samples each serve well"
        )
    correct = samples.num_correct
    reasons: Counter[str] = Counter()
    kept_tokens = [0, 0]
    for row in read_rows(folder / "shards", columns=["selection", "prompt_tokens", "completion_tokens"]):
        reasons[row["selection"]] += 1
        if row["selection"] == ACCEPTED:
            kept_tokens[0] += row["prompt_tokens"]
            kept_tokens[1] += row["completion_tokens"]
    decoder = read_provenance(folder).decoder
    return Pilot(
        folder=folder,
        samples=samples,
        num_kept=reasons[ACCEPTED],
        kept_tokens=(kept_tokens[0], kept_tokens[1]),
        num_under_cap=int((np.minimum(correct, most_kept) if most_kept else correct).sum()),
        reasons=reasons,
        decoder=Decoder.from_dict(decoder) if decoder else None,
        engine_seconds=engine_seconds(folder, int(samples.completion_tokens.sum())),
        metrics=read_json(folder / METRICS) if (folder / METRICS).exists() else {},
        rounds=[_counts(folder) for folder in finished],
    )


def _counts(folder: Path) -> tuple[Ints, Ints]:
    samples = read_samples(folder / "journal")
    return samples.num_decided, samples.num_correct
