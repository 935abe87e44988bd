"""The two slow steps as workers: items go in by `submit`, results come out by `collect` as each one finishes.

A worker runs in a Ray actor or in the driver's own process; it holds an engine or a pool of checkers and no state of
the run. Many results travel in one `collect`, so that the cost of a remote call is shared.
"""

import asyncio
import contextlib
import queue
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from selfplay.recipe.sections import Verification
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers import Sampler
from tasks import Reference, UserError
from verifiers import Verdict, verify
from verifiers.mathematics.equivalence import worker_client as guard
from verifiers.sandbox.pool import take_failures

SWITCH_SECONDS = 0.0005  # for which a checking thread may keep the interpreter from the event loop beside it; Python's own 0.005 stalls requests
AT_ONCE_SECONDS = 1.0  # for an engine to end where nobody will wait for it


class WorkerLost(Exception):
    """A worker, its engine or its machine died; what it held is owed again."""


class Worker(Protocol):
    """What the driver needs of a worker, wherever it runs."""

    async def submit(self, items: Sequence[Any]) -> None: ...

    async def collect(self) -> list[Any]:
        """Wait for at least one result, and take all that are ready. WorkerLost when there will be none."""

    async def load(self, model: str) -> None:
        """Samplers only: sample from this model from now on. WorkerLost where that takes a new engine."""

    async def close(self, at_once: bool = False) -> None:
        """End it; `at_once`: without waiting for what it is doing."""


class SamplerWorker:
    """One engine. Takes requests; gives samples and failures."""

    def __init__(self, sampler: Sampler):
        self._sampler = sampler
        self._results = ResultQueue()
        self._running: set[asyncio.Task] = set()
        self._closing = False

    async def submit(self, items: Sequence[Request]) -> None:
        for request in items:
            task = asyncio.create_task(self._sample(request))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def collect(self) -> list[Sample | SampleFailure]:
        return await self._results.take()

    async def load(self, model: str) -> None:
        try:
            await self._sampler.load(model)
        except UserError:
            raise
        except Exception as error:  # the actor boundary: an engine that fails to change its weights is lost
            raise WorkerLost(f"{type(error).__name__}: {error}") from error

    async def close(self, at_once: bool = False) -> None:
        self._closing = True
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        closing = asyncio.create_task(self._sampler.close())
        _, late = await asyncio.wait([closing], timeout=AT_ONCE_SECONDS if at_once else None)
        for task in late:
            task.cancel()

    async def _sample(self, request: Request) -> None:
        missing = set(request.indices)
        try:
            async for outcome in self._sampler.sample(request):
                missing.discard(outcome.index)
                self._results.put(outcome)
        except Exception as error:  # the actor boundary: an engine that raises is lost, and collect says so
            self._results.fail(error)
        except asyncio.CancelledError:
            if not self._closing:
                self._results.fail(RuntimeError("the engine cancelled a request"))
            raise
        else:
            for index in sorted(missing):
                self._results.put(
                    SampleFailure(request.task_id, index, "the engine ended the request without this sample")
                )


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """One sample to check."""

    task_id: str
    index: int
    reference: Reference
    text: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    task_id: str
    index: int
    verdict: Verdict
    num_sandbox_failures: int = 0  # that its verifier met since its last check: programs were tried again


class VerifierWorker:
    """A pool of threads that check; a check that hangs holds up its own thread and no other trace."""

    def __init__(self, settings: Verification):
        if settings.unsafe:
            from verifiers import programs

            programs.configure(unsafe=True)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._results = ResultQueue()
        self._checks: queue.SimpleQueue[VerifyRequest | None] = queue.SimpleQueue()
        self._closing = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(settings.threads)]
        for thread in self._threads:
            thread.start()
        threading.Thread(target=guard.warm, daemon=True).start()  # symbolic algebra takes a second to be ready

    async def submit(self, items: Sequence[VerifyRequest]) -> None:
        self._results.use_loop(asyncio.get_running_loop())
        for check in items:
            self._checks.put(check)

    async def collect(self) -> list[VerifyResult]:
        return await self._results.take()

    async def close(self, at_once: bool = False) -> None:
        self._closing = True
        for _ in self._threads:
            self._checks.put(None)

    def _work(self) -> None:
        try:
            while (check := self._checks.get()) is not None and not self._closing:
                verdict = self._verdict(check)
                self._results.put(VerifyResult(check.task_id, check.index, verdict, take_failures()))
        except BaseException as error:  # the actor boundary: a thread must not end unseen, with its check
            self._results.fail(RuntimeError(f"a checking thread ended: {type(error).__name__}: {error}"))

    def _verdict(self, check: VerifyRequest) -> Verdict:
        return verify(check.reference, check.text)


class ResultQueue:
    """Results from any thread, taken by one coroutine, many at a time."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._error: Exception | None = None
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # None: put is called in the taker's own loop

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def put(self, item: Any) -> None:
        with self._lock:
            first = not self._items
            self._items.append(item)
        if first:
            self._wake()

    def fail(self, error: Exception) -> None:
        self._error = error if isinstance(error, UserError) else WorkerLost(f"{type(error).__name__}: {error}")
        self._wake()

    async def take(self) -> list[Any]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            with self._lock:
                items, self._items = self._items, []
            if self._error is not None:
                self._ready.set()  # for whoever asks next
            if items:
                return items
            if self._error is not None:
                raise self._error

    def _wake(self) -> None:
        if self._loop is None:
            self._ready.set()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._ready.set)
