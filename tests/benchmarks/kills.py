"""kill -9 at random moments of a run, resumed each time, and what durability costs.

    nice -n 15 python -m tests.benchmarks.kills [--in-process 950] [--ray 50] [--minutes 15]

In process: a whole round of a very small recipe (sampling, shards, manifest, evaluation; the replay engine, so that a
round is short and kills fall everywhere); a new run begins whenever one finishes. On Ray: one pass with real actors; the
driver, an engine or a verifier is killed by turns. Counted after every kill: rows acknowledged before and gone now,
rows that stand twice, resumptions that failed; at the end of every run: whether its rows are those of an undisturbed one.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from selfplay.driver.workers import VerifierWorker
from selfplay.journal import read_journal
from selfplay.recipe.sections import Verification
from selfplay.records import Request, Sample, SampleFailure
from selfplay.shards.files import read_traces
from tests.benchmarks.killed_run import child, play, prepare
from tests.benchmarks.streaming import play_pass, pools, sums
from tests.engines import QueueSampler


class Record:
    """What the kills of one kind did."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()  # what the run had reached when it was killed
        self._safe: dict[str, set] = {}
        self._rows_before: dict[str, int] = {}

    def new_run(self) -> None:
        self._safe.clear()
        self._rows_before.clear()

    def check(self, output: Path, acknowledged: Path) -> None:
        """Compare the journal after a kill with what was acknowledged before it."""
        reported: dict[str, int] = {}
        if acknowledged.exists():
            for line in acknowledged.read_text().splitlines():
                number, path = line.split(" ", 1)
                reported[path] = int(number)
            acknowledged.unlink()
        for path in output.glob("**/samples.jsonl"):
            rows = [(sample.task_id, sample.index, sample.text) for sample, _ in read_journal(path.parent)]
            self.counts["doubled"] += len(rows) - len(set(rows))
            before = self._rows_before.get(str(path), 0)
            self.counts["acknowledged lost"] += max(0, before + reported.get(str(path), 0) - len(rows))
            self.counts["acknowledged lost"] += len(self._safe.get(str(path), set()) - set(rows))
            self._safe[str(path)], self._rows_before[str(path)] = set(rows), len(rows)
        self.moments[moment(output)] += 1


def moment(output: Path) -> str:
    folder = output / "round_000"
    if (folder / "manifest.json").exists():
        return "after the manifest"
    if (folder / "metrics.json").exists():
        return "between metrics and manifest"
    if list((folder / "shards").glob("*")):
        return "while shards are written"
    journal = folder / "journal" / "samples.jsonl"
    if not journal.exists():
        return "before the journal"
    return (
        "mid-row in the journal"
        if journal.stat().st_size and not journal.read_bytes().endswith(b"\n")
        else "while sampling"
    )


def rows_of(output: Path) -> list[tuple]:
    return sorted(
        (t.task.id, t.sample.index, t.sample.text, t.verdict.outcome.value, s)
        for t, s in read_traces(output / "round_000" / "shards")
    )


def in_process(folder: Path, num_kills: int, until: float) -> Record:
    path = prepare(folder, "none", 150)
    play(path, str(folder / "undisturbed"))
    wanted = rows_of(folder / "undisturbed")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.benchmarks.killed_run", "selfplay.samplers.replay", "verifiers.mathematics"])
    started = time.monotonic()
    _seconds(context, path, folder / "first")  # the server of forks imports everything now
    whole = _seconds(context, path, folder / "timed")
    record, rng = Record(), random.Random(os.urandom(8))
    runs = 0
    while record.counts["kills"] < num_kills and time.monotonic() < until:
        output, acknowledged = folder / f"run{runs}", folder / "acknowledged"
        record.new_run()
        runs += 1
        for number in range(60):
            process = context.Process(target=child, args=(path, str(output), acknowledged))
            process.start()
            begun = time.monotonic()
            process.join(rng.uniform(0.0, whole) if number < 59 else 120)
            took = time.monotonic() - begun
            process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                whole = took if not number else whole  # the machine has become faster
                record.counts["failed resumes"] += process.exitcode != 0
                break
            whole *= 1.0 if number else 1.02  # or slower
            record.counts["kills"] += 1
            record.check(output, acknowledged)
        record.counts["other rows at the end"] += rows_of(output) != wanted
        acknowledged.unlink(missing_ok=True)
        shutil.rmtree(output)
    record.counts["runs"] = runs
    record.counts["seconds"] = round(time.monotonic() - started)
    return record


def _seconds(context, path: Path, output: Path) -> float:
    """How long an undisturbed run takes in a process of its own."""
    started = time.monotonic()
    process = context.Process(target=play, args=(path, str(output)))
    process.start()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - started


def on_ray(folder: Path, num_kills: int, until: float) -> Record:
    """The driver, one engine and one verifier are killed by turns; after a dead actor the same driver goes on."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    address = ray.get_runtime_context().gcs_address
    path = prepare(folder, address, 1500)
    context = multiprocessing.get_context("spawn")
    started = time.monotonic()
    record, rng = Record(), random.Random(os.urandom(8))
    wanted, runs = None, 0
    while record.counts["kills"] < num_kills and time.monotonic() < until:
        output, acknowledged = folder / f"run{runs}", folder / "acknowledged"
        record.new_run()
        runs += 1
        for _ in range(60):
            process = context.Process(target=child, args=(path, str(output), acknowledged))
            process.start()
            _kill_some(process, rng, record, output, num_kills, until)
            process.join(120)
            if process.exitcode != -signal.SIGKILL:
                record.counts["failed resumes"] += process.exitcode != 0
                break
            record.check(output, acknowledged)
        rows = rows_of(output)
        wanted = wanted or rows
        texts = {(task, index): text for task, index, text, *_ in rows}
        record.counts["other rows at the end"] += rows != wanted or len(texts) != 1500 * 8
        acknowledged.unlink(missing_ok=True)
        shutil.rmtree(output)
    ray.shutdown()
    record.counts["runs"] = runs
    record.counts["seconds"] = round(time.monotonic() - started)
    return record


def _kill_some(process, rng: random.Random, record: Record, output: Path, num_kills: int, until: float) -> None:
    """Kill the run's actors, and then most often its driver."""
    journal = output / "round_000" / "journal" / "samples.jsonl"
    size = journal.stat().st_size if journal.exists() else 0
    while process.is_alive() and (not journal.exists() or journal.stat().st_size == size):
        time.sleep(0.02)  # until it works: Ray takes seconds to start its actors
    while process.is_alive() and record.counts["kills"] < num_kills and time.monotonic() < until:
        process.join(rng.uniform(0.05, 1.0))
        victim = rng.choice(["driver", "engine", "verifier"])
        if not process.is_alive():
            return
        if victim == "driver":
            process.kill()
        elif not _kill_actor("_SamplerActor" if victim == "engine" else "_VerifierActor", rng):
            continue
        record.counts["kills"] += 1
        record.moments[f"{victim} killed"] += 1
        if victim == "driver":
            return


def _kill_actor(name: str, rng: random.Random) -> bool:
    """SIGKILL to the process of one living actor of a class; False if there is none."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if name in (folder / "cmdline").read_bytes().decode(errors="replace"):
                pids.append(int(folder.name))
        except OSError:
            continue
    if not pids:
        return False
    try:
        os.kill(rng.choice(pids), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Verbose(QueueSampler):
    """Samples as long as a model's: 700 characters, 170 tokens."""

    async def _one(self, request: Request, place: int) -> Sample | SampleFailure:
        sample = await super()._one(request, place)
        return replace(sample, text=REASONING + sample.text, token_ids=tuple(range(170)))


REASONING = "We add the numbers step by step. " * 20


def durability(pairs: int = 7) -> None:
    """Whole passes with the journal's fsyncs and without, by turns: the ratio of their times."""
    print(f"\ndurability, whole passes with real checks, the median of {pairs} pairs (bar: costs under 2%)")
    plain = os.fdatasync
    for title, latency, num_samples in (
        ("engines of 400 samples/s", 0.64, 1600),
        ("engines without latency", 0.0, 8000),
    ):
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * pairs):
            synced = number % 4 in (0, 3)  # with, without, without, with: what drifts weighs on both alike
            os.fdatasync = plain if synced else lambda descriptor: None
            try:
                times[synced].append(_pass_seconds(latency, num_samples))
            finally:
                os.fdatasync = plain
        ratios = [with_sync / without for with_sync, without in zip(times[True], times[False], strict=True)]
        rate = num_samples / statistics.median(times[True])
        print(
            f"  {title:26} {rate:6.0f} samples/s   ratio {statistics.median(ratios):.4f} (from {min(ratios):.4f} to {max(ratios):.4f})",
            flush=True,
        )


def _pass_seconds(latency: float, num_samples: int) -> float:
    slots = 64
    teams = pools(
        4,
        2 * slots,
        lambda number: Verbose(seconds=latency, slots=slots),
        lambda: VerifierWorker(Verification(threads=2)),
    )
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on the disk that runs are on, and not in memory
        stats = asyncio.run(play_pass(Path(folder), sums(num_samples // 8), 8, *teams))
    assert stats.num_acknowledged == num_samples
    return stats.elapsed_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-process", type=int, default=950)
    parser.add_argument("--ray", type=int, default=50)
    parser.add_argument(
        "--minutes", type=float, default=15.0, help="for all kills together; how many fitted is printed"
    )
    parser.add_argument("--durability", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        for kind, number, part in (("ray", options.ray, on_ray), ("in process", options.in_process, in_process)):
            if number:
                record = part(Path(name) / kind.replace(" ", "_"), number, until)
                bad = {
                    key: record.counts[key]
                    for key in ("acknowledged lost", "doubled", "failed resumes", "other rows at the end")
                }
                print(
                    f"\n{kind}: {record.counts['kills']} of {number} kills in {record.counts['runs']} runs, {record.counts['seconds']} s"
                )
                print("  " + ", ".join(f"{count} {what}" for what, count in bad.items()), flush=True)
                print("  " + ", ".join(f"{what} {count}" for what, count in record.moments.most_common()), flush=True)
    if options.durability:
        durability()


if __name__ == "__main__":
    main()
