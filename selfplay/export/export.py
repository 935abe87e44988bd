"""Export: the traces of a run in the form that a trainer reads, with a dataset card.

Rows are streamed: what is held is the traces of one task. The shards are checked against their manifest first.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.export.card import card
from selfplay.export.formats import FORMATS, PLAIN, Row, Selected
from selfplay.export.summary import Summary
from selfplay.layout import MANIFEST, RECIPE
from selfplay.shards.files import read_in_order
from selfplay.shards.integrity import check_round, other_schema
from selfplay.storage import Place, finished_rounds_at
from tasks import UserError
from tasks.imports import look_in

ROWS_AT_ONCE = 1000


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
    look_in(Path(run.path).parent)  # where modules of the user's own that its tasks name may lie
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
