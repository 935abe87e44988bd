"""Runs passes: worker pools on one event loop, made once and used by every pass, in this process or on Ray."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from selfplay.allocation import Allocation, make_allocator
from selfplay.driver.engine_time import CHECKING, LOADING
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.stats import PassStats
from selfplay.driver.training_place import TrainingPlace
from selfplay.driver.workers import SamplerWorker, VerifierWorker, Worker, WorkerLost
from selfplay.journal import Journal
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.samplers import make_sampler, sampler_class
from tasks import Task

MAX_UNVERIFIED_PER_VERIFIER = 256
OBSERVE_SECONDS = 0.25

Observer = Callable[[PassStats], None]  # called every OBSERVE_SECONDS of a pass, and at its end


def _ignore(stats: PassStats) -> None:
    """The observer of a pass that nobody watches."""


class Executor:
    """A context manager. The workers start with the first pass and live until the context ends."""

    def __init__(self, sampling: Sampling, verification: Verification, ray: Ray):
        self._sampling = sampling
        self._verification = verification
        self._ray = ray
        self._waiting: dict[tuple[str, int], str] = {}  # what each worker that has not started yet waits for
        self._one_of_each = {"engine": asyncio.Event(), "verifier": asyncio.Event()}
        if ray.address == "local":  # there is room for all
            for event in self._one_of_each.values():
                event.set()
        self._runner = asyncio.Runner()
        self._in_process = ray.address == "none"
        in_flight = sampler_class(sampling.engine).in_flight(sampling)
        self._samplers = WorkerPool("sampler", self._start_sampler, ray.num_samplers, in_flight)
        self._verifiers = WorkerPool("verifier", self._start_verifier, ray.num_verifiers, MAX_UNVERIFIED_PER_VERIFIER)

    def __enter__(self) -> "Executor":
        self._runner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self._runner.run(self._close(at_once=kind is not None))
        finally:
            self._runner.__exit__(kind, *error)

    def run_pass(
        self,
        tasks: Iterable[Task],
        plan: SamplingPlan,
        allocation: Allocation,
        journal_folder: Path,
        observe: Observer = _ignore,
    ) -> PassStats:
        """Sample the tasks, verify the samples and journal both; samples that the journal already holds are not requested again.

        UserError if the engine, the verifier or the disk fails for good; everything acknowledged is then on disk.
        """
        journal = Journal(journal_folder)
        try:
            pipeline = Pipeline(plan, make_allocator(allocation), self._samplers, self._verifiers, journal)
            self._runner.run(self._run(pipeline, tasks, plan.engines(self._samplers.size), observe))
            return pipeline.stats
        finally:
            journal.close()

    def make_room(self, place: TrainingPlace) -> TrainingPlace:
        """Let the engines sleep or end if a training needs their GPUs, until the next pass; returns where it computes. With
        room for both nothing sleeps."""
        return self._runner.run(self._make_room(place)) if place.gpus_per_worker else place

    async def _make_room(self, place: TrainingPlace) -> TrainingPlace:
        from selfplay.driver import cluster

        cluster.connect(self._ray)
        if cluster.free_gpus() >= place.num_gpus:
            return place
        if sampler_class(self._sampling.engine).can_sleep(self._sampling):
            devices: dict[str, list[str]] = {}
            for node, gpus in await self._samplers.sleep():
                devices.setdefault(node, []).extend(gpus)
            if sum(map(len, devices.values())) >= place.num_workers:
                return replace(place, devices=first_devices(devices, place.num_workers))
        await self._samplers.close()
        return place

    async def _run(self, pipeline: Pipeline, tasks: Iterable[Task], models: list[str], observe: Observer) -> None:
        began, spent = time.monotonic(), self._samplers.time.seconds
        before = [self._samplers.idle_seconds, spent(CHECKING), spent(LOADING)]

        def report() -> None:
            stats = pipeline.stats
            stats.num_engines, stats.num_engines_wanted = len(self._samplers.workers), self._samplers.size
            stats.waiting_for = next(filter(None, self._waiting.values()), "")
            stats.num_in_flight = self._samplers.num_held
            stats.engine_idle_seconds = self._samplers.idle_seconds - before[0]
            stats.engine_checking_seconds = spent(CHECKING) - before[1]
            stats.engine_loading_seconds = spent(LOADING) - before[2]
            stats.pass_seconds = time.monotonic() - began
            observe(stats)

        reporting = asyncio.create_task(_repeat(report))
        try:
            await self._samplers.load(models)
            await pipeline.run(tasks)
        except BaseExceptionGroup as group:  # of the tasks of a pass, which one error ends
            raise _first(group) from None
        finally:
            reporting.cancel()
            report()

    async def _start_sampler(self, number: int) -> Worker:
        model = self._samplers.models[number]
        if self._in_process:
            try:
                return SamplerWorker(make_sampler(self._sampling, model))
            except (OSError, ValueError, RuntimeError, ImportError) as error:
                raise WorkerLost(f"{type(error).__name__}: {error}") from error
        from selfplay.driver import cluster, ray_workers

        cluster.connect(self._ray)
        # otherwise engines may take all CPUs of a cluster, and no verifier could start
        await self._one_of_each["verifier"].wait()
        with self._waiting_for("engine", number) as say:
            return await ray_workers.start_sampler(self._ray, self._sampling, model, say)

    async def _start_verifier(self, number: int) -> Worker:
        if self._in_process:
            return VerifierWorker(self._verification)
        from selfplay.driver import cluster, ray_workers

        cluster.connect(self._ray)
        if number:
            await self._one_of_each["engine"].wait()
        with self._waiting_for("verifier", number) as say:
            return await ray_workers.start_verifier(self._ray, self._verification, say)

    @contextmanager
    def _waiting_for(self, kind: str, number: int) -> Iterator[Callable[[str], None]]:
        """While a worker starts: yields a function that takes what the worker waits for."""
        try:
            yield lambda text: self._waiting.update({(kind, number): text})
            self._one_of_each[kind].set()
        finally:
            self._waiting.pop((kind, number), None)

    async def _close(self, at_once: bool) -> None:
        await asyncio.gather(self._samplers.close(at_once), self._verifiers.close(at_once))
        if not self._in_process:
            from selfplay.driver import cluster

            cluster.disconnect()


def first_devices(devices: dict[str, list[str]], number: int) -> dict[str, list[str]]:
    """So many GPUs of these, node by node."""
    chosen: dict[str, list[str]] = {}
    for node, gpus in devices.items():
        if taken := gpus[: number - sum(map(len, chosen.values()))]:
            chosen[node] = taken
    return chosen


async def _repeat(report: Callable[[], None]) -> None:
    while True:
        report()
        await asyncio.sleep(OBSERVE_SECONDS)


def _first(group: BaseExceptionGroup) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
