"""Shards of a large journal: seconds, and peak memory against the number of traces.

    python -m tests.benchmarks.shards [NUM_TRACES] [--rules none|all|both] [--keep FOLDER]

Real completions retold (retold.py), four a task, in the order in which verdicts arrive; two thirds of the verdicts are
"correct", half of them by chance, so that as many texts reach the rules as in a round. A quarter of the traces and all of
them, each in a process of its own: task order, selection, Parquet. With rules: all of the rules about a trace, near
duplicates, and decontamination against 7,973 real evaluation tasks, from 50,000 traces on in several processes. Beside it what json.loads alone takes for the journal.
`--keep` leaves the journals in a folder, where the next call finds them.
"""

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from selfplay.journal.by_task import TracesByTask
from selfplay.recipe.sections import Selection
from selfplay.selection.decontamination import Contamination
from selfplay.selection.filters import processes_for
from selfplay.selection.selection import SelectionStats, select
from selfplay.shards.files import write_shards
from selfplay.shards.provenance import Provenance
from tasks import load
from tests.benchmarks.retold import SAMPLES, retold, stories
from tests.shared_data import SHARED

PROVENANCE = Provenance("benchmark", "sha256:0", 1_000_000, "transformers", "0", "{}")
FIGURES = ("seconds", "cpu", "peak_mb", "mb", "accepted")
_WINDOW = 1000  # rows among which the order of verdicts is mixed


def write_journal(folder: Path, num_traces: int) -> None:
    """tasks.jsonl, and a journal in its own form whose rows come in no order within a window."""
    folder.mkdir(parents=True)
    rng = random.Random(1)
    with (folder / "samples.jsonl").open("wb") as file, (folder / "tasks.jsonl").open("w", encoding="utf-8") as tasks:
        window: list[bytes] = []
        for task, texts in retold(stories(SHARED), num_traces // SAMPLES):
            tasks.write(json.dumps({"prompt": task.prompt[0]["content"], "answer": task.reference.answer}) + "\n")
            for index, (text, right) in enumerate(texts):
                window.append(_line(task.id, index, text, right or rng.random() < 0.5, rng))
            if len(window) >= _WINDOW:
                rng.shuffle(window)
                file.writelines(window[_WINDOW // 2 :])
                del window[_WINDOW // 2 :]
        file.writelines(window)


def _line(task_id: str, index: int, text: str, right: bool, rng: random.Random) -> bytes:
    tokens = [bits & 0x7FFF for bits in memoryview(rng.randbytes(4 * (len(text) // 4))).cast("I")]  # ids below 32,768
    sample = {
        "task_id": task_id, "index": index, "text": text, "finish_reason": "stop", "prompt_tokens": 60, "cached_tokens": 0,
        "completion_tokens": len(tokens), "token_ids": tokens, "cumulative_logprob": -12.5, "seed": rng.getrandbits(63), "model": "m",
    }  # fmt: skip
    verdict = {
        "outcome": "correct" if right else "wrong", "reason": "match" if right else "mismatch", "answer": text.rpartition(" ")[2],
        "seconds": 1e-4, "verifier": "math@1",
    }  # fmt: skip
    body = json.dumps({"sample": sample, "verdict": verdict}, separators=(",", ":"))[1:].encode()
    return b'{"crc32":"%08x",%b\n' % (zlib.crc32(body), body)


def measure(journal: Path, out: Path, rules: bool) -> dict[str, float]:
    """One size, in this process; `rules` False: the verdict alone selects."""
    started, worked = time.perf_counter(), time.process_time()
    account = SelectionStats()
    settings, evaluation = Selection(reject=[], near_duplicates=0.0, decontaminate=False), None
    if rules:
        data = SHARED / "data"
        sets = {
            "gsm8k train": load("gsm8k", path=str(data / "gsm8k_train.jsonl")),
            "math500": load("math500", path=str(data / "math500.jsonl")),
        }
        settings, evaluation = Selection(), Contamination(sets)
    traces = TracesByTask(lambda: load("files", path=str(journal / "tasks.jsonl"), license="MIT"), journal, 0)
    shards = write_shards(
        account.record(select(traces, settings, evaluation, account, processes_for(len(traces)))), out, PROVENANCE
    )
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    assert sum(shard.num_rows for shard in shards) == len(traces), "a trace was lost"
    for process in multiprocessing.active_children():
        process.join()  # so that its time and memory are counted
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += children.ru_utime + children.ru_stime
    num_children = processes_for(len(traces)) if children.ru_maxrss else 0
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + num_children * children.ru_maxrss) / 1024
    megabytes = sum(shard.num_bytes for shard in shards) / 2**20
    figures = dict(zip(FIGURES, (seconds, cpu, peak, megabytes, account.counts["accepted"]), strict=True))
    return figures | {"reasons": dict(account.counts.most_common()), "rule_seconds": dict(account.seconds)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("num_traces", nargs="?", type=int, default=1_000_000)
    arguments.add_argument("--rules", choices=("none", "all", "both"), default="both")
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # a journal: measured in this process
    given = arguments.parse_args()
    if SHARED is None:
        print("skipped: the folder of real data is absent (SELFPLAY_SHARED)")
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        if given.one:
            print(json.dumps(measure(given.one, Path(folder), given.rules == "all")))
            return
        print("traces     rules     seconds     CPU  json alone   peak MB  shards MB   accepted")
        for num_traces in (given.num_traces // 4, given.num_traces):
            journal = (given.keep or Path(folder)) / f"journal-{num_traces}"
            if not journal.exists():
                write_journal(partial := journal.with_suffix(".partial"), num_traces)
                partial.rename(journal)
            for rules in ("none", "all") if given.rules == "both" else (given.rules,):
                _print(num_traces, rules, journal)
            if not given.keep:
                shutil.rmtree(journal)


def _print(num_traces: int, rules: str, journal: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.shards", "--one", journal, "--rules", rules]
    got = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    started = time.process_time()
    with (journal / "samples.jsonl").open("rb") as lines:
        for line in lines:
            json.loads(line)
    alone = time.process_time() - started
    print(
        f"{num_traces:<11,}{rules:<8}{got['seconds']:>9.1f}{got['cpu']:>8.1f}{alone:>12.1f}{got['peak_mb']:>10.0f}{got['mb']:>11.0f}{got['accepted']:>11,}",
        flush=True,
    )
    if rules == "all":
        print("  traces by reason:", ", ".join(f"{name} {count:,}" for name, count in got["reasons"].items()))
        print(
            "  seconds of rules:",
            ", ".join(f"{name} {seconds:.1f}" for name, seconds in got["rule_seconds"].items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
