"""The math verifier against Math-Verify: error rates with 95% intervals, speed, and the longest wait, as one table.

    python -m venv /tmp/rival && /tmp/rival/bin/pip install "math-verify[antlr4_13_2]==0.9.0"
    python -m tests.benchmarks.math_rivals --rival /tmp/rival/bin/python

Pairs come from the shared labelled cases where these are at hand, else from the project's own table, or from `--cases` (JSON
lines with gold, prediction, equal, form). Both graders run one after the other on the same machine, one process each, so
their speeds, in CPU time, compare as a ratio. Math-Verify is no dependency: it runs under the interpreter that `--rival` names, in the
configuration that did best on these cases (bare answers boxed; LaTeX, expressions and letters; sets against relations).
"""

import argparse
import json
import subprocess
import sys
import time
from math import sqrt
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def interval(errors: int, total: int) -> str:
    """A rate with its 95% Wilson score interval (Wilson 1927), in percent."""
    if not total:
        return "-"
    z, rate = 1.959964, errors / total
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return f"{100 * rate:.2f}% [{100 * max(middle - half, 0):.2f}, {100 * (middle + half):.2f}] ({errors}/{total})"


def our_grader():
    from tasks import MathReference
    from verifiers import verify, verify_answer

    def grade(row: dict) -> str:
        check = verify_answer if row["form"] == "bare" else verify
        return str(check(MathReference(row["gold"]), row["prediction"]).outcome)

    return grade


def rival_grader():
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse
    from math_verify import verify as decide

    configuration = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig(), StringExtractionConfig())

    def read(text: str, bare: bool):
        if bare and "\\boxed" not in text:
            text = "$\\boxed{" + text.strip().strip("$") + "}$"
        return parse(text, extraction_config=configuration)

    def grade(row: dict) -> str:
        gold, answer = read(row["gold"], True), read(row["prediction"], row["form"] == "bare")
        return "correct" if decide(gold, answer, allow_set_relation_comp=True) else "wrong"

    return grade


def graded(grade, rows: list[dict]) -> list[tuple[str, float]]:
    """(outcome, CPU seconds) of every row; what raises counts as wrong."""
    results = []
    for row in rows:
        start = time.process_time()
        try:
            outcome = grade(row)
        except Exception as error:
            outcome = f"raised {type(error).__name__}"
        results.append((outcome, time.process_time() - start))
    return results


def table_rows() -> list[dict]:
    """The project's own table as labelled cases."""
    from tests.verifiers.test_mathematics import COMPLETIONS, VALUES

    cases = []
    for form, parameters in (("bare", VALUES), ("prose", COMPLETIONS)):
        for parameter in parameters:
            equal, gold, prediction = parameter.values
            cases.append({"gold": gold, "prediction": prediction.replace(r" \n ", "\n"), "equal": equal, "form": form})
    return cases


def load_cases(path: Path | None) -> tuple[str, list[dict]]:
    from tests.shared_data import SHARED

    if path is None and SHARED is None:
        return "the project's own table", table_rows()
    path = path or SHARED / "bench" / "math_dev.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return path.name, [row for row in rows if not row.get("contested")]


def run_rival(python: str, rows: list[dict]) -> list[tuple[str, float]]:
    done = subprocess.run(
        [python, __file__, "--serve"], input=json.dumps(rows), capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        sys.exit(f"the rival failed: {done.stderr[-500:]}")
    return [tuple(result) for result in json.loads(done.stdout.splitlines()[-1])]


def report(name: str, rows: list[dict], results: list[tuple[str, float]]) -> float:
    """Prints one row of the table; returns pairs a second."""
    accepted = [outcome == "correct" for outcome, _ in results]
    unequal = [a for a, row in zip(accepted, rows, strict=False) if not row["equal"]]
    equal = [a for a, row in zip(accepted, rows, strict=False) if row["equal"]]
    right = sum(a == row["equal"] for a, row in zip(accepted, rows, strict=False))
    seconds = sorted(second for _, second in results)
    speed = len(seconds) / sum(seconds)
    undecided = sum(outcome == "undecided" for outcome, _ in results)
    raised = sum(outcome.startswith("raised") for outcome, _ in results)
    print(
        f"| {name} | {interval(sum(unequal), len(unequal))} | {interval(len(equal) - sum(equal), len(equal))} | {100 * right / len(rows):.2f}% "
        f"| {undecided} | {raised} | {speed:,.0f} | {1000 * seconds[int(0.99 * len(seconds))]:.1f} | {1000 * seconds[-1]:.0f} |"
    )
    return speed


def integer_speed(num_pairs: int = 100_000) -> float:
    """Plain integers read from completions, pairs a second of CPU."""
    from tasks import MathReference
    from verifiers import verify

    pairs = [(MathReference(str(2 * i)), f"{i}+{i}={2 * i}\n#### {2 * i}") for i in range(1000)]
    start = time.process_time()
    for number in range(num_pairs):
        verify(*pairs[number % 1000])
    return num_pairs / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival", metavar="PYTHON", help="interpreter of an environment with math-verify")
    parser.add_argument("--cases", type=Path, help="labelled pairs, JSON lines")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        print(json.dumps(graded(rival_grader(), json.load(sys.stdin))))
        return
    name, rows = load_cases(options.cases)
    print(f"{len(rows)} pairs of {name}, {sum(row['equal'] for row in rows)} of them equal; one process each\n")
    print(
        "| grader | false accepts [95%] | false rejects [95%] | accuracy | undecided | raised | pairs/s | p99 ms | worst ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    grade = our_grader()
    grade({"gold": r"\frac{1}{2}", "prediction": "0.5", "form": "bare"})  # imports are no part of a verdict
    ours = report("selfplay", rows, graded(grade, rows))
    if options.rival:
        rival = report("Math-Verify 0.9.0", rows, run_rival(options.rival, rows))
        print(f"\nspeed: {ours / rival:.0f} times the rival's")
    print(f"plain integers: {integer_speed():,.0f} completions/s")


if __name__ == "__main__":
    main()
