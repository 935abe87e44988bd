"""One pass of tasks through sampling and checking, into the journal.

    tasks -> allocation -> request -> samplers -> sample -> verifiers -> verdict -> journal -> allocation

Everything streams: a sample goes to a checker when it is finished, its verdict goes to the journal when it is there
and steers what is asked next. The only state is the journal; a pass that was killed is resumed by running it again.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator

from selfplay.allocation.allocator import Allocator
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import Key, WorkerPool, WorkItem
from selfplay.driver.recovery import Bisection, CircuitBreaker
from selfplay.driver.stats import PassStats
from selfplay.driver.workers import VerifyRequest, VerifyResult
from selfplay.journal.group_commit import GroupCommit
from selfplay.journal.index import JournalIndex, TaskIdSet
from selfplay.journal.journal import Journal
from selfplay.records import Request, Sample, SampleFailure
from tasks import Task
from verifiers import Outcome, Reason, Verdict

MAX_UNCHECKED = 4096  # samples that wait for a verdict or for the disk, before sampling pauses
MAX_TRIES = 3  # of one sample, of one check that is undecided, and deaths of engines that drew one sample


class Pipeline:
    """One pass. `run` returns when every task has what the allocation owes it and all of it is on disk."""

    def __init__(
        self,
        plan: SamplingPlan,
        allocator: Allocator,
        samplers: WorkerPool,
        verifiers: WorkerPool,
        journal: Journal,
    ):
        self._plan = plan
        self._allocator = allocator
        self._samplers = samplers
        self._verifiers = verifiers
        self._journal = journal
        self._index = JournalIndex(journal.path.parent)  # the rows on disk
        self.stats = PassStats(num_resumed=len(self._index), num_damaged=len(self._index.damaged))
        self._tasks: Iterator[Task] = iter(())
        self._open: dict[str, Task] = {}  # tasks that are not complete
        self._seen = TaskIdSet()
        self._solved: set[str] = set()  # those of the open tasks that have a correct sample
        self._unchecked: dict[Key, Sample] = {}  # samples on their way through a verifier
        self._tries: Counter[Key] = Counter()
        self._deaths: Counter[Key] = Counter()  # of engines that held the sample
        self._bisection = Bisection()  # those samples, as long as they are owed
        self._decided: set[str] = set()  # those of the open tasks that have a sample with a verdict
        self._poisonous: set[str] = set()  # those whose prompt kills engines: what they are still owed is given up
        self._suspects: deque[Key] = deque()  # checks that may have killed a verifier: one at a time; the first is out
        self._breaker = CircuitBreaker()
        self._num_resumed = 0  # rows of the journal whose task was added
        self._feeding = asyncio.Lock()
        self._finished = asyncio.Event()
        self._commits = GroupCommit(journal, self._committed)

    async def run(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        await asyncio.gather(self._samplers.start(), self._verifiers.start())
        self.stats.started = time.monotonic()
        self._resume()
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._samplers.run(self._take_samples, self._resample)),
                group.create_task(self._verifiers.run(self._take_verdicts, self._recheck)),
                group.create_task(self._commits.run()),
            ]
            await self._feed()
            await self._finished.wait()
            for task in running:
                task.cancel()
        self._journal.commit()
        self.stats.num_acknowledged = self._journal.num_committed
        self.stats.rule = self._allocator.rule
        self.stats.ended = time.monotonic()

    def _resume(self) -> None:
        """Add the tasks of the journal where the rule must know them all before it decides anything."""
        if self._allocator.resumes_whole:
            while self._num_resumed < len(self._index) and self._add_task():
                pass

    async def _feed(self) -> None:
        """Ask for samples until the samplers are full, the checkers are behind, or nothing is owed now."""
        async with self._feeding:
            await self._ask()
            while self._breaker and self._samplers.workers and not self._samplers.num_held and not self._unchecked:
                self._release_withheld(at_the_end=True)
                await self._ask()
        if self._allocator.done and not self._samplers.num_held and not self._unchecked and not self._breaker:
            self._finished.set()

    async def _ask(self) -> None:
        """All that there is room for in one sending: a remote call costs more than the tasks in it."""
        room = min(self._samplers.room, MAX_UNCHECKED - len(self._unchecked) - self._journal.num_uncommitted)
        granted: dict[str, tuple[int, ...]] = {}
        for task_id, index in self._next_survivors():
            granted[task_id] = (*granted.get(task_id, ()), index)
            room -= 1
        while room > 0:
            grants = self._allocator.next(room)
            for task_id, indices in grants:
                granted[task_id] = granted.get(task_id, ()) + indices
                room -= len(indices)
            if not grants and not (self._allocator.wants_task and self._add_task()):
                break
        for task_id in self._poisonous & granted.keys():
            for index in granted.pop(task_id):
                self._give_up_sample((task_id, index), "engines died of its prompt")
        if granted:
            await self._samplers.send(item for grant in granted.items() for item in self._requests(*grant))

    def _add_task(self) -> bool:
        """Open the next task of the stream, with the verdicts that the journal holds of it; False at its end."""
        for task in self._tasks:
            self.stats.num_tasks += 1
            if not self._seen.add(task.id):
                self.stats.num_duplicate_tasks += 1
                continue
            self._open[task.id] = task
            self._allocator.add(task.id)
            for index, outcome, tokens in self._index.of(task.id):
                self._num_resumed += 1
                self.stats.num_resumed_correct += outcome is Outcome.CORRECT
                self.stats.num_resumed_tokens += tokens
                if (
                    task.id in self._open
                ):  # else it stops earlier now: another stream has drawn another boundary of give_up_cost
                    self._observe(task.id, index, outcome, tokens)
            return True
        self._close(self._allocator.end())
        return False

    def _next_survivors(self) -> list[Key]:
        """The next group of what was held by engines that died, without the samples of prompts that kill."""
        while group := self._bisection.next():
            for key in [key for key in group if key[0] in self._poisonous]:
                self._give_up_sample(key, "engines died of its prompt")
                group.remove(key)
            if group:
                return group
        return []

    def _requests(self, task_id: str, indices: tuple[int, ...]) -> Iterator[WorkItem]:
        """One request for all samples that a model draws."""
        shares: dict[str, list[int]] = {}
        for index in indices:
            shares.setdefault(self._plan.model_of(task_id, index), []).append(index)
        for model, share in shares.items():
            seeds = tuple(self._plan.seed_of(task_id, index) for index in share)
            request = Request(task_id, self._open[task_id].prompt, tuple(share), seeds)
            yield WorkItem(request, [(task_id, index) for index in share], model)

    async def _take_samples(self, results: list[Sample | SampleFailure]) -> None:
        self.stats.heard = time.monotonic()
        checks = []
        for sample in results:
            key = (sample.task_id, sample.index)
            self._bisection.came(key)
            if isinstance(sample, SampleFailure):
                self._take_failure(key, sample.error)
                continue
            self.stats.num_tokens += sample.completion_tokens
            self.stats.num_prompt_tokens += sample.prompt_tokens
            self.stats.num_cached_tokens += sample.cached_tokens
            self._tries.pop(key, None)  # of the sample; those of its check are counted anew
            self._unchecked[key] = sample
            checks.append(self._check(key))
        await self._verifiers.send(checks)
        await self._feed()

    def _take_failure(self, key: Key, error: str) -> None:
        self._tries[key] += 1
        if self._tries[key] < MAX_TRIES:
            self.stats.num_retries += 1
            self.stats.trouble = f"a sample failed: {error[:200]}"
            self._allocator.lost(*key)
        else:
            self._give_up_sample(key, error)

    async def _take_verdicts(self, results: list[VerifyResult]) -> None:
        again = []
        for checked in results:
            key = (checked.task_id, checked.index)
            self.stats.num_sandbox_failures += checked.num_sandbox_failures
            if checked.verdict.outcome is Outcome.UNDECIDED:
                self._tries[key] += 1
                if self._tries[key] < MAX_TRIES:
                    self.stats.num_retries += 1
                    again.append(self._check(key))
                    continue
            self.stats.verifier_seconds += checked.verdict.seconds
            sample = self._unchecked.pop(key)
            if checked.verdict.reason is Reason.CHECKER_FAILURE:
                self._give_up(sample, checked.verdict)
            else:
                self._release_withheld()
                self._record(sample, checked.verdict)
        await self._verifiers.send(again + self._next_suspect())
        await self._feed()

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        key = (sample.task_id, sample.index)
        self._tries.pop(key, None)
        self._deaths.pop(key, None)
        self._journal.append(sample, verdict)
        self._observe(sample.task_id, sample.index, verdict.outcome, sample.completion_tokens)
        self.stats.count(verdict)
        self.stats.num_unchecked = len(self._unchecked)
        self._commits.note()

    def _observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> None:
        if outcome is Outcome.CORRECT and task_id not in self._solved:
            self._solved.add(task_id)
            self.stats.num_solved_tasks += 1
        if outcome is not Outcome.UNDECIDED:
            self._decided.add(task_id)
        self._close(self._allocator.observe(task_id, index, outcome, tokens))

    def _close(self, complete: list[str]) -> None:
        """Forget tasks that are owed nothing more."""
        self.stats.num_complete_tasks += len(complete)
        for task_id in complete:
            for tasks in (self._solved, self._decided, self._poisonous):
                tasks.discard(task_id)
            del self._open[task_id]

    def _give_up_sample(self, key: Key, error: str) -> None:
        self._bisection.came(key)
        model = self._plan.model_of(*key)
        empty = Sample(*key, "", "failed", 0, 0, 0, (), None, self._plan.seed_of(*key), model)
        self._give_up(
            empty, Verdict.of(Reason.SAMPLE_FAILURE, f"{model}{': ' if model else ''}{error}"[:500], 0.0, "none@0")
        )

    def _give_up(self, sample: Sample, verdict: Verdict) -> None:
        """Leave a sample undecided once something else succeeds: until then the failure may not be the sample's own."""
        self.stats.trouble = f"given up: {verdict.reason}: {verdict.answer[:200]}"
        self._breaker.add(sample, verdict, is_known=sample.task_id in self._poisonous)

    def _release_withheld(self, at_the_end: bool = False) -> None:
        if at_the_end and not self.stats.num_samples and not self.stats.num_resumed:
            self._breaker.stop()
        for sample, verdict in self._breaker.release():
            self._record(sample, verdict)

    def _check(self, key: Key) -> WorkItem:
        return WorkItem(VerifyRequest(*key, self._open[key[0]].reference, self._unchecked[key].text), [key])

    async def _resample(self, keys: list[Key], error: str) -> None:
        """An engine died, and its samples are drawn again, but for the one that kills; or, without keys, one has joined."""
        self._deaths.update(keys)
        alone = self._bisection.add(keys)
        if alone and self._deaths[alone] >= MAX_TRIES:
            if alone[0] not in self._decided:
                self._poisonous.add(alone[0])
            self._bisection.drop(alone)
            self._give_up_sample(alone, f"the engine died: {error}")
        await self._feed()

    async def _recheck(self, keys: list[Key], error: str) -> None:
        """A verifier died: its checks go to another, those that have seen several deaths one at a time, so that the one
        that kills is told from its neighbours. Without keys, a verifier has joined.
        """
        checks = []
        for key in keys:
            self._tries[key] += 1
            alone = bool(self._suspects) and self._suspects[0] == key
            if self._tries[key] < MAX_TRIES - 1:
                self.stats.num_retries += 1
                checks.append(self._check(key))
            elif alone:
                failure = Verdict.of(Reason.CHECKER_FAILURE, f"the verifier died: {error}"[:500], 0.0, "none@0")
                self._give_up(self._unchecked.pop(key), failure)
            elif key not in self._suspects:
                self._suspects.append(key)
        await self._verifiers.send(checks + self._next_suspect())
        await self._feed()

    def _next_suspect(self) -> list[WorkItem]:
        """The next check to try alone, when the one before it has come back or is given up."""
        while self._suspects and self._suspects[0] not in self._unchecked:
            self._suspects.popleft()
        if not self._suspects or self._suspects[0] in self._verifiers.held_keys:
            return []
        return [self._check(self._suspects[0])]

    async def _committed(self) -> None:
        self.stats.num_acknowledged = self._journal.num_committed
        await self._feed()
