"""A pool of identical workers. Work goes to the least loaded one; a worker that dies is replaced and its unfinished items are
handed back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple

from selfplay.driver.engine_time import CHECKING, IDLE, EngineTime
from selfplay.driver.workers import Devices, Worker, WorkerLost
from selfplay.records import SampleKey
from tasks import UserError

MAX_LOSSES = 6  # of one worker in a row, without a result between them; more than it takes to single out a killer (recovery.DIVISOR)
BACKOFF_SECONDS = 0.1  # before a replacement starts, doubled at each death in a row, at most 10 s

Deliver = Callable[[list[Any]], Awaitable[None]]
Lost = Callable[[list[SampleKey], str], Awaitable[None]]
Joined = Callable[[], Awaitable[None]]


class WorkItem(NamedTuple):
    """One request to a worker."""

    request: Any  # a Request or a VerifyRequest
    keys: Sequence[SampleKey]  # of the results that it will bring
    model: str = ""  # goes to a worker that holds this model; verifiers hold none


class WorkerPool:
    """Starts `size` workers, sends each item to the least loaded one that holds its model, and delivers results.

    `start_worker(number)` makes worker `number`, and its replacements. Each worker holds at most `capacity` results that
    have not come. A pool lives through many passes; `run` serves one.

        await pool.start()               one worker is at work, the others join when they are ready
        await pool.send(items)           any number, at any time
        await pool.run(deliver, lost, joined)      until cancelled; calls back in the driver's loop:
            deliver(results)             samples or verdicts, each once and only those that were requested
            lost(keys, error)            a worker died while it held these; nobody else has them: send them again
            joined()                     a worker has joined, so that there is room
        await pool.sleep()               between passes: workers give back their memory, until the next load
        await pool.load(models)          between passes: another model for each worker
        await pool.close()
    """

    def __init__(self, name: str, start_worker: Callable[[int], Coroutine[Any, Any, Worker]], size: int, capacity: int):
        self.name = name  # for messages
        self.size = size
        self.num_losses = 0
        self.models = [""] * size  # the model that each worker holds, or will hold when it has started
        self._start_worker = start_worker
        self._capacity = capacity
        self._workers: dict[int, Worker] = {}  # those at work
        self._starting: dict[int, asyncio.Task[Worker]] = {}  # they outlive a pass
        self._unassigned: list[WorkItem] = []  # no worker at work holds their model
        self._holding: dict[int, set[SampleKey]] = {number: set() for number in range(size)}
        self._asleep: set[int] = set()
        self.time = EngineTime()

    @property
    def workers(self) -> list[Worker]:
        """The workers at work."""
        return list(self._workers.values())

    @property
    def num_held(self) -> int:
        """Results that have not come yet."""
        return sum(map(len, self._holding.values())) + sum(len(item.keys) for item in self._unassigned)

    @property
    def room(self) -> int:
        """How many more results the workers at work may hold, summed over workers."""
        return self._capacity * len(self._workers) - self.num_held

    @property
    def idle_seconds(self) -> float:
        """Seconds without an item while the pool was running, summed over workers."""
        return self.time.seconds(IDLE, CHECKING)

    async def start(self) -> None:
        """Return when one worker is at work; the others join when they are ready, for a cluster may have no room for all.

        UserError if a worker cannot start before any other did.
        """
        for number in range(self.size):
            if number not in self._workers:
                self._begin_start(number)
        while not self._workers:
            await asyncio.wait(self._starting.values(), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # several may be ready at once
            try:
                self._admit_started()
            except WorkerLost as error:
                raise UserError(
                    f"{self.name} could not start: {error}; `selfplay doctor` helps to find the cause"
                ) from error

    async def load(self, models: Sequence[str]) -> None:
        """Load models[number] into each worker that holds another or sleeps; one that cannot take it is replaced by `start`."""
        for number in range(self.size):
            self.time.loads(number)  # until the pass runs
        if list(models) == self.models and not self._asleep:
            return
        await self._cancel_starts()  # they began with another model
        numbers = [
            number for number in self._workers if models[number] != self.models[number] or number in self._asleep
        ]
        self.models = list(models)
        self._asleep.clear()
        loaded = await asyncio.gather(
            *(self._workers[number].load(models[number]) for number in numbers), return_exceptions=True
        )
        for number, error in zip(numbers, loaded, strict=True):
            if isinstance(error, WorkerLost):
                await self._workers.pop(number).close()  # and wait: its replacement needs its memory
            elif error is not None:
                raise error

    async def send(self, items: Iterable[WorkItem]) -> None:
        """Send each item to the least loaded worker that holds its model; without such a worker it waits for one."""
        loads: dict[int, list[Any]] = {}
        for item in items:
            able = [number for number in self._workers if self.models[number] == item.model]
            if not able:
                self._unassigned.append(item)
                continue
            number = min(able, key=lambda number: len(self._holding[number]))
            self._holding[number].update(item.keys)
            loads.setdefault(number, []).append(item.request)
        # look all workers up now: a replacement of one that dies meanwhile must not get what `lost` hands back
        for worker, requests in [(self._workers[number], requests) for number, requests in loads.items()]:
            try:
                await worker.submit(requests)
            except WorkerLost:
                pass  # the worker's own loop meets the same error, and hands back what it held
        for number in loads:
            if self._holding[number]:
                self.time.works(number)

    async def run(self, deliver: Deliver, lost: Lost, joined: Joined) -> None:
        """Deliver results until cancelled. UserError if a worker dies MAX_LOSSES times in a row."""
        for number in range(self.size):
            if number not in self._workers:
                self.time.loads(number)
            elif self._holding[number]:
                self.time.works(number)
            else:
                self.time.waits(number)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.size):
                    group.create_task(self._attend(number, deliver, lost, joined))
        finally:
            self.time.stop()

    async def sleep(self) -> list[Devices]:
        """Between passes: every worker gives back its memory, until the next `load`. Returns the GPUs of each that sleeps; one
        that fails to is ended, and replaced by `start`."""
        await self._cancel_starts()
        numbers = list(self._workers)
        slept = await asyncio.gather(*(self._workers[number].sleep() for number in numbers), return_exceptions=True)
        devices = []
        for number, result in zip(numbers, slept, strict=True):
            if isinstance(result, WorkerLost):
                await self._workers.pop(number).close(at_once=True)
            elif isinstance(result, BaseException):
                raise result
            else:
                self._asleep.add(number)
                devices.append(result)
        return devices

    async def close(self, at_once: bool = False) -> None:
        """End all workers; `at_once`: without waiting for their work."""
        await self._cancel_starts()
        await asyncio.gather(*(worker.close(at_once) for worker in self._workers.values()), return_exceptions=True)
        self._workers.clear()
        self._asleep.clear()

    async def _attend(self, number: int, deliver: Deliver, lost: Lost, joined: Joined) -> None:
        """Deliver one worker's results, and replace it when it dies."""
        losses = 0
        while True:
            try:
                if number not in self._workers:
                    await self._join(number)
                    waiting, self._unassigned = self._unassigned, []
                    await self.send(waiting)
                    await joined()
                results = await self._workers[number].collect()
            except WorkerLost as error:
                losses += 1
                await self._replace(number, losses, str(error), lost)
                continue
            losses = 0
            await deliver(self._requested(number, results))

    def _requested(self, number: int, results: list[Any]) -> list[Any]:
        """Those of a worker's results that it was asked for, each once: a second one would meet the first one's verdict."""
        held, requested = self._holding[number], []
        for result in results:
            if (key := (result.task_id, result.index)) in held:
                held.remove(key)
                requested.append(result)
        if not held:
            self.time.waits(number)
        return requested

    async def _join(self, number: int) -> None:
        """Wait until the worker has started. If the pass ends meanwhile, the next pass gets it."""
        starting = self._begin_start(number)
        await asyncio.wait([starting])
        del self._starting[number]
        self._workers[number] = starting.result()
        self.time.waits(number)

    def _begin_start(self, number: int) -> asyncio.Task[Worker]:
        if number not in self._starting:
            self._starting[number] = asyncio.create_task(self._start_worker(number))
        return self._starting[number]

    async def _cancel_starts(self) -> None:
        tasks, self._starting = self._starting, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for number, task in tasks.items():
            if not task.cancelled() and not task.exception():  # it had started already
                self._workers[number] = task.result()

    def _admit_started(self) -> None:
        """Put the workers that have started to work; WorkerLost if one could not start."""
        for number in [number for number, task in self._starting.items() if task.done()]:
            self._workers[number] = self._starting.pop(number).result()

    async def _replace(self, number: int, losses: int, error: str, lost: Lost) -> None:
        self.num_losses += 1
        worker = self._workers.pop(number, None)
        keys, self._holding[number] = sorted(self._holding[number]), set()
        self.time.loads(number)
        if losses < MAX_LOSSES:
            await lost(keys, error)  # first of all: the other workers can go on with it
        if worker is not None:
            await asyncio.gather(worker.close(at_once=True), return_exceptions=True)
        if losses >= MAX_LOSSES:
            raise UserError(
                f"{self._title(number)} failed {losses} times in a row; the last error: {error}. Everything acknowledged is "
                "on disk; fix the cause (`selfplay doctor` helps) and run the same command again"
            )
        if losses > 1:
            await asyncio.sleep(min(10.0, BACKOFF_SECONDS * 2**losses))

    def _title(self, number: int) -> str:
        return f"{self.name} {number}{f' of {self.models[number]}' if self.models[number] else ''}"
