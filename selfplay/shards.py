"""Shards: Parquet files of traces, with all that is needed to make a row again or to doubt it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.records import Sample, Trace
from selfplay.selection import ACCEPTED
from tasks import Task
from verifiers import Verdict

SCHEMA_VERSION = 1
ROWS_PER_SHARD = 50_000

SCHEMA = pa.schema(
    [
        ("round", pa.int32()),
        ("task_id", pa.string()),
        ("source", pa.string()),
        ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("reference", pa.string()),  # JSON, as in `selfplay verify`
        ("metadata", pa.string()),  # JSON, of the task
        ("sample_index", pa.int32()),
        ("completion", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("cached_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("cumulative_logprob", pa.float64()),  # nats
        ("seed", pa.int64()),
        ("model", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("answer", pa.string()),
        ("verify_seconds", pa.float64()),
        ("verifier", pa.string()),
        ("selection", pa.string()),  # accepted, or why not
    ],
    metadata={"selfplay_schema_version": str(SCHEMA_VERSION)},
)


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of the manifest."""

    name: str  # file name within the folder of shards
    kind: str  # "accepted" or "rejected"
    num_rows: int
    num_bytes: int
    sha256: str


def write_shards(selected: Iterable[tuple[Trace, str]], folder: Path) -> list[Shard]:
    """Write accepted and rejected traces into files of their own; each has its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        leftover.unlink()
    shards: list[Shard] = []
    rows: dict[str, list[dict[str, Any]]] = {"accepted": [], "rejected": []}
    for trace, selection in selected:
        kind = "accepted" if selection == ACCEPTED else "rejected"
        rows[kind].append(_row(trace, selection))
        if len(rows[kind]) >= ROWS_PER_SHARD:
            shards.append(_write(rows[kind], folder, kind, shards))
            rows[kind] = []
    return shards + [_write(rest, folder, kind, shards) for kind, rest in rows.items() if rest]


def read_shards(folder: Path, kind: str = "") -> Iterator[tuple[Trace, str]]:
    """The traces of a folder's shards with their selection, file by file; kind "" takes accepted and rejected."""
    for path in sorted(folder.glob(f"{kind or '*'}-*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1024):
            for row in batch.to_pylist():
                yield _trace(row), row["selection"]


def _write(rows: list[dict[str, Any]], folder: Path, kind: str, before: list[Shard]) -> Shard:
    number = sum(shard.kind == kind for shard in before)
    path = folder / f"{kind}-{number:05d}.parquet"
    temporary = folder / f".{path.name}.tmp"
    with temporary.open("wb") as file:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, compression="zstd", store_schema=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    content = path.read_bytes()
    return Shard(path.name, kind, len(rows), len(content), hashlib.sha256(content).hexdigest())


def _row(trace: Trace, selection: str) -> dict[str, Any]:
    task, sample, verdict = trace.task.to_dict(), trace.sample, trace.verdict
    return {
        "round": trace.round,
        "task_id": sample.task_id,
        "source": task["source"],
        "prompt": task["prompt"],
        "reference": json.dumps(task["reference"], ensure_ascii=False),
        "metadata": json.dumps(task["metadata"], ensure_ascii=False),
        "sample_index": sample.index,
        "completion": sample.text,
        "finish_reason": sample.finish_reason,
        "prompt_tokens": sample.prompt_tokens,
        "cached_tokens": sample.cached_tokens,
        "completion_tokens": sample.completion_tokens,
        "token_ids": list(sample.token_ids),
        "cumulative_logprob": sample.cumulative_logprob,
        "seed": sample.seed,
        "model": sample.model,
        "outcome": str(verdict.outcome),
        "reason": str(verdict.reason),
        "answer": verdict.answer,
        "verify_seconds": verdict.seconds,
        "verifier": verdict.verifier,
        "selection": selection,
    }


def _trace(row: dict[str, Any]) -> Trace:
    task = Task.from_dict(
        {
            "id": row["task_id"],
            "source": row["source"],
            "prompt": row["prompt"],
            "reference": json.loads(row["reference"]),
            "metadata": json.loads(row["metadata"]),
        }
    )
    sample = Sample(
        task_id=row["task_id"],
        index=row["sample_index"],
        text=row["completion"],
        finish_reason=row["finish_reason"],
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        completion_tokens=row["completion_tokens"],
        token_ids=tuple(row["token_ids"]),
        cumulative_logprob=row["cumulative_logprob"],
        seed=row["seed"],
        model=row["model"],
    )
    verdict = Verdict.from_dict(
        {
            "outcome": row["outcome"],
            "reason": row["reason"],
            "answer": row["answer"],
            "seconds": row["verify_seconds"],
            "verifier": row["verifier"],
        }
    )
    return Trace(task, sample, verdict, row["round"])
