"""Figures of a pass, read from its journal."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.estimators.passk import mean_pass_at_k
from selfplay.journal.journal import read_lines, read_rows, row_facts
from tasks import Task


@dataclass(slots=True)
class Tally:
    """Counts of one task."""

    num_decided: int = 0
    num_correct: int = 0
    num_undecided: int = 0
    tokens: int = 0  # completion tokens

    def add(self, outcome: str, tokens: int) -> None:
        self.num_decided += outcome != "undecided"
        self.num_correct += outcome == "correct"
        self.num_undecided += outcome == "undecided"
        self.tokens += tokens


def tally(journal: Path) -> dict[str, Tally]:
    """The counts of each task of a journal; some 3 microseconds a row."""
    tallies: dict[bytes, Tally] = defaultdict(Tally)
    for _, line in read_lines(journal):
        task_id, _, tokens, outcome = row_facts(line)
        tallies[task_id].add(outcome.decode(), tokens)
    return {task_id.decode(): counts for task_id, counts in tallies.items()}


def pass_curve(tallies: Iterable[Tally], ks: Iterable[int]) -> dict[str, float]:
    """Macro-averaged pass@k by k, for the k that some task defines."""
    tallies = list(tallies)
    samples, correct = [t.num_decided for t in tallies], [t.num_correct for t in tallies]
    means = {k: mean_pass_at_k(samples, correct, k) for k in ks}
    return {str(k): mean.value for k, mean in means.items() if mean.num_tasks}


def by_difficulty(tallies: dict[str, Tally], tasks: Iterable[Task]) -> dict[str, list[Tally]]:
    """The tallies grouped by the tasks' difficulty, easiest first; "" where the source tells none."""
    groups: dict[Any, list[Tally]] = defaultdict(list)
    for task in tasks:
        if task.id in tallies:
            groups[task.metadata.get("difficulty")].append(tallies[task.id])
    ordered = sorted(groups, key=lambda value: (value is None, isinstance(value, str), value))
    return {"" if value is None else str(value): groups[value] for value in ordered}


def sampling_metrics(journal: Path, tasks: Iterable[Task]) -> dict[str, Any]:
    """What a pass sampled and what its checks said, over all processes that worked on it."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    verifiers: Counter[str] = Counter()
    tallies: dict[str, Tally] = defaultdict(Tally)
    models: dict[str, Tally] = defaultdict(Tally)
    verifier_seconds = 0.0
    for row in read_rows(journal, token_ids=False):
        sample, verdict = row["sample"], row["verdict"]
        for counts in (tallies[sample["task_id"]], models[sample["model"]]):
            counts.add(verdict["outcome"], sample["completion_tokens"])
        outcomes[verdict["outcome"]] += 1
        reasons[verdict["reason"]] += 1
        verifiers[verdict["verifier"]] += 1
        verifier_seconds += verdict["seconds"]
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
            tokens[name] += sample[name]
    groups = by_difficulty(tallies, tasks)
    return {
        "num_tasks": len(tallies),
        "num_solved": sum(counts.num_correct > 0 for counts in tallies.values()),
        "num_samples": outcomes.total(),
        **{f"num_{outcome}": outcomes[outcome] for outcome in ("correct", "wrong", "undecided")},
        "reasons": dict(reasons.most_common()),
        "verifiers": dict(verifiers.most_common()),
        "verifier_seconds": verifier_seconds,
        **{name: tokens[name] for name in ("prompt_tokens", "cached_tokens", "completion_tokens")},
        "by_difficulty": {name: {"num_tasks": len(group)} | _totals(group) for name, group in groups.items()},
        "by_model": {name: _totals([counts]) for name, counts in models.items()},
    }


def _totals(group: list["Tally"]) -> dict[str, int]:
    """Samples with a decided verdict, those that are correct, and the completion tokens of all."""
    return {
        "num_samples": sum(counts.num_decided for counts in group),
        "num_correct": sum(counts.num_correct for counts in group),
        "completion_tokens": sum(counts.tokens for counts in group),
    }


def evaluation_metrics(journal: Path, tasks: Iterable[Task], ks: Iterable[int]) -> dict[str, Any]:
    """pass@k on the held-out tasks, in all and by difficulty."""
    ks = list(ks)
    tallies = tally(journal)
    groups = by_difficulty(tallies, tasks)
    num_samples = sum(counts.num_decided + counts.num_undecided for counts in tallies.values())
    tokens = sum(counts.tokens for counts in tallies.values())
    most = max((counts.num_decided for counts in tallies.values()), default=0)
    return {
        "num_tasks": len(tallies),
        "num_samples": num_samples,
        "num_undecided": sum(counts.num_undecided for counts in tallies.values()),
        "completion_tokens": tokens,
        "tokens_per_sample": tokens / num_samples if num_samples else 0.0,
        "pass_at_k": pass_curve(tallies.values(), ks),
        "curve": pass_curve(tallies.values(), range(1, most + 1)),
        "by_difficulty": {
            name: {"num_tasks": len(group), "pass_at_k": pass_curve(group, ks)} for name, group in groups.items()
        },
    }
