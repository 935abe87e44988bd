"""One pass of tasks through sampling and verification, into the journal.

    tasks -> allocation -> request -> samplers -> sample -> verifiers -> verdict -> journal -> allocation

Everything streams: a sample goes to a verifier as soon as it is complete, its verdict goes to the journal as soon as it is
known and decides what is requested next. The only state is the journal; running a killed pass again resumes it.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from selfplay.allocation.allocator import Allocator
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool, WorkItem
from selfplay.driver.recovery import Recovery
from selfplay.driver.stats import PassStats
from selfplay.driver.workers import VerifyRequest, VerifyResult
from selfplay.journal import Journal
from selfplay.journal.group_commit import GroupCommit
from selfplay.journal.index import JournalIndex, TaskIdSet
from selfplay.records import Request, Sample, SampleFailure, SampleKey
from tasks import Task
from verifiers import Outcome, Reason, Verdict

MAX_UNVERIFIED = 4096  # samples that wait for a verdict or for the disk, before sampling pauses
POISONOUS = "engines died of its prompt"


@dataclass(slots=True)
class OpenTask:
    """A task that may still get samples."""

    task: Task
    is_solved: bool = False  # it has a correct sample
    is_decided: bool = False  # it has a sample with a verdict, so that its prompt kills no engine
    is_poisonous: bool = False  # its prompt kills engines: its other samples fail without being sampled


class Pipeline:
    """One pass; made once, run once. Its methods stand in the order in which a trace meets them; failures come last."""

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
        self._open: dict[str, OpenTask] = {}
        self._seen = TaskIdSet()
        self._num_resumed = 0  # rows of the journal whose task is open, or was
        self._unverified: dict[SampleKey, Sample] = {}  # samples on their way through a verifier
        self._recovery = Recovery()
        self._requesting = asyncio.Lock()
        self._finished = asyncio.Event()
        self._commits = GroupCommit(journal, self._committed)

    async def run(self, tasks: Iterable[Task]) -> None:
        """Return when every task has the samples that the allocation grants it, and all of them are on disk."""
        self._tasks = iter(tasks)
        await asyncio.gather(self._samplers.start(), self._verifiers.start())
        self.stats.started = time.monotonic()
        self._resume()
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._samplers.run(self._take_samples, self._engine_died, self._request)),
                group.create_task(self._verifiers.run(self._take_verdicts, self._verifier_died, self._request)),
                group.create_task(self._commits.run()),
            ]
            await self._request()
            await self._finished.wait()
            for task in running:
                task.cancel()
        self._journal.commit()
        self.stats.num_acknowledged = self._journal.num_committed
        self.stats.rule = self._allocator.rule
        self.stats.ended = time.monotonic()

    def _resume(self) -> None:
        """Open the journal's tasks first, if the rule must know them all before it grants a sample."""
        if self._allocator.resumes_whole:
            while self._num_resumed < len(self._index) and self._open_next_task():
                pass  # even tasks that no longer begin once total_accepted is reached: these have begun

    # tasks -> allocation -> request

    async def _request(self) -> None:
        """Request samples until the samplers are full, the verifiers are behind, or nothing is granted now."""
        async with self._requesting:
            await self._request_granted()
            while self._recovery.breaker and self._samplers.workers and self._is_idle:
                self._release_failed(is_end=True)
                await self._request_granted()
        if self._allocator.done and self._is_idle and not self._recovery.breaker:
            self._finished.set()

    @property
    def _is_idle(self) -> bool:
        """Whether no sample is on its way."""
        return not self._samplers.num_held and not self._unverified

    async def _request_granted(self) -> None:
        """Request all samples that there is room for at once: a remote call costs more than the requests in it."""
        to_check = MAX_UNVERIFIED - len(self._unverified) - self._journal.num_uncommitted
        self._samplers.time.hold_back(to_check <= 0)
        room = min(self._samplers.room, to_check)
        granted: dict[str, tuple[int, ...]] = {}
        for task_id, index in self._next_survivors():
            granted[task_id] = (*granted.get(task_id, ()), index)
            room -= 1
        while room > 0:
            grants = self._allocator.next(room)
            for task_id, indices in grants:
                granted[task_id] = granted.get(task_id, ()) + indices
                room -= len(indices)
            if not grants and not self._allocator.wants_task:
                break
            if not grants and (self._allocator.is_satisfied or not self._open_next_task()):
                self._close(self._allocator.end())
        items: list[WorkItem] = []
        for task_id, indices in granted.items():
            if self._open[task_id].is_poisonous:
                for index in indices:
                    self._fail_sample((task_id, index), POISONOUS)
            else:
                items.extend(self._requests(task_id, indices))
        if items:
            await self._samplers.send(items)

    def _open_next_task(self) -> bool:
        """Open the next task of the stream, with the verdicts that the journal holds of it; False at its end."""
        for task in self._tasks:
            self.stats.num_tasks += 1
            if not self._seen.add(task.id):
                self.stats.num_duplicate_tasks += 1
                continue
            self._open[task.id] = OpenTask(task)
            self._allocator.add(task.id)
            for index, outcome, tokens in self._index.of(task.id):
                self._num_resumed += 1
                self.stats.num_resumed_correct += outcome is Outcome.CORRECT
                self.stats.num_resumed_tokens += tokens
                # a task may be complete before its last row: in another order of tasks give_up_cost stops it elsewhere
                if task.id in self._open:
                    self._observe(task.id, index, outcome, tokens)
            return True
        return False

    def _requests(self, task_id: str, indices: tuple[int, ...]) -> Iterator[WorkItem]:
        """One request for all samples of a task that the same model draws."""
        shares: dict[str, list[int]] = {}
        for index in indices:
            shares.setdefault(self._plan.model_of(task_id, index), []).append(index)
        for model, share in shares.items():
            seeds = tuple(self._plan.seed_of(task_id, index) for index in share)
            request = Request(task_id, self._open[task_id].task.prompt, tuple(share), seeds)
            yield WorkItem(request, [(task_id, index) for index in share], model)

    # sample -> verifiers

    async def _take_samples(self, results: list[Sample | SampleFailure]) -> None:
        self.stats.last_result = time.monotonic()
        items = []
        for sample in results:
            key = (sample.task_id, sample.index)
            if isinstance(sample, SampleFailure):
                self._sample_failed(key, sample)
                continue
            self._recovery.sampled(key)
            self.stats.count_sample(sample)
            self._unverified[key] = sample
            items.append(self._verification(key))
        await self._verifiers.send(items)
        await self._request()

    def _verification(self, key: SampleKey) -> WorkItem:
        return WorkItem(VerifyRequest(*key, self._open[key[0]].task.reference, self._unverified[key].text), [key])

    # verdict -> journal -> allocation

    async def _take_verdicts(self, results: list[VerifyResult]) -> None:
        items = []
        for result in results:
            key, verdict = (result.task_id, result.index), result.verdict
            self.stats.num_sandbox_failures += result.num_sandbox_failures
            if verdict.outcome is Outcome.UNDECIDED and self._recovery.may_retry(key):
                self.stats.num_retries += 1
                items.append(self._verification(key))
                continue
            self._recovery.suspects.returned(key)
            self.stats.verifier_seconds += verdict.seconds
            sample = self._unverified.pop(key)
            if verdict.reason is Reason.CHECKER_FAILURE and not result.canary_lives:
                self._fail(sample, verdict)
            else:
                self._release_failed()
                self._record(sample, verdict)
        await self._verifiers.send(items + self._next_suspect())
        await self._request()

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        self._recovery.finished((sample.task_id, sample.index))
        self._journal.append(sample, verdict)
        self._observe(sample.task_id, sample.index, verdict.outcome, sample.completion_tokens)
        self.stats.count_verdict(verdict)
        self.stats.num_unverified = len(self._unverified)
        self._commits.note()

    def _observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> None:
        task = self._open[task_id]
        if outcome is Outcome.CORRECT and not task.is_solved:
            task.is_solved = True
            self.stats.num_solved_tasks += 1
        if outcome is not Outcome.UNDECIDED:
            task.is_decided = True
        self._close(self._allocator.observe(task_id, index, outcome, tokens))

    def _close(self, complete: list[str]) -> None:
        """Forget tasks that will get no further sample."""
        self.stats.num_complete_tasks += len(complete)
        for task_id in complete:
            del self._open[task_id]

    async def _committed(self) -> None:
        self.stats.num_acknowledged = self._journal.num_committed
        await self._request()

    # failures; the policy is recovery's

    def _sample_failed(self, key: SampleKey, failure: SampleFailure) -> None:
        self._recovery.bisection.returned(key)
        if self._recovery.may_retry(key) and not failure.is_final:
            self.stats.num_retries += 1
            self.stats.trouble = f"a sample failed: {failure.error[:200]}"
            self._allocator.lost(*key)
        else:
            self._fail_sample(key, failure.error)

    async def _engine_died(self, keys: list[SampleKey], error: str) -> None:
        culprit = self._recovery.engine_died(keys)
        if culprit is not None:
            task = self._open[culprit[0]]
            task.is_poisonous = not task.is_decided
            self._fail_sample(culprit, f"the engine died: {error}")
        await self._request()

    def _next_survivors(self) -> list[SampleKey]:
        """The next group of samples that dead engines held; those of poisonous prompts fail."""
        while group := self._recovery.bisection.next():
            others = []
            for key in group:
                if self._open[key[0]].is_poisonous:
                    self._fail_sample(key, POISONOUS)
                else:
                    others.append(key)
            if others:
                return others
        return []

    async def _verifier_died(self, keys: list[SampleKey], error: str) -> None:
        again, culprit = self._recovery.verifier_died(keys)
        self.stats.num_retries += len(again)
        if culprit is not None:
            failure = Verdict.of(Reason.CHECKER_FAILURE, f"the verifier died: {error}"[:500], 0.0, "none@0")
            self._fail(self._unverified.pop(culprit), failure)
        await self._verifiers.send([*map(self._verification, again), *self._next_suspect()])
        await self._request()

    def _next_suspect(self) -> list[WorkItem]:
        suspect = self._recovery.suspects.next()
        return [] if suspect is None else [self._verification(suspect)]

    def _fail_sample(self, key: SampleKey, error: str) -> None:
        """An engine could not draw this sample, and none will be asked again."""
        self._recovery.bisection.returned(key)
        model = self._plan.model_of(*key)
        empty = Sample(*key, "", "failed", 0, 0, 0, (), None, self._plan.seed_of(*key), model)
        account = f"{model}{': ' if model else ''}{error}"[:500]
        self._fail(empty, Verdict.of(Reason.SAMPLE_FAILURE, account, 0.0, "none@0"))

    def _fail(self, sample: Sample, verdict: Verdict) -> None:
        """A sample has failed for good: it will be recorded as undecided once something else succeeds."""
        self.stats.trouble = f"failed: {verdict.reason}: {verdict.answer[:200]}"
        self._recovery.breaker.add(sample, verdict, self._open[sample.task_id].is_poisonous)

    def _release_failed(self, is_end: bool = False) -> None:
        """Record the samples held back; at the end of a pass in which nothing has succeeded, stop instead."""
        if is_end and not self.stats.num_samples and not self.stats.num_resumed:
            self._recovery.breaker.trip()
        for sample, verdict in self._recovery.breaker.release():
            self._record(sample, verdict)
