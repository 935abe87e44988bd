"""What is given up before a program runs: identity, rights, most system calls and what limits are alike by the fork-server,
once; files, network and the rest by each child.
"""

import ctypes
import mmap
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import landlock, seccomp

OUTPUT_BYTES = 16 * 2**20  # largest file that a child can write: its standard output, its answers
STACK_BYTES = 512 * 2**20  # of the main thread: recursion through C code needs it
MAX_THREADS = 256
MAX_FILES = 64
RULESET = 41  # the descriptor of the Landlock ruleset in the fork-server

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 1, 4, 8, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_READ_SEARCH = 1 << 2  # CAP_DAC_READ_SEARCH
_SIGKILL = 9
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What every child of one fork-server is put under."""

    steps: tuple[tuple[str, Callable[[], int]], ...]  # names and system calls with their arguments; each gives 0
    counts_processes: bool  # the limit on processes counts this sandbox alone: an identity or user namespace of its own


def readable_paths(packages: dict) -> list[str]:
    """The interpreter's library, the system's shared libraries, and the packages that are granted; of folders that hold
    other packages too, all else.
    """
    paths = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.join(sys.base_prefix, "lib")}
    paths |= {
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/usr/share/zoneinfo",
        "/dev/urandom",
        "/dev/zero",
    }
    found = set(packages["readable"])
    for path in paths:
        found |= _without(path, set(map(os.path.realpath, packages["hidden"])))
    return sorted(path for path in found if os.path.exists(path))


def _without(path: str, hidden: set[str]) -> set[str]:
    """The path, or of a folder that hides something all its entries but that."""
    real = os.path.realpath(path)
    if real in hidden:
        return set()
    if not any(one.startswith(f"{real}/") for one in hidden):
        return {path}
    return set().union(*(_without(os.path.join(real, name), hidden) for name in os.listdir(real)))


def listed_paths(packages: dict) -> list[str]:
    """Folders whose names alone can be read: an import looks for modules there."""
    return sorted({sysconfig.get_path("stdlib"), *packages["folders"]})


def confine_server(layers: set[str], uid: int, packages: dict) -> Confinement:
    """Give up, in the fork-server itself, what neither it nor a child needs; OSError where a layer cannot be had.

    `uid` is the identity to drop to, -1 keeps this one. Where the interpreter lies in a folder that the new identity may not
    enter, the right to read and search is kept: Landlock bounds what it opens.
    """
    paths = readable_paths(packages)
    ruleset = landlock.make_ruleset(paths, ["/dev/null"], listed_paths(packages)) if "landlock" in layers else -1
    reads = uid >= 0 and ruleset >= 0 and not all(_open_to_all(path) for path in paths if os.path.isdir(path))
    if uid >= 0:
        _drop_identity(uid, reads)
    _set_capabilities(_READ_SEARCH if reads else 0)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    code = seccomp.child_filter() if "seccomp" in layers else b""
    if ruleset not in (-1, RULESET):
        os.dup2(ruleset, RULESET)
        os.close(ruleset)
    _set_common_limits()
    if code:
        seccomp.install(seccomp.server_filter())
    return Confinement(_child_steps(ruleset >= 0, code), uid >= 0 or "user_namespace" in layers)


def _child_steps(has_ruleset: bool, code: bytes) -> tuple:
    """The system calls that confine a child, their arguments ready made: what a child need not do, it need not pay for."""
    plain = ctypes.PyDLL(None)  # calls without letting go of the interpreter's lock, which one thread alone wants
    plain.syscall.restype = ctypes.c_long
    nothing = ctypes.c_ulong(0)
    death = partial(plain.prctl, _PR_SET_PDEATHSIG, ctypes.c_ulong(_SIGKILL), nothing, nothing, nothing)
    steps = [("the tie to its parent", death)]
    if has_ruleset:
        steps.append(("Landlock", partial(plain.syscall, *landlock.restrict_call(RULESET))))
    if code:
        steps.append(("seccomp", partial(plain.prctl, *seccomp.install_call(code))))
    return tuple(steps)


def _open_to_all(path: str) -> bool:
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def _set_common_limits() -> None:
    """Limits that every child inherits; none can be raised again."""
    for name, value in (
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, MAX_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 64),
    ):
        resource.setrlimit(name, (value, value))


def set_limits(cpu_seconds: int, address_bytes: int, confinement: Confinement) -> None:
    """A child's own limits. Threads are among them: what one child starts must not keep the fork-server from forking."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    if confinement.counts_processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (MAX_THREADS, MAX_THREADS))


def mapped_bytes() -> int:
    """Address space in use, to the page, found by which limit refuses one more page: /proc may not be there to ask."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    page, low, high = mmap.PAGESIZE, 0, 2**46 // mmap.PAGESIZE
    while high - low > 1:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle * page, hard))
        try:
            mmap.mmap(-1, page).close()
            high = middle
        except OSError:
            low = middle
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return high * page


def confine(confinement: Confinement) -> None:
    """Give up, in a child, files, network and system calls; OSError means that nothing may run here."""
    for name, step in confinement.steps:
        if step() != 0:
            raise OSError(f"{name} could not be had in a child")
    os.closerange(RULESET, RULESET + 1)


def give_up_rights(uid: int, paths: list[str]) -> None:
    """Drop to an identity (-1 keeps this one) and give up the capabilities, before a program is started by exec.

    Where the new identity may not enter a folder of `paths`, the right to read and search outlives the exec, as an ambient
    capability: the caller must have Landlock bound what is opened.
    """
    reads = uid >= 0 and not all(_open_to_all(path) for path in paths)
    if uid >= 0:
        _drop_identity(uid, reads)
    _set_capabilities(_READ_SEARCH if reads else 0, inheritable=reads)
    if reads:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _READ_SEARCH.bit_length() - 1)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _drop_identity(uid: int, keep_rights: bool) -> None:
    if keep_rights:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _set_capabilities(kept: int, inheritable: bool = False) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=IIIIII", kept, kept, kept if inheritable else 0, 0, 0, 0)
    if _libc.syscall(_CAPSET[os.uname().machine], header, data) != 0:
        raise OSError(ctypes.get_errno(), "capabilities could not be dropped")


def _prctl(option: int, value: int, second: int = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(second), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")
