"""A run whose model does nothing but evade: every sample is a program that kills itself, loops, floods or hides.

    python -m tests.benchmarks.programs_evasion [--kind assert_tests] [--tier TIER]

It has to end, with verdicts; a stop, or a sample that is undecided, is a fault. Prints how many samples had each reason.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from selfplay.journal import read_journal
from selfplay.progress import Progress
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run
from tests.program_cases.evasions import EVASIONS

RECIPE = """
name = "evasion"
[tasks]
source = "files"
path = "tasks.jsonl"
reference = "reference"
[sampling]
engine = "replay"
[sampling.replay]
path = "completions.jsonl"
completions = ["completion"]
[allocation]
samples_per_task = 1
[ray]
address = "none"
"""
_REFERENCES = {
    "function_tests": {"entry_point": "square", "cases": [{"args": [3], "expected": 9}, {"args": [4], "expected": 16}]},
    "assert_tests": {"code": "for x in (3, 4):\n    assert square(x) == x * x\n"},
    "stdio_tests": {"cases": [{"stdin": "3\n", "stdout": "9\n"}]},
}


def play(folder: Path, kind: str) -> Counter:
    """How many samples of a run of evading programs had each outcome and reason."""
    reference = {"kind": kind, **_REFERENCES[kind], "limits": {"cpu_seconds": 1.0, "memory_mb": 256}}
    prompts = [f"Square a number, in way {number}." for number in range(len(EVASIONS))]
    _write(folder / "tasks.jsonl", [{"prompt": prompt, "reference": reference} for prompt in prompts])
    completions = [
        {"prompt": prompt, "completion": f"```python\n{program}\n```"}
        for prompt, program in zip(prompts, EVASIONS, strict=True)
    ]
    _write(folder / "completions.jsonl", completions)
    (folder / "evasion.toml").write_text(RECIPE)
    path, *_ = run(read_recipe(folder / "evasion.toml"), Progress())
    verdicts = [verdict for _, verdict in read_journal(path / "round_000" / "journal")]
    return Counter(f"{verdict.outcome}: {verdict.reason}" for verdict in verdicts)


def _write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=list(_REFERENCES), default="function_tests")
    parser.add_argument("--tier", default=None)
    arguments = parser.parse_args()
    if arguments.tier:
        os.environ["SELFPLAY_SANDBOX"] = arguments.tier
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        counts = play(Path(folder), arguments.kind)
    for reason, number in sorted(counts.items()):
        print(f"{reason:<30} {number}")
    judged = sum(number for reason, number in counts.items() if reason.startswith("wrong"))
    print(f"{len(EVASIONS)} samples, {judged} of them wrong; {time.perf_counter() - start:.0f} s")
    return 0 if judged == len(EVASIONS) else 1


if __name__ == "__main__":
    sys.exit(main())
