"""The ledger of a round: what it took, what information it brought, and whether it paid.

Tokens and operations are summed over the journals, so they are those of every sample that was acknowledged, by whichever
process. Of a process that was killed the samples in flight are lost, and with them what they cost.
"""

from collections.abc import Iterable, Sequence
from math import expm1
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.driver.stats import PassStats
from selfplay.estimators.information import check_bits, compressed_size, repeats, surprisal
from selfplay.estimators.intervals import Interval, paired_difference
from selfplay.journal.samples import Pass
from selfplay.layout import METRICS
from selfplay.metrics.accepted import Accepted, accepted_texts, read_accepted
from selfplay.metrics.collapse import coverage
from selfplay.models.flops import Decoder
from selfplay.progress import quantity
from selfplay.storage import read_json, write_json
from tasks import Task

ENGINE_TIME = "engine_seconds.json"

Floats = NDArray[np.float64]


def round_ledger(
    folder: Path,
    metrics: dict[str, Any],
    tasks: Iterable[Task],
    sampled: Pass,
    evaluations: Sequence[Pass],
    sampler: Decoder | None,
    learner: Decoder | None,
    earlier: Sequence[Path],
    verified: bool,
    flops: Floats | None = None,
) -> dict[str, Any]:
    """The ledger of a round whose samples, shards, training and evaluation are there.

    metrics: "sampling", "training" and "evaluation" of the round. evaluations: of the model before and the one after it,
    as far as there are any. earlier: the folders of the rounds before. verified: whether selection heeded the verdicts.
    flops: operations of each sample, where they are not all of the sampler, shape [samples].
    Figures in operations are None where the model's config is not known.
    """
    accepted = read_accepted(folder / "shards")
    bits = _bits(sampled, accepted) if verified else np.zeros(len(accepted))
    fresh, shares_repeated = _repeated(accepted, earlier)
    flops = sample_flops(sampler, sampled) if flops is None else flops
    ledger = {
        "tokens": tokens_of(sampled),
        "flops": {
            "sampling": _total(flops),
            "training": _training(learner, metrics["training"]),
            "evaluation": _total(sample_flops(learner, evaluations[-1])) if evaluations else None,
            "counted_from": _source(sampler, flops),
        },
        "seconds": {
            "engine": engine_seconds(folder, int(sampled.completion_tokens.sum())),
            "verifier": metrics["sampling"]["verifier_seconds"],
            "training": metrics["training"].get("seconds"),
        },
        "accepted": _cost(
            len(accepted), int(fresh.sum()), int(sampled.completion_tokens.sum()), _total(flops), bits, fresh
        ),
        "information": {
            "surprisal_bits_per_token": surprisal(accepted.logprob, accepted.completion_tokens),
            "compressed_bytes_per_character": compressed_size(accepted_texts(folder / "shards")),
        },
        "tokens_per_trace": {
            "sampled": _mean(sampled.completion_tokens),
            "accepted": _mean(accepted.completion_tokens),
            "correct_on_held_out_tasks": _lengths(evaluations),
        },
        "repeats": shares_repeated,
        "by_difficulty": _by_difficulty(tasks, sampled, accepted, flops, bits, fresh),
    }
    ledger["pass_at_k"] = _against_flops(metrics["evaluation"], ledger["flops"]["evaluation"])
    ledger["paying"] = _paying(ledger, evaluations, earlier)
    ledger["so_far"] = _so_far(ledger, earlier)
    return ledger


def _source(sampler: Decoder | None, flops: Floats | None) -> str:
    if sampler:
        return sampler.source
    return "nothing: no config of the model is on this machine" if flops is None else "each teacher"


def tokens_of(samples: Pass) -> dict[str, int]:
    return {
        "prompt": int(samples.prompt_tokens.sum()),
        "cached": int(samples.cached_tokens.sum()),
        "sampled": int(samples.completion_tokens.sum()),
    }


def sample_flops(decoder: Decoder | None, samples: Pass) -> Floats | None:
    """Operations of each sample of a journal, shape [samples]."""
    return (
        decoder.sampling(samples.prompt_tokens, samples.cached_tokens, samples.completion_tokens) if decoder else None
    )


def record_engine_time(folder: Path, stats: PassStats, num_engines: int) -> None:
    """Add what a process kept the engines busy to the round's account; written when its pass has ended."""
    if stats.num_tokens:
        path = folder / ENGINE_TIME
        before = read_json(path) if path.exists() else {"seconds": 0.0, "tokens": 0}
        busy = max(0.0, stats.elapsed_seconds * num_engines - stats.engine_idle_seconds)
        write_json(path, {"seconds": before["seconds"] + busy, "tokens": before["tokens"] + stats.num_tokens})


def engine_seconds(folder: Path, num_tokens: int) -> float | None:
    """Seconds that engines worked for a round's samples; the tokens of processes that were killed are taken to have
    come at the pace of the others. None where no process lived to tell."""
    path = folder / ENGINE_TIME
    account = read_json(path) if path.exists() else {"tokens": 0}
    return account["seconds"] * num_tokens / account["tokens"] if account["tokens"] else None


def in_words(ledger: dict[str, Any]) -> str:
    """One line of progress."""
    accepted, paying, flops = ledger["accepted"], ledger["paying"], ledger["flops"]
    text = f"{accepted['num_new']:,} new traces, {quantity(accepted['new_check_bits'])} bits by the check"
    if accepted["new_bits_per_gflop"] is not None:
        text += f", {accepted['new_bits_per_gflop']:.3g} bits a GFLOP of the {flops['sampling']:.2e} sampled"
    if "pass_at_1_gain" in paying:
        words = "pays" if paying["pays"] else "no gain beyond its interval"
        text += f", held-out pass@1 {paying['pass_at_1_gain']:+.3f} ({paying['low']:+.3f} to {paying['high']:+.3f}): {words}"
    return text


def _bits(sampled: Pass, accepted: Accepted) -> Floats:
    """Bits that the check added to each accepted trace."""
    of_task = dict(zip(sampled.task_ids, check_bits(*sampled.counts).tolist(), strict=True))
    return np.array(
        [of_task[task_id] if right else 0.0 for task_id, right in zip(accepted.task_ids, accepted.correct, strict=True)]
    )


def _cost(
    num: int, num_new: int, tokens: int, flops: float | None, bits: Floats, fresh: NDArray[np.bool_]
) -> dict[str, Any]:
    """What accepted traces cost, failures included, and the bits that they brought; `fresh`: not had before in this run."""
    new_bits = float(bits[fresh].sum())
    return {
        "num_traces": num,
        "num_new": num_new,
        "tokens_per_trace": tokens / num if num else None,
        "flops_per_trace": flops / num if num and flops is not None else None,
        "check_bits": float(bits.sum()),
        "check_bits_per_trace": float(bits.mean()) if num else None,
        "new_check_bits": new_bits,
        "new_bits_per_gflop": new_bits / flops * 1e9 if flops else None,
    }


def _by_difficulty(
    tasks: Iterable[Task],
    sampled: Pass,
    accepted: Accepted,
    flops: Floats | None,
    bits: Floats,
    fresh: NDArray[np.bool_],
) -> dict[str, Any]:
    """What was spent, and the costs of the accepted traces, by the tasks' difficulty, easiest first; empty where there is none."""
    present = set(sampled.task_ids)
    level = {
        task.id: task.metadata["difficulty"]
        for task in tasks
        if task.id in present and task.metadata.get("difficulty") is not None
    }
    of_sample = np.array([str(level.get(task_id, "")) for task_id in sampled.task_ids], dtype=object)[sampled.task]
    of_trace = np.array([str(level.get(task_id, "")) for task_id in accepted.task_ids], dtype=object)
    ordered = sorted(set(level.values()), key=lambda value: (isinstance(value, str), value))
    groups = {}
    for name in map(str, ordered):
        samples, traces = of_sample == name, of_trace == name
        tokens, group_flops = int(sampled.completion_tokens[samples].sum()), _total(flops, samples)
        new = int(fresh[traces].sum())
        spent = {"sampled_tokens": tokens, "sampling_flops": group_flops}
        groups[name] = spent | _cost(int(traces.sum()), new, tokens, group_flops, bits[traces], fresh[traces])
    return groups


def _training(learner: Decoder | None, fitted: dict[str, Any]) -> float | None:
    """0 without training, None where a command trained."""
    if not fitted:
        return 0.0
    if learner is None or "mean_context" not in fitted:
        return None
    return learner.training(fitted["num_tokens"], fitted["mean_context"], fitted["num_adapter_weights"])


def _against_flops(evaluation: dict[str, Any], flops: float | None) -> dict[str, Any]:
    """pass@k beside the operations of k samples of an average held-out task."""
    per_sample = flops / evaluation["num_samples"] if flops and evaluation.get("num_samples") else None
    return {
        k: {"value": value, "flops_of_k_samples": int(k) * per_sample if per_sample else None}
        for k, value in evaluation.get("pass_at_k", {}).items()
    }


def _paying(ledger: dict[str, Any], evaluations: Sequence[Pass], earlier: Sequence[Path]) -> dict[str, Any]:
    """Whether the round still pays: its held-out gain with its interval, its gain and its bits a FLOP, beside the first round's."""
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


def gain_of(before: Pass, after: Pass) -> Interval:
    """pass@1 after less before, on the same tasks, with its 95% interval."""
    shared = sorted(set(before.task_ids) & set(after.task_ids))
    return paired_difference(coverage(before, shared, 1), coverage(after, shared, 1))


def _lengths(evaluations: Sequence[Pass]) -> dict[str, Any]:
    """Tokens of correct held-out samples, and how they changed on the tasks that both models solve: at equal accuracy."""
    if not evaluations:
        return {}
    lengths = [_length_by_task(evaluation) for evaluation in evaluations]
    figures: dict[str, Any] = {"after": _mean(np.array(list(lengths[-1].values())))}
    shared = sorted(set.intersection(*map(set, lengths))) if len(lengths) > 1 else []
    if shared:
        change = paired_difference(*(np.log([each[task_id] for task_id in shared]) for each in lengths))
        figures |= {
            "change": expm1(change.value),
            "low": expm1(change.low),
            "high": expm1(change.high),
            "num_tasks_solved_by_both": len(shared),
        }
    return figures


def _length_by_task(samples: Pass) -> dict[str, float]:
    """Mean tokens of the correct samples of each task that has one."""
    right = samples.task[samples.correct]
    counts = np.bincount(right, minlength=len(samples.task_ids))
    totals = np.bincount(right, samples.completion_tokens[samples.correct], minlength=len(samples.task_ids))
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


def _repeated(accepted: Accepted, earlier: Sequence[Path]) -> tuple[NDArray[np.bool_], dict[str, float | None]]:
    """Which accepted traces were not had before in this run, and the shares of traces and of texts that were."""
    past_traces, past_texts = _past(earlier)
    again, from_earlier = repeats(accepted.trace, past_traces)
    text_again, text_earlier = repeats(accepted.text, past_texts)
    return ~again & ~from_earlier, {
        "trace_in_this_round": _mean(again),
        "trace_of_earlier_rounds": _mean(from_earlier),
        "text_in_this_round": _mean(text_again),
        "text_of_earlier_rounds": _mean(text_earlier),
    }


def _past(folders: Sequence[Path]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of the traces, and of the texts, that earlier rounds accepted."""
    traces, texts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for folder in folders:
        accepted = read_accepted(folder / "shards")
        traces.append(accepted.trace)
        texts.append(accepted.text)
    return np.concatenate(traces), np.concatenate(texts)


def _total(values: Floats | None, chosen: NDArray[np.bool_] | slice = slice(None)) -> float | None:
    return None if values is None else float(values[chosen].sum())


def _sum(*parts: float | None) -> float | None:
    """None where a part is not known."""
    return None if None in parts else float(sum(parts))


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
