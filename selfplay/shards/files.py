"""Shards: Parquet files of traces. A row holds everything that is needed to sample and to verify it again.

    accepted-00000.parquet   what selection kept        rejected-00000.parquet   the rest, each row with its reason
    mixed-00000.parquet      further training rows, if the recipe has [selection.mix]

The same traces in the same order give the same bytes. Folders are paths or fsspec URLs (s3://bucket/folder).
"""

import contextlib
import functools
import hashlib
import heapq
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.layout import MANIFEST
from selfplay.records import ACCEPTED, Trace
from selfplay.shards.provenance import Provenance
from selfplay.shards.schema import (
    DICTIONARY_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    VERSION_KEY,
    ShardRow,
    row_of,
    table_of,
    task_columns,
    task_of,
    trace_of,
)
from selfplay.storage import Location, finished_rounds_at
from tasks import Task, UserError

SHARD_BYTES = 256 << 20  # of a file; the last row group may pass it
GROUP_BYTES = 8 << 20  # of a row group before compression; what a writer holds in memory
GROUP_ROWS = 20_000
MIXED = "mixed"
KINDS = ("", ACCEPTED, "rejected", MIXED)


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of the manifest."""

    name: str  # file name within the folder of shards
    kind: str  # "accepted", "rejected" or "mixed"
    num_rows: int
    num_bytes: int
    sha256: str


def write_shards(
    selected: Iterable[tuple[Trace, str]], folder: Path | str, provenance: Provenance, shard_bytes: int = SHARD_BYTES
) -> list[Shard]:
    """Write accepted and rejected traces into files of their own; each has its name only when it is whole.

    Traces of one task must follow each other. Files of an earlier writing are removed.
    """
    files, root = fsspec.core.url_to_fs(str(folder))
    files.makedirs(root, exist_ok=True)
    for leftover in files.ls(root, detail=False):
        if leftover.endswith((".parquet", ".tmp")):
            files.rm(leftover)
    table = functools.partial(table_of, provenance=provenance)
    writers = {kind: _Writer(files, root, kind, table, shard_bytes) for kind in ("accepted", "rejected")}
    present, number = "", -1
    for trace, selection in selected:
        if trace.task.id != present:
            present, number = trace.task.id, number + 1
            described = task_columns(trace.task, number)
        size = len(trace.sample.text) + 4 * len(trace.sample.token_ids) + 300
        writers["accepted" if selection == ACCEPTED else "rejected"].add(
            row_of(trace, selection, described, provenance), size
        )
    return [shard for writer in writers.values() for shard in writer.close()]


def write_mixed(rows: Iterable[dict[str, Any]], folder: Path | str, shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Write rows, each with all columns of the schema, into files of the kind "mixed" in a folder of shards."""
    files, root = fsspec.core.url_to_fs(str(folder))
    files.makedirs(root, exist_ok=True)
    writer = _Writer(files, root, MIXED, functools.partial(pa.Table.from_pylist, schema=SCHEMA), shard_bytes)
    for row in rows:
        writer.add(row, len(row["completion"]) + 4 * len(row["token_ids"]) + 300)
    return writer.close()


def read_shards(run: Path | str, kind: str = "accepted") -> Iterator[ShardRow]:
    """The rows of a run's finished rounds, of one round, or of one folder of shards, one at a time.

    run: a path or an fsspec URL. kind: "accepted", "rejected", "mixed", or "" for accepted and rejected. `reference` and
    `metadata`, which are JSON in the file, are objects here. UserError if nothing is there, or a shard is damaged.
    """
    if kind not in KINDS:
        raise UserError(
            f'no shards of kind "{kind}"; one of {", ".join(KINDS[1:])}, or empty for accepted and rejected'
        )
    place = Location.of(run)
    folders = [place / "shards"] if (place / MANIFEST).exists() else [f / "shards" for f in finished_rounds_at(place)]
    if not folders and not place.glob("*.parquet"):
        raise UserError(f"{run} holds no shards; give the folder of a run with a finished round, or one of shards")
    for folder in folders or [place]:
        for row in read_rows(str(folder), kind):
            yield cast(ShardRow, row | {name: json.loads(row[name]) for name in ("reference", "metadata")})


def read_traces(folder: Path | str, kind: str = "") -> Iterator[tuple[Trace, str]]:
    """The traces of a folder's shards with their selection, file by file; kind "" takes accepted and rejected."""
    return _traces(read_rows(folder, kind))


def read_in_order(folder: Path | str) -> Iterator[tuple[Trace, str]]:
    """As read_traces, but accepted and rejected traces of a task together, in the order of the tasks and samples."""
    return _traces(rows_in_order(folder))


def rows_in_order(folder: Path | str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """As read_in_order, but the rows; `columns` must hold task_number and sample_index."""
    streams = (read_rows(folder, kind, columns) for kind in ("accepted", "rejected"))
    return heapq.merge(*streams, key=lambda row: (row["task_number"], row["sample_index"]))


def _traces(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Trace, str]]:
    task: Task | None = None
    for row in rows:
        if task is None or task.id != row["task_id"]:
            task = task_of(row)  # made once for all its traces
        yield trace_of(row, task), row["selection"]


def read_rows(folder: Path | str, kind: str = "", columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a folder's shards, with all columns or those named; UserError if the schema is another."""
    files, root = fsspec.core.url_to_fs(str(folder))
    names = (
        [name for name in sorted(files.ls(root, detail=False)) if name.endswith(".parquet")]
        if files.isdir(root)
        else []
    )
    for name in names:
        if not os.path.basename(name).startswith(f"{kind}-" if kind else ("accepted-", "rejected-")):
            continue
        with files.open(name, "rb") as opened:
            try:
                file = pq.ParquetFile(opened)
            except pa.ArrowInvalid as error:
                raise UserError(
                    f"{name} is damaged ({error}); `selfplay shards check RUN` says what else is, `selfplay shards rebuild RUN` "
                    "makes shards again from the journal"
                ) from None
            version = (file.metadata.metadata or {}).get(VERSION_KEY.encode(), b"none").decode()
            if version != str(SCHEMA_VERSION):
                raise UserError(
                    f"{name} has shard schema {version}; this selfplay reads {SCHEMA_VERSION}. "
                    "Read it with the selfplay that wrote it, or make its round again from the journal"
                )
            for batch in file.iter_batches(1024, columns=columns):
                yield from batch.to_pylist()


class _Writer:
    """The files of one kind, one after the other; holds one row group in memory."""

    def __init__(
        self,
        files: fsspec.AbstractFileSystem,
        root: str,
        kind: str,
        table: Callable[[list[Any]], pa.Table],
        shard_bytes: int,
    ):
        self._files, self._root, self._kind, self._table, self._shard_bytes = files, root, kind, table, shard_bytes
        self._shards: list[Shard] = []
        self._rows: list[Any] = []  # what `table` takes
        self._bytes = 0  # of the rows held, roughly
        self._parquet: pq.ParquetWriter | None = None

    def add(self, row: Any, num_bytes: int) -> None:
        self._rows.append(row)
        self._bytes += num_bytes
        if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
            self._write_group()

    def close(self) -> list[Shard]:
        if self._rows:
            self._write_group()
        if self._parquet:
            self._finish(self._parquet)
        return self._shards

    def _write_group(self) -> None:
        if not self._parquet:
            self._name = f"{self._kind}-{len(self._shards):05d}.parquet"
            self._temporary = f"{self._root}/.{self._name}.tmp"
            self._out = _Hashed(self._files.open(self._temporary, "wb"))
            self._num_rows = 0
            self._parquet = pq.ParquetWriter(
                self._out, SCHEMA, compression="zstd", use_dictionary=DICTIONARY_COLUMNS, store_schema=False
            )
        parquet = self._parquet
        parquet.write_table(self._table(self._rows))
        self._num_rows += len(self._rows)
        self._rows, self._bytes = [], 0
        if self._out.num_bytes >= self._shard_bytes:
            self._finish(parquet)

    def _finish(self, parquet: pq.ParquetWriter) -> None:
        parquet.add_key_value_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
        parquet.close()
        self._parquet = None
        self._out.finish()
        self._files.mv(self._temporary, f"{self._root}/{self._name}")
        self._shards.append(
            Shard(self._name, self._kind, self._num_rows, self._out.num_bytes, self._out.sha256.hexdigest())
        )


class _Hashed:
    """A file for writing that knows the digest of its bytes."""

    closed = False
    mode = "wb"

    def __init__(self, file: Any):
        self._file = file
        self.sha256 = hashlib.sha256()
        self.num_bytes = 0

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.num_bytes += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.num_bytes

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """pyarrow closes the file when it is done; `finish` ends it."""

    def finish(self) -> None:
        self._file.flush()
        with contextlib.suppress(io.UnsupportedOperation, AttributeError):  # a file on another machine has no fileno
            os.fsync(self._file.fileno())
        self._file.close()
