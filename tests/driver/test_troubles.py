"""Troubles around a run: a full disk, failing verifiers, dying engines, a dead server. A clear message, a retry or a clean stop; nothing is lost."""

import asyncio
import random
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from selfplay.allocation import Allocation
from selfplay.driver import pool
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.recovery import MAX_FAILED
from selfplay.driver.workers import VerifierWorker, WorkerLost
from selfplay.journal import read_journal
from selfplay.journal.index import JournalIndex, TaskIdSet
from selfplay.recipe.sections import Recipe, Verification
from selfplay.records import SampleFailure
from selfplay.samplers import server_watchdog as server_watch
from tasks import UserError, load
from tests import passes
from tests.engines import QueueSampler
from tests.passes import keys, seed_of, starting
from verifiers import Outcome, Reason, Verdict, verify
from verifiers.kinds import VERIFIERS, verifier_of_kind


def play(
    folder,
    make_sampler=lambda: QueueSampler(),
    make_verifier=lambda: VerifierWorker(Verification()),
    num_tasks=50,
    in_flight=64,
):
    """The rows of a pass in this process. Its one error is raised by itself."""

    async def start_verifier(number):
        return make_verifier()

    try:
        tasks = load("arithmetic", num_tasks=num_tasks)
        sampler = starting(lambda number: make_sampler())
        return passes.play(folder, sampler, tasks, start_verifier=start_verifier, in_flight=in_flight)[1]
    except* UserError as group:
        error = group
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_stops_the_pass_and_the_next_goes_on_from_its_last_row(small_disk, tmp_path):
    with pytest.raises(UserError, match="No space left.*run the same command again"):
        play(small_disk / "journal", num_tasks=400)
    kept = list(read_journal(small_disk / "journal"))
    assert kept
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    rows = play(small_disk / "journal", num_tasks=400)
    assert rows[: len(kept)] == kept
    assert len(keys(rows)) == len(set(keys(rows))) == 1600
    assert {(s.task_id, s.index): s.text for s, _ in rows} == {
        (s.task_id, s.index): s.text for s, _ in play(tmp_path / "other", num_tasks=400)
    }


def test_a_read_only_folder_is_one_clear_error(small_disk):
    play(small_disk / "journal", num_tasks=5)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match="Read-only file system.*run again"):
        play(small_disk / "journal", num_tasks=5)
    assert len(list(read_journal(small_disk / "journal"))) == 20


def test_a_checker_that_always_fails_stops_the_pass_and_its_samples_are_owed_again(tmp_path):
    class Failing(VerifierWorker):
        def _verdict(self, check):
            return Verdict.of(Reason.CHECKER_FAILURE, "no sandbox here", 0.0, "none@0")

    with pytest.raises(
        UserError, match=f"verifier failed again and again on each of {MAX_FAILED} samples.*no sandbox here"
    ):
        play(tmp_path, make_verifier=lambda: Failing(Verification()))
    assert not list(read_journal(tmp_path))
    assert len(keys(play(tmp_path))) == 200


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_failures_loses_and_doubles_nothing(tmp_path, monkeypatch, seed):
    """Engines and verifiers die by chance and of poisonous samples, samples and verifications fail, on pools of any size."""
    monkeypatch.setattr(pool, "MAX_LOSSES", 10**6)
    monkeypatch.setattr(pool, "BACKOFF_SECONDS", 0.0)
    rng = random.Random(seed)
    deaths, failures, verifier_deaths, undecided = (rng.choice([0.0, 0.002, 0.02]) for _ in range(4))
    tasks = list(load("arithmetic", num_tasks=40))
    poisonous = {task.id for task in rng.sample(tasks, rng.randrange(3))}
    fatal = {(task.id, rng.randrange(4)) for task in rng.sample(tasks, rng.randrange(3))}

    class Fragile(QueueSampler):
        async def _one(self, request, place):
            if rng.random() < (0.7 if request.task_id in poisonous else deaths):
                await asyncio.sleep(0)
                raise RuntimeError("the engine died")
            if rng.random() < failures:
                return SampleFailure(request.task_id, request.indices[place], "not this time")
            return await super()._one(request, place)

    class FragileVerifier(VerifierWorker):
        def _verdict(self, request):
            if (request.task_id, request.index) in fatal or rng.random() < verifier_deaths:
                raise SystemExit("killed by a completion")
            if rng.random() < undecided:
                return Verdict.of(Reason.CHECKER_TIMEOUT, "", 0.1, "math@1")
            return super()._verdict(request)

    async def start_verifier(number):
        return FragileVerifier(Verification(threads=rng.choice([1, 2])))

    _, rows = passes.play(
        tmp_path,
        starting(lambda number: Fragile(slots=rng.choice([2, 16]))),
        tasks,
        start_verifier=start_verifier,
        num_samplers=rng.choice([1, 2, 3]),
        num_verifiers=rng.choice([1, 2]),
        in_flight=rng.choice([4, 32]),
    )
    assert keys(rows) == sorted((task.id, index) for task in tasks for index in range(4))
    if not deaths and not verifier_deaths and not undecided:
        lost = {(s.task_id, s.index) for s, verdict in rows if verdict.outcome is Outcome.UNDECIDED}
        assert fatal <= lost and {task for task, _ in lost - fatal} <= poisonous


def test_samples_that_make_their_own_verification_fail_are_undecided_and_stop_nothing(tmp_path):
    """However many in a row: the verifier still accepts an innocent sample after each of them."""

    class Evaded(VerifierWorker):
        def _verdict(self, request):
            if request.text.startswith("####"):
                return Verdict.of(Reason.CHECKER_FAILURE, "the fork server died", 0.0, "none@0")
            return super()._verdict(request)

    rows = play(tmp_path, make_verifier=lambda: Evaded(Verification()))
    assert len(keys(rows)) == len(set(keys(rows))) == 200 > MAX_FAILED
    assert {verdict.reason for _, verdict in rows} == {Reason.CHECKER_FAILURE}


@pytest.mark.parametrize("kind", [kind for kind in VERIFIERS if verifier_of_kind(kind).canary])
def test_the_canary_of_each_kind_is_accepted(kind):
    reference, completion = verifier_of_kind(kind).canary
    if obstacles := list(verifier_of_kind(kind).obstacles([reference])):
        pytest.skip(obstacles[0])
    assert verify(reference, completion).outcome is Outcome.CORRECT


def test_a_verifier_that_always_dies_stops_the_pass_with_its_last_words(tmp_path):
    class Dying(VerifierWorker):
        async def collect(self):
            await super().collect()
            raise WorkerLost("out of memory")

    with pytest.raises(UserError, match="out of memory"):
        play(tmp_path, make_verifier=lambda: Dying(Verification()))
    rows = play(tmp_path)
    assert len(keys(rows)) == len(set(keys(rows))) == 200


def test_one_check_that_kills_every_verifier_costs_only_its_own_sample(tmp_path):
    poison = next(load("arithmetic", num_tasks=50)).id

    class Dying(VerifierWorker):
        def _verdict(self, check):
            if (check.task_id, check.index) == (poison, 1):
                raise SystemExit("killed by a completion")
            return super()._verdict(check)

    rows = play(tmp_path, make_verifier=lambda: Dying(Verification(threads=1)))
    assert len(keys(rows)) == len(set(keys(rows))) == 200
    undecided = [(s.task_id, s.index, s.text != "") for s, verdict in rows if verdict.outcome is Outcome.UNDECIDED]
    assert undecided == [(poison, 1, True)]


@pytest.mark.parametrize("delay", [0.01, 1.0], ids=["among others", "when all others are done"])
def test_one_prompt_that_kills_every_engine_costs_only_its_own_samples(tmp_path, delay):
    poison = list(load("arithmetic", num_tasks=50))[7].id

    class Dying(QueueSampler):
        async def _one(self, request, place):
            if request.task_id == poison and request.indices[place] == 2:
                await asyncio.sleep(delay)
                raise RuntimeError("illegal memory access")
            return await super()._one(request, place)

    rows = play(tmp_path, make_sampler=Dying)
    assert len(keys(rows)) == len(set(keys(rows))) == 200
    undecided = {(s.task_id, s.index) for s, verdict in rows if verdict.outcome is Outcome.UNDECIDED}
    assert undecided == {(poison, 2)}


def test_a_prompt_that_kills_at_once_is_found_among_all_that_die_with_it(tmp_path):
    poison = list(load("arithmetic", num_tasks=200))[7].id

    class Dying(QueueSampler):
        async def _one(self, request, place):
            if request.task_id == poison:
                raise RuntimeError("illegal memory access")
            return await super()._one(request, place)

    rows = play(tmp_path, make_sampler=lambda: Dying(seconds=0.02, slots=256), num_tasks=200, in_flight=256)
    assert len(keys(rows)) == len(set(keys(rows))) == 800
    undecided = sorted((s.task_id, s.index) for s, verdict in rows if verdict.outcome is Outcome.UNDECIDED)
    assert undecided == [(poison, index) for index in range(4)]


def test_an_engine_that_forgets_a_sample_is_asked_for_it_again(tmp_path):
    class Forgetful(QueueSampler):
        forgotten = 0

        async def sample(self, request):
            async for outcome in super().sample(request):
                if Forgetful.forgotten < 5:
                    Forgetful.forgotten += 1
                else:
                    yield outcome

    rows = play(tmp_path, make_sampler=Forgetful)
    assert len(keys(rows)) == len(set(keys(rows))) == 200
    assert all(verdict.outcome is not Outcome.UNDECIDED for _, verdict in rows)


def test_a_few_samples_that_fail_for_ever_among_others_stay_undecided(tmp_path):
    tasks = [task.id for task in load("arithmetic", num_tasks=50)]

    class Refusing(QueueSampler):
        async def _one(self, request, place):
            if request.task_id in tasks[-3:]:
                return SampleFailure(request.task_id, request.indices[place], "too long a prompt")
            return await super()._one(request, place)

    rows = play(tmp_path, make_sampler=Refusing)
    assert len(rows) == 200
    assert {s.task_id for s, verdict in rows if verdict.reason is Reason.SAMPLE_FAILURE} == set(tasks[-3:])


class Server(ThreadingHTTPServer):
    """Answers each request with 500; `silent`: no completion, and `dead`: nothing at all; `working`: a chat completion."""

    def __init__(self, mode):
        self.mode, self.num_requests, self.closing = mode, 0, threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.mode == "dead":
            self.server.closing.wait(60)
        self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.num_requests += 1
        if self.server.mode in ("silent", "dead"):
            self.server.closing.wait(60)
            return
        ok = self.server.mode == "working"
        body = WORKING if ok else b'{"error": {"message": "the model fell over"}}'
        self.send_response(200 if ok else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


WORKING = b"""{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
 "message": {"role": "assistant", "content": "#### 12"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}"""


FAILED = "engine failed again and again.*"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("500", FAILED + "the model fell over"),
        ("silent", r"has answered no request for a sample for \d+ s"),
        ("dead", r"has answered nothing for \d+ s"),
    ],
)
def test_a_server_that_fails_stops_the_pass_and_loses_nothing(tmp_path, monkeypatch, mode, words):
    if mode != "500":
        monkeypatch.setattr(server_watch, "QUIET_SECONDS", 0.2)
        monkeypatch.setattr(server_watch, "SILENT_SECONDS", 1.0)
    server = Server(mode)
    recipe = Recipe.model_validate(
        {
            "name": "served",
            "tasks": {"source": "arithmetic"},
            "model": {"path": "m"},
            "sampling": {
                "engine": "openai",
                "base_url": server.url,
                "max_retries": 1,
                "timeout_seconds": 0.3 if mode == "silent" else 30.0,
                "max_concurrency": 64,
            },
            "ray": {"address": "none"},
        }
    )
    rule = Allocation(samples_per_task=4)
    try:
        plan = SamplingPlan(("m",), seed_of)
        with (
            Executor(recipe.sampling, recipe.verification, recipe.ray) as executor,
            pytest.raises(UserError, match=f"{words}.*run the same command again"),
        ):
            executor.run_pass(load("arithmetic", num_tasks=40), plan, rule, tmp_path)
        assert not list(read_journal(tmp_path))
        server.mode = "working"
        monkeypatch.undo()  # a machine that is busy may take longer for an answer
        with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
            executor.run_pass(load("arithmetic", num_tasks=40), plan, rule, tmp_path)
        assert len(keys(list(read_journal(tmp_path)))) == 160
    finally:
        server.closing.set()
        server.shutdown()


def test_a_damaged_row_is_said_and_drawn_again(tmp_path):
    whole = play(tmp_path)
    path = tmp_path / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[17] = lines[17][:60] + b"#" + lines[17][61:]
    path.write_bytes(b"".join(lines))
    assert JournalIndex(tmp_path).damaged == [18]
    again = play(tmp_path)
    assert {(s.task_id, s.index): s.text for s, _ in again} == {(s.task_id, s.index): s.text for s, _ in whole}


def test_seen_tasks_are_known_again_across_sorting(monkeypatch):
    monkeypatch.setattr("selfplay.journal.index._RECENT", 50)
    seen = TaskIdSet()
    names = [f"task {number}" for number in range(1000)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)
    assert seen.add("another")


def test_a_journals_facts_are_those_of_its_rows(tmp_path):
    rows = play(tmp_path)
    found = JournalIndex(tmp_path)
    assert len(found) == len(rows) == 200
    for task_id in {sample.task_id for sample, _ in rows}:
        expected = [(s.index, v.outcome, s.completion_tokens) for s, v in rows if s.task_id == task_id]
        assert list(found.of(task_id)) == expected
    assert list(found.of("absent")) == []


def test_a_completion_that_looks_like_a_row_does_not_mislead_resumption(tmp_path):
    tricky = '{"sample":{"task_id":"x","index":9,"completion_tokens":99,"verdict":{"outcome":"correct"'

    class Tricky(QueueSampler):
        async def _one(self, request, place):
            sample = await super()._one(request, place)
            return type(sample)(**{**sample.to_dict(), "text": tricky + sample.text, "model": tricky})

    rows = play(tmp_path, make_sampler=Tricky, num_tasks=5)
    found = JournalIndex(tmp_path)
    for sample, verdict in rows:
        assert (sample.index, verdict.outcome, sample.completion_tokens) in list(found.of(sample.task_id))
