"""Labelled real programs: how many wrong ones are accepted, how many right ones are refused, by kind.

    python -m tests.benchmarks.programs_labelled [--rows FILE.jsonl] [--tier TIER] [--verbose]

Each row is one of `selfplay verify` with its `expected_outcome` and its `kind`. A right program that is refused is counted
twice: whatever the refusal, and as `wrong`, which is the costlier error.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.references import reference_from_dict
from tests.program_cases.canary import Canary
from tests.shared_data import SHARED
from verifiers import Verdict, verify
from verifiers.sandbox import close, configure


def judge(row: dict) -> Verdict:
    return verify(reference_from_dict(row["reference"]), row["completion"])


def family(row: dict) -> str:
    """The class that a row is counted in: the words before the first colon of its kind."""
    return row["kind"].split(":")[0]


def tell(rows: list[dict], verdicts: list[Verdict], verbose: bool) -> int:
    """Print a line a family and the totals; the number of wrong programs that were accepted."""
    counts: dict[str, Counter] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        count = counts.setdefault(family(row), Counter())
        expected, given = row["expected_outcome"], verdict.outcome
        count[expected] += 1
        count["accepted"] += expected == "wrong" and given == "correct"
        count["undecided"] += expected == "wrong" and given == "undecided"
        count["refused"] += expected == "correct" and given != "correct"
        count["as wrong"] += expected == "correct" and given == "wrong"
        if verbose and given != expected:
            print(f"{row['id']} {row['kind']}: {expected}, but {given} ({verdict.reason}: {verdict.answer[:160]!r})")
    counts["in all"] = sum(counts.values(), Counter())
    print(f"{'class':<40} wrong  accepted undecided  right   refused  as wrong")
    for name, count in counts.items():
        print(
            f"{name:<40} {count['wrong']:>5}  {count['accepted']:>8} {count['undecided']:>9}"
            f"  {count['correct']:>5}  {count['refused']:>8}  {count['as wrong']:>8}"
        )
    return counts["in all"]["accepted"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=SHARED and SHARED / "bench" / "programs_real_dev.jsonl")
    parser.add_argument("--tier", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if not arguments.rows or not arguments.rows.exists():
        print("no labelled rows here: name a file with --rows")
        return 0
    configure(tier=arguments.tier)
    rows = [json.loads(line) for line in arguments.rows.read_text().splitlines()]
    start = time.perf_counter()
    with Canary() as canary, ThreadPoolExecutor(arguments.threads) as threads:
        filled = [{**row, "completion": canary.fill(row["completion"])} for row in rows]
        verdicts = list(threads.map(judge, filled))
        harm = canary.harm()
    close()
    accepted = tell(rows, verdicts, arguments.verbose)
    print(f"{len(rows)} programs in {time.perf_counter() - start:.0f} s; harm to the machine: {harm or 'none'}")
    return 1 if accepted or harm else 0


if __name__ == "__main__":
    sys.exit(main())
