"""How much of the engines' time the driver wastes, and how many verdicts a second it sustains, with simulated engines.

    nice -n 15 python -m tests.benchmarks.streaming [--part checks|speed|memory|resume] [--seconds 10]

An engine is a QueueSampler: a known latency, a known number of slots, right or wrong by seed. Everything else is the real
thing: worker pools, threads, journal with fsync, allocation. "Generation alone" is the same engines with the same
requests, and nothing after them.
"""

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

from selfplay.allocation import Allocation, make_allocator
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.stats import PassStats
from selfplay.driver.workers import SamplerWorker, VerifierWorker, VerifyRequest
from selfplay.journal import Journal
from selfplay.journal.index import JournalIndex
from selfplay.recipe.sections import Verification
from selfplay.records import Request
from selfplay.seeds import number_of
from tasks import MathReference, Task
from tests.engines import QueueSampler
from verifiers import Reason, Verdict

CHECK_SHARE = 0.78  # cost of the checks, of the cost of generation


def seed_of(task_id: str, index: int) -> int:
    return number_of(0, task_id, index)


def sums(count: int):
    for number in range(count):
        yield Task.make("test", f"{number}+{number}=", MathReference(str(2 * number)))


class SimulatedVerifier(VerifierWorker):
    """Checks that take a known time: it passes while another program works, as with a sandbox, and holds no core here."""

    def __init__(self, threads: int, seconds: float):
        self._seconds = seconds
        super().__init__(Verification(threads=threads))

    def _verdict(self, check: VerifyRequest) -> Verdict:
        if self._seconds:
            time.sleep(self._seconds)
        right = check.text == f"####{check.reference.answer}"
        return Verdict.of(Reason.MATCH if right else Reason.MISMATCH, check.text[4:], self._seconds, "simulated@1")


async def play_pass(folder: Path, tasks, samples: int, samplers: WorkerPool, verifiers: WorkerPool) -> PassStats:
    journal = Journal(folder)
    try:
        allocator = make_allocator(Allocation(samples_per_task=samples))
        pipeline = Pipeline(SamplingPlan(("",), seed_of), allocator, samplers, verifiers, journal)
        await pipeline.run(tasks)
    finally:
        journal.close()
        await samplers.close()
        await verifiers.close()
    stats = pipeline.stats
    stats.num_engines = samplers.size
    stats.engine_idle_seconds = samplers.idle_seconds
    return stats


def pools(
    num_engines: int, in_flight: int, make_engine, make_verifier, num_verifiers: int = 1
) -> tuple[WorkerPool, WorkerPool]:
    async def start_sampler(number):
        return SamplerWorker(make_engine(number))

    async def start_verifier(number):
        return make_verifier()

    return WorkerPool("sampler", start_sampler, num_engines, in_flight), WorkerPool(
        "verifier", start_verifier, num_verifiers, 256
    )


async def alone(num_engines: int, in_flight: int, make_engine, tasks, samples: int) -> float:
    """Seconds that the engines need for the same requests when nothing follows: every one is kept full to its limit."""
    requests = iter(
        [
            Request(task.id, task.prompt, tuple(range(samples)), tuple(seed_of(task.id, i) for i in range(samples)))
            for task in tasks
        ]
    )

    async def feed(sampler: QueueSampler) -> None:
        async def client() -> None:
            for request in requests:
                async for _ in sampler.sample(request):
                    pass

        await asyncio.gather(*(client() for _ in range(max(1, in_flight // samples))))

    started = time.monotonic()
    await asyncio.gather(*(feed(make_engine(number)) for number in range(num_engines)))
    return time.monotonic() - started


def checks(seconds: float) -> None:
    """Checks that cost 78% of the generation: streaming must hide all of it."""
    print(
        f"checks that cost {CHECK_SHARE:.0%} of the generation (bars: at most 1.05 x generation alone, idle under 3%)"
    )
    print(
        f"{'engines':>8} {'slots':>6} {'latency':>8} {'samples':>8} {'alone':>8} {'end to end':>11} {'ratio':>6} {'barrier would be':>17} {'idle':>6}"
    )
    for num_engines, slots, latency in ((1, 32, 0.2), (4, 32, 0.4), (4, 64, 1.0)):
        samples = 4
        num_samples = max(int(seconds * num_engines * slots / latency), num_engines * slots * 8) // samples * samples
        tasks = list(sums(num_samples // samples))
        generation = latency / slots / num_engines  # seconds of all engines for one sample
        threads = 16  # checks at once
        verifier = lambda: SimulatedVerifier(threads, CHECK_SHARE * generation * threads)  # noqa: E731
        engine = lambda number: QueueSampler(seconds=latency, slots=slots)  # noqa: E731
        in_flight = 2 * slots
        plain = asyncio.run(alone(num_engines, in_flight, engine, tasks, samples))
        with tempfile.TemporaryDirectory() as folder:
            stats = asyncio.run(
                play_pass(Path(folder), iter(tasks), samples, *pools(num_engines, in_flight, engine, verifier))
            )
        assert stats.num_samples == num_samples == stats.num_acknowledged
        print(
            f"{num_engines:8} {slots:6} {latency:7.1f}s {num_samples:8} {plain:7.2f}s {stats.elapsed_seconds:10.2f}s "
            f"{stats.elapsed_seconds / plain:6.3f} {1 + CHECK_SHARE:16.2f}x {stats.idle_share:6.2%}",
            flush=True,
        )


def speed(seconds: float) -> None:
    """Verdicts a second as engines are added: linear until the driver's own limit."""
    print(
        "\nverdicts a second with simulated engines in this process, 64 slots each (bar: linear to 32 engines or 3,000/s)"
    )
    print(
        f"{'engines':>8} {'offered/s':>10} {'reached/s':>10} {'share':>6} {'real checks/s':>14} {'share':>6} {'driver CPU':>11}"
    )
    for num_engines in (1, 2, 4, 8, 16, 32):
        slots, latency = 64, 0.64  # 100 samples a second from each engine
        offered = num_engines * slots / latency
        figures = []
        for real in (False, True):
            num_samples = int(seconds * offered) // 8 * 8
            make = (lambda: VerifierWorker(Verification(threads=2))) if real else (lambda: SimulatedVerifier(2, 0.0))
            with tempfile.TemporaryDirectory() as folder:
                engine = lambda number: QueueSampler(seconds=latency, slots=slots)  # noqa: E731
                plain = asyncio.run(alone(num_engines, 2 * slots, engine, list(sums(num_samples // 8)), 8))
                middle = time.process_time()
                stats = asyncio.run(
                    play_pass(Path(folder), sums(num_samples // 8), 8, *pools(num_engines, 2 * slots, engine, make))
                )
            figures.append(
                (stats.num_samples / stats.elapsed_seconds, plain / stats.elapsed_seconds, time.process_time() - middle)
            )
        (rate, share, cpu), (real_rate, real_share, _) = figures
        print(
            f"{num_engines:8} {offered:10.0f} {rate:10.0f} {share:6.3f} {real_rate:14.0f} {real_share:6.3f} {cpu / num_samples * 1e6:8.0f} us",
            flush=True,
        )
    print("\nno latency at all: the driver's own limit")
    for real in (False, True):
        rates, costs = [], []
        for _ in range(3):
            make = (lambda: VerifierWorker(Verification(threads=2))) if real else (lambda: SimulatedVerifier(2, 0.0))
            with tempfile.TemporaryDirectory() as folder:
                before = time.process_time()
                stats = asyncio.run(
                    play_pass(Path(folder), sums(2500), 8, *pools(32, 128, lambda number: QueueSampler(), make))
                )
                costs.append((time.process_time() - before) / stats.num_samples)
            rates.append(stats.num_samples / stats.elapsed_seconds)
        name = "real checks" if real else "simulated checks"
        print(
            f"{name:18} {statistics.median(rates):7.0f} verdicts/s   {statistics.median(costs) * 1e6:.0f} us of CPU each, engines' own included",
            flush=True,
        )


def memory(seconds: float) -> None:
    """Peak memory of a pass over 10,000 and over 100,000 tasks, each in a process of its own."""
    print("\npeak memory of the driver by tasks (bar: flat)")
    for num_tasks in (10_000, 100_000):
        child = os.fork()
        if not child:
            with tempfile.TemporaryDirectory() as folder:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                stats = asyncio.run(
                    play_pass(
                        Path(folder),
                        sums(num_tasks),
                        1,
                        *pools(4, 256, lambda number: QueueSampler(), lambda: SimulatedVerifier(2, 0.0)),
                    )
                )
                after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"{num_tasks:8} tasks {stats.num_samples:8} samples   {before / 1024:6.1f} MB before, {(after - before) / 1024:6.1f} MB more at the peak",
                flush=True,
            )
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def resume(seconds: float, num_rows: int = 1_000_000) -> None:
    """Seconds to read a journal of a million rows before a pass goes on."""
    from selfplay.records import Sample

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = Journal(folder)
        text = "We add the numbers step by step. " * 20
        for number in range(num_rows):
            task_id = f"{number // 8:016x}"
            journal.append(
                Sample(task_id, number % 8, text, "stop", 60, 0, 170, tuple(range(170)), -1.5, 2**61 + number, "m"),
                Verdict.of(Reason.MATCH, "12", 0.001, "math@1"),
            )
        journal.close()
        size = journal.path.stat().st_size
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, cpu = time.monotonic(), time.process_time()
        found = JournalIndex(folder)
        wall, cpu = time.monotonic() - started, time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert len(found) == num_rows and len(list(found.of(f"{5:016x}"))) == 8
        print(
            f"\nresume: {num_rows:,} rows, {size / 1e9:.2f} GB, in {wall:.1f} s ({cpu:.1f} s of CPU), {(after - before) / 1024:.0f} MB more at the peak",
            flush=True,
        )


PARTS = {"checks": checks, "speed": speed, "memory": memory, "resume": resume}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="only this one")
    parser.add_argument("--seconds", type=float, default=10.0, help="of generation in each row")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(options.seconds)


if __name__ == "__main__":
    main()
