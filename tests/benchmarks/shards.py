"""Shards of a large journal: seconds, and peak memory against the number of traces.

    python -m tests.benchmarks.shards [NUM_TRACES]

Made-up traces of word problems, four a task, each with a few annotated equations, in the order in which verdicts arrive.
Each size runs in a process of its own: task order, all rules of selection, near duplicates, decontamination, Parquet.
Beside it, in the same run, what reading the same journal with json.loads alone takes.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from selfplay.contamination import Contamination
from selfplay.ordering import OrderedTraces
from selfplay.provenance import Provenance
from selfplay.recipe import Selection
from selfplay.selection import Account, select
from selfplay.shards import write_shards
from tasks import MathReference, Task

SAMPLES = 4
WORDS = "apples pears boxes coins books cards pens bricks miles stamps plates roses crates shells jars bottles".split()
NAMES = "Ann Bo Cleo Dan Eve Finn Gus Hana Ivo Jun Kim Lea Max Nia Omar Pia".split()
PROVENANCE = Provenance("benchmark", "sha256:0", 1_000_000, "transformers", "0", "{}")


def made_tasks(num_tasks: int) -> Iterator[Task]:
    rng = random.Random("train")
    for number in range(num_tasks):
        a, b, c = rng.randrange(2, 99), rng.randrange(2, 99), rng.randrange(2, 9)
        name, one, other, third = rng.choice(NAMES), *rng.sample(WORDS, 3)
        prompt = (
            f"{name} has {a} {one} and buys {b} {other} at the market near {rng.choice(NAMES)}'s house. Each of the {third} holds {c} of"
            f" them, and {rng.choice(NAMES)} gives {rng.randrange(2, 50)} back. How many {one} and {other} are there in the {third}? ({number})"
        )
        yield Task.make("made", prompt, MathReference(str((a + b) * c)), license="MIT", numbers=[a, b, c])


def evaluation_tasks(num_tasks: int) -> Iterator[Task]:
    """Of another form, so that none of the above copies one."""
    rng = random.Random("evaluation")
    for _ in range(num_tasks):
        words = rng.sample(WORDS, 4)
        a, b = rng.randrange(20, 99), rng.randrange(2, 20)
        prompt = (
            f"A shop sells {words[0]} at {a} coins and {words[1]} at {b} coins apiece. On Monday it sold more {words[2]} than {words[3]}, so its"
            f" owner lowered the price of {words[0]} by {b}. What does one pay for them now?"
        )
        yield Task.make("evaluation", prompt, MathReference(str(a - b)))


def completion(task: Task, rng: random.Random) -> tuple[str, bool]:
    a, b, c = task.metadata["numbers"]
    right = rng.random() < 0.7
    total = a + b if right else a + b + 1
    first, second, third = (rng.choice(WORDS) for _ in range(3))
    return (
        f"First we count the {first} and the {second}, which is what the {third} are for, {rng.choice(NAMES)} says.\n"
        f"There are {a} + {b} = <<{a}+{b}={total}>>{total} of them in all.\n"
        f"Each of the {rng.choice(WORDS)} holds {c}, and so {rng.choice(NAMES)} multiplies: {total} * {c} = <<{total}*{c}={total * c}>>{total * c}.\n"
        f"#### {total * c}"
    ), right


def write_journal(folder: Path, num_traces: int) -> None:
    """Rows of four tasks interleaved at a time, as verdicts come in; written fast, in the journal's own form."""
    folder.mkdir(parents=True)
    rng = random.Random(1)
    with (folder / "samples.jsonl").open("wb") as file:
        window: list[bytes] = []
        for task in made_tasks(num_traces // SAMPLES):
            for index in range(SAMPLES):
                text, right = completion(task, rng)
                tokens = rng.choices(range(32_000), k=80)
                sample = {
                    "task_id": task.id, "index": index, "text": text, "finish_reason": "stop", "prompt_tokens": 60, "cached_tokens": 0,
                    "completion_tokens": 80, "token_ids": tokens, "cumulative_logprob": -12.5, "seed": rng.getrandbits(63), "model": "m",
                }  # fmt: skip
                verdict = {
                    "outcome": "correct" if right else "wrong", "reason": "match" if right else "mismatch", "answer": text.rpartition(" ")[2],
                    "seconds": 1e-4, "verifier": "math@1",
                }  # fmt: skip
                body = json.dumps({"sample": sample, "verdict": verdict}, separators=(",", ":"))[1:].encode()
                window.append(b'{"crc32":"%08x",' % zlib.crc32(body) + body + b"\n")
            if len(window) > 1000:
                rng.shuffle(window)
                file.writelines(window[500:])
                del window[500:]
        file.writelines(window)


def measure(num_traces: int, journal: Path, out: Path, rules: bool) -> dict[str, float]:
    """One size, in this process; `rules` False: the verdict alone selects."""
    started, worked = time.perf_counter(), time.process_time()
    settings = Selection() if rules else Selection(reject=[], near_duplicates=0.0, decontaminate=False)
    account = Account()
    evaluation = Contamination({"made": evaluation_tasks(1300)}) if rules else None
    traces = OrderedTraces(lambda: made_tasks(num_traces // SAMPLES), journal, 0)
    shards = write_shards(account.record(select(traces, settings, evaluation, account)), out, PROVENANCE)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    assert sum(shard.num_rows for shard in shards) == num_traces, "a trace was lost"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    megabytes = sum(shard.num_bytes for shard in shards) / 2**20
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak, "mb": megabytes, "accepted": account.counts["accepted"], **account.seconds}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        num_traces, journal, out, rules = int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5] == "rules"
        print(json.dumps(measure(num_traces, journal, out, rules)))
        return
    most = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    print("traces   rules          seconds     CPU  json alone   peak MB  shards MB  accepted  seconds of the rules")
    for num_traces in (most // 4, most):
        folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
        try:
            write_journal(folder / "journal", num_traces)
            started = time.perf_counter()
            with (folder / "journal" / "samples.jsonl").open("rb") as lines:
                for line in lines:
                    json.loads(line)
            alone = time.perf_counter() - started
            for rules in ("verdict", "rules"):
                command = [sys.executable, "-m", "tests.benchmarks.shards", "--one", str(num_traces), folder / "journal", folder / "out", rules]
                got = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                costs = ", ".join(f"{name} {got[name]:.1f}" for name in got if name not in ("seconds", "cpu", "peak_mb", "mb", "accepted"))
                print(
                    f"{num_traces:<9,}{rules:<12}{got['seconds']:>10.1f}{got['cpu']:>8.1f}{alone:>12.1f}{got['peak_mb']:>10.0f}{got['mb']:>11.0f}"
                    f"{got['accepted']:>10,}  {costs}",
                    flush=True,
                )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
