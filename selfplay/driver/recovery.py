"""Samples that an engine held when it died: drawn again in groups, so that the one that kills is found among thousands.

All go out again at once, for most engines die of something else. A group that dies too is divided into sixteen, and the
next groups are these, one after the other; when all of them have come back, the groups grow again. New samples go on
beside them: those that die too join them.
"""

from collections import deque

from selfplay.driver.pool import Key
from selfplay.records import Sample
from tasks import UserError
from verifiers import Reason, Verdict

MAX_FAILED = 64  # samples given up without one success between them, before the pass stops
GivenUp = tuple[Sample, Verdict]


class CircuitBreaker:
    def __init__(self) -> None:
        self._samples: list[GivenUp] = []

    def __bool__(self) -> bool:
        return bool(self._samples)

    def add(self, sample: Sample, verdict: Verdict, is_known: bool) -> None:
        """UserError where too many fail in a row; `is_known`: the sample's own prompt is, so that it proves nothing of others."""
        self._samples.append((sample, verdict))
        if len(self._samples) >= MAX_FAILED and not is_known:
            self.stop()

    def release(self) -> list[GivenUp]:
        samples, self._samples = self._samples, []
        return samples

    def stop(self) -> None:
        last = self._samples[-1][1]
        part = "engine" if last.reason is Reason.SAMPLE_FAILURE else "verifier"
        raise UserError(
            f"the {part} failed again and again on each of {len(self._samples)} samples, and none has succeeded since; the last "
            f"error: {last.answer.rstrip('.')}. Everything acknowledged is on disk; mend the cause and run the same command again"
        )


DIVISOR = 16  # five deaths single one sample out of 4,096
GROWTH = 4


class Bisection:
    def __init__(self) -> None:
        self._waiting: deque[Key] = deque()
        self._out: set[Key] = set()
        self._size = 1  # of the next group
        self._divided = 0  # survivors, out or first to go, that are the rest of what died together

    def add(self, keys: list[Key]) -> Key | None:
        """What an engine held when it died; gives the sample that was the only survivor among it."""
        again = [key for key in keys if key in self._out]
        new = [key for key in keys if key not in self._out]
        if again:
            self._divided = len(again)
            self._size = max(1, self._divided // DIVISOR)
        elif not (self._waiting or self._out):
            self._size = max(1, len(new))
        self._out.difference_update(again)
        self._waiting.extendleft(reversed(again))
        self._waiting.extend(new)
        return again[0] if len(again) == 1 else None

    def next(self) -> list[Key]:
        """The next group to draw, empty where one is out."""
        if self._out:
            return []
        group = [
            self._waiting.popleft() for _ in range(min(self._size, self._divided or self._size, len(self._waiting)))
        ]
        self._out.update(group)
        return group

    def came(self, key: Key) -> None:
        """An engine has answered for it, or it is given up."""
        if key not in self._out:
            return
        self._out.remove(key)
        if self._divided:
            self._divided -= 1
        if not self._divided and not self._out:
            self._size *= GROWTH

    def drop(self, key: Key) -> None:
        """One that waits will not be drawn again."""
        self._waiting.remove(key)
        self._divided = max(0, self._divided - 1)
