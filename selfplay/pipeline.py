"""One pass of tasks through sampling and checking, into the journal.

    tasks -> allocation -> request -> samplers -> sample -> verifiers -> verdict -> journal -> allocation

Everything streams: a sample goes to a checker when it is finished, its verdict goes to the journal when it is there
and steers what is asked next. The only state is the journal; a pass that was killed is resumed by running it again.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from selfplay.allocation import Allocator
from selfplay.crew import Crew, Key
from selfplay.journal import Journal
from selfplay.records import Request, Sample, SampleFailure
from selfplay.stations import Check, Checked
from tasks import Task
from verifiers import Outcome, Reason, Verdict

MAX_UNCHECKED = 4096  # samples that wait for a verdict, before sampling pauses
COMMIT_ROWS = 256
COMMIT_SECONDS = 1.0
MAX_TRIES = 3  # of one sample, and of one check that is undecided


@dataclass(slots=True)
class Meter:
    """What a pass has done so far, for progress and metrics."""

    started: float = 0.0  # monotonic clock, when the engines were ready
    ended: float = 0.0
    engine_idle_seconds: float = 0.0  # summed over engines
    num_tasks: int = 0  # read from the stream
    num_duplicate_tasks: int = 0
    num_resumed: int = 0  # samples that the journal held already
    num_samples: int = 0  # that got a verdict in this process
    num_tokens: int = 0  # completion tokens sampled in this process
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    verifier_seconds: float = 0.0
    outcomes: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    solved: set[str] = field(default_factory=set)  # tasks with a correct sample
    num_retries: int = 0  # of samples and checks that failed
    num_acknowledged: int = 0
    num_unchecked: int = 0

    @property
    def elapsed_seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started if self.started else 0.0

    def count(self, task_id: str, verdict: Verdict) -> None:
        self.num_samples += 1
        self.outcomes[verdict.outcome] += 1
        self.reasons[verdict.reason] += 1
        if verdict.outcome is Outcome.CORRECT:
            self.solved.add(task_id)


class Pipeline:
    """One pass. `play` returns when every task has what the allocation owes it and all of it is on disk."""

    def __init__(
        self,
        tasks: Iterator[Task],
        allocator: Allocator,
        samplers: Crew,
        verifiers: Crew,
        journal: Journal,
        journaled: dict[str, list[tuple[int, Outcome, int]]],
        seed_of: Callable[[str, int], int],
        meter: Meter,
    ):
        self._tasks = tasks
        self._allocator = allocator
        self._samplers = samplers
        self._verifiers = verifiers
        self._journal = journal
        self._journaled = journaled  # task id -> (index, outcome, tokens) of the rows on disk
        self._seed_of = seed_of
        self._meter = meter
        self._open: dict[str, Task] = {}  # tasks that are not complete
        self._seen: set[str] = set()
        self._unchecked: dict[Key, Sample] = {}  # samples on their way through a verifier
        self._tries: Counter[Key] = Counter()
        self._feeding = asyncio.Lock()
        self._finished = asyncio.Event()
        self._commit_due = asyncio.Event()

    async def play(self) -> None:
        await asyncio.gather(self._samplers.start(), self._verifiers.start())
        self._meter.started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._samplers.run(self._take_samples, self._resample)),
                group.create_task(self._verifiers.run(self._take_verdicts, self._recheck)),
                group.create_task(self._commit_regularly()),
            ]
            await self._feed()
            await self._finished.wait()
            for task in running:
                task.cancel()
        self._meter.num_acknowledged += self._journal.commit()
        self._meter.ended = time.monotonic()

    async def _feed(self) -> None:
        """Ask for samples until the samplers are full, the checkers are behind, or nothing is owed now."""
        async with self._feeding:
            while (room := min(self._samplers.room, MAX_UNCHECKED - len(self._unchecked))) > 0:
                grants = self._allocator.next(room)
                if grants:
                    homeless = await self._samplers.send((self._request(*grant), _keys(*grant)) for grant in grants)
                    for key in homeless:
                        self._allocator.lost(*key)
                elif not (self._allocator.wants_task and self._add_task()):
                    break
        if self._allocator.done and not self._samplers.num_held and not self._unchecked:
            self._finished.set()

    def _add_task(self) -> bool:
        """Open the next task of the stream, with the verdicts that the journal holds of it; False at its end."""
        for task in self._tasks:
            self._meter.num_tasks += 1
            if task.id in self._seen:
                self._meter.num_duplicate_tasks += 1
                continue
            self._seen.add(task.id)
            self._open[task.id] = task
            self._allocator.add(task.id)
            for index, outcome, tokens in self._journaled.pop(task.id, ()):
                self._observe(task.id, index, outcome, tokens)
            return True
        self._allocator.end()
        return False

    def _request(self, task_id: str, indices: tuple[int, ...]) -> Request:
        seeds = tuple(self._seed_of(task_id, index) for index in indices)
        return Request(task_id, self._open[task_id].prompt, indices, seeds)

    async def _take_samples(self, results: list[Sample | SampleFailure]) -> None:
        checks = []
        for sample in results:
            key = (sample.task_id, sample.index)
            if isinstance(sample, SampleFailure):
                self._take_failure(key, sample)
                continue
            self._meter.num_tokens += sample.completion_tokens
            self._meter.num_prompt_tokens += sample.prompt_tokens
            self._meter.num_cached_tokens += sample.cached_tokens
            self._unchecked[key] = sample
            checks.append(self._check(key))
        await self._verify(checks)
        await self._feed()

    def _take_failure(self, key: Key, failure: SampleFailure) -> None:
        self._tries[key] += 1
        if self._tries[key] < MAX_TRIES:
            self._meter.num_retries += 1
            self._allocator.lost(*key)
        else:
            empty = Sample(*key, "", "failed", 0, 0, 0, (), None, self._seed_of(*key), "")
            self._record(empty, Verdict.of(Reason.SAMPLE_FAILURE, failure.error[:500], 0.0, "none@0"))

    async def _take_verdicts(self, results: list[Checked]) -> None:
        again = []
        for checked in results:
            key = (checked.task_id, checked.index)
            if checked.verdict.outcome is Outcome.UNDECIDED:
                self._tries[key] += 1
                if self._tries[key] < MAX_TRIES:
                    self._meter.num_retries += 1
                    again.append(self._check(key))
                    continue
            self._meter.verifier_seconds += checked.verdict.seconds
            self._record(self._unchecked.pop(key), checked.verdict)
        await self._verify(again)
        await self._feed()

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        self._tries.pop((sample.task_id, sample.index), None)
        self._journal.append(sample, verdict)
        self._observe(sample.task_id, sample.index, verdict.outcome, sample.completion_tokens)
        self._meter.count(sample.task_id, verdict)
        self._meter.num_unchecked = len(self._unchecked)
        if self._journal.num_uncommitted >= COMMIT_ROWS:
            self._commit_due.set()

    def _observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> None:
        if self._allocator.observe(task_id, index, outcome, tokens):
            del self._open[task_id]

    def _check(self, key: Key) -> tuple[Check, list[Key]]:
        return Check(*key, self._open[key[0]].reference, self._unchecked[key].text), [key]

    async def _verify(self, checks: list[tuple[Check, list[Key]]]) -> None:
        """Hand over checks; those that find no verifier at work wait in `_unchecked` for the one being replaced."""
        await self._verifiers.send(checks)

    async def _resample(self, keys: list[Key], error: str) -> None:
        for key in keys:
            self._allocator.lost(*key)
        await self._feed()

    async def _recheck(self, keys: list[Key], error: str) -> None:
        """A verifier died: its checks go to another; a sample that took part in too many deaths stays undecided."""
        checks = []
        for key in keys:
            self._tries[key] += 1
            if self._tries[key] >= MAX_TRIES:
                failure = Verdict.of(Reason.CHECKER_FAILURE, f"the verifier died: {error}"[:500], 0.0, "none@0")
                self._record(self._unchecked.pop(key), failure)
            else:
                self._meter.num_retries += 1
                checks.append(self._check(key))
        if not keys:  # a replacement has arrived: give it what found no home
            held = self._verifiers.held_keys
            checks = [self._check(key) for key in self._unchecked if key not in held]
        await self._verify(checks)
        await self._feed()

    async def _commit_regularly(self) -> None:
        """Group commit, in a thread of its own: the disk's delay holds up neither engines nor checks."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._commit_due.wait()
            self._commit_due.clear()
            self._meter.num_acknowledged += await asyncio.to_thread(self._journal.commit)


def _keys(task_id: str, indices: tuple[int, ...]) -> list[Key]:
    return [(task_id, index) for index in indices]
