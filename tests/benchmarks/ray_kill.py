"""Four engines in Ray actors: verdicts a second through Ray, and what the death of one engine costs.

    nice -n 15 python -m tests.benchmarks.ray_kill

Executor are QueueSamplers of known latency in real actors, checks and verifiers are the real ones.
"""

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import ray

from selfplay.allocation import Allocation, make_allocator
from selfplay.driver import cluster
from selfplay.driver import ray_workers as actors
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.stats import PassStats
from selfplay.driver.workers import SamplerWorker
from selfplay.journal import Journal, read_journal
from selfplay.recipe.sections import Ray, Verification
from tests.benchmarks.streaming import seed_of, sums
from tests.engines import QueueSampler


@ray.remote(max_concurrency=1000)
class QueueActor(actors._ActorFacts, SamplerWorker):
    def __init__(self, seconds: float, slots: int):
        super().__init__(QueueSampler(seconds=seconds, slots=slots))


async def play(
    folder: Path, num_engines: int, rate: float, seconds: float, disturb=None
) -> tuple[PassStats, list[tuple[float, int]]]:
    """A pass on engines of `rate` samples a second each; the samples done by the time, every 0.2 s."""
    settings = Ray(num_samplers=num_engines, sampler_cpus=0.1, num_verifiers=1, verifier_cpus=0.1)
    slots, latency = 64, 64 / rate

    async def start_worker(number):
        return await actors.start_worker(QueueActor.options(num_cpus=0.1), latency, slots)

    samplers = WorkerPool("sampler", start_worker, num_engines, 2 * slots)
    verifiers = WorkerPool("verifier", lambda number: actors.start_verifier(settings, Verification(threads=2)), 1, 256)
    journal, seen = Journal(folder), []
    allocator = make_allocator(Allocation(samples_per_task=8))
    pipeline = Pipeline(SamplingPlan(("",), seed_of), allocator, samplers, verifiers, journal)
    stats = pipeline.stats

    async def watch():
        disturbed = False
        while True:
            if stats.started:
                seen.append((time.monotonic() - stats.started, stats.num_samples))
                if disturb and not disturbed and stats.elapsed_seconds > seconds / 3:
                    disturbed = True
                    os.kill(await samplers.workers[0].actor.process_id.remote(), signal.SIGKILL)
                    seen.append((time.monotonic() - stats.started, -1))
            await asyncio.sleep(0.2)

    try:
        watching = asyncio.create_task(watch())
        await pipeline.run(sums(int(rate * num_engines * seconds) // 8))
        watching.cancel()
    finally:
        journal.close()
        await samplers.close(at_once=True)
        await verifiers.close(at_once=True)
    return stats, seen


def death(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _stats, seen = asyncio.run(play(Path(folder), 4, 100.0, seconds, disturb=True))
        rows = [(sample.task_id, sample.index) for sample, _ in read_journal(Path(folder))]
    assert len(rows) == len(set(rows)) == int(400 * seconds) // 8 * 8
    killed = next(at for at, count in seen if count < 0)
    seen = [pair for pair in seen if pair[1] >= 0]

    def pace(start: float, end: float) -> float:
        inside = [pair for pair in seen if start <= pair[0] <= end]
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])

    before = pace(2.0, killed)
    windows = [
        (at, pace(at, at + 2.0))
        for at in [killed + 0.5 * step for step in range(int((seen[-1][0] - killed - 3.0) / 0.5))]
    ]
    low = min(rate for _, rate in windows)
    back = next(
        (at - killed for at, rate in windows if rate >= 0.97 * before and at > min(windows, key=lambda w: w[1])[0]),
        None,
    )
    print("one of four engines killed (bars: no sample lost, throughput falls at most 30% and returns)")
    print(
        f"  {len(rows)} samples, each once; {before:.0f}/s before, {low:.0f}/s at the lowest over 2 s ({low / before - 1:+.0%}), ",
        end="",
    )
    print(f"back at 97% after {back:.1f} s" if back is not None else "not back before the end", flush=True)


def speed(seconds: float) -> None:
    print("\nverdicts a second through Ray, engines of 100 samples a second each, real checks in one verifier")
    for num_engines in (1, 2, 4, 8, 16, 32):
        with tempfile.TemporaryDirectory() as folder:
            before = time.process_time()
            stats, _seen = asyncio.run(play(Path(folder), num_engines, 100.0, seconds))
            cpu = (time.process_time() - before) / stats.num_samples
        print(
            f"  {num_engines:3} engines {stats.num_samples / stats.elapsed_seconds:7.0f}/s of {100 * num_engines:5}   {cpu * 1e6:5.0f} us of the driver's CPU each",
            flush=True,
        )
    rates = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            stats, _ = asyncio.run(play(Path(folder), 4, 5000.0, seconds / 5))
            rates.append(stats.num_samples / stats.elapsed_seconds)
    print(f"  4 engines without a limit: {statistics.median(rates):.0f} verdicts/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--part", choices=["death", "speed"])
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    cluster.connect(Ray(num_samplers=32, sampler_cpus=0.1))
    if options.part in (None, "death"):
        death(options.seconds)
    if options.part in (None, "speed"):
        speed(options.seconds / 2)
    cluster.disconnect()


if __name__ == "__main__":
    main()
