"""One pass in this process: failures, deaths, hangs, resumption."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from selfplay.allocation import Allocation
from selfplay.allocation.budget import Budget
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.pool import WorkerPool
from selfplay.driver.workers import SamplerWorker, VerifierWorker, VerifyResult, WorkerLost
from selfplay.journal import Journal, read_journal
from selfplay.recipe.sections import Verification
from selfplay.records import SampleFailure
from tasks import MathReference, Task, UserError, load
from tests.engines import QueueSampler
from tests.passes import ONE_MODEL, keys, play, starting
from verifiers import Outcome, Reason, Verdict, verify


def test_every_task_gets_its_samples_once_each_with_the_verdict_of_its_text(tmp_path):
    tasks = {task.id: task for task in load("arithmetic", num_tasks=50)}
    _, rows = play(tmp_path, starting(lambda number: QueueSampler()), tasks.values())
    assert keys(rows) == sorted((task, index) for task in tasks for index in range(4))
    for sample, verdict in rows:
        assert verdict.outcome == verify(tasks[sample.task_id], sample.text).outcome
    assert 0.3 < sum(verdict.outcome is Outcome.CORRECT for _, verdict in rows) / len(rows) < 0.7


def test_samples_do_not_depend_on_how_many_engines_draw_them(tmp_path):
    one = play(tmp_path / "one", starting(lambda number: QueueSampler()))[1]
    four = play(tmp_path / "four", starting(lambda number: QueueSampler(seconds=0.002)), num_samplers=4, in_flight=16)[
        1
    ]
    assert {(s.task_id, s.index): s.text for s, _ in one} == {(s.task_id, s.index): s.text for s, _ in four}


def test_the_samples_of_a_task_go_in_one_request(tmp_path):
    sampler = QueueSampler()
    play(tmp_path, starting(lambda number: sampler), samples=8, in_flight=1000)
    assert sampler.num_requests == 50


def test_a_failed_sample_is_drawn_again_and_its_siblings_are_kept(tmp_path):
    tasks = list(load("arithmetic", num_tasks=20))
    sampler = QueueSampler(fails={(tasks[3].id, 1), (tasks[7].id, 0)})
    stats, rows = play(tmp_path, starting(lambda number: sampler), tasks)
    assert len(keys(rows)) == len(set(keys(rows))) == 80
    assert stats.num_retries == 2
    assert sampler.num_samples == 82


def test_a_sample_that_always_fails_is_undecided_and_stops_nothing(tmp_path):
    class NeverAnswers(QueueSampler):
        async def _one(self, request, place):
            self._failed.clear()
            return await super()._one(request, place)

    tasks = list(load("arithmetic", num_tasks=5))
    _, rows = play(tmp_path, starting(lambda number: NeverAnswers(fails={(tasks[0].id, 2)})), tasks)
    failed = [
        (sample.task_id, sample.index, verdict.reason)
        for sample, verdict in rows
        if verdict.outcome is Outcome.UNDECIDED
    ]
    assert failed == [(tasks[0].id, 2, Reason.SAMPLE_FAILURE)]
    assert len(rows) == 20


def test_an_engine_that_dies_is_replaced_and_loses_no_sample(tmp_path):
    made = []

    def make(number):
        sampler = QueueSampler(seconds=0.001)
        if len(made) < 3:
            sampler.dies_after = 23
        made.append(sampler)
        return sampler

    _, rows = play(tmp_path, starting(make), num_samplers=2)
    assert len(made) == 5
    assert len(keys(rows)) == len(set(keys(rows))) == 200


def test_an_engine_that_always_dies_stops_the_run_with_the_cause(tmp_path):
    def make(number):
        sampler = QueueSampler()
        sampler.dies_after = 0
        return sampler

    with pytest.raises(ExceptionGroup) as caught:
        play(tmp_path, starting(make))
    (error,) = caught.value.exceptions
    error = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    assert isinstance(error, UserError)
    assert "the engine is gone" in str(error)


def test_a_verifier_that_dies_is_replaced_and_loses_no_trace(tmp_path):
    class Dying(VerifierWorker):
        died = 0

        async def collect(self):
            results = await super().collect()
            if Dying.died < 2:
                Dying.died += 1
                raise WorkerLost("the machine left")
            return results

    async def start_worker(number):
        return Dying(Verification())

    _, rows = play(tmp_path, starting(lambda number: QueueSampler()), start_verifier=start_worker)
    assert Dying.died == 2
    assert len(keys(rows)) == len(set(keys(rows))) == 200
    assert all(verdict.outcome is not Outcome.UNDECIDED for _, verdict in rows)


def test_a_check_that_hangs_holds_up_only_its_own_trace(tmp_path):
    tasks = list(load("arithmetic", num_tasks=30))
    release = threading.Event()
    progress = []

    class OneHangs(VerifierWorker):
        def _work(self):
            while (check := self._requests.get()) is not None:
                if (check.task_id, check.index) == (tasks[0].id, 0):
                    release.wait(20)
                self._results.put(VerifyResult(check.task_id, check.index, verify(check.reference, check.text)))
                progress.append(check)
                if len(progress) == 119:
                    release.set()  # all others are through

    async def start_worker(number):
        return OneHangs(Verification(threads=2))

    started = time.monotonic()
    _, rows = play(tmp_path, starting(lambda number: QueueSampler()), tasks, start_verifier=start_worker)
    assert len(rows) == 120
    assert time.monotonic() - started < 15
    assert (rows[-1][0].task_id, rows[-1][0].index) == (tasks[0].id, 0)


def test_an_undecided_check_is_tried_again(tmp_path):
    tries = []

    class FirstTimeFails(VerifierWorker):
        def _work(self):
            while (check := self._requests.get()) is not None:
                tries.append((check.task_id, check.index))
                verdict = verify(check.reference, check.text)
                if len(tries) <= 10:
                    verdict = Verdict.of(Reason.CHECKER_TIMEOUT, "", 1.0, "math@1")
                self._results.put(VerifyResult(check.task_id, check.index, verdict))

    async def start_worker(number):
        return FirstTimeFails(Verification(threads=1))

    _, rows = play(tmp_path, starting(lambda number: QueueSampler()), start_verifier=start_worker)
    assert len(rows) == 200 and len(tries) == 210
    assert all(verdict.outcome is not Outcome.UNDECIDED for _, verdict in rows)


def test_the_check_of_a_sample_that_was_hard_to_draw_is_tried_again_too(tmp_path):
    tries, checks = Counter(), Counter()

    class FailsTwice(QueueSampler):
        async def _one(self, request, place):
            sample = await super()._one(request, place)
            key = (request.task_id, request.indices[place])
            tries[key] += 1
            return sample if tries[key] == 3 else SampleFailure(*key, "not this time")

    class FailsTwiceAsWell(VerifierWorker):
        def _verdict(self, check):
            checks[check.task_id, check.index] += 1
            done = checks[check.task_id, check.index] == 3
            return super()._verdict(check) if done else Verdict.of(Reason.CHECKER_TIMEOUT, "", 1.0, "math@1")

    async def start_worker(number):
        return FailsTwiceAsWell(Verification(threads=1))

    _, rows = play(tmp_path, starting(lambda number: FailsTwice()), start_verifier=start_worker)
    assert len(rows) == 200
    assert all(verdict.outcome is not Outcome.UNDECIDED for _, verdict in rows)


def test_a_task_that_comes_twice_is_sampled_once_and_counted(tmp_path):
    tasks = list(load("arithmetic", num_tasks=10))
    stats, rows = play(tmp_path, starting(lambda number: QueueSampler()), tasks + tasks[:4])
    assert stats.num_duplicate_tasks == 4
    assert len(rows) == 40


def test_a_pass_over_no_tasks_ends(tmp_path):
    assert play(tmp_path, starting(lambda number: QueueSampler()), [])[1] == []


def test_a_worker_that_says_a_thing_twice_or_unasked_is_heard_once(tmp_path):
    tasks = list(load("arithmetic", num_tasks=20))

    class Babbling(QueueSampler):
        async def sample(self, request):
            async for sample in super().sample(request):
                yield sample
                yield replace(sample, text="####0")
                yield replace(sample, index=sample.index + 100)

    class Repeating(VerifierWorker):
        async def collect(self):
            return [
                answer
                for checked in await super().collect()
                for answer in (checked, checked, replace(checked, task_id="none"))
            ]

    async def start_worker(number):
        return Repeating(Verification())

    _, rows = play(tmp_path, starting(lambda number: Babbling()), tasks, start_verifier=start_worker)
    assert keys(rows) == sorted((task.id, index) for task in tasks for index in range(4))
    assert any(sample.text != "####0" for sample, _ in rows)


def test_a_stream_in_another_order_resumes_though_it_draws_another_boundary(tmp_path, monkeypatch):
    """Of give_up_cost, which is fitted to the first tasks: the journal may then hold more of a task than the rule grants now."""
    monkeypatch.setattr("selfplay.allocation.until.PILOT_TASKS", 5)
    tasks = list(load("arithmetic", num_tasks=60))
    hard_first = sorted(tasks, key=lambda task: len(task.prompt[-1]["content"]), reverse=True)
    rule = Allocation(rule="until", accepted_per_task=1, cap=24, give_up_cost=20.0)

    def skilled(number):
        class Skilled(QueueSampler):  # at short sums alone
            async def _one(self, request, place):
                sample = await super()._one(request, place)
                return sample if request.task_id in easy else replace(sample, text="####?")

        return Skilled()

    easy = {task.id for task in hard_first[20:]}
    play(tmp_path, starting(skilled), hard_first[::-1], rule=rule)
    stats, rows = play(tmp_path, starting(skilled), hard_first, rule=rule)
    assert len(keys(rows)) == len(set(keys(rows)))
    assert stats.num_complete_tasks == 60


def test_tasks_are_read_as_a_stream(tmp_path):
    ahead = []
    finished = set()

    class Counting(QueueSampler):
        async def _one(self, request, place):
            outcome = await super()._one(request, place)
            finished.add(request.task_id)
            return outcome

    def stream():
        for number in range(2000):
            ahead.append(number - len(finished))
            yield Task.make("test", f"{number}+0=", MathReference(str(number)))

    play(tmp_path, starting(lambda number: Counting()), stream(), samples=1, in_flight=32)
    assert max(ahead) <= 32 + 1


def test_a_pass_begins_when_one_engine_is_there_and_uses_the_others_when_they_come(tmp_path):
    late = QueueSampler(seconds=0.002)

    async def start_worker(number):
        if number:
            await asyncio.sleep(0.3)
            return SamplerWorker(late)
        return SamplerWorker(QueueSampler(seconds=0.02, slots=8))

    tasks = list(load("arithmetic", num_tasks=100))
    _, rows = play(tmp_path, start_worker, tasks, num_samplers=2, in_flight=16)
    assert len(keys(rows)) == len(set(keys(rows))) == 400
    assert 0 < late.num_samples < 400


def test_an_engine_that_never_comes_holds_nothing_up(tmp_path):
    async def start_worker(number):
        if number:
            await asyncio.sleep(1000)
        return SamplerWorker(QueueSampler())

    assert len(keys(play(tmp_path, start_worker, num_samplers=2)[1])) == 200


def test_an_engine_that_dies_while_another_takes_its_item_is_sent_nothing_twice(tmp_path):
    """The item for a dead engine must not reach its successor: its samples were given back already."""

    class SlowToTake(SamplerWorker):
        async def submit(self, items):
            await asyncio.sleep(0.01)
            await super().submit(items)

    made = []

    async def start_worker(number):
        sampler = QueueSampler(seconds=0.001)
        sampler.dies_after = 15 if number and len(made) < 8 else 10**9
        made.append(sampler)
        return (SamplerWorker if number else SlowToTake)(sampler)

    _, rows = play(tmp_path, start_worker, list(load("arithmetic", num_tasks=100)), num_samplers=3, in_flight=16)
    assert len(made) > 4
    assert len(keys(rows)) == len(set(keys(rows))) == 400


def test_a_budget_is_decided_on_with_all_that_was_spent_already(tmp_path):
    """A run that resumes under a budget knows every row of its journal before it grants a sample."""
    rule = Allocation(rule="budget", accepted_per_task=2, cap=8, token_budget=2000)
    tasks = list(load("arithmetic", num_tasks=60))
    observed_before_next = []

    class Watched(Budget):
        observed = 0

        def next(self, limit):
            observed_before_next.append(self.observed)
            return super().next(limit)

        def observe(self, *arguments):
            self.observed += 1
            return super().observe(*arguments)

    def spend(folder):
        async def run():
            samplers = WorkerPool("sampler", starting(lambda number: QueueSampler()), 1, 32)
            verifiers = WorkerPool("verifier", one_verifier, 1, 256)
            journal = Journal(folder)
            try:
                await Pipeline(ONE_MODEL, Watched(rule), samplers, verifiers, journal).run(tasks)
            finally:
                journal.close()
                await samplers.close()
                await verifiers.close()

        observed_before_next.clear()
        asyncio.run(run())
        return sum(sample.completion_tokens for sample, _ in read_journal(folder))

    async def one_verifier(number):
        return VerifierWorker(Verification())

    assert spend(tmp_path / "whole") <= 2000 + 32 * 8  # what was in flight when it ran out
    lines = (tmp_path / "whole" / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "samples.jsonl").write_bytes(b"".join(lines[:100]))
    assert spend(tmp_path / "part") <= 2000 + 32 * 8
    assert observed_before_next[0] == 100


@pytest.mark.parametrize(
    "rule",
    [
        Allocation(samples_per_task=4, total_accepted=60),
        Allocation(rule="until", accepted_per_task=2, cap=9, total_accepted=60),
        Allocation(rule="budget", accepted_per_task=2, cap=8, token_budget=100_000, total_accepted=60),
    ],
    ids=lambda rule: rule.rule,
)
def test_a_pass_ends_with_the_tasks_that_have_begun_when_enough_traces_are_correct(tmp_path, rule):
    def correct(rows):
        return sum(verdict.outcome is Outcome.CORRECT for _, verdict in rows)

    paced = starting(lambda number: QueueSampler(seconds=0.01))  # so that verdicts keep up
    tasks = list(load("arithmetic", num_tasks=1000))
    stats, rows = play(tmp_path / "whole", paced, tasks, rule=rule, in_flight=16)
    assert 60 <= correct(rows) <= 60 + 48 and stats.num_tasks < 200
    if rule.rule != "budget":  # which leaves a task whenever another is worth more
        assert stats.num_complete_tasks == stats.num_tasks

    lines = (tmp_path / "whole" / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "samples.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]))
    _, resumed = play(tmp_path / "part", paced, tasks, rule=rule, in_flight=16)
    assert 60 <= correct(resumed) <= 60 + 48 and len(keys(resumed)) == len(set(keys(resumed)))

    _, again = play(tmp_path / "whole", paced, tasks, rule=rule, in_flight=16)
    assert again == rows
