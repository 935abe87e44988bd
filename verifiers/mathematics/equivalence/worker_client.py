"""Limits that hold in any thread: what may take long runs in a worker process that can be killed and is replaced.

No signals and no forks: a worker is a fresh interpreter that reads one JSON line for each question and writes one for each
answer. It bounds its own memory, and ends when its parent is gone, be it at the end of its input or by looking. One worker
serves a process; a question waits for it no longer than its own limit, so a process is never held up for longer.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time

from verifiers.mathematics.equivalence.conventions import PLAIN, Conventions
from verifiers.verdict import Reason

QUESTION_SECONDS = 0.2  # wall time of one question, waiting for the worker included
MEMORY_BYTES = 1 << 30  # address space of a worker
_MAX_QUESTION = 60_000  # characters


class _Worker:
    """One worker process and the pipe to it."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "verifiers.mathematics.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # what select() sees is all there is
            env=environment,
        )
        self.ready = False

    def ask(self, asked: list, until: float) -> Reason | None:
        """The worker's verdict, or None where it gave none in time."""
        if not self.ready and self._line(until) is None:
            return None
        self.ready = True
        question = json.dumps(asked) + "\n"
        try:
            self.process.stdin.write(question.encode())
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            return None
        line = self._line(until)
        return Reason(json.loads(line)) if line else None

    def _line(self, until: float) -> bytes | None:
        left = max(until - time.perf_counter(), 0)
        if not select.select([self.process.stdout], [], [], left)[0]:
            return None
        return self.process.stdout.readline() or None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


_lock = threading.Lock()
_worker: _Worker | None = None


def ask(reference: str, answer: str, conventions: Conventions = PLAIN) -> Reason:
    """The verdict of a worker with room for symbolic algebra and deep nesting; CHECKER_TIMEOUT where it takes too long.

    A worker that is still starting is left to start; one that works too long is killed and replaced.
    """
    global _worker
    if len(reference) + len(answer) > _MAX_QUESTION:
        return Reason.UNSUPPORTED
    until = time.perf_counter() + QUESTION_SECONDS
    if not _lock.acquire(timeout=QUESTION_SECONDS):
        return Reason.CHECKER_TIMEOUT
    try:
        if _worker is None or _worker.process.poll() is not None:
            if _worker is not None:
                _worker.close()
            _worker = _Worker()
        reason = _worker.ask([reference, answer, conventions.written()], until)
        if reason is None and (_worker.ready or _worker.process.poll() is not None):
            _worker.close()
            _worker = _Worker()
        return reason or Reason.CHECKER_TIMEOUT
    finally:
        _lock.release()


def warm(seconds: float = 10.0) -> bool:
    """Starts the worker and waits until it is ready, up to `seconds`; whether it is."""
    global _worker
    with _lock:
        if _worker is None or _worker.process.poll() is not None:
            _worker = _Worker()
        if not _worker.ready:
            _worker.ready = _worker._line(time.perf_counter() + seconds) is not None
        return _worker.ready


def close() -> None:
    """Ends the worker of this process, if there is one."""
    global _worker
    with _lock:
        if _worker is not None:
            _worker.close()
            _worker = None


def _forget() -> None:
    """In the child of a fork: the worker, and a lock that may be held for ever, belong to the parent."""
    global _lock, _worker
    _lock, _worker = threading.Lock(), None


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
