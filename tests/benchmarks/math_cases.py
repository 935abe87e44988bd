"""Verdicts on the shared labelled cases of mathematics: false accepts, false rejects, and the slowest.

    python -m tests.benchmarks.math_cases            a table, one row a file
    python -m tests.benchmarks.math_cases --errors   and each case that is judged otherwise than its label, by kind

Cases are JSON lines with gold, prediction, equal, form ("bare": the answer alone) and perhaps kind and contested; contested ones
do not count. These files are what the verifier was developed against: a part that is kept apart decides.
"""

import argparse
import json
import time
from pathlib import Path

from tasks import MathReference
from tests.benchmarks.math_rivals import interval
from tests.shared_data import SHARED
from verifiers import Outcome, verify, verify_answer
from verifiers.mathematics.equivalence import worker_client

FILES = ("math_real_dev", "math_dev", "math_hostile_dev")


def judged(path: Path) -> list[tuple[dict, bool, float, str]]:
    """(case, accepted, seconds, reason) of each uncontested case."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if not row.get("contested"):
            check = verify_answer if row["form"] == "bare" else verify
            start = time.perf_counter()
            verdict = check(MathReference(row["gold"]), row["prediction"])
            seconds = time.perf_counter() - start
            found.append((row, verdict.outcome is Outcome.CORRECT, seconds, str(verdict.reason)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, nargs="*", help="files of labelled cases instead of the shared ones")
    parser.add_argument("--errors", action="store_true", help="list each case that is judged otherwise than its label")
    options = parser.parse_args()
    if SHARED is None and not options.cases:
        parser.exit(2, "no shared cases here (SELFPLAY_SHARED) and no --cases\n")
    worker_client.warm()
    print("| cases | wrong ones accepted [95%] | right ones rejected [95%] | slowest ms |\n|---|---|---|---|")
    for path in options.cases or [SHARED / "bench" / f"{name}.jsonl" for name in FILES]:
        results = judged(path)
        unequal = [accepted for row, accepted, _, _ in results if not row["equal"]]
        equal = [accepted for row, accepted, _, _ in results if row["equal"]]
        slowest = max(seconds for _, _, seconds, _ in results)
        print(
            f"| {path.stem} | {interval(sum(unequal), len(unequal))} | {interval(len(equal) - sum(equal), len(equal))} "
            f"| {1000 * slowest:.0f} |"
        )
        for row, accepted, _, reason in results if options.errors else ():
            if accepted != row["equal"]:
                error = "accepted" if accepted else "rejected"
                print(
                    f"  {error} ({reason}; {row.get('kind', '')}): {row['gold']!r:.100} <=> {row['prediction'][-150:]!r}"
                )


if __name__ == "__main__":
    main()
