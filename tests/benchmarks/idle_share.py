"""The engines' time in whole rounds: simulated engines of known speed and load time, the real driver and verifiers, training
as a step of known length.

    python -m tests.benchmarks.idle_share [engines] [sampling_seconds]

Engines sleep while the model trains and load it after. Prints the share of their time that went into each phase. All but
the driver's own work is sleep, so that a busy machine shows as idle engines.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.workers import SamplerWorker
from selfplay.metrics.engine_shares import Phase, engine_shares, phase_of_pass
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.records import Request, Sample
from tasks import load
from tests.passes import seed_of

SLOTS = 4  # samples that an engine computes side by side
IN_FLIGHT = 8  # that it holds, so that a slot never waits for the driver
SAMPLE_SECONDS = (0.5, 1.5)
LOAD_SECONDS = 3.0  # to start, and to load a model
TRAINING_SECONDS = 20.0
SAMPLES_PER_TASK = 8


class SimulatedEngine:
    """Computes SLOTS samples at once, each for a time that its seed decides."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(SLOTS)

    async def sample(self, request: Request) -> AsyncIterator[Sample]:
        pending = [self._one(request, place) for place in range(len(request.indices))]
        for finished in asyncio.as_completed(pending):
            yield await finished

    async def _one(self, request: Request, place: int) -> Sample:
        async with self._slots:
            await asyncio.sleep(random.Random(request.seeds[place]).uniform(*SAMPLE_SECONDS))
        total = sum(map(int, request.prompt[-1]["content"].rstrip("=").split("+")))
        index, text = request.indices[place], f"####{total}"
        return Sample(request.task_id, index, text, "stop", 8, 0, len(text), (), -1.0, request.seeds[place], "")

    async def load(self, model: str) -> None:
        await asyncio.sleep(LOAD_SECONDS)

    async def sleep(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def start(number: int) -> SamplerWorker:
    await asyncio.sleep(LOAD_SECONDS)
    return SamplerWorker(SimulatedEngine())


def play(executor: Executor, folder: Path, number: int, num_engines: int, seconds: float) -> dict:
    """One round; the engines' time in it."""
    began = time.monotonic()
    rate = num_engines * SLOTS / (sum(SAMPLE_SECONDS) / 2)  # samples a second

    def run_pass(name: str, model: str, seconds: float) -> Phase:
        tasks = list(load("arithmetic", num_tasks=max(1, round(rate * seconds / SAMPLES_PER_TASK)), seed=number))
        plan = SamplingPlan((model,), seed_of)
        stats = executor.run_pass(tasks, plan, Allocation(samples_per_task=SAMPLES_PER_TASK), folder / name)
        return phase_of_pass(name, stats, num_engines)

    phases = [run_pass("sampling", f"model {number}", seconds)]
    training = time.monotonic()
    executor._runner.run(executor._samplers.sleep())
    time.sleep(TRAINING_SECONDS)
    trained = time.monotonic() - training
    phases.append(Phase("training", trained, num_engines * TRAINING_SECONDS))
    phases.append(run_pass("evaluation", f"model {number + 1}", seconds / 6))
    return engine_shares(phases, time.monotonic() - began, num_engines)


def main() -> None:
    num_engines, seconds = int(sys.argv[1]) if sys.argv[1:] else 32, float(sys.argv[2]) if sys.argv[2:] else 60.0
    ray = Ray(address="none", num_samplers=num_engines)
    table = Table("round", "seconds", "sampling", "training", "evaluation", "checking", "loading", "idle")
    with tempfile.TemporaryDirectory() as folder, Executor(Sampling(), Verification(), ray) as executor:
        executor._samplers = WorkerPool("sampler", start, num_engines, IN_FLIGHT)
        for number in range(2):
            found = play(executor, Path(folder) / str(number), number, num_engines, seconds)
            shares = [f"{found['shares'][str(name.header)]:.1%}" for name in table.columns[2:]]
            table.add_row(str(number), f"{found['seconds']:.0f}", *shares)
    Console(width=110).print(table)
    print(f"{num_engines} engines of {SLOTS} slots, {SAMPLE_SECONDS} s a sample, {LOAD_SECONDS} s a load")


if __name__ == "__main__":
    main()
