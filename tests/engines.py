"""A small real sampler for the tests of the loop: it answers sums from a queue, at a known pace, rightly or wrongly by seed."""

import asyncio
import importlib
import random
from collections.abc import AsyncIterator, Iterator

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from tasks import UserError

operators = importlib.import_module("tasks.sources.operators")  # the package has the source itself under this name


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


class WritingSampler:
    """Writes and solves tasks of the source `operators`; each step of a solution is right by a chance. The seed alone decides.

    Reads no model, so it stands for the transformers engine where that is looked up in SAMPLERS.
    """

    distributions = ()
    is_local = True
    dies_after = 10**9  # samples of all instances, then the disk is full as far as the driver knows
    num_samples = 0

    def __init__(self, settings: Sampling, model: str):
        self._model = model

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return 32

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        return iter(())

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        for index, seed in zip(request.indices, request.seeds, strict=True):
            WritingSampler.num_samples += 1
            if WritingSampler.num_samples > WritingSampler.dies_after:
                raise UserError("the engine was killed")
            await asyncio.sleep(0)
            text = self._text(request.prompt[-1]["content"], random.Random(seed))
            tokens = len(text)
            yield Sample(request.task_id, index, text, "stop", 5, 0, tokens, (), -1.0, seed, self._model)

    def _text(self, prompt: str, rng: random.Random) -> str:
        if prompt == operators.BEGIN:
            return operators.draw(rng.randint(1, 6), rng, "train")[:-1] if rng.random() < 0.9 else "7aa"
        if prompt.startswith(operators.GO_ON):
            return rng.choice(["", *"abcdefghij"])
        return operators.chain_of_thought(prompt, rng, corruption=0.15)

    async def load(self, model: str) -> None:
        self._model = model

    async def close(self) -> None:
        pass
