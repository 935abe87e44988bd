"""Workers: the two slow steps of a pass, behind one contract. `Worker` is the contract; `SamplerWorker` holds an engine,
`VerifierWorker` a pool of verifying threads.

Both run in the driver's own process; `ray_workers` puts the same two into Ray actors, behind a `RayWorker`. A worker holds
no state of the run: whatever dies, the journal says which samples are missing. For tests there is no fake worker: they use
these, with a small sampler (tests/engines.py).
"""

import asyncio
import contextlib
import queue
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from selfplay.recipe.sections import Verification
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers import Sampler
from tasks import Reference, UserError
from verifiers import Outcome, Reason, Verdict, programs, verifier_of, verify, verify_many
from verifiers.mathematics.equivalence import worker_client
from verifiers.sandbox.pool import take_failures

SWITCH_SECONDS = (
    0.0005  # of the interpreter, between a verifying thread and the event loop; Python's 0.005 stalls requests
)
AT_ONCE_SECONDS = 1.0  # for an engine to close if nobody will wait for it


Devices = tuple[str, tuple[str, ...]]  # a node of the cluster and GPUs of it; empty in this process


class WorkerLost(Exception):
    """A worker, its engine or its machine died; nothing that it held will come back."""


class Worker(ABC):
    """What the driver needs of a worker, wherever it runs. A `WorkerPool` is its only caller.

    Requests go in by `submit`, results come out by `collect`, in any order:

        Request(task_id, prompt, indices, seeds)        one Sample or SampleFailure for each index
        VerifyRequest(task_id, index, reference, text)  one VerifyResult

    A result carries the `task_id` and `index` of its request. A worker may answer late, twice or unasked; the pool delivers
    each result once. It must not keep silent: a request that will bring nothing makes `collect` raise WorkerLost, and the
    pool then closes the worker, hands back everything that it held and starts another.
    """

    @abstractmethod
    async def submit(self, requests: Sequence[Any]) -> None:
        """Take requests, and return before they are done. WorkerLost if the worker is known to be dead."""

    @abstractmethod
    async def collect(self) -> list[Any]:
        """Wait for at least one result and return all that are ready, so that they share the cost of a remote call.

        WorkerLost if no further result will come; UserError if the user must act, which ends the pass. Cancelling it loses
        no result: the next call returns it.
        """

    @abstractmethod
    async def close(self, at_once: bool = False) -> None:
        """End the worker and free what it holds; `at_once`: without waiting for its work. May be called on a dead worker."""

    async def load(self, model: str) -> None:
        """Use this model from now on. WorkerLost if that takes a new worker. Only workers that hold a model implement it."""
        raise TypeError(f"{type(self).__name__} holds no model and cannot load {model}")

    async def sleep(self) -> Devices:
        """Give back the memory of the GPUs until the next `load`, without work in flight; returns these GPUs. WorkerLost if it
        cannot. Only workers that hold a model implement it."""
        raise TypeError(f"{type(self).__name__} holds no model and cannot sleep")


class SamplerWorker(Worker):
    """One engine, through its Sampler."""

    def __init__(self, sampler: Sampler):
        self._sampler = sampler
        self._results = ResultQueue()
        self._running: set[asyncio.Task] = set()
        self._closing = False

    async def submit(self, requests: Sequence[Request]) -> None:
        for request in requests:
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

    async def sleep(self) -> Devices:
        try:
            await self._sampler.sleep()
        except Exception as error:  # the actor boundary: an engine that fails to sleep is lost
            raise WorkerLost(f"{type(error).__name__}: {error}") from error
        return "", ()

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
    """One sample to verify."""

    task_id: str
    index: int
    reference: Reference
    text: str  # of the sample


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The verdict of one sample."""

    task_id: str
    index: int
    verdict: Verdict
    num_sandbox_failures: int = 0  # that this verifier met since its last result; the programs ran again
    canary_lives: bool = False  # the verification failed, then an innocent sample was accepted: the sample is at fault


class VerifierWorker(Worker):
    """Threads that verify; a verification that hangs delays its own thread and no other sample."""

    def __init__(self, settings: Verification):
        if settings.unsafe:
            programs.configure(unsafe=True)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._results = ResultQueue()
        self._requests: queue.SimpleQueue[VerifyRequest | None] = queue.SimpleQueue()
        self._closing = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(settings.threads)]
        for thread in self._threads:
            thread.start()
        threading.Thread(target=worker_client.warm, daemon=True).start()  # symbolic algebra takes a second to be ready

    async def submit(self, requests: Sequence[VerifyRequest]) -> None:
        self._results.use_loop(asyncio.get_running_loop())
        for request in requests:
            self._requests.put(request)

    async def collect(self) -> list[VerifyResult]:
        return await self._results.take()

    async def close(self, at_once: bool = False) -> None:
        self._closing = True
        for _ in self._threads:
            self._requests.put(None)

    def _work(self) -> None:
        try:
            while (request := self._requests.get()) is not None and not self._closing:
                requests = [request, *self._waiting(verifier_of(request.reference).most_at_once - 1)]
                for one, verdict in zip(requests, self._verdicts(requests), strict=True):
                    lives = verdict.reason is Reason.CHECKER_FAILURE and self._canary_lives(one)
                    self._results.put(VerifyResult(one.task_id, one.index, verdict, take_failures(), lives))
        except BaseException as error:  # the actor boundary: a thread must not end unseen, with its request
            self._results.fail(RuntimeError(f"a verifying thread ended: {type(error).__name__}: {error}"))

    def _canary_lives(self, request: VerifyRequest) -> bool:
        """Whether the verifier that has failed still accepts an innocent sample; False if it knows none."""
        canary = verifier_of(request.reference).innocent(request.reference)
        return (
            canary is not None
            and self._verdict(replace(request, reference=canary[0], text=canary[1])).outcome is Outcome.CORRECT
        )

    def _waiting(self, most: int) -> list[VerifyRequest]:
        """Up to `most` further requests, of those that wait now."""
        found: list[VerifyRequest] = []
        while len(found) < most:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                break
            if request is None:  # the end: it is for whoever asks next
                self._requests.put(None)
                break
            found.append(request)
        return found

    def _verdicts(self, requests: list[VerifyRequest]) -> list[Verdict]:
        if len(requests) == 1:
            return [self._verdict(requests[0])]
        return verify_many([request.reference for request in requests], [request.text for request in requests])

    def _verdict(self, request: VerifyRequest) -> Verdict:
        return verify(request.reference, request.text)


class ResultQueue:
    """Results from any thread, taken by one coroutine, many at a time; then an error that ends them, if there is one."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._error: Exception | None = None
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # of the taker; None: `put` is called in that loop

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
                self._ready.set()  # for the next call
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
