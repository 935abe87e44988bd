"""Responses of real length through `selfplay verify`: rows a second, CPU and memory.

    python -m tests.benchmarks.math_long [--rows 100000] [--workers 2] [--characters 2000]

Each response is some real solutions of GSM8K one after the other, the row's own one last, for as many characters as asked on
average (from half to one and a half of it), with their calculations and answers in place; every third one ends in a box of its
own, every third in MATH-500's solution of a problem. References are those of the last one. Prints a line with rows, characters,
seconds, CPU seconds, rows a second, the peak of the process that hands rows out and the outcomes.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.shared_data import SHARED

_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def pieces() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(reference, text) of the real solutions of GSM8K, and of MATH-500's own."""
    school, contest = [], []
    for line in (SHARED / "data" / "gsm8k_model_solutions.jsonl").open(encoding="utf-8"):
        problem = json.loads(line)
        answer = problem["ground_truth"].rsplit("A:", 1)[-1].strip()
        school += [(answer, problem[model]["solution"]) for model in _MODELS]
    for line in (SHARED / "data" / "math500.jsonl").open(encoding="utf-8"):
        problem = json.loads(line)
        contest.append((problem["answer"], problem["solution"]))
    return school, contest


def rows(num_rows: int, characters: int, seed: int = 0) -> Iterator[dict]:
    pick = random.Random(seed)
    school, contest = pieces()
    for number in range(num_rows):
        answer, last = pick.choice(contest if number % 3 == 2 else school)
        if number % 3 == 1:
            last = last.replace("A:", "\nThe answer is \\boxed{") + "}."
        parts, size, wanted = [last], len(last), pick.randint(characters // 2, 3 * characters // 2)
        while size < wanted:
            part = pick.choice(school)[1].rpartition("A:")[0]
            parts.append(part)
            size += len(part) + 2
        text = "\n\n".join(reversed(parts))
        yield {"id": str(number), "reference": {"kind": "math", "answer": answer}, "completion": text}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--characters", type=int, default=2_000, help="of a response, on average")
    options = parser.parse_args()
    if SHARED is None:
        print("needs the shared data (SELFPLAY_SHARED)")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "rows.jsonl", Path(folder) / "verdicts.jsonl"
        total = 0
        with source.open("w", encoding="utf-8") as file:
            for row in rows(options.rows, options.characters):
                total += len(row["completion"])
                file.write(json.dumps(row) + "\n")
        command = ["verify", str(source), "--out", str(out), "--workers", str(options.workers)]
        began, before = time.monotonic(), os.times()
        process = subprocess.Popen(
            [sys.executable, "-c", "from selfplay.cli import main; main()", *command], stdout=subprocess.PIPE, text=True
        )
        summary = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds, after = time.monotonic() - began, os.times()
        cpu = sum(after[2:4]) - sum(before[2:4])
    print(
        f"{options.rows:,} responses of {total / options.rows:,.0f} characters, {options.workers} workers: {seconds:.1f} s, "
        f"{cpu:.1f} s of CPU, {options.rows / seconds:,.0f} a second ({options.rows / cpu:,.0f} a CPU second), "
        f"{usage.ru_maxrss / 1024:.0f} MB in the largest process; {summary.strip().splitlines()[-1]}"
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
