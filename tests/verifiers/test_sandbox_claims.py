"""Every line of the sandbox's list of what is covered, attacked in every tier that works here."""

import ctypes
import os
import re
import signal
from pathlib import Path

import pytest

import verifiers.sandbox
from tests.program_cases.canary import Canary, traces_left
from tests.program_cases.case import calls
from tests.program_cases.forgeries import FORGERIES
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.tricks import TRICKS
from verifiers.programs import verify_program
from verifiers.sandbox import pool
from verifiers.sandbox.errors import SandboxError
from verifiers.sandbox.inside import seccomp
from verifiers.sandbox.tiers import Settings, choose

ADD = calls("add", ([1, 2], 3))
ADDS = "def add(a, b): return a + b"

_FILES = "read_shadow read_canary read_home list_root poison_library plant_module temporary rename link truncate times"
_FILES += " attributes remove_tree file_handle change_input"
_SOCKETS = "tcp udp netlink packet vsock unix abstract socket_pair shared_memory semaphores message_queue posix_queue"
_SOCKETS += " named_semaphore"
_PROCESSES = "parent_memory trace_parent steal_descriptor kill_all kill_victim stop_parent thread_kill queue_signal"
_PROCESSES += " limits_of_others signal_owner"
_STARTS = "raw_fork vfork clone3 execute execute_at memory_file user_namespace"
_RIGHTS = (
    "become_root gain_rights raise_limits dumpable loosen_filter clock affinity lock_memory chroot mount new_mount"
)
_SECRETS = "parent_environment own_environment parent_descriptors own_memory descriptors secret_memory"
GROUPS = {
    "files": _FILES,
    "sockets": _SOCKETS,
    "processes": _PROCESSES,
    "starts": _STARTS,
    "rights": _RIGHTS,
    "secrets": _SECRETS,
}
_BY_NAME = {case.name: case for case in REACHES}


@pytest.fixture(params=["bubblewrap", "landlock"], scope="module")
def tier(request):
    try:
        choose(Settings(tier=request.param))
    except SandboxError as error:
        pytest.skip(f"the tier {request.param} cannot be had here: {error}")
    pool.configure(tier=request.param)
    yield request.param
    pool.configure()


def _reach(names: str) -> None:
    with Canary() as canary:
        for name in names.split():
            case = _BY_NAME[name]
            verdict = verify_program(case.reference, canary.fill(case.program))
            assert verdict.reason == "match", f"{name} {case.why}: {verdict.answer}"
        assert canary.harm() == []


def test_no_program_touches_files(tier):
    _reach(_FILES)


def test_no_program_reaches_sockets_or_ipc(tier):
    _reach(_SOCKETS)


def test_no_program_touches_processes(tier):
    _reach(_PROCESSES)


def test_no_program_starts_processes(tier):
    _reach(_STARTS)


def test_no_program_wins_rights_back(tier):
    _reach(_RIGHTS)


def test_no_program_sees_secrets(tier):
    _reach(_SECRETS)


def test_the_rest_of_the_table_is_stopped(tier):
    _reach(" ".join(set(_BY_NAME) - {name for names in GROUPS.values() for name in names.split()}))


def test_every_unlisted_call_is_refused(tier):
    column = seccomp._MACHINES[os.uname().machine]
    rules = set(seccomp._rules(column))
    uprobes = {335, 336} if column == seccomp.X86_64 else set()  # the kernel answers these before any filter: SIGILL
    numbers = [number for number in range(470) if number not in rules | uprobes]
    program = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall.restype = ctypes.c_long\n"
    program += "def refused(n): return [libc.syscall(ctypes.c_long(n), 0, 0, 0, 0, 0, 0), ctypes.get_errno()]\n"
    reference = calls("refused", *[([number], [-1, 1]) for number in numbers])  # 1 is EPERM
    verdict = verify_program(reference, program)
    assert verdict.reason == "match", verdict.answer


# The fast ones: the others take their CPU or wall limit each, and run in tests/benchmarks/programs_attacks.py.
_FAST = {"memory", "output", "raw_output", "crash", "abort", "deep_c", "other_door", "open_files", "pipes", "threads"}


def test_exhaustion_ends_only_the_program(tier):
    for case in EXHAUSTS:
        if case.name in _FAST:
            verdict = verify_program(case.reference, case.program)
            assert verdict.reason in case.reasons, f"{case.name}: {verdict}"
            assert verify_program(ADD, ADDS).reason == "match", f"after {case.name}"


@pytest.mark.parametrize("trick", TRICKS, ids=lambda case: case.name)
def test_no_trick_is_accepted(tier, trick):
    verdict = verify_program(trick.reference, trick.program)
    assert verdict.reason in trick.reasons, f"{trick.why}: {verdict}"
    assert verify_program(ADD, ADDS).reason == "match"


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda case: case.name)
def test_no_forgery_is_accepted(tier, forgery):
    verdict = verify_program(forgery.reference, forgery.program)
    assert verdict.reason in forgery.reasons, verdict


def test_nothing_is_left_behind(tier):
    before = traces_left()
    pool.configure(tier=tier)
    for name in ("shared_memory", "semaphores", "named_semaphore", "raw_fork", "temporary", "memory_file"):
        verify_program(_BY_NAME[name].reference, _BY_NAME[name].program)
    with pool.pool().lend() as server:
        folders = list(server._cgroup.folders.values())
    pool.close()
    assert traces_left() <= before
    assert not [folder for folder in folders if folder.exists()]


def test_dead_fork_server_is_no_verdict(tier):
    verify_program(ADD, ADDS)
    pool.take_failures()
    with pool.pool().lend() as server:
        inside = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for pid in [server.pid, *map(int, inside)]:  # under bubblewrap the fork-server is a child of what was started
            os.kill(pid, signal.SIGKILL)
        server._process.wait()
    assert verify_program(ADD, ADDS).reason == "match"  # a new one takes its place
    assert pool.take_failures() == 1


def test_filter_numbers_are_those_of_libseccomp():
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed")
    listed = {
        **seccomp.ALLOWED,
        **seccomp.SERVER_ONLY,
        "clone": seccomp.CLONE,
        "clone3": seccomp.CLONE3,
        "ioctl": seccomp.IOCTL,
    }
    listed |= {"fcntl": seccomp.FCNTL, "prlimit64": seccomp.PRLIMIT}
    for name, numbers in listed.items():
        for arch, number in zip((0xC000003E, 0xC00000B7), numbers, strict=True):
            known = library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(arch), name.encode())
            assert (known if known >= 0 else None) == number, f"{name} on {arch:x}"


def test_every_claim_names_its_test():
    covered = verifiers.sandbox.__doc__.split("Not covered")[0]
    lines = [line for line in covered.splitlines() if line.startswith("- ")]
    named = re.findall(r"^- .*\[(test_\w+)\]$", covered, re.MULTILINE)
    assert len(named) == len(lines) > 8
    assert [name for name in named if name not in globals()] == []
