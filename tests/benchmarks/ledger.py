"""What the ledger and the alarm take beside the figures of a pass, and how far check bits err.

python -m tests.benchmarks.ledger [num_traces]
"""

import random
import sys
import tempfile
import time
from math import log2
from pathlib import Path

import numpy as np

from selfplay.estimators.information import check_bits, compressed_size
from selfplay.journal import Journal
from selfplay.journal.samples import SampleTable, read_samples, unread
from selfplay.metrics.accepted import accepted_texts, read_accepted
from selfplay.metrics.collapse import watch
from selfplay.metrics.ledger import COLUMNS
from selfplay.metrics.samples import by_difficulty, sampling_metrics
from selfplay.records import ACCEPTED, CORRECT, WRONG, Trace
from selfplay.shards.files import write_shards
from tasks import MathReference, Task
from tests.factories import MADE_BY, sample_of
from verifiers import Reason, Verdict

PER_TASK = 8
WORDS = [f"w{number}" for number in range(3000)]


def traces(num):
    rng = random.Random(0)
    for number in range(num // PER_TASK):
        task = Task.make("made", f"question {number}", MathReference("12"), difficulty=number % 5)
        for index in range(PER_TASK):
            text = " ".join(rng.choices(WORDS, k=60))
            verdict = Verdict.of(Reason.MATCH if rng.random() < 0.5 else Reason.MISMATCH, "12", 1e-4, "math@1")
            yield Trace(task, sample_of(task, text, index), verdict, 0)


def timed(name, work, rows):
    started = time.process_time()
    result = work()
    rows.append((name, time.process_time() - started))
    return result


def times(num):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        made = list(traces(num))
        journal = Journal(Path(folder) / "journal")
        for trace in made:
            journal.append(trace.sample, trace.verdict)
        journal.close()
        chosen = ((trace, ACCEPTED if trace.verdict.reason is Reason.MATCH else "wrong") for trace in made)
        write_shards(chosen, Path(folder) / "shards", MADE_BY)
        tasks = list({trace.task.id: trace.task for trace in made}.values())
        journal = Path(folder) / "journal"
        samples = timed("table of the samples", lambda: read_samples(journal, (*COLUMNS, "text")), rows)
        timed("figures of the pass", lambda: sampling_metrics(samples, by_difficulty(samples, tasks)), rows)
        timed("table of the accepted", lambda: read_accepted(Path(folder) / "shards"), rows)
        timed("compressed size", lambda: compressed_size(accepted_texts(Path(folder) / "shards")), rows)
        timed("alarm against one earlier model", lambda: watch([("start", samples)], samples, PER_TASK), rows)
    print(f"{num:,} traces of 60 words; CPU seconds, and as a share of reading the table")
    for name, seconds in rows:
        print(f"  {name:42} {seconds:8.2f} {seconds / rows[0][1]:8.2f}")


def errors():
    print("\nbits that the check adds to a correct trace: true, and the mean of the estimates from n samples of a task")
    rng = np.random.default_rng(0)
    sizes = (4, 16, 64, 256)
    print("  solve rate     true" + "".join(f"  n = {size:3}" for size in sizes))
    for rate in (0.9, 0.5, 0.2, 0.05, 0.01):
        means = []
        for size in sizes:
            correct = 1 + rng.binomial(size - 1, rate, 200_000)  # of a task that has the trace
            means.append(check_bits(np.full(200_000, size), correct).mean())
        print(f"  {rate:10} {-log2(rate):8.3f}" + "".join(f" {mean:8.3f}" for mean in means))


def false_alarms(num=200):
    """Of pairs of evaluations by the same model, and of pairs whose solve rates fell by some share."""
    print("\nalarms on 240 tasks x 16 samples, solve rates Beta(0.4, 1.34), coverage at k = 16")
    for fall in (0.0, 0.2, 0.4, 0.6):
        rng = np.random.default_rng(0)
        counts = {"coverage": 0, "any": 0}
        for _ in range(num):
            rates = rng.beta(0.4, 1.34, 240)
            raised = [
                each.figure
                for each in watch([("start", _drawn(rng, rates))], _drawn(rng, rates * (1 - fall)), 16)
                if each.raised
            ]
            counts["coverage"] += "pass@16" in raised
            counts["any"] += bool(raised)
        print(
            f"  solve rates lower by {fall:4.0%}: coverage {counts['coverage'] / num:6.1%}, any figure {counts['any'] / num:6.1%}"
        )


def _drawn(rng, rates):
    shape = (len(rates), 16)
    texts = rng.geometric(0.3, shape).ravel().astype(np.uint64)
    codes = np.where(rng.random(shape) < rates[:, None], CORRECT, WRONG).ravel()
    ids = [str(n) for n in range(len(rates))]
    return SampleTable(ids, np.repeat(np.arange(len(rates)), 16), codes, unread(), text=texts)


if __name__ == "__main__":
    times(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    errors()
    false_alarms()
