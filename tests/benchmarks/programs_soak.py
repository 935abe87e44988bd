"""A long run: right, wrong and hostile programs in a mix. Memory stays flat, nothing hangs, nothing is left.

    python -m tests.benchmarks.programs_soak [--programs 200000] [--seconds LIMIT] [--tier TIER]

Every tenth program is hostile or a trick. At the end: undecided verdicts, wrong verdicts, the fork-servers' memory at a
tenth of the way and at the end, zombies, and what is left on the machine.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from tests.program_cases.canary import Canary, traces_left
from tests.program_cases.case import Case, calls
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.honest import HONEST
from tests.program_cases.tricks import TRICKS
from verifiers.programs import verify_program
from verifiers.sandbox import close, configure, pool

_ADD = calls("add", ([1, 2], 3), ([5, 7], 12), ([-4, 9], 5), ([0, 0], 0))
_RIGHT = Case("right", "", "def add(a, b): return a + b", _ADD, frozenset({"match"}))
_WRONG = Case("wrong", "", "def add(a, b): return a - b", _ADD, frozenset({"mismatch"}))
_QUICK = {"memory", "raw_output", "crash", "abort", "open_files", "pipes", "other_door"}  # end well before their limits


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


def server_memory() -> int:
    return sum(memory_kib(server.pid) for idle in pool.pool()._idle.values() for server in idle)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--tier", default=None)
    arguments = parser.parse_args()
    configure(tier=arguments.tier)
    choice = random.Random(0)
    quick = [case for case in EXHAUSTS if case.name in _QUICK]
    attacks = REACHES + [case for case in TRICKS if case.name != "exit_thread"] + quick
    counts, bad, before, start, early = Counter(), Counter(), traces_left(), time.monotonic(), 0
    slowest = 0.0
    with Canary() as canary:
        for number in range(arguments.programs):
            if time.monotonic() - start > arguments.seconds:
                break
            case = choice.choice(attacks) if number % 10 == 9 else choice.choice((_RIGHT, _RIGHT, _WRONG))
            if number % 100 == 50:
                case = choice.choice(HONEST)
            verdict = verify_program(case.reference, canary.fill(case.program))
            counts[str(verdict.outcome)] += 1
            slowest = max(slowest, verdict.seconds)
            if verdict.reason not in case.reasons:
                bad[f"{case.name}: {verdict.reason}"] += 1
            if number == 1000 or (number and number % 20_000 == 0):
                early = early or server_memory()
                print(f"{number} programs, {number / (time.monotonic() - start):.0f}/s, {server_memory()} KiB", flush=True)
        harm = canary.harm()
    late, dead = server_memory(), zombies()
    close()
    growth = 100 * (late - early) / max(early, 1)
    print(f"{sum(counts.values())} programs, {dict(counts)}, slowest {slowest:.1f} s, fork-servers lost {pool.pool().num_failures}")
    print(f"not as they should be: {dict(bad) or 'none'}; harm: {harm or 'none'}; zombies {dead}; "
          f"left: {sorted(traces_left() - before) or 'nothing'}")  # fmt: skip
    print(f"memory of the fork-servers: {early} KiB after 1,000 programs, {late} KiB at the end ({growth:+.1f}%)")
    return 1 if bad or harm or dead or abs(growth) > 5 else 0


if __name__ == "__main__":
    sys.exit(main())
