"""A small real sampler for the tests of the loop: it answers sums from a queue, at a known pace, rightly or wrongly by seed."""

import asyncio
import random
from collections.abc import AsyncIterator

from selfplay.records import Request, Sample, SampleFailure


class QueueSampler:
    """Answers tasks of the arithmetic source. Right with probability `skill`; the seed alone decides."""

    def __init__(
        self, skill: float = 0.5, seconds: float = 0.0, slots: int = 64, fails: set[tuple[str, int]] = frozenset()
    ):
        self.num_requests = 0
        self.num_samples = 0
        self.dies_after = 10**9  # samples, then the engine is lost
        self._skill = skill
        self._seconds = seconds
        self._slots = asyncio.Semaphore(slots)
        self._fails = fails  # samples that fail once each
        self._failed: set[tuple[str, int]] = set()

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        self.num_requests += 1
        pending = [asyncio.create_task(self._one(request, place)) for place in range(len(request.indices))]
        try:
            for finished in asyncio.as_completed(pending):
                yield await finished
        except RuntimeError:
            await asyncio.gather(*pending, return_exceptions=True)  # whose errors nobody would ask for
            raise

    async def _one(self, request: Request, place: int) -> Sample | SampleFailure:
        index, seed = request.indices[place], request.seeds[place]
        rng = random.Random(seed)
        async with self._slots:
            await asyncio.sleep(self._seconds * rng.uniform(0.5, 1.5))
        self.num_samples += 1
        if self.num_samples > self.dies_after:
            raise RuntimeError("the engine is gone")
        key = (request.task_id, index)
        if key in self._fails and key not in self._failed:
            self._failed.add(key)
            return SampleFailure(*key, "not this time")
        total = sum(map(int, request.prompt[-1]["content"].rstrip("=").split("+")))
        if rng.random() >= self._skill:
            total += rng.randrange(1, 9)
        text = f"####{total}"
        return Sample(*key, text, "stop", 8, 0, len(text), (), -1.0, seed, "queue")

    async def load(self, model: str) -> None:
        pass

    async def close(self) -> None:
        pass
