"""Cheap strategies against public reference answers, references against themselves, and against unequal neighbours.

    python -m tests.benchmarks.math_attacks [--references FILE] [--sample N] [--show]

References are JSON lines with `answer`. Four tables: exploits (verifiers/exploits.py) on a sample of references; what can be made of
the question on GSM8K's questions; every reference against itself bare, boxed and in prose; pairs of unequal references of like
shape (digits aside), both ways.
"""

import argparse
import json
import random
import re
import time
from itertools import pairwise
from pathlib import Path

from tasks import MathReference
from tests.benchmarks.math_rivals import interval
from tests.shared_data import SHARED
from verifiers import Outcome, verify, verify_answer
from verifiers.exploits import constants, empty_answers, exploits, guesses, repetitions
from verifiers.mathematics.equivalence import worker_client


def itself(answers: list[str], show: bool) -> None:
    for form, text in (
        ("bare", "{}"),
        ("boxed", "So we get $\\boxed{{{}}}$."),
        ("prose", "Therefore, the final answer is {}."),
    ):
        rejected = [
            answer
            for answer in answers
            if (verify_answer if form == "bare" else verify)(MathReference(answer), text.format(answer)).outcome
            is not Outcome.CORRECT
        ]
        print(f"| itself, {form} | {interval(len(rejected), len(answers))} rejected |")
        for answer in rejected if show else ():
            print(f"    {form}: {answer!r:.200}")


def neighbours(answers: list[str], show: bool, pairs_each: int = 4) -> None:
    """Pairs of the same shape: digits and letters aside, the same text."""
    shapes: dict[str, list[str]] = {}
    for answer in answers:
        shapes.setdefault(re.sub(r"\d+", "0", re.sub(r"(?<![\\A-Za-z])[a-z](?![A-Za-z])", "x", answer)), []).append(
            answer
        )
    ordered = sorted(answers, key=lambda answer: (len(answer) // 4, re.sub(r"\d", "0", answer)))
    pairs = set(pairwise(ordered))
    pick = random.Random(0)
    for group in shapes.values():
        for answer in group:
            pairs |= {(answer, other) for other in pick.sample(group, min(pairs_each, len(group))) if other != answer}
    accepted = [
        pair for pair in sorted(pairs) if verify_answer(MathReference(pair[0]), pair[1]).outcome is Outcome.CORRECT
    ]
    print(
        f"| neighbours of like shape | {interval(len(accepted), len(pairs))} accepted (equal ones among them: --show) |"
    )
    for left, right in accepted if show else ():
        print(f"    {left!r:.110} <=> {right!r:.110}")


def attack(answers: list[str], show: bool) -> None:
    start = time.perf_counter()
    found = exploits(MathReference(answer) for answer in answers)
    num_pairs = len(answers) * (len(constants()) + len(empty_answers()) + 6)
    print(
        f"| {len(constants())} constants, {len(empty_answers())} empty answers, the own format; {len(answers)} references "
        f"| {interval(len(found), num_pairs)} exploits, {num_pairs / (time.perf_counter() - start):,.0f} pairs/s |"
    )
    for exploit in found if show else ():
        print(f"    {exploit.reference.answer!r:.100} accepts {exploit.answer!r:.60}: {exploit.why}")


def question_attack(num_questions: int, show: bool) -> None:
    """GSM8K's questions: completions that repeat them, and numbers made of theirs in a sentence of a model's kind. A number that is
    accepted is counted only if it is not the reference's own."""
    rows = [json.loads(line) for line in (SHARED / "data" / "gsm8k_test.jsonl").read_text().splitlines()]
    rows = random.Random(2).sample(rows, min(num_questions, len(rows)))
    tried, accepted = 0, []
    for row in rows:
        answer = row["answer"].rpartition("####")[2].strip()
        unequal = [guess for guess in guesses(row["question"]) if guess != answer.replace(",", "")]
        said = [
            form.format(guess)
            for guess in unequal
            for form in ("{}", "The answer is {}.", "He has {} of them.", "So it is {} in all.")
        ]
        for completion in (*repetitions(row["question"]), *said):
            tried += 1
            if verify(MathReference(answer), completion).outcome is Outcome.CORRECT:
                accepted.append((answer, completion))
    print(f"| made of the question, {len(rows)} of GSM8K | {interval(len(accepted), tried)} accepted |")
    for answer, completion in accepted if show else ():
        print(f"    {answer!r} accepts {completion!r:.200}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=Path, help="JSON lines with `answer`; by default the shared public ones")
    parser.add_argument("--sample", type=int, default=400, help="references that the strategies are tried on")
    parser.add_argument("--show", action="store_true", help="list what is wrong")
    options = parser.parse_args()
    if SHARED is None and options.references is None:
        parser.exit(2, "no shared references here (SELFPLAY_SHARED) and no --references\n")
    path = options.references or SHARED / "data" / "public_references.jsonl"
    answers = list(dict.fromkeys(json.loads(line)["answer"] for line in path.read_text().splitlines()))
    worker_client.warm()
    print("| test | result [95%] |\n|---|---|")
    itself(answers, options.show)
    neighbours(answers, options.show)
    if SHARED is not None:
        question_attack(options.sample, options.show)
    attack(random.Random(1).sample(answers, min(options.sample, len(answers))), options.show)


if __name__ == "__main__":
    main()
