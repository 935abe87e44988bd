"""Writes the folder of a run, with the writers that a run uses, from tasks and completions given by a test."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from selfplay.journal import Journal
from selfplay.journal.samples import read_samples
from selfplay.layout import METRICS, RECIPE, round_folder
from selfplay.metrics.samples import SAMPLING_COLUMNS, by_difficulty, evaluation_metrics, sampling_metrics
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import to_toml
from selfplay.records import Sample, Trace
from selfplay.rounds.manifest import Manifest
from selfplay.selection.selection import select
from selfplay.shards.files import write_shards
from selfplay.shards.provenance import Provenance
from selfplay.storage import write_json
from tasks import Task
from verifiers import Verdict

Row = tuple[Task, str, Verdict]


def sample_of(task: Task, index: int, text: str, finish_reason: str = "stop") -> Sample:
    tokens = len(text.split())
    return Sample(task.id, index, text, finish_reason, 20, 0, tokens, (), -0.5 * tokens, 1000 + index, "a-model")


def write_run(
    folder: Path,
    rounds: Sequence[Sequence[Row]],
    held_out: Callable[[int], Sequence[Row]] | None = None,
    name: str = "made",
    verified: bool = True,
) -> Path:
    """A run of finished rounds; `held_out(position)` gives the evaluation before the first round (0) and after each."""
    evaluations = [held_out(position) for position in range(len(rounds) + 1)] if held_out else []
    folder.mkdir(parents=True)
    held_out_tasks = _tasks([row for rows in evaluations for row in rows])
    (folder / "held_out.jsonl").write_text("".join(f"{json.dumps(task.to_dict())}\n" for task in held_out_tasks))
    recipe = Recipe.model_validate(
        {
            "name": name,
            "rounds": len(rounds),
            "tasks": {"source": "files"},
            "model": {"path": "a-model"},
            "training": {"steps": 1},
            "selection": {"verified": verified},
            "evaluation": {
                "tasks": {"source": "files", "path": str(folder / "held_out.jsonl")},
                "samples_per_task": 16,
                "k": [1, 4],
            },
        }
    )
    (folder / RECIPE).write_text(to_toml(recipe.model_dump()), encoding="utf-8")
    if held_out:
        metrics = {"evaluation": _evaluate(folder / "base", evaluations[0])}
        write_json(folder / "base" / METRICS, metrics)
    for index, rows in enumerate(rounds):
        _write_round(round_folder(folder, index), index, rows, evaluations[index + 1] if held_out else [], recipe)
    return folder


def _write_round(folder: Path, index: int, rows: Sequence[Row], held_out: Sequence[Row], recipe: Recipe) -> None:
    traces = _with_indices(rows, index)
    _write_journal(folder / "journal", traces)
    provenance = Provenance(recipe.digest, "sha256:0", 1000, "replay", "", "{}")
    selected = list(select(traces, recipe.selection))
    shards = write_shards(selected, folder / "shards", provenance)
    kinds = [selection for _, selection in selected]
    samples = read_samples(folder / "journal", SAMPLING_COLUMNS)
    metrics = {
        "round": index,
        "sampling": sampling_metrics(samples, by_difficulty(samples, _tasks(rows))),
        "selection": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "training": {},
        "evaluation": _evaluate(folder, held_out),
    }
    write_json(folder / METRICS, metrics)
    Manifest(index, "a-model", "sha256:0", "a-model", recipe.digest, shards, METRICS, 2, []).write(folder)


def _evaluate(folder: Path, rows: Sequence[Row]) -> dict:
    _write_journal(folder / "evaluation", _with_indices(rows, 0))
    return evaluation_metrics(read_samples(folder / "evaluation"), _tasks(rows), [1, 4])


def _write_journal(folder: Path, traces: Sequence[Trace]) -> None:
    journal = Journal(folder)
    for trace in traces:
        journal.append(trace.sample, trace.verdict)
    journal.close()


def _with_indices(rows: Sequence[Row], round: int) -> list[Trace]:
    """Samples numbered within their task, tasks together."""
    by_task: dict[str, list[Trace]] = {}
    for task, text, verdict in rows:
        of_task = by_task.setdefault(task.id, [])
        of_task.append(Trace(task, sample_of(task, len(of_task), text), verdict, round))
    return [trace for traces in by_task.values() for trace in traces]


def _tasks(rows: Sequence[Row]) -> list[Task]:
    return list({task.id: task for task, _, _ in rows}.values())
