"""Verifying stored math traces again: traces a second, and memory.

    python -m tests.benchmarks.reverify [NUM_TRACES] [--keep FOLDER]

A run is written with real completions of word problems, retold (retold.py), and one task in four with a real answer of
MATH (fractions, roots, sets), four traces a task, then verified again with two processes. Beside it, in the same run, one
by one without sharing, on a sample. `--keep` leaves the run in a folder, where the next call finds it.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby, islice
from pathlib import Path

from selfplay.journal.by_task import TracesByTask
from selfplay.layout import METRICS, RECIPE
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import to_toml
from selfplay.records import Sample, Trace
from selfplay.rounds.manifest import Manifest
from selfplay.rounds.reverify import reverify
from selfplay.shards.files import read_traces, write_shards
from selfplay.shards.provenance import PROVENANCE
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import write_json
from tasks import MathReference, Task, load
from tests.benchmarks.retold import SAMPLES, retold, stories
from tests.benchmarks.shards import PROVENANCE as MADE_BY
from tests.shared_data import SHARED
from verifiers import Outcome, Reason, Verdict, verify


def told(num_traces: int, keep: Path | None) -> Iterator[tuple[Task, list[tuple[str, bool]]]]:
    """Tasks with their completions; those of a journal that `tests.benchmarks.shards --keep` left, where there is one."""
    journal = keep / f"journal-{num_traces}" if keep else None
    if not journal or not journal.exists():
        yield from retold(stories(SHARED), num_traces // SAMPLES)
        return
    traces = TracesByTask(lambda: load("files", path=str(journal / "tasks.jsonl")), journal, 0)
    for _, group in groupby(traces, key=lambda trace: trace.task.id):
        group = list(group)
        yield group[0].task, [(trace.sample.text, trace.verdict.outcome is Outcome.CORRECT) for trace in group]


def traces(num_traces: int, keep: Path | None) -> Iterator[Trace]:
    """One task in four has an answer that is more than an integer."""
    rng = random.Random(2)
    answers = [json.loads(line)["answer"] for line in (SHARED / "data" / "math500.jsonl").open()]
    for number, (task, texts) in enumerate(told(num_traces, keep)):
        if number % 4 == 0:
            answer = rng.choice(answers)
            task = Task.make("made", task.prompt[0]["content"], MathReference(answer), license="MIT")
            boxed = [rng.choice(answers), *[answer] * (SAMPLES - 1)]
            texts = [
                (f"{text}\nTherefore the answer is $\\boxed{{{end}}}$.", end == answer)
                for (text, _), end in zip(texts, boxed, strict=False)
            ]
        for index, (text, right) in enumerate(texts):
            verdict = Verdict.of(Reason.MATCH if right else Reason.MISMATCH, "", 1e-4, "math@0")
            yield Trace(task, Sample(task.id, index, text, "stop", 60, 0, 80, (), None, number, "m"), verdict, 0)


def make_run(run: Path, num_traces: int, keep: Path | None) -> None:
    folder = run / "round_000"
    folder.mkdir(parents=True)
    recipe = Recipe.model_validate({"name": "made", "tasks": {"source": "arithmetic"}, "model": {"path": "m"}})
    (run / RECIPE).write_text(to_toml(recipe.model_dump()))
    write_json(folder / PROVENANCE, asdict(MADE_BY))
    shards = write_shards(
        ((trace, "accepted" if trace.sample.index else "wrong") for trace in traces(num_traces, keep)),
        folder / "shards",
        MADE_BY,
    )
    Manifest(0, "m", "sha256:0", "m", recipe.digest, shards, METRICS, SCHEMA_VERSION, []).write(folder)


def measure(run: Path) -> None:
    started, worked = time.perf_counter(), time.process_time()
    (report,) = reverify(
        run, num_workers=2, show=lambda text: print(f"  {text}, {time.perf_counter() - started:.0f} s", flush=True)
    )
    print(f"{report.num_traces:,} traces verified again, shards written: {report.seconds:.1f} s with 2 processes")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"CPU seconds: {time.process_time() - worked:.1f} here, {children.ru_utime + children.ru_stime:.1f} in the processes that grade"
    )
    print(f"{report.num_shared:,} verdicts shared, {report.num_changed:,} outcomes changed")
    sizes = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"peak memory: {sizes[0]:.0f} MB here, {sizes[1]:.0f} MB in the largest child")
    sample = [trace for trace, _ in islice(read_traces(run / "round_000" / "shards"), 4000)]
    started = time.perf_counter()
    for trace in sample:
        verify(trace.task, trace.sample.text)
    print(
        f"one by one, one process: {len(sample) / (time.perf_counter() - started):,.0f} traces/s; here {report.num_traces / report.seconds:,.0f}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("num_traces", nargs="?", type=int, default=1_000_000)
    arguments.add_argument("--keep", type=Path)
    given = arguments.parse_args()
    if SHARED is None:
        print("skipped: the folder of real data is absent (SELFPLAY_SHARED)")
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        run = (given.keep or Path(folder)) / f"run-{given.num_traces}"
        if not run.exists():
            make_run(partial := run.with_suffix(".partial"), given.num_traces, given.keep)
            partial.rename(run)
        measure(run)


if __name__ == "__main__":
    main()
