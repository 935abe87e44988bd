"""Every HumanEval `check`, and every assertion test at hand, against generic cheats: how many are accepted.

    python -m tests.benchmarks.programs_cheats [--tasks N] [--cheats NAME,NAME] [--tier TIER] [--threads N]

A constant that happens to be the answer of a task is no cheat: `returns_true` and the like are counted apart, with the
tasks that they pass.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from tasks import AssertTests, Limits
from tests.program_cases.cheats import cheats
from tests.shared_data import SHARED
from verifiers.programs import verify_program
from verifiers.sandbox import close, configure

_LIMITS = Limits(cpu_seconds=1.0)


def references() -> list[tuple[str, AssertTests]]:
    """(name of the function, tests) of HumanEval, as `check` and as the bare tests of a module."""
    rows = [json.loads(line) for line in (SHARED / "data" / "humaneval.jsonl").read_text().splitlines()]
    return [(row["entry_point"], AssertTests(row["test"], row["entry_point"], _LIMITS)) for row in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=164)
    parser.add_argument("--cheats", default="")
    parser.add_argument("--tier", default=None)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if SHARED is None:
        print("the shared data is not here: nothing to measure")
        return 0
    configure(tier=arguments.tier)
    start = time.perf_counter()
    jobs = [
        (name, cheat, reference, program)
        for name, reference in references()[: arguments.tasks]
        for cheat, program in cheats(name).items()
        if not arguments.cheats or cheat in arguments.cheats.split(",")
    ]
    with ThreadPoolExecutor(arguments.threads) as threads:
        outcomes = list(threads.map(lambda job: verify_program(job[2], job[3]).outcome, jobs))
    close()
    accepted, counts = defaultdict(list), Counter(map(str, outcomes))
    for (name, cheat, _, _), outcome in zip(jobs, outcomes, strict=True):
        if outcome == "correct":
            accepted[cheat].append(name)
    for cheat, names in accepted.items():
        print(f"{cheat} is accepted by {len(names)}: {', '.join(names[:8])}")
    print(f"{len(jobs)} programs: {dict(counts)}; {time.perf_counter() - start:.0f} s")
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main())
