"""A long run: right, wrong and hostile programs in a mix. Memory stays flat, nothing hangs, nothing is left.

    python -m tests.benchmarks.programs_soak [--programs 200000] [--first N] [--seconds LIMIT] [--threads N] [--tier TIER]

Every tenth program is hostile or a trick; which one is decided by its number, so that a long soak can be run in pieces: each
prints the number to go on from. At the end: undecided verdicts, wrong verdicts, the fork-servers' memory at a
tenth of the way and at the end, zombies, and what is left on the machine.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.program_cases.canary import Canary, traces_left
from tests.program_cases.case import Case, calls
from tests.program_cases.honest import HONEST
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.tricks import TRICKS
from verifiers.programs import verify_program
from verifiers.sandbox import close, configure, pool

_ADD = calls("add", ([1, 2], 3), ([5, 7], 12), ([-4, 9], 5), ([0, 0], 0))
_RIGHT = Case("right", "", "def add(a, b): return a + b", _ADD, frozenset({"match"}))
_WRONG = Case("wrong", "", "def add(a, b): return a - b", _ADD, frozenset({"mismatch"}))
_QUICK = {"memory", "raw_output", "crash", "abort", "open_files", "pipes", "other_door"}  # end well before their limits
_LONG = {"exit_thread", "endless_answer", "holds_everything"}
_ATTACKS = [
    *REACHES,
    *(case for case in TRICKS if case.name not in _LONG),
    *(case for case in EXHAUSTS if case.name in _QUICK),
]


def memory_kib(pid: int) -> int:
    """Resident memory of a process and its descendants that stay."""
    total = 0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            total += int(line.split()[1])
    return total + sum(memory_kib(int(child)) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def zombies() -> int:
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found += fields[0] == "Z" and b"forkserver" in b"".join(_command(int(fields[1])))
    return found


def _command(pid: int) -> list[bytes]:
    try:
        return [Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def server_memory() -> dict[int, int]:
    """KiB by fork-server."""
    return {server.pid: memory_kib(server.pid) for idle in pool.pool()._idle.values() for server in idle}


@dataclass(slots=True)
class Soak:
    """What the programs of one piece came to; shared by its threads."""

    canary: Canary
    end: float  # monotonic clock, when no further program starts
    counts: Counter = field(default_factory=Counter)
    bad: Counter = field(default_factory=Counter)
    slowest: float = 0.0
    next: int = 0  # number of the next program
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self, last: int) -> None:
        """Judge programs until the last number or the end of the time."""
        while time.monotonic() < self.end:
            with self.lock:
                if self.next >= last:
                    return
                number, self.next = self.next, self.next + 1
            case = case_of(number)
            verdict = verify_program(case.reference, self.canary.fill(case.program))
            with self.lock:
                self.counts[str(verdict.outcome)] += 1
                self.slowest = max(self.slowest, verdict.seconds)
                if verdict.reason not in case.reasons:
                    self.bad[f"{case.name}: {verdict.reason}"] += 1


def case_of(number: int) -> Case:
    choice = random.Random(number)
    if number % 100 == 50:
        return choice.choice(HONEST)
    return choice.choice(_ATTACKS) if number % 10 == 9 else choice.choice((_RIGHT, _RIGHT, _WRONG))


def run(soak: Soak, last: int, num_threads: int) -> None:
    with ThreadPoolExecutor(num_threads) as threads:
        for done in [threads.submit(soak.work, last) for _ in range(num_threads)]:
            done.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tier", default=None)
    arguments = parser.parse_args()
    configure(tier=arguments.tier)
    before, start, memory, seen = traces_left(), time.monotonic(), [], arguments.first
    with Canary() as canary:
        soak = Soak(canary, start + arguments.seconds, next=arguments.first)
        for last in [
            arguments.first + 1000,
            *range(arguments.first + 20_000, arguments.programs, 20_000),
            arguments.programs,
        ]:
            run(soak, min(last, arguments.programs), arguments.threads)
            memory.append(server_memory())
            total, seen = sum(soak.counts.values()), arguments.first + sum(soak.counts.values())
            print(
                f"{total} programs, {total / (time.monotonic() - start):.0f}/s, fork-servers' KiB {sorted(memory[-1].values())}",
                flush=True,
            )
        harm = canary.harm()
    dead, failures = zombies(), pool.pool().num_failures
    close()
    stayed = memory[0].keys() & memory[-1].keys()
    growth = max((100 * (memory[-1][pid] / memory[0][pid] - 1) for pid in stayed), default=0.0)
    print(
        f"{total} programs, {dict(soak.counts)}, slowest {soak.slowest:.1f} s, fork-servers lost {failures}; go on with --first {seen}"
    )
    print(f"not as they should be: {dict(soak.bad) or 'none'}; harm: {harm or 'none'}; zombies {dead}; "
          f"left: {sorted(traces_left() - before) or 'nothing'}")  # fmt: skip
    print(
        f"memory of the {len(stayed)} fork-servers that were there after 1,000 programs and at the end: at most {growth:+.1f}%"
    )
    return 1 if soak.bad or harm or dead or abs(growth) > 5 else 0


if __name__ == "__main__":
    sys.exit(main())
