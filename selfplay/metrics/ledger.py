"""The ledger of a round: its cost, the information that it brought, and whether it paid.

Tokens and operations are summed over the journals: they are those of every acknowledged sample, of whichever process. A
process that is killed loses its samples in flight, and their cost is counted nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import expm1
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.driver.stats import PassStats
from selfplay.estimators.information import check_bits, compressed_size, repeats, surprisal
from selfplay.estimators.intervals import Interval, paired_difference
from selfplay.journal.samples import Column, SampleTable
from selfplay.layout import METRICS
from selfplay.metrics.accepted import accepted_texts, read_accepted, trace_hashes
from selfplay.metrics.collapse import coverage
from selfplay.metrics.samples import SAMPLING_COLUMNS, Groups
from selfplay.models.flops import Decoder
from selfplay.progress import quantity
from selfplay.storage import read_json, write_json

ENGINE_TIME = "engine_seconds.json"
COLUMNS: tuple[Column, ...] = SAMPLING_COLUMNS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RoundSamples:
    """The samples of a round that is played, and of what came before: all that its ledger and its alarm count."""

    folder: Path
    earlier: Sequence[Path]  # the folders of the rounds before
    verified: bool  # whether selection heeds the verdicts
    sampled: SampleTable  # with COLUMNS
    flops: Floats | None  # operations of each sample, shape [samples]; None where the size of a model is not known
    counted_from: str  # the source of these
    learner: Decoder | None  # of the model that is trained and evaluated
    groups: Groups  # the sampled tasks by difficulty
    evaluations: Sequence[tuple[str, SampleTable]] = ()  # of the start and after each round, the last one of this round

    @cached_property
    def accepted(self) -> SampleTable:
        return read_accepted(self.folder / "shards")

    @cached_property
    def bits(self) -> Floats:
        """Bits that the check added to each accepted trace; 0 where it is not correct, or verdicts are not heeded."""
        if not self.verified:
            return np.zeros(len(self.accepted))
        bits = check_bits(self.sampled.num_decided, self.sampled.num_correct)
        return np.where(self.accepted.correct, bits[self._places][self.accepted.task], 0.0)

    @cached_property
    def _places(self) -> NDArray[np.intp]:
        """Place among the sampled tasks of each task that has an accepted trace."""
        return np.array([self.sampled.places[task_id] for task_id in self.accepted.task_ids], np.intp)

    @cached_property
    def repeated(self) -> dict[str, NDArray[np.bool_]]:
        """Of each accepted trace and its text, whether it stands earlier in this round, and whether it is of an earlier one."""
        past = [read_accepted(folder / "shards") for folder in self.earlier]
        found = {}
        for name, hashes in (("trace", trace_hashes), ("text", lambda table: table.text)):
            before = np.concatenate([np.empty(0, np.uint64), *map(hashes, past)])
            found[f"{name}_in_this_round"], found[f"{name}_of_earlier_rounds"] = repeats(hashes(self.accepted), before)
        return found

    @cached_property
    def fresh(self) -> NDArray[np.bool_]:
        """Whether each accepted trace is new in this run."""
        return ~self.repeated["trace_in_this_round"] & ~self.repeated["trace_of_earlier_rounds"]

    def cost(self, group: NDArray[np.intp] | None = None) -> dict[str, Any]:
        """The cost of the accepted traces, failures included, and their bits; of all tasks or of a group of them."""
        samples: Any = slice(None) if group is None else np.isin(self.sampled.task, group)
        traces: Any = slice(None) if group is None else np.isin(self._places, group)[self.accepted.task]
        bits, fresh = self.bits[traces], self.fresh[traces]
        num, flops = len(bits), _total(self.flops, samples)
        tokens, new_bits = int(self.sampled.completion_tokens[samples].sum()), float(bits[fresh].sum())
        spent = {} if group is None else {"sampled_tokens": tokens, "sampling_flops": flops}
        return spent | {
            "num_traces": num,
            "num_new": int(fresh.sum()),
            "tokens_per_trace": tokens / num if num else None,
            "flops_per_trace": flops / num if num and flops is not None else None,
            "check_bits": float(bits.sum()),
            "check_bits_per_trace": float(bits.mean()) if num else None,
            "new_check_bits": new_bits,
            "new_bits_per_gflop": new_bits / flops * 1e9 if flops else None,
        }


def round_ledger(samples: RoundSamples, metrics: dict[str, Any]) -> dict[str, Any]:
    """The ledger of a round whose samples, shards, training and evaluation are there.

    metrics: "sampling", "training" and "evaluation" of the round. Figures in operations are None where the model's config
    is not known.
    """
    sampled, accepted = samples.sampled, samples.accepted
    evaluations = [table for _, table in samples.evaluations[-2:]]
    ledger: dict[str, Any] = {
        "tokens": tokens_of(sampled),
        "flops": {
            "sampling": _total(samples.flops),
            "training": _training(samples.learner, metrics["training"]),
            "evaluation": _total(sample_flops(samples.learner, evaluations[-1])) if evaluations else None,
            "counted_from": samples.counted_from,
        },
        "seconds": {
            "engine": engine_seconds(samples.folder, int(sampled.completion_tokens.sum())),
            "verifier": metrics["sampling"]["verifier_seconds"],
            "training": metrics["training"].get("seconds"),
        },
        "accepted": samples.cost(),
        "information": {
            "surprisal_bits_per_token": surprisal(
                accepted.logprob.astype(np.float64, copy=False), accepted.completion_tokens
            ),
            "compressed_bytes_per_character": compressed_size(accepted_texts(samples.folder / "shards")),
        },
        "tokens_per_trace": {
            "sampled": _mean(sampled.completion_tokens),
            "accepted": _mean(accepted.completion_tokens),
            "correct_on_held_out_tasks": _lengths(evaluations),
        },
        "repeats": {name: _mean(shares) for name, shares in samples.repeated.items()},
        "by_difficulty": {name: samples.cost(group) for name, group in samples.groups.items() if name},
    }
    ledger["pass_at_k"] = _against_flops(metrics["evaluation"], ledger["flops"]["evaluation"])
    ledger["paying"] = _paying(ledger, evaluations, samples.earlier)
    ledger["so_far"] = _so_far(ledger, samples.earlier)
    return ledger


def tokens_of(samples: SampleTable) -> dict[str, int]:
    """Prompt tokens, those of them that were cached, and completion tokens of all samples."""
    return {
        "prompt": int(samples.prompt_tokens.sum()),
        "cached": int(samples.cached_tokens.sum()),
        "sampled": int(samples.completion_tokens.sum()),
    }


def sample_flops(decoder: Decoder | None, samples: SampleTable) -> Floats | None:
    """Operations of each sample, shape [samples]; None where the model's size is not known."""
    return (
        decoder.sampling(samples.prompt_tokens, samples.cached_tokens, samples.completion_tokens) if decoder else None
    )


def record_engine_time(folder: Path, stats: PassStats, num_engines: int) -> None:
    """Add the time that a process kept the engines busy to that of the round; called when its pass has ended."""
    if stats.num_tokens:
        path = folder / ENGINE_TIME
        before = read_json(path) if path.exists() else {"seconds": 0.0, "tokens": 0}
        busy = max(0.0, stats.elapsed_seconds * num_engines - stats.engine_idle_seconds)
        write_json(path, {"seconds": before["seconds"] + busy, "tokens": before["tokens"] + stats.num_tokens})


def engine_seconds(folder: Path, num_tokens: int) -> float | None:
    """Seconds that engines worked for a round's samples. Processes that were killed left no time: their tokens are assumed
    to have come at the pace of the others. None if every process was killed."""
    path = folder / ENGINE_TIME
    account = read_json(path) if path.exists() else {"tokens": 0}
    return account["seconds"] * num_tokens / account["tokens"] if account["tokens"] else None


def summary(ledger: dict[str, Any]) -> str:
    """One line of progress."""
    accepted, paying, flops = ledger["accepted"], ledger["paying"], ledger["flops"]
    text = f"{accepted['num_new']:,} new traces, {quantity(accepted['new_check_bits'])} bits by the check"
    if accepted["new_bits_per_gflop"] is not None:
        text += f", {accepted['new_bits_per_gflop']:.3g} bits a GFLOP of the {flops['sampling']:.2e} sampled"
    if "pass_at_1_gain" in paying:
        words = "pays" if paying["pays"] else "no gain beyond its interval"
        text += f", held-out pass@1 {paying['pass_at_1_gain']:+.3f} ({paying['low']:+.3f} to {paying['high']:+.3f}): {words}"
    return text


def _training(learner: Decoder | None, fitted: dict[str, Any]) -> float | None:
    """Operations of training; 0 without training, None if a command trained."""
    if not fitted:
        return 0.0
    if learner is None or "mean_context" not in fitted:
        return None
    return learner.training(fitted["num_tokens"], fitted["mean_context"], fitted["num_adapter_weights"])


def _against_flops(evaluation: dict[str, Any], flops: float | None) -> dict[str, Any]:
    """pass@k, each with the operations of k samples of an average held-out task."""
    per_sample = flops / evaluation["num_samples"] if flops and evaluation.get("num_samples") else None
    return {
        k: {"value": value, "flops_of_k_samples": int(k) * per_sample if per_sample else None}
        for k, value in evaluation.get("pass_at_k", {}).items()
    }


def _paying(ledger: dict[str, Any], evaluations: Sequence[SampleTable], earlier: Sequence[Path]) -> dict[str, Any]:
    """Whether the round still pays: its held-out gain with its interval, and its gain and bits a FLOP next to the first round's."""
    rate = ledger["accepted"]["new_bits_per_gflop"]
    first = next((_stored(folder)["accepted"]["new_bits_per_gflop"] for folder in earlier if _stored(folder)), rate)
    paying: dict[str, Any] = {"bits_per_flop_of_first_round": rate / first if rate is not None and first else None}
    if len(evaluations) > 1:
        gain = gain_of(*evaluations)
        spent = _sum(ledger["flops"]["sampling"], ledger["flops"]["training"])
        paying |= {
            "pass_at_1_gain": gain.value,
            "low": gain.low,
            "high": gain.high,
            "pass_at_1_gain_per_tflop": gain.value / spent * 1e12 if spent else None,
            "pays": gain.low > 0,
        }
    return paying


def gain_of(before: SampleTable, after: SampleTable) -> Interval:
    """pass@1 after less before, on the same tasks, with its 95% interval."""
    shared = sorted(set(before.task_ids) & set(after.task_ids))
    return paired_difference(coverage(before, shared, 1), coverage(after, shared, 1))


def _lengths(evaluations: Sequence[SampleTable]) -> dict[str, Any]:
    """Tokens of correct held-out samples, and how they changed on the tasks that both models solve: at equal accuracy."""
    if not evaluations:
        return {}
    lengths = [_length_by_task(evaluation) for evaluation in evaluations]
    figures: dict[str, Any] = {"after": _mean(np.array(list(lengths[-1].values())))}
    shared = sorted(set.intersection(*map(set, lengths))) if len(lengths) > 1 else []
    if shared:
        before, after = (np.log([each[task_id] for task_id in shared]) for each in lengths)
        change = paired_difference(before, after)
        figures |= {
            "change": expm1(change.value),
            "low": expm1(change.low),
            "high": expm1(change.high),
            "num_tasks_solved_by_both": len(shared),
        }
    return figures


def _length_by_task(samples: SampleTable) -> dict[str, float]:
    """Mean tokens of the correct samples of each task that has one."""
    right = samples.correct
    totals = np.bincount(samples.task[right], samples.completion_tokens[right], minlength=samples.num_tasks)
    counts = samples.num_correct
    return {task_id: totals[place] / counts[place] for place, task_id in enumerate(samples.task_ids) if totals[place]}


def _so_far(ledger: dict[str, Any], earlier: Sequence[Path]) -> dict[str, Any]:
    """The run's sums up to this round; evaluations and what made the first model are not among them."""
    ledgers = [stored for folder in earlier if (stored := _stored(folder))] + [ledger]
    return {
        "prompt_tokens": sum(each["tokens"]["prompt"] for each in ledgers),
        "sampled_tokens": sum(each["tokens"]["sampled"] for each in ledgers),
        "flops": _sum(*(each["flops"][kind] for each in ledgers for kind in ("sampling", "training"))),
        "accepted": sum(each["accepted"]["num_traces"] for each in ledgers),
        "new_check_bits": sum(each["accepted"]["new_check_bits"] for each in ledgers),
    }


def _stored(folder: Path) -> dict[str, Any]:
    return read_json(folder / METRICS).get("ledger", {})


def _total(values: Floats | None, chosen: NDArray[np.bool_] | slice = slice(None)) -> float | None:
    return None if values is None else float(values[chosen].sum())


def _sum(*parts: float | None) -> float | None:
    """None if a part is not known."""
    known = [part for part in parts if part is not None]
    return float(sum(known)) if len(known) == len(parts) else None


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
