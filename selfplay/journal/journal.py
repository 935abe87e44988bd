"""The journal: every sample with its verdict, appended by one writer, safe against a kill at any moment.

One JSON object a line, readable with jq; the first field is the CRC-32 of the rest of the line:

    {"crc32":"7d1f00a3","sample":{"task_id":"20644fd46f58c250","index":0,...},"verdict":{"outcome":"correct",...}}

A row is acknowledged once the `commit` after it has returned: it is on the disk. Opening the journal drops a last row that
a kill has torn, and its sample is requested again.
"""

import fcntl
import hashlib
import json
import os
import re
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfplay.records import Sample
from tasks import UserError
from verifiers import Verdict

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # made once: json.dumps makes one a row
_PREFIX = len('{"crc32":"00000000",')
_HEAD = re.compile(rb'\{"crc32":"[0-9a-f]{8}","sample":\{"task_id":"([^"\\]+)","index":(\d+),')
# within a JSON string a backslash precedes each quote, so these occur only as keys
_TOKENS = b',"completion_tokens":'
_TOKEN_IDS = b',"token_ids":['
_OUTCOME = b',"verdict":{"outcome":"'


class Journal:
    """The only writer of a journal. Opening truncates a torn tail; UserError if another process writes it or the disk fails."""

    def __init__(self, folder: Path):
        self.path = folder / "samples.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
            _sync_folder(folder)  # so that a new file survives a crash of the machine
        except OSError as error:
            raise UserError(
                f"cannot write the journal {self.path}: {error.strerror}; free or repair the disk and run again"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(f"another process is writing {self.path}; wait for it or stop it, then run again") from None
        self.torn_bytes = self._drop_torn_tail()  # that opening dropped
        self._waiting: deque[bytes] = deque()  # rows for the next commit; deque ends are safe between threads
        self._num_written = 0
        self.num_committed = 0  # rows of this writer that are acknowledged
        self._committing = threading.Lock()
        self._failure: UserError | None = (
            None  # of the first write; the file's content after the last commit is then unknown
        )

    def append(self, sample: Sample, verdict: Verdict) -> None:
        """Take one row; the next `commit` writes and acknowledges it. No input or output, so the driver never waits here."""
        body = _encode({"sample": sample.to_dict(), "verdict": verdict.to_dict()})[1:].encode()
        self._waiting.append(b'{"crc32":"%08x",%b\n' % (zlib.crc32(body), body))
        self._num_written += 1

    @property
    def num_uncommitted(self) -> int:
        """Rows taken and not acknowledged yet."""
        return self._num_written - self.num_committed

    def commit(self) -> int:
        """Force all rows to the disk; the number of rows that this acknowledges. Other threads may append meanwhile."""
        with self._committing:
            if self._failure:  # raised again, even without rows: the first caller may have been cancelled
                raise self._failure
            rows = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if rows:
                with self._disk_errors():
                    self._file.write(b"".join(rows))
                    self._file.flush()
                    os.fdatasync(self._file.fileno())
                self.num_committed += len(rows)
            return len(rows)

    def close(self) -> None:
        """Commit and close. After a failed write nothing more is written: a second fsync may hide the loss of the first one."""
        try:
            if not self._failure:
                self.commit()
        finally:
            try:
                self._file.close()
            except OSError as error:
                self._failure = self._failure or self._unwritten(error)  # closing flushes once more

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Turns a full or failing disk into an error that names the journal and the cure."""
        try:
            yield
        except OSError as error:
            self._failure = self._unwritten(error)
            raise self._failure from error

    def _unwritten(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self.path}: {error.strerror}; every acknowledged sample is safe. "
            "Free or repair the disk and run the same command again"
        )

    def _drop_torn_tail(self) -> int:
        """Cut an unfinished last line, so that the next row starts on a line of its own."""
        size = self.path.stat().st_size
        with self.path.open("rb") as stored:
            end = _end_of_last_line(stored, size)
        if end < size:
            self._file.truncate(end)
            self._file.seek(end)
        return size - end


def read_journal(folder: Path, damaged: list[int] | None = None) -> Iterator[tuple[Sample, Verdict]]:
    """The rows of a journal in the order written. Line numbers of rows with a wrong checksum are added to `damaged`."""
    for row in read_rows(folder, damaged):
        yield Sample.from_dict(row["sample"]), Verdict.from_dict(row["verdict"])


def read_rows(folder: Path, damaged: list[int] | None = None, token_ids: bool = True) -> Iterator[dict[str, Any]]:
    """As read_journal, but each row is a JSON object; reading is twice as fast without token ids."""
    for _, line in read_lines(folder, damaged):
        yield json.loads((line if token_ids else _without_token_ids(line)).decode())


def read_lines(folder: Path, damaged: list[int] | None = None) -> Iterator[tuple[int, bytes]]:
    """As read_rows, but each row is its offset in the file (bytes) and its line, checksum included."""
    path = folder / "samples.jsonl"
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n") and line[10:18] == b"%08x" % zlib.crc32(line[_PREFIX:-1]):
                yield offset, line
            elif damaged is not None:
                damaged.append(number)
            offset += len(line)


def row_head(line: bytes) -> tuple[bytes, int]:
    """Task id and sample index of a journal's line; a plain head spares parsing the rest."""
    head = _HEAD.match(line)
    if head:
        return head[1], int(head[2])
    sample = json.loads(line)["sample"]
    return sample["task_id"].encode(), sample["index"]


def row_facts(line: bytes) -> tuple[bytes, int, int, bytes]:
    """Task id, sample index, completion tokens and outcome of a journal's line, without parsing the rest."""
    tokens = line.index(_TOKENS) + len(_TOKENS)
    outcome = line.rindex(_OUTCOME) + len(_OUTCOME)
    return *row_head(line), int(line[tokens : line.index(b",", tokens)]), line[outcome : line.index(b'"', outcome)]


def _without_token_ids(line: bytes) -> bytes:
    start = line.find(_TOKEN_IDS)
    return line if start < 0 else line[:start] + line[line.index(b"]", start) + 1 :]


def task_key(task_id: bytes) -> int:
    """64 bits of a hash of a task id: two of a million tasks share one with a probability of 3 in 10**8."""
    return int.from_bytes(hashlib.blake2b(task_id, digest_size=8).digest())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end_of_last_line(stored: Any, size: int) -> int:
    """The offset after the last newline, in bytes."""
    block = 1 << 16
    end = size
    while end > 0:
        start = max(0, end - block)
        stored.seek(start)
        newline = stored.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
