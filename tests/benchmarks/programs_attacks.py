"""Hostile, tricky and honest programs against every tier of the sandbox: what got through, what was refused.

    python -m tests.benchmarks.programs_attacks [--tier TIER] [--cases FILE.jsonl] [--verbose]

The project's own table (tests/program_cases/table.py) always runs; the shared labelled cases run where they are found.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.program_cases.canary import SECRET, Canary, traces_left
from tests.shared_data import SHARED
from tasks import FunctionTests, Limits, StdioTests
from verifiers import Verdict
from verifiers.programs import verify_program
from verifiers.sandbox import pool

_WORDS = {"pass": {"match"}, "timeout": {"timeout"}, "memory": {"memory"}, "output_limit": {"output_limit"}}
_REJECTED = {"mismatch", "no_answer", "exception", "refused", "timeout", "memory", "output_limit"}


def reference_of(row: dict):
    """The reference of a labelled row."""
    limits = Limits(cpu_seconds=row.get("limits", {}).get("cpu", 2.0))
    if row["entry"] == "stdin":
        cases = tuple({"stdin": test["stdin"], "stdout": test["stdout"]} for test in row["tests"])
        return StdioTests(cases, limits=limits)
    cases = tuple({"args": test["input"], "expected": test["expected"]} for test in row["tests"])
    return FunctionTests(row["function"], cases, row.get("tol") or 0.0, limits)


def judge(row: dict, canary: Canary) -> tuple[list[str], Verdict]:
    """What went wrong with one labelled row, in words; and its verdict."""
    place = str(canary.folder)
    program = row["program"].replace("@CANARY@", place)
    wrong = []
    for _ in range(2 if row.get("run_twice") else 1):
        verdict = verify_program(reference_of(row), f"```python\n{program}\n```")
    accepted = set().union(*(_WORDS.get(word, _REJECTED) for word in row["accept_verdicts"]))
    if verdict.reason not in accepted:
        wrong.append(f"verdict {verdict.reason} ({verdict.answer[:100]!r})")
    if verdict.outcome != "correct" and ("PWNED" in verdict.answer or SECRET in verdict.answer):
        wrong.append(f"output {verdict.answer[:100]!r}")
    check = row.get("canary_check", "").replace("@CANARY@", place)
    if check and subprocess.run(["bash", "-c", check], cwd=place).returncode != 0:
        wrong.append(f"host: {check}")
    wrong += [f"host: {harm}" for harm in canary.harm()]
    after = verify_program(FunctionTests("add", ({"args": [1, 2], "expected": 3},)), "def add(a, b): return a + b")
    if after.outcome != "correct":
        wrong.append(f"the next program: {after.reason} {after.answer[:100]!r}")
    return wrong, verdict


def run(rows: list[dict], tier: str, verbose: bool) -> int:
    """Judge all rows in one tier and print a table; the number of rows with something wrong."""
    pool.configure(tier=tier, unsafe=tier == "unsafe")
    pool.pool().tier()
    before, failed, start = traces_left(), Counter(), time.perf_counter()
    totals = Counter(row["family"] for row in rows)
    for row in rows:
        with Canary() as canary:
            wrong, verdict = judge(row, canary)
        if wrong or verbose:
            print(f"  {row['id']:<6} {row['category']:<18} {verdict.reason:<12} {'; '.join(wrong) or 'ok'}")
        failed[row["family"]] += bool(wrong)
    pool.close()
    left = traces_left() - before
    for family, total in sorted(totals.items()):
        print(f"{tier:<12} {family:<10} {total - failed[family]:>4} of {total} as they should be")
    print(f"{tier:<12} left behind: {sorted(left) or 'nothing'}; {time.perf_counter() - start:.0f} s")
    return failed.total() + bool(left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", action="append", choices=("bubblewrap", "landlock", "unsafe"))
    parser.add_argument("--cases", type=Path, default=SHARED and SHARED / "bench" / "programs_dev.jsonl")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    rows = []
    if arguments.cases:
        with arguments.cases.open() as lines:
            rows = [json.loads(line) for line in lines]
    return sum(run(rows, tier, arguments.verbose) for tier in arguments.tier or ("bubblewrap", "landlock"))


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
