"""Hostile, tricky and honest programs against every tier of the sandbox: what got through, what was refused.

    python -m tests.benchmarks.programs_attacks [--tier TIER] [--cases FILE.jsonl] [--verbose]

The project's own table (tests/program_cases) always runs; the shared labelled cases run where they are found.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tasks import FunctionTests, Limits, StdioTests
from tests.program_cases.canary import SECRET, Canary, traces_left
from tests.program_cases.case import RIGHT, WRONG, Case
from tests.program_cases.forgeries import FORGERIES
from tests.program_cases.honest import HONEST
from tests.program_cases.hostile import EXHAUSTS, REACHES
from tests.program_cases.tricks import TRICKS
from tests.shared_data import SHARED
from verifiers import Verdict
from verifiers.programs import verify_program
from verifiers.sandbox import pool

_WORDS = {
    "pass": RIGHT,
    "timeout": {"timeout"},
    "memory": {"memory"},
    "output_limit": {"output_limit"},
    "reject": WRONG,
}
_ADD = FunctionTests("add", ({"args": [1, 2], "expected": 3},))


@dataclass(frozen=True, slots=True)
class Row:
    """A case with its place in the table and what it may leave behind."""

    family: str
    case: Case
    check: str = ""  # a shell command that must succeed afterwards


def own_rows() -> list[Row]:
    families = {"host": REACHES + EXHAUSTS, "trick": TRICKS, "forgery": FORGERIES, "honest": HONEST}
    return [Row(f"own {family}", case) for family, cases in families.items() for case in cases]


def labelled_rows(path: Path) -> list[Row]:
    """The rows of a file of labelled programs."""
    rows = []
    with path.open() as lines:
        for row in map(json.loads, lines):
            limits = Limits(cpu_seconds=row.get("limits", {}).get("cpu", 2.0))
            if row["entry"] == "stdin":
                reference = StdioTests(
                    tuple({key: test[key] for key in ("stdin", "stdout")} for test in row["tests"]), limits
                )
            else:
                cases = tuple({"args": test["input"], "expected": test["expected"]} for test in row["tests"])
                reference = FunctionTests(row["function"], cases, row.get("tol") or 0.0, limits)
            reasons = frozenset().union(*(_WORDS[word] for word in row["accept_verdicts"]))
            case = Case(row["id"], row["category"], row["program"], reference, reasons)
            rows += [Row(f"shared {row['family']}", case, row.get("canary_check", ""))] * (
                2 if row.get("run_twice") else 1
            )
    return rows


def judge(row: Row, canary: Canary) -> tuple[list[str], Verdict]:
    """What went wrong with one row, in words; and its verdict."""
    place = str(canary.folder)
    verdict = verify_program(row.case.reference, f"```python\n{canary.fill(row.case.program)}\n```")
    wrong = []
    if verdict.reason not in row.case.reasons:
        wrong.append(f"verdict {verdict.reason} ({verdict.answer[:200]!r})")
    if verdict.outcome != "correct" and ("PWNED" in verdict.answer or SECRET in verdict.answer):
        wrong.append(f"output {verdict.answer[:100]!r}")
    if row.check and subprocess.run(["bash", "-c", row.check.replace("@CANARY@", place)], cwd=place).returncode != 0:
        wrong.append(f"host: {row.check}")
    wrong += [f"host: {harm}" for harm in canary.harm()]
    after = verify_program(_ADD, "def add(a, b): return a + b")
    if after.outcome != "correct":
        wrong.append(f"the next program: {after.reason} {after.answer[:100]!r}")
    return wrong, verdict


def run(rows: list[Row], tier: str, verbose: bool) -> int:
    """Judge all rows in one tier and print a table; the number of rows with something wrong."""
    pool.configure(tier=tier, unsafe=tier == "unsafe")
    pool.pool().tier()
    before, failed, start = traces_left(), Counter(), time.perf_counter()
    totals = Counter(row.family for row in rows)
    for row in rows:
        with Canary(fixed=row.family.startswith("shared")) as canary:
            wrong, verdict = judge(row, canary)
        if wrong or verbose:
            print(f"  {row.case.name:<18} {verdict.reason:<13} {verdict.seconds:6.2f} s  {'; '.join(wrong) or 'ok'}")
        failed[row.family] += bool(wrong)
    pool.close()
    left = traces_left() - before
    for family, total in sorted(totals.items()):
        print(f"{tier:<12} {family:<14} {total - failed[family]:>4} of {total} as they should be")
    print(f"{tier:<12} left behind: {sorted(left) or 'nothing'}; {time.perf_counter() - start:.0f} s")
    return failed.total() + bool(left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", action="append", choices=("bubblewrap", "landlock", "unsafe"))
    parser.add_argument("--cases", type=Path, default=SHARED and SHARED / "bench" / "programs_dev.jsonl")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    rows = own_rows() + (labelled_rows(arguments.cases) if arguments.cases else [])
    return sum(run(rows, tier, arguments.verbose) for tier in arguments.tier or ("bubblewrap", "landlock"))


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
