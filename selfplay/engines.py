"""The engines and checkers of a run: made once, used by every pass, in Ray actors or in this process."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from selfplay.allocation import AllocationRule, make_allocator
from selfplay.crew import Crew
from selfplay.journal import Journal, read_rows
from selfplay.pipeline import Meter, Pipeline
from selfplay.progress import Progress, duration, quantity
from selfplay.recipe import Recipe
from selfplay.samplers import make_sampler
from selfplay.stations import SamplerStation, Station, VerifierStation
from tasks import Task
from verifiers import Outcome

MAX_UNCHECKED_PER_VERIFIER = 256


class Engines:
    """A context: the crews live as long as it does, on one event loop."""

    def __init__(self, recipe: Recipe, progress: Progress):
        self._recipe = recipe
        self._progress = progress
        self._model = ""
        self._runner = asyncio.Runner()
        self._in_process = recipe.ray.address == "none"
        settings = recipe.ray
        self._samplers = Crew("sampler", self._hire_sampler, settings.num_samplers, recipe.sampling.in_flight)
        self._verifiers = Crew("verifier", self._hire_verifier, settings.num_verifiers, MAX_UNCHECKED_PER_VERIFIER)

    def __enter__(self) -> "Engines":
        self._runner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._runner.run(self._close())
        finally:
            self._runner.__exit__(*error)

    def play(
        self,
        title: str,
        model: str,
        tasks: Iterator[Task],
        rule: AllocationRule,
        journal_folder: Path,
        seed_of: Callable[[str, int], int],
        num_expected: int = 0,
    ) -> Meter:
        """One pass: sample the tasks from the model as the rule says, check, and journal. Resumes what is there."""
        with self._progress.step(title) as show:
            journal = Journal(journal_folder)
            try:
                journaled = _journaled(journal_folder)
                meter = Meter(num_resumed=sum(map(len, journaled.values())))
                pipeline = Pipeline(
                    tasks, make_allocator(rule), self._samplers, self._verifiers, journal, journaled, seed_of, meter
                )
                self._runner.run(self._play(model, pipeline, meter, show, num_expected))
            finally:
                journal.close()
        return meter

    async def _play(self, model: str, pipeline: Pipeline, meter: Meter, show, num_expected: int) -> None:
        showing = asyncio.create_task(self._show(meter, show, num_expected))
        try:
            await self._load(model)
            idle = self._samplers.idle_seconds
            await pipeline.play()
            meter.engine_idle_seconds = self._samplers.idle_seconds - idle
        except* Exception as group:
            raise _first(group) from None
        finally:
            showing.cancel()
            show(describe(meter, num_expected))

    async def _show(self, meter: Meter, show, num_expected: int) -> None:
        while True:
            show(describe(meter, num_expected))
            await asyncio.sleep(0.25)

    async def _load(self, model: str) -> None:
        """Bring the model into every engine; an engine that is made later starts with it."""
        changed, self._model = self._model != model, model
        if changed:
            await asyncio.gather(*(station.load(model) for station in self._samplers.stations))

    async def _hire_sampler(self, number: int) -> Station:
        if self._in_process:
            return SamplerStation(make_sampler(self._recipe.sampling, self._model))
        from selfplay import actors

        actors.connect(self._recipe.ray)
        return await actors.hire_sampler(self._recipe.ray, self._recipe.sampling, self._model)

    async def _hire_verifier(self, number: int) -> Station:
        if self._in_process:
            return VerifierStation(self._recipe.verification)
        from selfplay import actors

        actors.connect(self._recipe.ray)
        return await actors.hire_verifier(self._recipe.ray, self._recipe.verification)

    async def _close(self) -> None:
        await self._samplers.close()
        await self._verifiers.close()
        if not self._in_process:
            from selfplay import actors

            actors.disconnect()


def describe(meter: Meter, num_expected: int = 0) -> str:
    """One line of progress."""
    elapsed = meter.elapsed_seconds
    new = meter.num_samples
    parts = [f"{quantity(meter.num_resumed + new)}{f' of {quantity(num_expected)}' if num_expected else ''} samples"]
    if meter.num_resumed:
        parts.append(f"{quantity(meter.num_resumed)} of them resumed")
    parts.append(f"{quantity(meter.outcomes[Outcome.CORRECT])} correct")
    parts.append(f"{quantity(len(meter.solved))} tasks solved")
    if meter.outcomes[Outcome.UNDECIDED]:
        parts.append(f"{quantity(meter.outcomes[Outcome.UNDECIDED])} undecided")
    if meter.num_tokens and elapsed:
        parts.append(f"{quantity(meter.num_tokens / elapsed)} tokens/s")
    if meter.num_unchecked:
        parts.append(f"{meter.num_unchecked} to check")
    left = num_expected - meter.num_resumed - new
    if new and left > 0:
        parts.append(f"{duration(left * elapsed / new)} left")
    return ", ".join(parts)


def _journaled(folder: Path) -> dict[str, list[tuple[int, Outcome, int]]]:
    found: dict[str, list[tuple[int, Outcome, int]]] = {}
    for row in read_rows(folder):
        sample = row["sample"]
        entry = (sample["index"], Outcome(row["verdict"]["outcome"]), sample["completion_tokens"])
        found.setdefault(sample["task_id"], []).append(entry)
    return found


def _first(group: BaseExceptionGroup) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
