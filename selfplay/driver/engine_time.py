"""Time of workers that did not work, by its cause."""

import time
from collections import defaultdict

LOADING = "loading"  # the worker starts, or loads a model; or the pass reads its journal
CHECKING = "checking"  # it has no request, since too many samples wait for their verdict
IDLE = "idle"  # it has no request, since there is none: the end of a pass


class EngineTime:
    """A clock of several workers, each by its number. A worker that is in no state of the above works."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[str, float]] = {}  # state, and since when by the monotonic clock
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._idle = IDLE  # the present cause of having no request

    def seconds(self, *states: str) -> float:
        """Seconds in these states up to now, summed over workers."""
        now = time.monotonic()
        running = sum(now - since for state, since in self._since.values() if state in states)
        return sum(self._seconds[state] for state in states) + running

    def loads(self, number: int) -> None:
        """The worker is not at work."""
        self._enter(number, LOADING)

    def waits(self, number: int) -> None:
        """The worker has no request."""
        if self._since.get(number, ("",))[0] not in (IDLE, CHECKING):
            self._enter(number, self._idle)

    def works(self, number: int) -> None:
        """The worker has a request, or nobody wants it to have one."""
        state, since = self._since.pop(number, ("", 0.0))
        if state:
            self._seconds[state] += time.monotonic() - since

    def hold_back(self, held: bool) -> None:
        """From now on workers have no request since samples wait for their verdict, or no longer for that."""
        self._idle, before = CHECKING if held else IDLE, self._idle
        if self._idle != before:
            for number in [number for number, (state, _) in self._since.items() if state == before]:
                self._enter(number, self._idle)

    def stop(self) -> None:
        """Nobody wants any of them to have a request."""
        for number in list(self._since):
            self.works(number)

    def _enter(self, number: int, state: str) -> None:
        self.works(number)
        self._since[number] = (state, time.monotonic())
