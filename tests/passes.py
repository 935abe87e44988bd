"""One pass in this process, for the tests of the loop: pools of workers, an allocator and a journal, played to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from selfplay.allocation import Allocation, make_allocator
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.stats import PassStats
from selfplay.driver.workers import SamplerWorker, VerifierWorker
from selfplay.journal import Journal, read_journal
from selfplay.recipe.sections import Verification
from selfplay.records import Sample
from selfplay.seeds import number_of
from tasks import Task, load
from verifiers import Verdict

Row = tuple[Sample, Verdict]


def seed_of(task_id: str, index: int) -> int:
    return number_of(0, task_id, index)


ONE_MODEL = SamplingPlan(("",), seed_of)


def starting(make: Callable[[int], object]) -> Callable[[int], Awaitable[SamplerWorker]]:
    """Starts workers of samplers, each made from its number."""

    async def start(number: int) -> SamplerWorker:
        return SamplerWorker(make(number))

    return start


async def _one_verifier(number: int) -> VerifierWorker:
    return VerifierWorker(Verification())


def play(
    folder: Path,
    start_sampler: Callable[[int], Awaitable[SamplerWorker]],
    tasks: Iterable[Task] | None = None,
    samples: int = 4,
    start_verifier: Callable[[int], Awaitable[VerifierWorker]] = _one_verifier,
    num_samplers: int = 1,
    num_verifiers: int = 1,
    in_flight: int = 64,
    plan: SamplingPlan = ONE_MODEL,
    rule: Allocation | None = None,
) -> tuple[PassStats, list[Row]]:
    """Sample 50 sums, or these tasks, into the journal of `folder`, resuming what is there: its stats and all its rows."""

    async def run() -> PassStats:
        samplers = WorkerPool("sampler", start_sampler, num_samplers, in_flight)
        verifiers = WorkerPool("verifier", start_verifier, num_verifiers, 256)
        journal = Journal(folder)
        try:
            allocator = make_allocator(rule or Allocation(samples_per_task=samples))
            await samplers.load(plan.engines(num_samplers))
            pipeline = Pipeline(plan, allocator, samplers, verifiers, journal)
            await pipeline.run(load("arithmetic", num_tasks=50) if tasks is None else tasks)
        finally:
            journal.close()
            await samplers.close()
            await verifiers.close()
        return pipeline.stats

    stats = asyncio.run(run())
    return stats, list(read_journal(folder))


def keys(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """Which samples the rows are, in order."""
    return sorted((sample.task_id, sample.index) for sample, _ in rows)
