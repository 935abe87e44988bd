"""The quickstart's bars over three seeds: python -m tests.benchmarks.quickstart [FOLDER]

Plays runs/quickstart.toml once a seed into FOLDER (a temporary one by default; what is there is resumed) and prints
pass@1 of the base model and of the last round of both arms, read from the files of the runs, with the wall time.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from selfplay.layout import METRICS, finished_rounds
from selfplay.storage import read_json

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (0, 1, 2)


def play(seed: int, folder: Path) -> float:
    """Play the quickstart with a seed; gives its wall time in seconds."""
    started = time.monotonic()
    command = [sys.executable, "-c", "from selfplay.cli import main; main()", "run", str(ROOT / "runs/quickstart.toml")]
    overrides = (f"seed={seed}", f"name=seed_{seed}", f"output={folder / f'seed_{seed}'}")
    subprocess.run(command + [part for text in overrides for part in ("--set", text)], check=True)
    return time.monotonic() - started


def pass_at_1(folder: Path) -> float:
    return read_json(folder / METRICS)["evaluation"]["pass_at_k"]["1"]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="quickstart"))
    table = Table("seed", "base", "verified", "control", "control - base", "seconds", title="held-out pass@1")
    for seed in SEEDS:
        seconds = play(seed, folder)
        run = folder / f"seed_{seed}"
        base, verified, control = (
            pass_at_1(path) for path in (run / "base", finished_rounds(run)[-1], finished_rounds(run / "control")[-1])
        )
        table.add_row(
            str(seed),
            *(f"{value:.3f}" for value in (base, verified, control)),
            f"{control - base:+.3f}",
            f"{seconds:.0f}",
        )
    table.add_row("bar", "<= 0.650", ">= 0.960", "", "within 0.060", "<= 360")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
