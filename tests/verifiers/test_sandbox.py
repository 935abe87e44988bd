"""The sandbox as its owner uses it: tiers, limits, what happens when the owner forks or is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.driver.workers import VerifierWorker, VerifyRequest
from selfplay.recipe.sections import Verification
from tasks import Limits, StdioTests, UserError
from tests.program_cases.case import calls
from verifiers.programs import verify_program
from verifiers.sandbox import examine, pool
from verifiers.sandbox.inside import mappings
from verifiers.sandbox.process_state import look
from verifiers.sandbox.tiers import Settings, candidates, settings_from_environment

ADD, ADDS = calls("add", ([1, 2], 3)), "def add(a, b): return a + b"
_OWNER = """
import os, sys
from tests.program_cases.case import calls
from verifiers.programs import verify_program
assert verify_program(calls("add", ([1, 2], 3)), "def add(a, b): return a + b").reason == "match"
"""


def _owner(code: str) -> subprocess.Popen:
    folder = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", _OWNER + code], stdout=subprocess.PIPE, cwd=folder, text=True)


def test_killed_owner_leaves_no_process():
    owner = _owner(
        "print('ready', flush=True)\nverify_program(calls('f', ([1], 1)), 'import time\\ndef f(x): time.sleep(99)')"
    )
    assert owner.stdout.readline() == "ready\n"
    _wait_until(lambda: len(_descendants(owner.pid)) >= 2)
    family = _descendants(owner.pid)
    owner.kill()
    owner.wait()
    _wait_until(lambda: not any(_runs(pid) for pid in family))


def _wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("descriptor", [40, 41])  # where the fork-server keeps its socket and its ruleset
def test_fork_server_starts_whatever_descriptor_its_socket_has(descriptor):
    owner = _owner(
        "from verifiers.sandbox import pool\n"
        "pool.close()\n"
        f"while os.open(os.devnull, os.O_RDONLY) < {descriptor - 2}: pass\n"
        "assert verify_program(calls('add', ([1, 2], 3)), 'def add(a, b): return a + b').reason == 'match'; print('right')\n"
    )
    assert owner.communicate(timeout=60)[0] == "right\n"


def test_forked_owner_takes_fork_servers_of_its_own():
    owner = _owner(
        "pid = os.fork()\n"
        "for _ in range(5):\n"
        "    assert verify_program(calls('add', ([1, 2], 3)), 'def add(a, b): return a + b').reason == 'match'\n"
        "if pid: assert os.waitpid(pid, 0)[1] == 0; print('both', flush=True)\n"
    )
    assert owner.communicate(timeout=60)[0] == "both\n"


def test_lost_fork_server_is_counted_where_the_run_reads_it():
    async def check() -> int:
        worker = VerifierWorker(Verification(threads=1))
        await worker.submit([VerifyRequest("t", 0, ADD, ADDS)])
        (checked,) = await worker.collect()
        await worker.close()
        assert checked.verdict.reason == "match"
        return checked.num_sandbox_failures

    verify_program(ADD, ADDS)
    pool.take_failures()
    assert asyncio.run(check()) == 0
    with pool.pool().lend() as server:
        for pid in [server.pid, *_descendants(server.pid)]:  # bubblewrap's own end would not be the fork-server's
            os.kill(pid, signal.SIGKILL)
        server._process.wait()
    assert asyncio.run(check()) == 1


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found[1:]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_sleeping_program_is_ended_by_its_idleness_not_by_the_wall(monkeypatch):
    monkeypatch.setattr("verifiers.programs._WALL_EXTRA_SECONDS", 3600.0)
    reference = StdioTests(({"stdin": "", "stdout": ""},), Limits(cpu_seconds=1.0))
    assert verify_program(reference, "import time\ntime.sleep(9999)").reason == "timeout"


def test_process_that_wants_a_core_is_not_idle():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        _wait_until(lambda: not look(process.pid).waiting)
    finally:
        process.kill()
        process.wait()
    assert look(process.pid) is None


def test_unsafe_has_to_be_asked_for():
    assert "unsafe" not in {name for name, _ in candidates(Settings())}
    assert candidates(Settings(unsafe=True))[-1][0] == "unsafe"
    assert {name for name, _ in candidates(Settings(tier="landlock"))} <= {"landlock"}


def test_unknown_tier_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("SELFPLAY_SANDBOX", "docker")
    with pytest.raises(UserError, match="docker.*bubblewrap"):
        settings_from_environment()
    monkeypatch.setenv("SELFPLAY_SANDBOX", "landlock")
    assert settings_from_environment() == Settings(tier="landlock")


def test_verdict_names_the_tier_that_held():
    tier = pool.pool().tier()
    assert verify_program(ADD, ADDS).verifier == f"programs@2+{tier.name}"


def test_doctor_gives_evidence_or_a_cure_for_every_layer():
    layers = examine()
    assert layers[0].layer.startswith("tier in use")
    assert all(layer.evidence for layer in layers)
    assert all(layer.cure for layer in layers[1:] if not layer.works)


def test_memory_limit_is_the_references():
    program = "def f(n): return len(bytearray(n << 20))"
    reference = calls("f", ([300], 300 << 20))
    assert verify_program(reference, program).reason == "match"
    small = type(reference)(reference.entry_point, reference.cases, 0.0, Limits(memory_mb=128))
    assert verify_program(small, program).reason == "memory"


def test_code_segments_are_found_for_sharing():
    segments = mappings.read_only_segments()
    assert any(protection & 4 for _, _, protection in segments)  # the interpreter's code
    assert all(start % os.sysconf("SC_PAGE_SIZE") == 0 and length > 0 for start, length, _ in segments)
