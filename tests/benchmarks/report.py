"""Opens a report of 50,000 real completions in headless Chromium and times what a person waits for.

    python -m tests.benchmarks.report [JOINED]      each completion is JOINED (1) real ones, one after the other

More than two seconds to open is a failure.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from selfplay.report import write_report
from tasks import MathReference, Task
from tests.chromium import BINARY, Page
from tests.factories import Row, write_run
from tests.shared_data import SHARED
from verifiers import Reason, Verdict

NUM_TRACES = 50_000
MOST_SECONDS = 2.0
STRIDE = 1_009  # rows between two completions that are joined, so that neighbours share no text
_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def real_rows(num_joined: int) -> list[Row]:
    """Four real completions of each of GSM8K's test problems, with the verdict that the file records."""
    rows = []
    for line in (SHARED / "data" / "gsm8k_model_solutions.jsonl").open(encoding="utf-8"):
        problem = json.loads(line)
        answer = problem["ground_truth"].rsplit("A:", 1)[-1].strip()
        task = Task.make("gsm8k", problem["question"], MathReference(answer))
        for model in _MODELS:
            text, correct = problem[model]["solution"], problem[model]["is_correct"]
            extracted = text.rsplit("A:", 1)[-1].strip()
            rows.append(
                (task, text, Verdict.of(Reason.MATCH if correct else Reason.MISMATCH, extracted, 1e-4, "math@1"))
            )
    texts = [text for _, text, _ in rows]
    return [
        (
            task,
            "\n\n".join(texts[(place - STRIDE * part) % len(texts)] for part in reversed(range(num_joined))),
            verdict,
        )
        for place, (task, _, verdict) in enumerate(rows)
    ]


def main(num_joined: int) -> int:
    if SHARED is None or BINARY is None:
        print("needs the shared data (SELFPLAY_SHARED) and chromium")
        return 2
    rows = real_rows(num_joined)
    with tempfile.TemporaryDirectory() as folder:
        rounds = [rows] * (NUM_TRACES // len(rows)) + [rows[: NUM_TRACES % len(rows)]]
        run, out = write_run(Path(folder) / "run", rounds), Path(folder) / "report.html"
        started = time.process_time()
        write_report([run], out)
        figures = {"characters of the completions, M": sum(len(text) for rows in rounds for _, text, _ in rows) / 1e6}
        figures |= {
            "write the report, CPU s": time.process_time() - started,
            "size of the file, MB": out.stat().st_size / 1e6,
        }
        figures["most memory of this program, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        with Page() as page:
            figures["open, best of three, s"] = min(page.open(out) for _ in range(3)) / 1e3
            assert page.run("index.task.length") == NUM_TRACES
            figures["next trace, ms"] = page.run(
                "(async () => { const t = performance.now(); await open(position + 1); return performance.now() - t })()"
            )
            figures["filter by outcome, ms"] = page.run(
                "(async () => { at('outcome').selectedIndex = 1; const t = performance.now(); await applyFilters(); return performance.now() - t })()"
            )
            page.run("at('filters').reset(); new Promise(done => setTimeout(done, 500))")
            search = "(async () => { at('search').value = 'TEXT'; const t = performance.now(); await applyFilters(); return performance.now() - t })()"
            figures["search, blocks packed, s"] = page.run(search.replace("TEXT", "farmers")) / 1e3
            figures["search again, s"] = page.run(search.replace("TEXT", "ducks")) / 1e3
            found = page.run("shown.length")
            assert found and not page.complaints() and not page.requests()
    for name, value in figures.items():
        print(f"{name:36} {value:8.2f}")
    return int(figures["open, best of three, s"] > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
