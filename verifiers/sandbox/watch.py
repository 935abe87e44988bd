"""What a running program does, as /proc tells its owner: whether it only waits, and how many threads it has.

Wall time says little on a busy machine: a program that waits for a core is not idle, one that sleeps is. So idleness is
what is limited, and wall time is the backstop.
"""

import os
from dataclasses import dataclass

_WAITING = frozenset("STt")  # asleep, stopped, traced; not R (has or wants a core), not D (waits for a disk)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process."""

    ticks: int  # CPU time so far, in clock ticks
    waiting: bool  # no thread has a core, wants one or reads a disk
    num_threads: int


def process_of(pidfd: int) -> int:
    """The process number that a pidfd stands for, as this process sees it; -1 where it has ended."""
    with open(f"/proc/self/fdinfo/{pidfd}") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), -1)


def look(pid: int) -> Look | None:
    """The state of a process now; None where it has ended or /proc does not tell."""
    ticks, waiting = 0, True
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads[:64]:
            with open(f"/proc/{pid}/task/{thread}/stat") as line:
                fields = line.read().rsplit(")", 1)[1].split()
            waiting = waiting and fields[0] in _WAITING
            ticks += int(fields[11]) + int(fields[12])
    except (OSError, IndexError):
        return None
    return Look(ticks, waiting, len(threads))
