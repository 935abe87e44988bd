"""Figures of a pass, read from its journal."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.files_on_disk import METRICS, read_json
from selfplay.journal import read_rows
from selfplay.passk import macro_average, mean_pass_at_k
from selfplay.stopping import StoppingRule, pass_at_k_of_runs
from tasks import Task, UserError
from verifiers import Outcome


@dataclass(slots=True)
class Tally:
    """Counts of one task."""

    num_decided: int = 0
    num_correct: int = 0
    num_undecided: int = 0
    tokens: int = 0  # completion tokens


def tally(journal: Path) -> dict[str, Tally]:
    """The counts of each task of a journal."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for row in read_rows(journal):
        counts = tallies[row["sample"]["task_id"]]
        outcome = row["verdict"]["outcome"]
        counts.num_decided += outcome != "undecided"
        counts.num_correct += outcome == "correct"
        counts.num_undecided += outcome == "undecided"
        counts.tokens += row["sample"]["completion_tokens"]
    return tallies


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
    verifier_seconds = 0.0
    for row in read_rows(journal):
        sample, verdict = row["sample"], row["verdict"]
        outcomes[verdict["outcome"]] += 1
        reasons[verdict["reason"]] += 1
        verifiers[verdict["verifier"]] += 1
        verifier_seconds += verdict["seconds"]
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
            tokens[name] += sample[name]
    tallies = tally(journal)
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
        "by_difficulty": {
            name: {
                "num_tasks": len(group),
                "num_samples": sum(counts.num_decided for counts in group),
                "num_correct": sum(counts.num_correct for counts in group),
                "completion_tokens": sum(counts.tokens for counts in group),
            }
            for name, group in groups.items()
        },
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
        "by_difficulty": {name: {"num_tasks": len(group), "pass_at_k": pass_curve(group, ks)} for name, group in groups.items()},
    }


@dataclass(frozen=True, slots=True)
class PassRow:
    """pass@k of one pass."""

    name: str
    num_tasks: int
    num_samples: int
    num_undecided: int
    pass_at_k: dict[str, float]  # without the k that no task defines
    rule: str  # how many samples a task got: what the estimate rests on


def pass_table(source: Path, ks: Iterable[int]) -> Iterator[PassRow]:
    """A row for a file of verdicts, or for each pass of a run.

    Where sampling stopped on what it saw, the estimate is the one for the recorded rule (selfplay.stopping); under a
    budget there is none, and the row says so.
    """
    ks = list(ks)
    if source.is_file():
        yield _pass_row(source.name, list(_tally_file(source).values()), ks)
        return
    folders = [source / "base", *sorted(source.glob("round_*"))] if source.is_dir() else []
    passes = [(folder, name) for folder in folders for name in ("journal", "evaluation") if (folder / name).exists()]
    if not passes:
        raise UserError(f"{source} is neither a file of verdicts nor the folder of a run with a journal")
    for folder, name in passes:
        rule = _recorded_rule(folder) if name == "journal" else {}
        yield _pass_row(f"{folder.name} {'sampling' if name == 'journal' else name}", list(tally(folder / name).values()), ks, rule, folder / name)


def _pass_row(name: str, tallies: list[Tally], ks: list[int], rule: dict[str, Any] | None = None, journal: Path | None = None) -> PassRow:
    kind = (rule or {}).get("rule", "fixed")
    if kind == "until":
        curve = _stopped_curve(StoppingRule.from_record(rule), journal, ks)
    else:
        curve = pass_curve(tallies, ks) if kind == "fixed" else {}
    num_undecided = sum(counts.num_undecided for counts in tallies)
    num_samples = sum(counts.num_decided for counts in tallies) + num_undecided
    return PassRow(name, len(tallies), num_samples, num_undecided, curve, kind)


def _stopped_curve(rule: StoppingRule, journal: Path, ks: list[int]) -> dict[str, float]:
    outcomes: dict[str, dict[int, Outcome]] = defaultdict(dict)
    for row in read_rows(journal):
        outcomes[row["sample"]["task_id"]][row["sample"]["index"]] = Outcome(row["verdict"]["outcome"])
    runs = [[by_index[index] for index in sorted(by_index)] for by_index in outcomes.values()]
    means = {k: macro_average(pass_at_k_of_runs(rule, runs, k)[0]) for k in ks}
    return {str(k): mean.value for k, mean in means.items() if mean.num_tasks}


def _recorded_rule(folder: Path) -> dict[str, Any]:
    """The rule that a finished round applied; what is not finished has no rule yet, and no estimate under one."""
    metrics = folder / METRICS
    return read_json(metrics)["allocation"] if metrics.exists() else {"rule": "not finished"}


def _tally_file(path: Path) -> dict[str, Tally]:
    """Rows as `selfplay verify` writes them; rows with the same task_id, or else the same id, are samples of one task."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                outcome, task = row["outcome"], str(row.get("task_id", row.get("id")))
            except (json.JSONDecodeError, KeyError, TypeError):
                raise UserError(f"{path}, line {number}: a JSON object with an outcome and a task_id is needed") from None
            tallies[task].num_decided += outcome != "undecided"
            tallies[task].num_correct += outcome == "correct"
            tallies[task].num_undecided += outcome == "undecided"
    return tallies
