"""The state of a running program, read from /proc: whether it only waits, and how many threads it has.

Wall time says little on a busy machine: a program that waits for a core is not idle, one that sleeps is. So idle time is
limited, and wall time, less the time without a core, is the backstop.
"""

import os
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_WAITING = frozenset("STt")  # asleep, stopped, traced; not R (has or wants a core), not D (waits for a disk)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process."""

    cpu_seconds: float  # so far, of all its threads, those that ended too
    waiting: bool  # no thread has a core, wants one or reads a disk
    num_threads: int


def process_of(pidfd: int) -> int:
    """The process number that a pidfd stands for, as this process sees it; -1 where it has ended."""
    with open(f"/proc/self/fdinfo/{pidfd}") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), -1)


def look(pid: int) -> Look | None:
    """The state of a process now; None where it has ended or /proc does not tell."""
    waiting = True
    try:
        whole = _fields(f"/proc/{pid}/stat")
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads[:64]:
            waiting = waiting and _fields(f"/proc/{pid}/task/{thread}/stat")[0] in _WAITING
    except (OSError, IndexError):
        return None
    return Look((int(whole[11]) + int(whole[12])) / _TICKS, waiting, len(threads))


def seconds_without_core(pid: int) -> float:
    """How long a process has wanted a core and had none; 0 where it has ended or the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/schedstat") as line:
            return int(line.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _fields(path: str) -> list[str]:
    """The fields of a stat file from the state on."""
    with open(path) as line:
        return line.read().rsplit(")", 1)[1].split()
