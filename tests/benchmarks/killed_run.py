"""The run that tests.benchmarks.kills kills: sums with stored completions, half of them wrong."""

import json
import os
import random
from pathlib import Path

from rich.console import Console

from selfplay.journal import Journal
from selfplay.progress import Progress
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run

RECIPE = """
[tasks]
source = "files"
path = "{folder}/tasks.jsonl"
[sampling]
engine = "replay"
max_in_flight = {in_flight}
[sampling.replay]
path = "{folder}/stored.jsonl"
completions = ["texts"]
[allocation]
samples_per_task = 8
[ray]
address = "{address}"
num_samplers = 2
num_verifiers = 2
sampler_cpus = 0.5
verifier_cpus = 0.5
"""


def prepare(folder: Path, address: str, num_tasks: int) -> Path:
    """A recipe whose tasks are sums and whose samples are stored, half of them wrong."""
    folder.mkdir(parents=True)
    rng = random.Random(0)
    with (folder / "tasks.jsonl").open("w") as tasks, (folder / "stored.jsonl").open("w") as stored:
        for number in range(num_tasks):
            texts = [f"{'so ' * rng.randrange(200)}\n#### {number + 7 + rng.randrange(2)}" for _ in range(8)]
            tasks.write(json.dumps({"prompt": f"What is {number} + 7?", "answer": str(number + 7)}) + "\n")
            stored.write(json.dumps({"prompt": f"What is {number} + 7?", "texts": texts}) + "\n")
    path = folder / "kills.toml"
    path.write_text(RECIPE.format(folder=folder, address=address, in_flight=64))
    return path


def play(path: Path, output: str) -> None:
    run(read_recipe(path, [f"output={output}"]), Progress(Console(file=open(os.devnull, "w"))))


def child(path: Path, output: str, acknowledged: Path) -> None:
    """`play`, and after each commit, in the file `acknowledged`, the number of rows safe by then."""
    commit = Journal.commit

    def reported(journal: Journal) -> int:
        number = commit(journal)
        if number:
            with acknowledged.open(
                "a"
            ) as log:  # a line is written in one piece; the page cache survives a kill of the process
                log.write(f"{journal.num_committed} {journal.path}\n")
        return number

    Journal.commit = reported
    play(path, output)
