"""HumanEval's tests, given and strengthened, against changed programs: how many wrong ones each lets through, at what cost.

    python -m tests.benchmarks.programs_strengthen [--tasks N] [--cases N] [--rows FILE.jsonl]

The changed programs that are counted are not those that chose the cases. Cost is the time of one check of the solution. With
--rows each task's figures are kept in a file, and a run that was stopped goes on where it was.
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tasks import AssertTests
from tests.shared_data import SHARED
from verifiers.programs import verify_program
from verifiers.programs.strengthen import strengthen

_SUMMED = ("num_grown", "num_held_back", "num_wrong", "num_past_given", "num_past_grown")


def seconds(reference: AssertTests, program: str) -> float:
    """The best of five checks."""
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        assert verify_program(reference, program).outcome == "correct"
        best = min(best, time.perf_counter() - start)
    return best


def measure(task: dict, num_cases: int) -> dict:
    """The report of one task, and the seconds of a check before and after."""
    program = task["prompt"] + task["canonical_solution"]
    reference = AssertTests(task["test"], task["entry_point"])
    grown = strengthen(reference, program, num_cases)
    costs = {"before": seconds(reference, program), "after": seconds(grown.reference, program)}
    return {"id": task["task_id"], "cases": num_cases, **asdict(grown.report), **costs}


def tell(rows: list[dict]) -> None:
    total = Counter({name: sum(row[name] for row in rows) for name in _SUMMED})
    for row in rows:
        if row["num_past_grown"]:
            print(f"{row['id']:<14} past given {row['num_past_given']}, past strengthened {row['num_past_grown']}")
    killed = total["num_wrong"] - total["num_past_grown"]
    base, strong = total["num_past_given"], total["num_past_grown"]
    print(f"{len(rows)} tasks: {dict(Counter(row['note'] or 'grown' for row in rows))}")
    print(f"cases added {total['num_grown']}, of them held back {total['num_held_back']}")
    print(f"wrong changed programs {total['num_wrong']}: past the given tests {base}, past the strengthened {strong}")
    print(f"of {killed} that the strengthened tests stop, the given ones let {base - strong} through "
          f"({100 * (base - strong) / max(killed, 1):.1f}%); accepted-wrong cut {base / max(strong, 1):.1f} times")  # fmt: skip
    ratio = sum(row["after"] for row in rows) / sum(row["before"] for row in rows)
    median = statistics.median(row["after"] / row["before"] for row in rows)
    print(
        f"cost of a check: {ratio:.2f} times in total, median {median:.2f}, most {max(r['after'] / r['before'] for r in rows):.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=164)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--rows", type=Path)
    arguments = parser.parse_args()
    if SHARED is None:
        print("the shared data is not here: nothing to measure")
        return 0
    rows: list[dict] = []
    if arguments.rows and arguments.rows.exists():
        rows = [
            row for row in map(json.loads, arguments.rows.read_text().splitlines()) if row["cases"] == arguments.cases
        ]
    done = {row["id"] for row in rows}
    for line in (SHARED / "data" / "humaneval.jsonl").read_text().splitlines()[: arguments.tasks]:
        task = json.loads(line)
        if task["task_id"] in done:
            continue
        rows.append(measure(task, arguments.cases))
        if arguments.rows:
            with arguments.rows.open("a") as kept:
                kept.write(json.dumps(rows[-1]) + "\n")
    tell(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
