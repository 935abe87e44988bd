"""Limits: the same verdicts in any thread and in a Ray actor, workers that die with their work and with their parent."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks import MathReference
from verifiers import Outcome, Reason, verify, verify_answer
from verifiers.mathematics.equivalence import worker_client as guard

NEEDS_A_WORKER = [
    (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^{n} k", Outcome.CORRECT),
    (r"\frac{1}{3}", r"\int_0^1 x^2 dx", Outcome.CORRECT),
    (r"\frac{1}{4}", r"\int_0^1 x^2 dx", Outcome.WRONG),
    (r"\infty", r"\lim_{x\to 0^+} \frac{1}{x}", Outcome.CORRECT),
    (r"-1", r"\lim_{x\to 2^-} \frac{|x-2|}{x-2}", Outcome.CORRECT),
    (r"1", r"\lim_{x\to 2^-} \frac{|x-2|}{x-2}", Outcome.WRONG),
    ("5", "(" * 1500 + "5" + ")" * 1500, Outcome.CORRECT),
]
ENDLESS = r"\int_0^1 e^{x^{x^{x}}} \sin(x^{100}) dx"
HOSTILE = [
    ("1", r"\boxed{5^{5^{5^{5^5}}}}"),
    ("1", r"\boxed{1000000!}"),
    ("1", r"\boxed{\sum_{k=1}^{10^9} k^k}"),
    ("1", r"\boxed{1e999999}"),
    ("1", "\\boxed{" + "9" * 100_000 + "}"),
    ("1", "\\boxed{" + "\\frac{1}{" * 3000 + "1" + "}" * 3000 + "}"),
    ("1", "\\boxed{" + "(" * 20_000 + "}"),
    ("1", "The answer is " + "1," * 20_000),
    ("1", r"\boxed{(x+y+z)^{500}}"),
    ("1", r"\boxed{\sin(10^{10^{10}})}"),
    ("1", r"\boxed{__import__('os').system('touch PWNED')}"),
    ("1", "\\boxed{" + "\\sqrt{2+" * 40 + "2" + "}" * 40 + "}"),
    ("2", r"\boxed{\binom{10^9}{5\cdot 10^8}}"),
    ("0", r"\boxed{\frac{1}{0}}"),
    ("1", "x" * 300_000),
]
LONG = [  # these work up to their limits, so one pass is enough
    ("1", r"\boxed{\sum_{i=1}^{300}\sum_{j=1}^{300}\sum_{k=1}^{300} i^j k}"),
    ("1", "\\boxed{" + r"\sin x " * 200 + "}"),
    ("1", "\\boxed{9" + "!" * 2000 + "}"),
    ("(0,1)", "\\boxed{" + r"\cup".join(f"({n},{n + 1})" for n in range(500)) + "}"),
    ("1", r"\boxed{0.\overline{" + "3" * 20_000 + "}}"),
    ("1", "\\boxed{" + "²" * 20_000 + "}"),
]


def workers_of(parent: int) -> list[int]:
    """Ids of the worker processes of a process, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == parent and (b"verifiers.mathematics.worker" in line or fields[0] == "Z"):
                found.append(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def no_worker_before_or_after():
    guard.close()
    before = workers_of(os.getpid())
    yield
    guard.close()
    assert workers_of(os.getpid()) == before


def decided(reference: str, answer: str):
    """The verdict, tried again while a busy machine makes it `undecided`, as the pipeline does."""
    for _ in range(10):
        guard.warm()
        verdict = verify_answer(MathReference(reference), answer)
        if verdict.reason is not Reason.CHECKER_TIMEOUT:
            break
    return verdict


@pytest.mark.parametrize("reference, answer, outcome", NEEDS_A_WORKER)
def test_a_worker_decides_what_the_normal_form_leaves_open(reference, answer, outcome):
    assert decided(reference, answer).outcome is outcome


def test_an_endless_question_is_undecided_in_time_and_its_worker_replaced():
    assert guard.warm()
    first = workers_of(os.getpid())
    start = time.perf_counter()
    verdict = verify_answer(MathReference("1"), ENDLESS)
    assert time.perf_counter() - start < 3 * guard.QUESTION_SECONDS + 0.5
    assert verdict.reason is Reason.CHECKER_TIMEOUT
    assert guard.warm()
    assert workers_of(os.getpid()) != first and len(workers_of(os.getpid())) == 1
    assert decided(r"\frac{1}{3}", r"\int_0^1 x^2 dx").outcome is Outcome.CORRECT


def test_a_killed_worker_is_replaced():
    assert guard.warm()
    [worker] = workers_of(os.getpid())
    os.kill(worker, 9)
    assert decided(r"\frac{1}{3}", r"\int_0^1 x^2 dx").outcome is Outcome.CORRECT


def test_a_worker_ends_with_its_parent_even_amid_work():
    program = (
        "import os, threading, time; from verifiers.mathematics.equivalence import worker_client as guard; guard.warm();"
        f"threading.Thread(target=guard._worker.ask, args=('1', {ENDLESS!r}, time.perf_counter() + 60), daemon=True).start();"
        "time.sleep(0.3); print(guard._worker.process.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    worker = int(done.stdout)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{worker}")


def test_a_fork_has_a_worker_of_its_own():
    assert guard.warm()
    child = os.fork()
    if child == 0:
        fine = decided(r"\frac{1}{3}", r"\int_0^1 x^2 dx").outcome is Outcome.CORRECT
        guard.close()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert decided(r"\frac{1}{3}", r"\int_0^1 x^2 dx").outcome is Outcome.CORRECT


def verdicts_of_hostile() -> list[str]:
    return [str(verify(MathReference(reference), completion).outcome) for reference, completion in HOSTILE]


def test_hostile_answers_are_refused_in_time():
    for reference, completion in HOSTILE + LONG:
        start = time.thread_time()
        verdict = verify(MathReference(reference), completion)
        assert verdict.outcome is not Outcome.CORRECT, completion[:60]
        assert verdict.reason is not Reason.CHECKER_FAILURE, (completion[:60], verdict)
        assert time.thread_time() - start < 0.5, completion[:60]


def test_verdicts_in_threads_are_those_of_the_main_thread():
    questions = [
        ("1/2", "0.5"),
        (r"\tan^2 x+1", r"\sec^2 x"),
        (r"\sqrt{2+\sqrt3}", r"\frac{\sqrt6+\sqrt2}{2}"),
        ("(0,1)", "0<x<1"),
        ("52_8", "52_9"),
    ]
    alone = [verify_answer(MathReference(a), b).reason for a, b in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: verify_answer(MathReference(pair[0]), pair[1]).reason, questions * 40))
    assert together == alone * 40
    results: list[list[str]] = []
    thread = threading.Thread(target=lambda: results.append(verdicts_of_hostile()))
    thread.start()
    thread.join()
    assert "correct" not in results[0]


def test_verdicts_in_a_ray_actor_are_those_of_this_process():
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        ray.shutdown()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:

        @ray.remote
        class Checker:
            def judge(self, pairs):
                from tasks import MathReference
                from verifiers import verify_answer

                return [str(verify_answer(MathReference(a), b).reason) for a, b in pairs]

            def children(self):
                return workers_of(os.getpid())

        pairs = [
            ("1/2", "0.5"),
            (r"\cos 20^\circ", r"\sin 70^\circ"),
            (r"\sqrt{2}", "1.41421356"),
            ("1", r"5^{5^{5^{5^5}}}"),
            ("0", r"\frac{1}{0}"),
        ]
        checker = Checker.remote()
        assert ray.get(checker.judge.remote(pairs)) == [
            str(verify_answer(MathReference(a), b).reason) for a, b in pairs
        ]
    finally:
        ray.shutdown()


def test_many_hostile_answers_leave_no_process_and_no_memory_behind():
    quick = [pair for pair in HOSTILE if "frac{1}{\\frac" not in pair[1]]
    for reference, completion in quick:
        verify(MathReference(reference), completion)
    before = resident_bytes()
    for round_number in range(6):
        for reference, completion in quick:
            verify(MathReference(reference), f"Attempt {round_number}: {completion}")
    assert len(workers_of(os.getpid())) <= 1
    assert resident_bytes() - before < 64 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
