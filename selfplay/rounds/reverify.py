"""Verify again: grade all stored traces with the present verifiers, without a model.

    RUN/round_000/reverified/verdicts.parquet   the old and the new verdict of every trace
    RUN/round_000/reverified/shards/            the shards that the new verdicts make
    RUN/round_000/reverified/report.json        what changed, by reason and by task
    RUN/round_000/reverified/manifest.json      written last

The round itself stays as it is: its model was trained on the traces that the old verdicts accepted.
"""

import json
import shutil
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.layout import MANIFEST, REVERIFIED, VERDICTS, finished_rounds
from selfplay.parallel import in_order
from selfplay.recipe.sections import Recipe
from selfplay.records import Trace
from selfplay.rounds.data import contamination
from selfplay.rounds.run_folder import stored_recipe
from selfplay.selection.filters import processes_for
from selfplay.selection.selection import SelectionStats, select
from selfplay.shards.files import read_in_order, rows_in_order, write_shards
from selfplay.shards.integrity import check_round, other_schema
from selfplay.shards.provenance import read_provenance
from selfplay.storage import read_json, write_json
from tasks import Reference, UserError, reference_from_dict
from verifiers import Reason, Verdict, Verifier, verifier_of, verify, verify_answer

Row = dict[str, Any]  # of a shard
COLUMNS = [
    "task_id",
    "reference",
    "sample_index",
    "completion",
    "finish_reason",
    "outcome",
    "reason",
    "answer",
    "verify_seconds",
    "verifier",
]
CACHE_PAIRS = 100_000  # of reference and answer, that one process remembers
_known: OrderedDict[tuple[str, str], Verdict] = OrderedDict()  # of this process: (reference as JSON, answer) -> verdict


def grade_groups(groups: list[list[Row]]) -> list[tuple[list[Verdict], int]]:
    """For the rows of each task (COLUMNS), their new verdicts and how many were those of an equal answer or program."""
    return [_grade_task(rows) for rows in groups]


def _grade_task(rows: list[Row]) -> tuple[list[Verdict], int]:
    reference = reference_from_dict(json.loads(rows[0]["reference"]))
    verifier = verifier_of(reference)
    known: dict[str, Verdict] = {}  # completion -> verdict
    verdicts: list[Verdict] = []
    num_shared = 0
    for row in rows:
        text = row["completion"]
        if row["finish_reason"] == "failed":
            verdicts.append(_old_verdict(row))  # no sample: there is nothing to check
        elif verifier.has_answers:
            verdict, shared = _verdict_by_answer(verifier, reference, row)
            verdicts.append(verdict)
            num_shared += shared
        else:
            num_shared += text in known
            if text not in known:
                known[text] = verify(reference, text)
            verdicts.append(known[text])
    return verdicts, num_shared


def _old_verdict(row: Row) -> Verdict:
    return Verdict.from_dict(
        {name: row[name] for name in ("outcome", "reason", "answer", "verifier")} | {"seconds": row["verify_seconds"]}
    )


def _verdict_by_answer(verifier: Verifier, reference: Reference, row: Row) -> tuple[Verdict, bool]:
    """The verdict of a completion, and whether it was that of an equal pair of reference and answer."""
    text = row["completion"]
    try:
        answer = verifier.extract(text)
    except Exception:  # the verify boundary, which `verify` makes a verdict of
        answer = None
    if not answer:
        return verify(reference, text), False
    pair = (row["reference"], answer)
    if pair in _known:
        _known.move_to_end(pair)
        return _known[pair], True
    verdict = verify_answer(reference, answer)
    if verdict.reason not in (Reason.CHECKER_TIMEOUT, Reason.CHECKER_FAILURE):
        _known[pair] = verdict
        if len(_known) > CACHE_PAIRS:
            _known.popitem(last=False)
    return verdict, False


def undecided(rows: list[Row]) -> tuple[list[Verdict], int]:
    """What a task gets that killed the process which graded it."""
    return [Verdict.of(Reason.CHECKER_FAILURE, "the verifier's process died", 0.0, "none@0") for _ in rows], 0


CHUNK_TASKS = 64
MOST_CHANGED = 100  # tasks that a report names
ROWS_AT_ONCE = 20_000
_SCHEMA = pa.schema(
    [("task_id", pa.string()), ("sample_index", pa.int32())]
    + [
        (f"{when}_{name}", pa.string())
        for when in ("old", "new")
        for name in ("outcome", "reason", "answer", "verifier")
    ]
    + [("new_seconds", pa.float64())]
)


@dataclass
class Report:
    """What verifying again changed."""

    num_traces: int = 0
    num_tasks: int = 0
    num_shared: int = 0  # verdicts taken from an equal pair of reference and answer (or program)
    num_changed: int = 0  # outcomes
    num_tasks_changed: int = 0
    changes: Counter[str] = field(default_factory=Counter)  # "wrong/mismatch -> correct/match", whatever differs
    old_verifiers: Counter[str] = field(default_factory=Counter)
    new_verifiers: Counter[str] = field(default_factory=Counter)
    tasks: list[dict[str, Any]] = field(default_factory=list)  # those with the most changed outcomes
    selection: Counter[str] = field(default_factory=Counter)  # of the new shards
    seconds: float = 0.0

    def count(self, group: list[Row], verdicts: list[Verdict], num_shared: int) -> None:
        changed = 0
        for old, new in zip(group, verdicts, strict=True):
            self.old_verifiers[old["verifier"]] += 1
            self.new_verifiers[new.verifier] += 1
            changed += old["outcome"] != new.outcome
            if (old["outcome"], old["reason"]) != (new.outcome, new.reason):
                self.changes[f"{old['outcome']}/{old['reason']} -> {new.outcome}/{new.reason}"] += 1
        self.num_traces += len(group)
        self.num_tasks += 1
        self.num_shared += num_shared
        self.num_changed += changed
        self.num_tasks_changed += bool(changed)
        if changed:
            self.tasks.append(
                {
                    "task_id": group[0]["task_id"],
                    "source": group[0]["source"],
                    "num_changed": changed,
                    "num_traces": len(group),
                }
            )
            if len(self.tasks) > 10 * MOST_CHANGED:
                self.cut()

    def to_dict(self) -> dict[str, Any]:
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    def cut(self) -> None:
        self.tasks = sorted(self.tasks, key=lambda task: -task["num_changed"])[:MOST_CHANGED]


def reverify(run: Path, num_workers: int = 1, show: Callable[[str], None] = lambda text: None) -> list[Report]:
    """Verify the finished rounds of a run again; one report a round. `show` is called as the work goes on.

    UserError if there is no finished round, or if a shard differs from its manifest.
    """
    folders = finished_rounds(run)
    problems = [problem for folder in folders for problem in check_round(folder)]
    if problems or not folders:
        raise UserError("nothing verified: " + ("\n".join(problems) or f"{run} has no finished round"))
    if older := [problem for folder in folders if (problem := other_schema(folder))]:
        raise UserError("nothing verified: " + "\n".join(older))
    recipe = stored_recipe(run)
    return [_round(recipe, folder, num_workers, _named(show, folder.name)) for folder in folders]


def _named(show: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda text: show(f"{name}: {text}")


def _round(recipe: Recipe, folder: Path, num_workers: int, show: Callable[[str], None]) -> Report:
    started = time.monotonic()
    provenance = read_provenance(folder)  # without which hours of grading would be for nothing
    out = folder / REVERIFIED
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    report = Report()
    _grade(folder / "shards", out / VERDICTS, num_workers, report, show)
    show("writing shards")
    stats = SelectionStats()
    traces = _Regraded(folder / "shards", out / VERDICTS)
    selected = select(
        traces,
        recipe.selection,
        contamination(recipe, folder.parent),
        stats,
        min(num_workers, processes_for(report.num_traces)),
    )
    shards = write_shards(stats.record(selected), out / "shards", provenance)
    report.cut()
    report.selection = stats.counts
    report.seconds = time.monotonic() - started
    write_json(out / "report.json", report.to_dict())
    write_json(
        out / MANIFEST,
        read_json(folder / MANIFEST) | {"shards": [asdict(shard) for shard in shards], "metrics": "report.json"},
    )
    return report


def _grade(shards: Path, verdicts: Path, num_workers: int, report: Report, show: Callable[[str], None]) -> None:
    """Write the verdicts file: one row a trace, in the order of `read_in_order`."""
    held: list[tuple] = []
    with pq.ParquetWriter(verdicts, _SCHEMA, compression="zstd") as writer:
        for group, (graded, num_shared) in in_order(grade_groups, _chunks(shards), num_workers, undecided):
            report.count(group, graded, num_shared)
            held += [_row(row, verdict) for row, verdict in zip(group, graded, strict=False)]
            if len(held) >= ROWS_AT_ONCE:
                writer.write_table(_table(held))
                held = []
                show(f"{report.num_traces} traces, {report.num_changed} changed")
        writer.write_table(_table(held))


class _Regraded:
    """The traces of shards with their new verdicts; can be iterated over again and again."""

    def __init__(self, shards: Path, verdicts: Path):
        self._shards, self._verdicts = shards, verdicts

    def __iter__(self) -> Iterator[Trace]:
        batches = pq.ParquetFile(self._verdicts).iter_batches(1024)
        rows = (row for batch in batches for row in batch.to_pylist())
        for (trace, _), row in zip(read_in_order(self._shards), rows, strict=True):
            new = {name: row[f"new_{name}"] for name in ("outcome", "reason", "answer", "verifier", "seconds")}
            yield replace(trace, verdict=Verdict.from_dict(new))


def _chunks(shards: Path) -> Iterator[list[list[Row]]]:
    """The rows of CHUNK_TASKS tasks at a time."""
    chunk: list[list[Row]] = []
    for _, rows in groupby(
        rows_in_order(shards, [*COLUMNS, "task_number", "source"]), key=lambda row: row["task_number"]
    ):
        chunk.append(list(rows))
        if len(chunk) == CHUNK_TASKS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _row(old: Row, new: Verdict) -> tuple:
    names = (old["task_id"], old["sample_index"], old["outcome"], old["reason"], old["answer"], old["verifier"])
    return (*names, new.outcome.value, new.reason.value, new.answer, new.verifier, new.seconds)


def _table(rows: list[tuple]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [() for _ in _SCHEMA]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )
