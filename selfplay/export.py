"""Export: the traces of a run in the form that a trainer reads, with a dataset card.

Rows are streamed: what is held is the traces of one task. The shards are checked against their manifest first.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.card import card
from selfplay.checking import check_round, other_schema
from selfplay.files_on_disk import MANIFEST, RECIPE
from selfplay.formats import FORMATS, PLAIN, Row, Selected
from selfplay.places import Place, finished_rounds_at
from selfplay.rules import wrong_step
from selfplay.selection import ACCEPTED
from selfplay.shards import read_in_order
from tasks import UserError
from verifiers import Outcome

ROWS_AT_ONCE = 1000


@dataclass
class Summary:
    """What an export holds."""

    format: str
    num_rows: int = 0
    files: list[str] = field(default_factory=list)
    num_tasks: int = 0  # of the run
    num_traces: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    selections: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)  # exported or not: traces of each source
    licenses: Counter[str] = field(default_factory=Counter)
    verifiers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    deciders: set[str] = field(default_factory=set)  # verifiers with a decided verdict
    num_wrong_steps: int = 0  # accepted traces with an equation that does not hold
    source_tasks: Counter[str] = field(default_factory=Counter)  # tasks that have a decided trace, by source
    source_rates: Counter[str] = field(default_factory=Counter)  # and the sum of their pass rates

    @property
    def num_decided_tasks(self) -> int:
        return self.source_tasks.total()

    @property
    def pass_rates(self) -> float:
        """The sum over all sources."""
        return self.source_rates.total()

    def count(self, group: list[Selected]) -> None:
        self.num_tasks += 1
        self.num_traces += len(group)
        decided = [trace for trace, _ in group if trace.verdict.outcome is not Outcome.UNDECIDED]
        task = group[0][0].task
        if decided:
            self.source_tasks[task.source] += 1
            self.source_rates[task.source] += sum(trace.verdict.outcome is Outcome.CORRECT for trace in decided) / len(
                decided
            )
        self.deciders.update(trace.verdict.verifier for trace in decided)
        self.sources[task.source] += len(group)
        self.licenses[str(task.metadata.get("license") or "unknown")] += len(group)
        for trace, selection in group:
            self.outcomes[str(trace.verdict.outcome)] += 1
            self.reasons[str(trace.verdict.reason)] += 1
            self.verifiers[trace.verdict.verifier] += 1
            self.models[trace.sample.model] += 1
            self.selections[selection] += 1
            self.num_wrong_steps += selection == ACCEPTED and wrong_step(trace)


def export(run: Path | str, format: str, out: Path | str, plain: bool = False, reverified: bool = False) -> Summary:
    """Write all finished rounds of a run in `format` to the folder `out`, each a path or an fsspec URL, with a README.

    `plain` writes the prompts of dpo and kto as text, for models without a chat template; `reverified` takes the shards
    that `selfplay reverify` made. UserError where there is nothing to export or a shard is damaged.
    """
    if format not in FORMATS:
        raise UserError(f'unknown format "{format}"; one of {", ".join(FORMATS)}')
    if plain and format not in PLAIN:
        raise UserError(
            f"--plain is a choice of {' and '.join(PLAIN)}; the rows of {format} have one form, so leave it out"
        )
    run = Place.of(run)
    folders = [folder / "reverified" if reverified else folder for folder in finished_rounds_at(run)]
    if missing := [folder.parent.name for folder in folders if reverified and not (folder / MANIFEST).exists()]:
        raise UserError(
            f"nothing exported: {', '.join(missing)} of {run} not verified again; run `selfplay reverify {run}` first"
        )
    problems = [problem for folder in folders for problem in check_round(folder)]
    if problems or not folders:
        what = "\n".join(problems) or f"{run} has no finished round"
        raise UserError(
            f"nothing exported: {what}"
            + ("\nMake damaged shards again with `selfplay shards rebuild`" if problems else "")
        )
    if older := [problem for folder in folders if (problem := other_schema(folder))]:
        raise UserError("nothing exported: " + "\n".join(older))
    target = Place.of(out)
    if target.is_file() or (target / RECIPE).exists():
        what = "is a file" if target.is_file() else "holds a run"
        raise UserError(f"{out} {what}; name a folder of the export's own with --out")
    if (card_there := target / "README.md").exists() and f", as {format}\n".encode() not in card_there.files.cat_file(
        card_there.path
    ):
        raise UserError(
            f"{out} holds something else than an export as {format}: its README.md says so; name another folder with --out"
        )
    summary = Summary(format)
    rows = FORMATS[format](_groups(folders, summary), plain)
    is_new = not target.exists()
    target.files.makedirs(target.path, exist_ok=True)
    name = "train.parquet" if format == "verl" else "train.jsonl"
    write = _write_parquet if format == "verl" else _write_lines
    unfinished = target / f".{name}.unfinished"  # renamed when it is whole
    with unfinished.open("wb") as file:
        summary.num_rows = write(file, rows)
    if not summary.num_rows:
        target.files.rm(target.path if is_new else unfinished.path, recursive=True)
        needs = "a right and a wrong trace of one task" if format == "dpo" else "an accepted trace"
        raise UserError(f"nothing to export as {format}: no task of {run} has {needs}")
    target.files.mv(unfinished.path, (target / name).path)
    summary.files.append(name)
    with (target / "README.md").open("wb") as file:
        file.write(card(summary, run.name, name).encode())
    return summary


def _groups(folders: Iterable[Place], summary: Summary) -> Iterator[list[Selected]]:
    """The traces of one task and round at a time, counted."""
    for folder in folders:
        for _, traces in groupby(read_in_order(str(folder / "shards")), key=lambda row: row[0].task.id):
            group = list(traces)
            summary.count(group)
            yield group


def _write_lines(file: Any, rows: Iterable[Row]) -> int:
    number = 0
    for number, row in enumerate(rows, 1):  # noqa: B007
        file.write((json.dumps(row) + "\n").encode())
    return number


def _write_parquet(file: Any, rows: Iterator[Row]) -> int:
    number, held = 0, []
    writer = None
    message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    reward = pa.struct([("style", pa.string()), ("ground_truth", pa.string())])
    extra = [
        ("index", pa.int64()),
        ("split", pa.string()),
        ("task_id", pa.string()),
        ("pass_rate", pa.float64()),
        ("num_samples", pa.int64()),
    ]
    schema = pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", message),
            ("ability", pa.string()),
            ("reward_model", reward),
            ("extra_info", pa.struct(extra)),
        ]
    )
    writer = pq.ParquetWriter(file, schema, compression="zstd")
    for number, row in enumerate(rows, 1):  # noqa: B007
        held.append(row)
        if len(held) == ROWS_AT_ONCE:
            writer.write_table(pa.Table.from_pylist(held, schema))
            held = []
    writer.write_table(pa.Table.from_pylist(held, schema))
    writer.close()
    return number
