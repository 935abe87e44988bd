"""The engines and checkers of a run: made once, used by every pass, in Ray actors or in this process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.allocation.allocator import AllocationRule
from selfplay.allocation.rules import make_allocator
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import Ensemble
from selfplay.driver.pool import Crew
from selfplay.driver.stats import Meter, describe
from selfplay.driver.workers import SamplerStation, Station, StationLost, VerifierStation
from selfplay.journal.index import JournaledSamples
from selfplay.journal.journal import Journal
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.samplers import make_sampler
from tasks import Task

MAX_UNCHECKED_PER_VERIFIER = 256
SHOW_SECONDS = 0.25


class Engines:
    """A context: the crews live as long as it does, on one event loop."""

    def __init__(self, recipe: Recipe, progress: Progress):
        self._recipe = recipe
        self._progress = progress
        self._waiting: dict[tuple[str, int], str] = {}  # what engines and verifiers that are not there yet wait for
        self._one_of_each = {"engine": asyncio.Event(), "verifier": asyncio.Event()}
        if recipe.ray.address == "local":  # there is room for all
            for event in self._one_of_each.values():
                event.set()
        self._runner = asyncio.Runner()
        self._in_process = recipe.ray.address == "none"
        settings = recipe.ray
        self._samplers = Crew("sampler", self._hire_sampler, settings.num_samplers, recipe.sampling.in_flight)
        self._verifiers = Crew("verifier", self._hire_verifier, settings.num_verifiers, MAX_UNCHECKED_PER_VERIFIER)

    def __enter__(self) -> "Engines":
        self._runner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self._runner.run(self._close(at_once=kind is not None))
        finally:
            self._runner.__exit__(kind, *error)

    def play(
        self,
        title: str,
        models: str | Ensemble,
        tasks: Iterator[Task],
        rule: AllocationRule,
        journal_folder: Path,
        seed_of: Callable[[str, int], int],
        num_tasks: int = 0,
    ) -> Meter:
        """One pass: sample the tasks from the models as the rule says, check, and journal. Resumes what is there.

        `num_tasks` in the stream, for the time left; 0 where nobody knows.
        """
        ensemble = models if isinstance(models, Ensemble) else Ensemble((models,))
        with self._progress.step(title) as show:
            journal = Journal(journal_folder)
            try:
                show("reading the journal")
                journaled = JournaledSamples(journal_folder)
                meter = Meter(num_resumed=len(journaled), num_damaged=len(journaled.damaged))
                allocator = make_allocator(rule)
                pipeline = Pipeline(
                    tasks,
                    allocator,
                    self._samplers,
                    self._verifiers,
                    journal,
                    journaled,
                    seed_of,
                    meter,
                    ensemble.model_of,
                )
                self._runner.run(self._play(ensemble, pipeline, meter, lambda: show(describe(meter, rule, num_tasks))))
                meter.rule = allocator.rule
            finally:
                journal.close()
        return meter

    async def _play(self, ensemble: Ensemble, pipeline: Pipeline, meter: Meter, show: Callable[[], None]) -> None:
        idle_before = self._samplers.idle_seconds

        def observe() -> None:
            meter.num_engines, meter.num_engines_wanted = len(self._samplers.stations), self._samplers.size
            meter.waiting_for = next(filter(None, self._waiting.values()), "")
            meter.num_in_flight = self._samplers.num_held
            meter.engine_idle_seconds = self._samplers.idle_seconds - idle_before

        showing = asyncio.create_task(self._show(observe, show))
        try:
            await self._samplers.load(ensemble.engines(self._samplers.size))
            await pipeline.play()
        except BaseExceptionGroup as group:  # of the tasks of a pass, which one error ends
            raise _first(group) from None
        finally:
            showing.cancel()
            observe()
            show()

    async def _show(self, observe: Callable[[], None], show: Callable[[], None]) -> None:
        while True:
            observe()
            show()
            await asyncio.sleep(SHOW_SECONDS)

    async def _hire_sampler(self, number: int) -> Station:
        model = self._samplers.models[number]
        if self._in_process:
            try:
                return SamplerStation(make_sampler(self._recipe.sampling, model))
            except (OSError, ValueError, RuntimeError, ImportError) as error:
                raise StationLost(f"{type(error).__name__}: {error}") from error
        from selfplay.driver import ray_workers as actors

        actors.connect(self._recipe.ray)
        await self._one_of_each[
            "verifier"
        ].wait()  # else engines may take all the CPUs of a cluster, and no check is made
        with self._saying("engine", number) as say:
            return await actors.hire_sampler(self._recipe.ray, self._recipe.sampling, model, say)

    async def _hire_verifier(self, number: int) -> Station:
        if self._in_process:
            return VerifierStation(self._recipe.verification)
        from selfplay.driver import ray_workers as actors

        actors.connect(self._recipe.ray)
        if number:
            await self._one_of_each["engine"].wait()
        with self._saying("verifier", number) as say:
            return await actors.hire_verifier(self._recipe.ray, self._recipe.verification, say)

    @contextmanager
    def _saying(self, kind: str, number: int) -> Iterator[Callable[[str], None]]:
        """While a station is hired: takes what it waits for. Behind it one of its kind is there."""
        try:
            yield lambda text: self._waiting.update({(kind, number): text})
            self._one_of_each[kind].set()
        finally:
            self._waiting.pop((kind, number), None)

    async def _close(self, at_once: bool) -> None:
        await asyncio.gather(self._samplers.close(at_once), self._verifiers.close(at_once))
        if not self._in_process:
            from selfplay.driver import ray_workers as actors

            actors.disconnect()


def _first(group: BaseExceptionGroup) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
