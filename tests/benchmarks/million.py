"""A journal of one million traces: the seconds and the memory to table it and to reckon a round's figures from it.

    python -m tests.benchmarks.million [--folder FOLDER] [--rows 1000000]

Writes the journal once (kept where a folder is named), with the writer that a run uses: real completions and as many
token ids as they have words, 128 samples a task. Each figure is taken in a process of its own. Bar: tabled in under 30 s and 2 GB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from selfplay.journal import Journal
from selfplay.layout import METRICS
from selfplay.records import Sample
from selfplay.storage import write_json
from tests.benchmarks.report import real_rows
from tests.shared_data import SHARED

SAMPLES = 128  # a task
MOST_SECONDS, MOST_BYTES = 30, 2e9
READERS = {
    "selfplay passk": ["-c", "from selfplay.cli import main; main()", "passk", "RUN", "--k", "1", "--k", "4", "--k", "16", "--k", "100"],
    "the same, with majority@k and best of k": ["-c", "from selfplay.cli import main; main()", "passk", "RUN", "--k", "1", "--k", "16", "--majority", "--best-of"],
    "all columns of the ledger and the alarm (read_samples)": [
        "-c", "from pathlib import Path; from selfplay.journal.samples import read_samples; from selfplay.metrics.ledger import COLUMNS; "
        "read_samples(Path('RUN/round_000/journal'), (*COLUMNS, 'text'))",
    ],
}  # fmt: skip


def write_journal(run: Path, num_rows: int) -> None:
    """Tasks one after the other, their samples in order, with the verdicts that the completions have."""
    journal = Journal(run / "round_000" / "journal")
    for number, (text, verdict) in zip(range(num_rows), _texts(), strict=False):
        words = len(text.split())
        task_id = f"{number // SAMPLES:016x}"
        journal.append(
            Sample(
                task_id,
                number % SAMPLES,
                text,
                "stop",
                90,
                0,
                words,
                tuple(range(1000, 1000 + words)),
                -0.4 * words,
                2**61 + number,
                "m",
            ),
            verdict,
        )
        if number % 4096 == 0:
            journal.commit()
    journal.close()
    write_json(run / "round_000" / METRICS, {"allocation": {"rule": "fixed", "samples_per_task": SAMPLES}})


def _texts() -> Iterator[tuple[str, object]]:
    rows = [(text, verdict) for _, text, verdict in real_rows(1)]
    while True:
        yield from rows


def measured(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of CPU and bytes at the peak of a Python process; it must end well."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} ended with status {status}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    if SHARED is None:
        print("needs the shared data (SELFPLAY_SHARED)")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        run = options.folder or Path(temporary)
        journal = run / "round_000" / "journal" / "samples.jsonl"
        if not journal.exists():
            write_journal(run, options.rows)
        print(f"{options.rows:,} rows, {journal.stat().st_size / 1e9:.2f} GB")
        print(f"{'':48} {'s':>6} {'CPU s':>6} {'GB':>6}   (bar: {MOST_SECONDS} s, {MOST_BYTES / 1e9:.0f} GB)")
        passed = True
        for name, arguments in READERS.items():
            seconds, cpu, memory = measured([part.replace("RUN", str(run)) for part in arguments])
            print(f"{name:48} {seconds:6.1f} {cpu:6.1f} {memory / 1e9:6.2f}", flush=True)
            passed &= seconds < MOST_SECONDS and memory < MOST_BYTES
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
