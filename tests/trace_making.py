"""Traces, journals and finished runs made by hand, with real verdicts, for the tests of what comes after sampling."""

import random
from dataclasses import asdict
from pathlib import Path

from selfplay.journal import Journal
from selfplay.layout import METRICS, RECIPE
from selfplay.models.flops import Decoder
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import to_toml
from selfplay.records import Sample, Trace
from selfplay.rounds.data import Round
from selfplay.rounds.manifest import Manifest
from selfplay.shards.provenance import PROVENANCE, Provenance
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import write_json
from tasks import MathReference, Task
from tasks.sources.arithmetic import chain_of_thought
from verifiers import verify

DECODER = Decoder(body=1000, head=100, attention=((8, 0), (8, 16)), source="config")
MADE_BY = Provenance("recipe", "sha256:0", 1000, "transformers", "1", '{"temperature": 1.0}', asdict(DECODER))


def trace_of(
    text: str, answer: str = "12", prompt: str = "3+4+5=", index: int = 0, finish_reason: str = "stop", **metadata
) -> Trace:
    """A trace of a math task with the verdict that its text gets."""
    task = Task.make("made", prompt, MathReference(answer), **({"license": "MIT"} | metadata))
    return Trace(task, sample_of(task, text, index, finish_reason), verify(task, text), 0)


def sample_of(task: Task, text: str, index: int, finish_reason: str = "stop") -> Sample:
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


def made_run(folder: Path, recipe: Recipe, num_rounds: int = 1) -> Path:
    """A finished run of arithmetic traces: journals, shards, metrics and manifests."""
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(to_toml(recipe.model_dump()))
    for index in range(num_rounds):
        round = Round(recipe, folder, index)
        round.folder.mkdir()
        write_json(round.folder / PROVENANCE, asdict(MADE_BY))
        journal = Journal(round.journal)
        traces = arithmetic_traces(recipe, index)
        random.Random(index).shuffle(traces)  # verdicts arrive in no order
        for trace in traces:
            journal.append(trace.sample, trace.verdict)
        journal.close()
        shards, account = round.make_shards()
        write_json(round.folder / METRICS, {"selection": dict(account.counts)})
        of_round = (recipe.digest, shards, METRICS, SCHEMA_VERSION, [])
        Manifest(index, "a-model", "sha256:0", "a-model", *of_round).write(round.folder)
    return folder
