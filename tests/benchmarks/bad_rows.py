"""Tasks files of which one row in a hundred is broken, in every way of tests/bad_rows.py: what is named, in how much memory.

    python -m tests.benchmarks.bad_rows [--rows 100000] [--reading]

A file is read three times: by `selfplay run --check`, which names every broken row and stops; by `selfplay tasks` with
on_bad_row = "skip"; and by a run of stored completions that leaves them out. Another file with a tenth of the rows is read
alike, since memory that is flat is the same for both. Each command is a process of its own. Bars: every broken row named, no
traceback, memory flat. `--reading`: without the run, which samples and checks each good row.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selfplay.layout import METRICS
from selfplay.storage import read_json
from tests.bad_rows import BAD, line_of

RECIPE = """
output = "run"
[tasks]
source = "files"
path = "tasks.jsonl"
difficulty = "level"
{option}
[sampling]
engine = "replay"
[sampling.replay]
path = "completions.jsonl"
[allocation]
samples_per_task = 1
[ray]
address = "none"
"""
SELFPLAY = [sys.executable, "-m", "selfplay"]


def write_files(folder: Path, num_rows: int) -> set[int]:
    """Tasks, a stored completion of each good one, and recipes; the numbers of the broken rows."""
    broken = set(random.Random(0).sample(range(1, num_rows + 1), num_rows // 100))
    ways = [line_of(row) for row, _ in BAD if row != "[" * 100_000]  # that one alone would be most of the file
    with (folder / "tasks.jsonl").open("wb") as tasks, (folder / "completions.jsonl").open("w") as completions:
        for number in range(1, num_rows + 1):
            if number in broken:
                tasks.write(ways[number % len(ways)] + b"\n")
                continue
            prompt = f"How much are {number} and {number} apples?"
            tasks.write(line_of({"prompt": prompt, "answer": str(2 * number), "level": 1}) + b"\n")
            completions.write(json.dumps({"prompt": prompt, "completion": f"#### {2 * number}"}) + "\n")
    (folder / "stop.toml").write_text(RECIPE.format(option=""))
    (folder / "skip.toml").write_text(RECIPE.format(option='on_bad_row = "skip"'))
    return broken


def measured(command: list[str], folder: Path) -> tuple[str, float, float]:
    """What a command prints, its seconds, and the most memory that it or a child of it held, in MB."""
    started = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
        _, _, usage = os.wait4(process.pid, 0)
    return (folder / "said").read_text(), time.monotonic() - started, usage.ru_maxrss / 1024


def named(text: str) -> set[int]:
    """The numbers of the rows that a text names."""
    return {int(number) for number in re.findall(r"tasks\.jsonl, (?:row|line) (\d+)", text)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--reading", action="store_true")
    most, reading = vars(parser.parse_args()).values()
    print(
        "| command | rows | broken | named | others named | traceback | seconds | MB |\n|---|---|---|---|---|---|---|---|"
    )
    for num_rows in (most // 10, most):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            broken = write_files(folder, num_rows)
            skip = ["--set", "path=tasks.jsonl", "--set", "difficulty=level", "--set", "on_bad_row=skip", "--show", "0"]
            for title, command in (
                ("run --check", ["run", "stop.toml", "--check"]),
                ("tasks, skip", ["tasks", "files", *skip]),
                ("run, skip", ["run", "skip.toml"]),
            )[: 2 if reading else 3]:
                text, seconds, memory = measured([*SELFPLAY, *command], folder)
                if title == "run, skip":
                    text += (folder / "run/round_000/tasks.bad_rows.txt").read_text()
                    counted = read_json(folder / "run/round_000" / METRICS)["sampling"]["num_bad_rows"]
                    assert counted == len(broken), (counted, len(broken))
                told = named(text)
                cells = (len(told & broken), len(told - broken), "Traceback" in text, f"{seconds:.1f}", f"{memory:.0f}")
                print(f"| {title} | {num_rows:,} | {len(broken):,} | " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
