"""HumanEval's tests, given and strengthened, against changed programs: how many wrong ones each lets through, at what cost.

    python -m tests.benchmarks.programs_strengthen [--tasks N] [--cases N]

The changed programs that are counted are not those that chose the cases. Cost is the time of one check of the solution.
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter

from tasks import AssertTests
from tests.shared_data import SHARED
from verifiers.programs import verify_program
from verifiers.strengthen import strengthen


def seconds(reference: AssertTests, program: str) -> float:
    """The best of five checks."""
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        assert verify_program(reference, program).outcome == "correct"
        best = min(best, time.perf_counter() - start)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=164)
    parser.add_argument("--cases", type=int, default=24)
    arguments = parser.parse_args()
    if SHARED is None:
        print("the shared data is not here: nothing to measure")
        return 0
    totals, notes, costs = Counter(), Counter(), []
    lines = (SHARED / "data" / "humaneval.jsonl").read_text().splitlines()[: arguments.tasks]
    for line in lines:
        row = json.loads(line)
        program = row["prompt"] + row["canonical_solution"]
        reference = AssertTests(row["test"], row["entry_point"])
        grown = strengthen(reference, program, arguments.cases)
        report = grown.report
        notes[report.note or "grown"] += 1
        costs.append((seconds(reference, program), seconds(grown.reference, program)))
        for name in ("num_grown", "num_held_back", "num_wrong", "num_past_given", "num_past_grown"):
            totals[name] += getattr(report, name)
        if report.num_past_grown:
            print(f"{row['task_id']:<14} past given {report.num_past_given}, past strengthened {report.num_past_grown}")
    killed = totals["num_wrong"] - totals["num_past_grown"]
    base, strong = totals["num_past_given"], totals["num_past_grown"]
    print(f"{len(lines)} tasks: {dict(notes)}")
    print(f"cases added {totals['num_grown']}, of them held back {totals['num_held_back']}")
    print(f"wrong changed programs {totals['num_wrong']}: past the given tests {base}, past the strengthened {strong}")
    print(f"of {killed} that the strengthened tests stop, the given ones let {base - strong} through "
          f"({100 * (base - strong) / max(killed, 1):.1f}%); accepted-wrong cut {base / max(strong, 1):.1f} times")  # fmt: skip
    ratio = sum(after for _, after in costs) / sum(before for before, _ in costs)
    print(f"cost of a check: {ratio:.2f} times in total, median {statistics.median(b / a for a, b in costs):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
