"""Crews: all stations of one kind behind one queue. A station that dies is replaced, and what it held is given back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from selfplay.stations import Station, StationLost
from tasks import UserError

Key = tuple[str, int]  # task id and sample index

MAX_LOSSES = 5  # of one station in a row, without a result between them


class Crew:
    """Sends items to the station that holds least, and delivers results as they come.

    `hire(number)` makes a station; it is called again for a replacement. `deliver(results)` and `lost(keys)` are called
    from the driver's loop.
    """

    def __init__(self, name: str, hire: Callable[[int], Awaitable[Station]], size: int, capacity: int):
        self.name = name
        self.num_losses = 0
        self.idle_seconds = 0.0  # summed over stations: time without anything to do while the crew was at work
        self._hire = hire
        self._size = size
        self._capacity = capacity  # items that one station may hold
        self._stations: dict[int, Station] = {}
        self._holding: dict[int, set[Key]] = {number: set() for number in range(size)}
        self._idle_since: dict[int, float] = {}

    @property
    def stations(self) -> list[Station]:
        return list(self._stations.values())

    @property
    def num_held(self) -> int:
        return sum(map(len, self._holding.values()))

    @property
    def held_keys(self) -> set[Key]:
        return set().union(*self._holding.values())

    @property
    def room(self) -> int:
        """How many items the stations at work would still take."""
        return sum(max(0, self._capacity - len(self._holding[number])) for number in self._stations)

    async def start(self) -> None:
        """Make all stations that are not there yet."""
        missing = [number for number in range(self._size) if number not in self._stations]
        self._stations |= dict(zip(missing, await asyncio.gather(*map(self._hire, missing)), strict=True))

    async def send(self, items: Iterable[tuple[Any, Sequence[Key]]]) -> list[Key]:
        """Give each item, with the keys of the results that it owes, to a station; the keys that found none are returned."""
        parcels: dict[int, list[Any]] = {}
        homeless: list[Key] = []
        for item, keys in items:
            if not self._stations:
                homeless += keys
                continue
            number = min(self._stations, key=lambda station: len(self._holding[station]))
            self._holding[number].update(keys)
            parcels.setdefault(number, []).append(item)
        for number, parcel in parcels.items():
            self._note_busy(number)
            try:
                await self._stations[number].submit(parcel)
            except StationLost:
                pass  # the station's own loop sees it too, and gives back what it held
        return homeless

    async def run(self, deliver: Callable[[list[Any]], Awaitable[None]], lost: Callable[[list[Key], str], Awaitable[None]]) -> None:
        """Deliver results until cancelled."""
        self._idle_since = {number: time.monotonic() for number in self._stations}
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._size):
                    group.create_task(self._attend(number, deliver, lost))
        finally:
            for number in list(self._idle_since):
                self._note_busy(number)

    async def close(self) -> None:
        await asyncio.gather(*(station.close() for station in self._stations.values()), return_exceptions=True)
        self._stations.clear()

    async def _attend(self, number: int, deliver, lost) -> None:
        losses = 0
        while True:
            try:
                if number not in self._stations:
                    self._stations[number] = await self._hire(number)
                    await lost([], "")
                results = await self._stations[number].collect()
            except StationLost as error:
                losses += 1
                await self._replace(number, losses, str(error), lost)
                continue
            losses = 0
            held = self._holding[number]
            held.difference_update([(result.task_id, result.index) for result in results])
            if not held:
                self._idle_since[number] = time.monotonic()
            await deliver(results)

    async def _replace(self, number: int, losses: int, error: str, lost) -> None:
        self.num_losses += 1
        station = self._stations.pop(number, None)
        keys, self._holding[number] = sorted(self._holding[number]), set()
        self._note_busy(number)
        if station is not None:
            await asyncio.gather(station.close(), return_exceptions=True)
        if losses >= MAX_LOSSES:
            raise UserError(
                f"{self.name} {number} failed {losses} times in a row; the last error: {error}. What was acknowledged is "
                "on disk; mend the cause (`selfplay doctor` helps) and run the same command again"
            )
        await lost(keys, error)
        if losses > 1:
            await asyncio.sleep(min(10.0, 0.1 * 2**losses))

    def _note_busy(self, number: int) -> None:
        since = self._idle_since.pop(number, None)
        if since is not None:
            self.idle_seconds += time.monotonic() - since
