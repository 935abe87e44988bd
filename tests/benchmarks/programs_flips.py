"""Verdicts on a busy machine: every labelled program again and again beside busy processes. None may change.

    python -m tests.benchmarks.programs_flips [--repeats N] [--busy N]    (N busy processes a core)
"""

import argparse
import os
import subprocess
import sys
from collections import defaultdict

from tests.program_cases.canary import Canary
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.honest import HONEST
from tests.program_cases.tricks import TRICKS
from verifiers.programs import verify_program
from verifiers.sandbox import configure

_WAITS = ("sleep", "wait_forever", "exit_function")  # they only take wall time, each its limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--busy", type=int, default=3)
    parser.add_argument("--tier", default=None)
    arguments = parser.parse_args()
    configure(tier=arguments.tier)
    cases = [case for case in HONEST + TRICKS + REACHES + EXHAUSTS if case.name not in _WAITS]
    seen = defaultdict(list)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy * os.cpu_count())]
    try:
        for _ in range(arguments.repeats):
            with Canary() as canary:
                for case in cases:
                    verdict = verify_program(case.reference, canary.fill(case.program))
                    seen[case.name].append((verdict.outcome, verdict.reason in case.reasons))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    flips = {name: found for name, found in seen.items() if len(set(found)) > 1 or not found[0][1]}
    print(f"{len(cases)} programs, {arguments.repeats} times, beside {len(busy)} busy processes on {os.cpu_count()} cores")
    print(f"verdicts that changed or were not as they should be: {flips or 'none'}")
    return 1 if flips else 0


if __name__ == "__main__":
    sys.exit(main())
