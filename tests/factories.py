"""Recipes, traces, journals and finished runs for tests, made by the writers that a run uses."""

import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from selfplay.journal import Journal
from selfplay.journal.samples import read_samples
from selfplay.layout import METRICS, RECIPE, round_folder
from selfplay.metrics.health import COLUMNS as HEALTH_COLUMNS
from selfplay.metrics.health import health_of
from selfplay.metrics.samples import SAMPLING_COLUMNS, by_difficulty, evaluation_metrics, sampling_metrics
from selfplay.models.flops import Decoder
from selfplay.progress import Progress
from selfplay.recipe import Recipe, to_toml
from selfplay.records import Sample, Trace
from selfplay.rounds.data import Round
from selfplay.rounds.manifest import Manifest
from selfplay.selection.selection import select
from selfplay.shards.files import write_shards
from selfplay.shards.provenance import PROVENANCE, Provenance
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import write_json
from tasks import MathReference, Task
from tasks.sources.arithmetic import chain_of_thought
from verifiers import Verdict, verify

# a text that takes over a page which shows it as it is
HOSTILE = (
    '</script><script>window.hacked = 1</script><img src="http://127.0.0.1:9/x" onerror="window.hacked = 1">{{script}}'
)

SMALL: dict[str, Any] = {  # a model of 10,000 weights that learns to add two or three digits, in this process
    "name": "small",
    "tasks": {"source": "arithmetic", "num_tasks": 60, "operands": [2, 3]},
    "model": {"create": {"hidden_size": 32, "num_layers": 1, "max_length": 32}},
    "pretraining": {"steps": 60, "batch_size": 32, "learning_rate": 1e-2, "corruption": 0.5},
    "sampling": {"max_tokens": 16, "batch_size": 64},
    "training": {"steps": 8, "batch_size": 16, "learning_rate": 1e-3},
    "evaluation": {
        "tasks": {"source": "arithmetic", "split": "test", "operands": [2, 3], "num_tasks": 20},
        "samples_per_task": 4,
        "k": [1, 4],
    },
    "ray": {"address": "none"},
}
SAMPLED: dict[str, Any] = dict.fromkeys(
    ("pretraining", "training", "evaluation")
)  # a recipe without these only samples


def small_recipe(**sections: Any) -> Recipe:
    """SMALL with other keys in some sections; None drops a section or a key."""
    return Recipe.model_validate(_merged(SMALL, sections))


def small_recipe_file(folder: Path, **sections: Any) -> Path:
    """The same as a file of the recipe's name, `small.toml` by default; a run of it lies beside the file."""
    table = _merged(SMALL, sections)
    Recipe.model_validate(table)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table['name']}.toml"
    path.write_text(to_toml(table), encoding="utf-8")
    return path


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = old | {
        key: _merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
    }
    return {key: value for key, value in merged.items() if value is not None}


def quietly() -> Progress:
    """Progress that nobody sees."""
    return Progress(Console(file=open(os.devnull, "w", encoding="utf-8")))


Row = tuple[Task, str, Verdict]  # a sample's text, and the verdict that it is said to have
DECODER = Decoder(body=1000, head=100, attention=((8, 0), (8, 16)), source="config")
MADE_BY = Provenance("recipe", "sha256:0", 1000, "transformers", "1", '{"temperature": 1.0}', asdict(DECODER))


def trace_of(
    text: str, answer: str = "12", prompt: str = "3+4+5=", index: int = 0, finish_reason: str = "stop", **metadata
) -> Trace:
    """A trace of a math task with the verdict that its text gets."""
    task = Task.make("made", prompt, MathReference(answer), **({"license": "MIT"} | metadata))
    return Trace(task, sample_of(task, text, index, finish_reason), verify(task, text), 0)


def sample_of(task: Task, text: str, index: int = 0, finish_reason: str = "stop") -> Sample:
    tokens = len(text)
    return Sample(
        task.id, index, text, finish_reason, 5, 0, tokens, tuple(range(tokens)), -1.5, 2**62 + index, "a-model"
    )


def recipe_of(**sections) -> Recipe:
    source = {"source": "arithmetic", "num_tasks": 30, "operands": [2, 3]}
    model = {"path": "a-model"}
    return Recipe.model_validate({"name": "made", "tasks": source, "model": model} | sections)


def arithmetic_traces(recipe: Recipe, index: int = 0) -> list[Trace]:
    """Of each task of a round: the right chain twice, one with a wrong step and a right answer, two wrong ones."""
    traces = []
    for task in Round(recipe, Path("nowhere"), index).tasks():
        digits = tuple(map(int, task.prompt[0]["content"].rstrip("=").split("+")))
        right = chain_of_thought(digits, random.Random(0))
        total = sum(digits)
        texts = [right, right, f"{total}+1=####{total}", f"{total}+1=####{total + 1}", f"####{total + 2}"]
        traces += [
            Trace(task, sample_of(task, text, number), verify(task, text), index) for number, text in enumerate(texts)
        ]
    return traces


def made_run(
    folder: Path,
    recipe: Recipe,
    num_rounds: int = 1,
    traces_of: Callable[[Recipe, int], list[Trace]] = arithmetic_traces,
) -> Path:
    """A finished run of arithmetic traces: journals, shards, metrics and manifests."""
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(to_toml(recipe.model_dump()))
    for index in range(num_rounds):
        round = Round(recipe, folder, index)
        round.folder.mkdir()
        write_json(round.folder / PROVENANCE, asdict(MADE_BY))
        traces = traces_of(recipe, index)
        random.Random(index).shuffle(traces)  # verdicts arrive in no order
        _write_journal(round.journal, traces)
        shards, account = round.make_shards()
        write_json(round.folder / METRICS, {"selection": dict(account.counts)})
        of_round = (recipe.digest, shards, METRICS, SCHEMA_VERSION, [])
        Manifest(index, "a-model", "sha256:0", "a-model", *of_round).write(round.folder)
    return folder


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
    samples = read_samples(folder / "journal", (*SAMPLING_COLUMNS, *HEALTH_COLUMNS))
    metrics = {
        "round": index,
        "sampling": sampling_metrics(samples, by_difficulty(samples, _tasks(rows))),
        "health": health_of(samples, _tasks(rows)).to_dict(),
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
        of_task.append(Trace(task, sample_of(task, text, len(of_task)), verdict, round))
    return [trace for traces in by_task.values() for trace in traces]


def _tasks(rows: Sequence[Row]) -> list[Task]:
    return list({task.id: task for task, _, _ in rows}.values())


def sums(num_tasks: int, num_samples: int, num_right: int, first: int = 0) -> list[Row]:
    """Samples of sums, of which the first of each task are right; verdicts by the real verifier."""
    rows = []
    for number in range(first, first + num_tasks):
        task = Task.make("sums", f"What is {number} + 1?", MathReference(str(number + 1)), difficulty=number % 3)
        for index in range(num_samples):
            answer = number + 1 if index < num_right else number
            text = f"We add one to {number}. The answer is \\boxed{{{answer}}}."
            rows.append((task, text, verify(task, text)))
    return rows
