"""Crews: all workers of one trade behind one queue. A worker that dies is replaced, and what it held is given back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from selfplay.driver.workers import Worker, WorkerLost
from tasks import UserError

Key = tuple[str, int]  # task id and sample index
Deliver = Callable[[list[Any]], Awaitable[None]]
Lost = Callable[[list[Key], str], Awaitable[None]]


class WorkItem(NamedTuple):
    """What a worker is sent."""

    item: Any
    keys: Sequence[Key]  # of the results that it owes
    model: str = ""  # goes to a worker that holds this model; verifiers hold none


MAX_LOSSES = 6  # of one worker in a row, without a result between them; more than it takes to find the one sample that kills (bisection.DIVISOR)


class WorkerPool:
    """Sends items to the worker that holds least, of those with the right model, and delivers results as they come.

    `start_worker(number)` makes a worker; it is called again for a replacement. `deliver(results)` and `lost(keys, error)` are
    called from the driver's loop; `lost` without keys says that a worker has joined.
    """

    def __init__(self, name: str, start_worker: Callable[[int], Awaitable[Worker]], size: int, capacity: int):
        self.name = name
        self.size = size
        self.num_losses = 0
        self.models = [""] * size  # what each worker holds, or will when it is there
        self._start_worker = start_worker
        self._capacity = capacity  # results that one worker may owe
        self._workers: dict[int, Worker] = {}
        self._unassigned: list[WorkItem] = []  # no worker with their model is at work now
        self._starting: dict[int, asyncio.Task[Worker]] = {}  # those on their way; they outlive a pass
        self._holding: dict[int, set[Key]] = {number: set() for number in range(size)}
        self._idle_since: dict[int, float] = {}
        self._idle_seconds = 0.0

    @property
    def workers(self) -> list[Worker]:
        return list(self._workers.values())

    @property
    def num_held(self) -> int:
        """Results that are owed."""
        return sum(map(len, self._holding.values())) + sum(len(item.keys) for item in self._unassigned)

    @property
    def held_keys(self) -> set[Key]:
        return set().union(*self._holding.values(), *(item.keys for item in self._unassigned))

    @property
    def room(self) -> int:
        """How many more results the workers at work would owe together, whatever each of them is behind with."""
        return self._capacity * len(self._workers) - self.num_held

    @property
    def idle_seconds(self) -> float:
        """Summed over workers: time without anything to do while the pool was at work."""
        now = time.monotonic()
        return self._idle_seconds + sum(now - since for since in self._idle_since.values())

    async def start(self) -> None:
        """Return when a worker is at work. The others join when they are made: a cluster may have no room for them yet."""
        for number in range(self.size):
            if number not in self._workers:
                self._begin_start(number)
        while not self._workers:
            await asyncio.wait(self._starting.values(), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # several may be there at once
            try:
                self._welcome()
            except WorkerLost as error:
                raise UserError(
                    f"{self.name} could not start: {error}; `selfplay doctor` helps to find the cause"
                ) from error

    async def load(self, models: Sequence[str]) -> None:
        """Bring a model into each worker that holds another; one that cannot take it is made anew by the next pass."""
        if list(models) == self.models:
            return
        await self._cancel_starts()  # it was begun with another model
        numbers = [number for number in self._workers if models[number] != self.models[number]]
        self.models = list(models)
        loaded = await asyncio.gather(
            *(self._workers[number].load(models[number]) for number in numbers), return_exceptions=True
        )
        for number, error in zip(numbers, loaded, strict=True):
            if isinstance(error, WorkerLost):
                await self._workers.pop(number).close()  # and wait: its successor needs its memory
            elif error is not None:
                raise error

    async def send(self, items: Iterable[WorkItem]) -> None:
        """Give each item to a worker; what finds none with its model waits for one."""
        loads: dict[int, list[Any]] = {}
        for item in items:
            able = [number for number in self._workers if self.models[number] == item.model]
            if not able:
                self._unassigned.append(item)
                continue
            number = min(able, key=lambda worker: len(self._holding[worker]))
            self._holding[number].update(item.keys)
            loads.setdefault(number, []).append(item.item)
        # the workers as they are now: what a worker that dies meanwhile has been given back must not reach its successor
        for worker, items in [(self._workers[number], items) for number, items in loads.items()]:
            try:
                await worker.submit(items)
            except WorkerLost:
                pass  # the worker's own loop sees it too, and gives back what it held
        for number in loads:
            if self._holding[number]:
                self._note_busy(number)

    async def run(self, deliver: Deliver, lost: Lost) -> None:
        """Deliver results until cancelled."""
        self._idle_since = {number: time.monotonic() for number in self._workers if not self._holding[number]}
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.size):
                    group.create_task(self._attend(number, deliver, lost))
        finally:
            for number in list(self._idle_since):
                self._note_busy(number)

    async def close(self, at_once: bool = False) -> None:
        """End all workers; `at_once`: without waiting for what they are doing."""
        await self._cancel_starts()
        await asyncio.gather(*(worker.close(at_once) for worker in self._workers.values()), return_exceptions=True)
        self._workers.clear()

    async def _attend(self, number: int, deliver: Deliver, lost: Lost) -> None:
        losses = 0
        while True:
            try:
                if number not in self._workers:
                    await self._join(number)
                    waiting, self._unassigned = self._unassigned, []
                    await self.send(waiting)
                    await lost([], "")
                results = await self._workers[number].collect()
            except WorkerLost as error:
                losses += 1
                await self._replace(number, losses, str(error), lost)
                continue
            losses = 0
            await deliver(self._owed(number, results))

    def _owed(self, number: int, results: list[Any]) -> list[Any]:
        """Those of a worker's results that it was asked for: a second one of a sample would meet the first one's verdict."""
        held, owed = self._holding[number], []
        for result in results:
            if (key := (result.task_id, result.index)) in held:
                held.remove(key)
                owed.append(result)
        if not held:
            self._idle_since.setdefault(number, time.monotonic())
        return owed

    async def _join(self, number: int) -> None:
        """Wait for a worker to be made. A pass that ends meanwhile leaves it to the next."""
        starting = self._begin_start(number)
        await asyncio.wait([starting])
        del self._starting[number]
        self._workers[number] = starting.result()
        self._idle_since[number] = time.monotonic()

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
            if not task.cancelled() and not task.exception():  # it was there already
                self._workers[number] = task.result()

    def _welcome(self) -> None:
        """Put the workers that are made to work; WorkerLost where one could not be made."""
        for number in [number for number, task in self._starting.items() if task.done()]:
            self._workers[number] = self._starting.pop(number).result()

    async def _replace(self, number: int, losses: int, error: str, lost: Lost) -> None:
        self.num_losses += 1
        worker = self._workers.pop(number, None)
        keys, self._holding[number] = sorted(self._holding[number]), set()
        self._note_busy(number)
        if losses < MAX_LOSSES:
            await lost(keys, error)  # first of all: what it held goes to the others
        if worker is not None:
            await asyncio.gather(worker.close(at_once=True), return_exceptions=True)
        if losses >= MAX_LOSSES:
            raise UserError(
                f"{self._title(number)} failed {losses} times in a row; the last error: {error}. What was acknowledged is "
                "on disk; mend the cause (`selfplay doctor` helps) and run the same command again"
            )
        if losses > 1:
            await asyncio.sleep(min(10.0, 0.1 * 2**losses))

    def _title(self, number: int) -> str:
        return f"{self.name} {number}{f' of {self.models[number]}' if self.models[number] else ''}"

    def _note_busy(self, number: int) -> None:
        since = self._idle_since.pop(number, None)
        if since is not None:
            self._idle_seconds += time.monotonic() - since
