"""Crews: all stations of one trade behind one queue. A station that dies is replaced, and what it held is given back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from selfplay.driver.workers import Station, StationLost
from tasks import UserError

Key = tuple[str, int]  # task id and sample index
Deliver = Callable[[list[Any]], Awaitable[None]]
Lost = Callable[[list[Key], str], Awaitable[None]]


class Parcel(NamedTuple):
    """What a station is sent."""

    item: Any
    keys: Sequence[Key]  # of the results that it owes
    model: str = ""  # goes to a station that holds this model; verifiers hold none


MAX_LOSSES = 6  # of one station in a row, without a result between them; more than it takes to find the one sample that kills (survivors.DIVISOR)


class Crew:
    """Sends parcels to the station that holds least, of those with the right model, and delivers results as they come.

    `hire(number)` makes a station; it is called again for a replacement. `deliver(results)` and `lost(keys, error)` are
    called from the driver's loop; `lost` without keys says that a station has joined.
    """

    def __init__(self, name: str, hire: Callable[[int], Awaitable[Station]], size: int, capacity: int):
        self.name = name
        self.size = size
        self.num_losses = 0
        self.models = [""] * size  # what each station holds, or will when it is there
        self._hire = hire
        self._capacity = capacity  # results that one station may owe
        self._stations: dict[int, Station] = {}
        self._homeless: list[Parcel] = []  # no station with their model is at work now
        self._hiring: dict[int, asyncio.Task[Station]] = {}  # those on their way; they outlive a pass
        self._holding: dict[int, set[Key]] = {number: set() for number in range(size)}
        self._idle_since: dict[int, float] = {}
        self._idle_seconds = 0.0

    @property
    def stations(self) -> list[Station]:
        return list(self._stations.values())

    @property
    def num_held(self) -> int:
        """Results that are owed."""
        return sum(map(len, self._holding.values())) + sum(len(parcel.keys) for parcel in self._homeless)

    @property
    def held_keys(self) -> set[Key]:
        return set().union(*self._holding.values(), *(parcel.keys for parcel in self._homeless))

    @property
    def room(self) -> int:
        """How many more results the stations at work would owe together, whatever each of them is behind with."""
        return self._capacity * len(self._stations) - self.num_held

    @property
    def idle_seconds(self) -> float:
        """Summed over stations: time without anything to do while the crew was at work."""
        now = time.monotonic()
        return self._idle_seconds + sum(now - since for since in self._idle_since.values())

    async def start(self) -> None:
        """Return when a station is at work. The others join when they are made: a cluster may have no room for them yet."""
        for number in range(self.size):
            if number not in self._stations:
                self._begin_hiring(number)
        while not self._stations:
            await asyncio.wait(self._hiring.values(), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # several may be there at once
            try:
                self._welcome()
            except StationLost as error:
                raise UserError(
                    f"{self.name} could not start: {error}; `selfplay doctor` helps to find the cause"
                ) from error

    async def load(self, models: Sequence[str]) -> None:
        """Bring a model into each station that holds another; one that cannot take it is made anew by the next pass."""
        if list(models) == self.models:
            return
        await self._stop_hiring()  # it was begun with another model
        numbers = [number for number in self._stations if models[number] != self.models[number]]
        self.models = list(models)
        loaded = await asyncio.gather(
            *(self._stations[number].load(models[number]) for number in numbers), return_exceptions=True
        )
        for number, error in zip(numbers, loaded, strict=True):
            if isinstance(error, StationLost):
                await self._stations.pop(number).close()  # and wait: its successor needs its memory
            elif error is not None:
                raise error

    async def send(self, parcels: Iterable[Parcel]) -> None:
        """Give each parcel to a station; what finds none with its model waits for one."""
        loads: dict[int, list[Any]] = {}
        for parcel in parcels:
            able = [number for number in self._stations if self.models[number] == parcel.model]
            if not able:
                self._homeless.append(parcel)
                continue
            number = min(able, key=lambda station: len(self._holding[station]))
            self._holding[number].update(parcel.keys)
            loads.setdefault(number, []).append(parcel.item)
        # the stations as they are now: what a station that dies meanwhile has been given back must not reach its successor
        for station, items in [(self._stations[number], items) for number, items in loads.items()]:
            try:
                await station.submit(items)
            except StationLost:
                pass  # the station's own loop sees it too, and gives back what it held
        for number in loads:
            if self._holding[number]:
                self._note_busy(number)

    async def run(self, deliver: Deliver, lost: Lost) -> None:
        """Deliver results until cancelled."""
        self._idle_since = {number: time.monotonic() for number in self._stations if not self._holding[number]}
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.size):
                    group.create_task(self._attend(number, deliver, lost))
        finally:
            for number in list(self._idle_since):
                self._note_busy(number)

    async def close(self, at_once: bool = False) -> None:
        """End all stations; `at_once`: without waiting for what they are doing."""
        await self._stop_hiring()
        await asyncio.gather(*(station.close(at_once) for station in self._stations.values()), return_exceptions=True)
        self._stations.clear()

    async def _attend(self, number: int, deliver: Deliver, lost: Lost) -> None:
        losses = 0
        while True:
            try:
                if number not in self._stations:
                    await self._join(number)
                    waiting, self._homeless = self._homeless, []
                    await self.send(waiting)
                    await lost([], "")
                results = await self._stations[number].collect()
            except StationLost as error:
                losses += 1
                await self._replace(number, losses, str(error), lost)
                continue
            losses = 0
            await deliver(self._owed(number, results))

    def _owed(self, number: int, results: list[Any]) -> list[Any]:
        """Those of a station's results that it was asked for: a second one of a sample would meet the first one's verdict."""
        held, owed = self._holding[number], []
        for result in results:
            if (key := (result.task_id, result.index)) in held:
                held.remove(key)
                owed.append(result)
        if not held:
            self._idle_since.setdefault(number, time.monotonic())
        return owed

    async def _join(self, number: int) -> None:
        """Wait for a station to be made. A pass that ends meanwhile leaves it to the next."""
        hiring = self._begin_hiring(number)
        await asyncio.wait([hiring])
        del self._hiring[number]
        self._stations[number] = hiring.result()
        self._idle_since[number] = time.monotonic()

    def _begin_hiring(self, number: int) -> asyncio.Task[Station]:
        if number not in self._hiring:
            self._hiring[number] = asyncio.create_task(self._hire(number))
        return self._hiring[number]

    async def _stop_hiring(self) -> None:
        tasks, self._hiring = self._hiring, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for number, task in tasks.items():
            if not task.cancelled() and not task.exception():  # it was there already
                self._stations[number] = task.result()

    def _welcome(self) -> None:
        """Put the stations that are made to work; StationLost where one could not be made."""
        for number in [number for number, task in self._hiring.items() if task.done()]:
            self._stations[number] = self._hiring.pop(number).result()

    async def _replace(self, number: int, losses: int, error: str, lost: Lost) -> None:
        self.num_losses += 1
        station = self._stations.pop(number, None)
        keys, self._holding[number] = sorted(self._holding[number]), set()
        self._note_busy(number)
        if losses < MAX_LOSSES:
            await lost(keys, error)  # first of all: what it held goes to the others
        if station is not None:
            await asyncio.gather(station.close(at_once=True), return_exceptions=True)
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
