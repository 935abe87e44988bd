"""Verdicts on a busy machine: every labelled program again and again beside busy processes. None may change.

    python -m tests.benchmarks.programs_flips [--repeats N] [--busy N] [--at-once N] [--rows FILE.jsonl]

N busy processes a core, N programs at a time. With --rows the verdicts are kept in a file, and a run that was stopped goes
on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.program_cases.canary import Canary
from tests.program_cases.case import Case
from tests.program_cases.honest import HONEST
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.tricks import TRICKS
from verifiers.programs import verify_program
from verifiers.sandbox import configure

_WAITS = ("sleep", "wait_forever", "exit_function")  # they only take wall time, each its limit


def verdicts(cases: list[Case], num_at_once: int) -> dict[str, tuple[str, bool]]:
    """Of each program by name: the outcome, and whether the reason is one that it may have."""

    def one(case: Case) -> tuple[str, bool]:
        verdict = verify_program(case.reference, canary.fill(case.program))
        return str(verdict.outcome), verdict.reason in case.reasons

    with Canary() as canary, ThreadPoolExecutor(num_at_once) as threads:
        return dict(zip([case.name for case in cases], threads.map(one, cases), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--busy", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--tier", default=None)
    parser.add_argument("--rows", type=Path)
    arguments = parser.parse_args()
    configure(tier=arguments.tier)
    cases = [case for case in HONEST + TRICKS + REACHES + EXHAUSTS if case.name not in _WAITS]
    rows: list[dict] = []
    if arguments.rows and arguments.rows.exists():
        rows = [json.loads(line) for line in arguments.rows.read_text().splitlines()]
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy * os.cpu_count())
    ]
    try:
        while len(rows) < arguments.repeats:
            rows.append(verdicts(cases, arguments.at_once))
            if arguments.rows:
                with arguments.rows.open("a") as kept:
                    kept.write(json.dumps(rows[-1]) + "\n")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    seen = {name: [tuple(row[name]) for row in rows if name in row] for name in {name for row in rows for name in row}}
    flips = {name: found for name, found in seen.items() if len(set(found)) > 1 or not found[0][1]}
    print(f"{len(seen)} programs, {len(rows)} times, beside {len(busy)} busy processes on {os.cpu_count()} cores")
    print(f"verdicts that changed or were not as they should be: {flips or 'none'}")
    return 1 if flips else 0


if __name__ == "__main__":
    sys.exit(main())
