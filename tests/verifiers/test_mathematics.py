"""The math verifier over the project's own table, and over shared labelled cases where these are at hand."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import MathReference
from tests.shared_data import SHARED
from verifiers import Outcome, Reason, verifier_of, verify, verify_answer
from verifiers.exploits import exploits
from verifiers.mathematics.extraction.extract import looks_like_prose

TABLE = Path(__file__).parents[1] / "math_cases"
_ROW = re.compile(r"(equal|differ)\s+(.*?) <=> (.*?) // (.+)")


def rows(*names: str) -> list:
    """The rows of the named files as (equal, reference, answer)."""
    found = []
    for name in names:
        for number, line in enumerate((TABLE / f"{name}.txt").read_text().splitlines(), 1):
            if line and not line.startswith("--"):
                match = _ROW.fullmatch(line)
                assert match, f"{name}.txt line {number} is no row: {line!r}"
                found.append(pytest.param(match[1] == "equal", match[2], match[3], id=f"{name}:{number}"))
    return found


VALUES = rows("numbers", "measures", "expressions", "relations", "words", "traps")
SIDED = rows("sides")
COMPLETIONS = rows("extraction")


def test_the_table_has_at_least_600_rows():
    assert len(VALUES) + len(COMPLETIONS) >= 600


@pytest.mark.parametrize("equal, reference, answer", VALUES)
def test_verdict_is_the_tables_and_swapping_sides_keeps_it(equal, reference, answer):
    verdict = verify_answer(MathReference(reference), answer)
    assert (verdict.outcome is Outcome.CORRECT) == equal, verdict
    assert verdict.reason is not Reason.CHECKER_FAILURE
    swapped = verify_answer(MathReference(answer), reference)
    assert (swapped.outcome is Outcome.CORRECT) == equal, swapped


@pytest.mark.parametrize("equal, reference, answer", SIDED)
def test_a_reference_is_read_whole(equal, reference, answer):
    for verdict in (
        verify_answer(MathReference(reference), answer),
        verify(MathReference(reference), f"So we get $\\boxed{{{answer}}}$."),
    ):
        assert (verdict.outcome is Outcome.CORRECT) == equal, verdict


def test_a_reference_that_cannot_be_read_is_undecided_and_listed_by_validate():
    reference = MathReference("It is impossible to find such 5 numbers")
    assert verify_answer(reference, "5").reason is Reason.UNSUPPORTED
    assert verify_answer(reference, "it is impossible to find such 5 numbers.").reason is Reason.MATCH
    assert "cannot be read" in verifier_of(reference).fault(reference)
    assert not verifier_of(MathReference("5")).fault(MathReference("5"))


def test_tolerance_is_relative_or_absolute_and_said_in_the_reason():
    assert verify_answer(MathReference("9.81", tolerance=0.01), "9.8").reason is Reason.WITHIN_TOLERANCE
    assert verify_answer(MathReference("9.81", tolerance=0.0001), "9.8").reason is Reason.MISMATCH
    assert verify_answer(MathReference("9.81", absolute_tolerance=0.02), "9.8").reason is Reason.WITHIN_TOLERANCE
    assert verify_answer(MathReference("100", tolerance=0.01), "101").reason is Reason.WITHIN_TOLERANCE
    assert (
        verify_answer(MathReference("9.81 \\text{ m/s}^2", tolerance=0.01), "9.8 \\text{ m/s}^2").outcome
        is Outcome.CORRECT
    )
    assert verify_answer(MathReference("9.81"), "9.8").reason is Reason.MISMATCH


def test_order_counts_where_the_reference_asks_for_it():
    assert verify_answer(MathReference("a, b, c", ordered=True), "b, a, c").outcome is Outcome.WRONG
    assert verify_answer(MathReference("a, b, c", ordered=True), "a, b, c").outcome is Outcome.CORRECT
    assert verify_answer(MathReference("3, 1, 2"), "1, 2, 3").outcome is Outcome.CORRECT


def test_cheap_answers_are_not_accepted_and_exploits_are_found():
    references = [MathReference(answer) for answer in ("5", r"\frac{1}{2}", "x^2+y^2=4", r"\log_2(8)=3", "x=3")]
    assert exploits(references) == []
    assert exploits([MathReference("1^5")])[0].why == "is the reference's own format with another value"


@pytest.mark.parametrize("equal, reference, completion", COMPLETIONS)
def test_the_committed_answer_is_read_from_a_completion(equal, reference, completion):
    verdict = verify(MathReference(reference), re.sub(r" \\n(?= )", "\n", completion))
    assert (verdict.outcome is Outcome.CORRECT) == equal, verdict


def test_a_box_around_an_answer_changes_no_verdict():
    for row in VALUES:
        equal, reference, answer = row.values
        if answer.count("{") == answer.count("}") and not answer.endswith("\\"):
            verdict = verify(MathReference(reference), f"So we get $\\boxed{{{answer}}}$.")
            assert (verdict.outcome is Outcome.CORRECT) == equal, (row.id, verdict)


def test_rounding_is_said_in_the_reason():
    reference = MathReference(r"\frac{\sqrt{3}}{3} \approx 0.577")
    assert verify_answer(reference, "0.577").reason is Reason.ROUNDED
    assert verify_answer(reference, r"\frac{1}{\sqrt{3}}").reason is Reason.MATCH


def test_no_answer_has_its_own_reason():
    for completion in ("", "   ", "<think>5", r"\boxed{}", r"the value is \boxed{4"):
        assert verify(MathReference("5"), completion).reason is Reason.NO_ANSWER, completion


def test_a_verdict_can_be_written_whatever_the_model_wrote():
    verdict = verify(MathReference("1"), "\\boxed{1\udc80}")
    assert verdict.outcome is Outcome.WRONG
    json.dumps(verdict.to_dict(), ensure_ascii=False).encode("utf-8")


def test_plain_numbers_need_no_heavy_import():
    program = (
        "import sys; from tasks import MathReference as M; from verifiers import verify;"
        "assert verify(M('12'), '7+5=####12').outcome == 'correct';"
        "assert not {'sympy', 'mpmath', 'verifiers.mathematics.equivalence.answers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


needs_shared = pytest.mark.skipif(SHARED is None, reason="the folder of shared cases is not here (SELFPLAY_SHARED)")


def shared_rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (SHARED / name).read_text().splitlines()]


def judged(row: dict):
    check = verify_answer if row["form"] == "bare" else verify
    return check(MathReference(row["gold"]), row["prediction"])


@needs_shared
def test_error_rates_on_shared_cases_stay_below_their_bars():
    cases = [row for row in shared_rows("bench/math_dev.jsonl") if not row.get("contested")]
    verdicts = [(row["equal"], judged(row).outcome is Outcome.CORRECT) for row in cases]
    unequal = [correct for equal, correct in verdicts if not equal]
    equal = [correct for equal, correct in verdicts if equal]
    assert sum(unequal) <= 0.003 * len(unequal)
    assert len(equal) - sum(equal) <= 0.02 * len(equal)


@needs_shared
def test_hostile_answers_are_never_accepted_and_never_hang():
    cases = shared_rows("bench/math_hostile_dev.jsonl")
    verdicts = [(row, judged(row)) for row in cases]
    assert not [row["name"] for row, verdict in verdicts if verdict.outcome is Outcome.CORRECT and not row["equal"]]
    wrong = [row["name"] for row, verdict in verdicts if (verdict.outcome is Outcome.CORRECT) != row["equal"]]
    assert len(wrong) <= 0.04 * len(cases), wrong
    assert not [row["name"] for row, verdict in verdicts if verdict.reason is Reason.CHECKER_FAILURE]


@needs_shared
def test_gsm8k_completions_agree_with_their_labels():
    disagreements, num_completions = [], 0
    for row in shared_rows("data/gsm8k_model_solutions.jsonl"):
        reference = MathReference(row["ground_truth"].rpartition("A:")[2].strip())
        for solution in row.values():
            if isinstance(solution, dict):
                num_completions += 1
                if (verify(reference, solution["solution"]).outcome is Outcome.CORRECT) != solution["is_correct"]:
                    disagreements.append(solution["solution"][-80:])
    assert num_completions == 5276 and not disagreements


@needs_shared
def test_every_competition_reference_equals_its_own_solution():
    for row in shared_rows("data/math500.jsonl"):
        reference = MathReference(row["answer"])
        assert verify(reference, row["solution"]).outcome is Outcome.CORRECT, row["answer"]
        assert verify_answer(reference, row["answer"]).outcome is Outcome.CORRECT, row["answer"]


@needs_shared
def test_swapping_shared_cases_never_changes_an_acceptance():
    """Values only: of a sentence the answer's side is read for its value, and the reference's side whole."""
    for row in shared_rows("bench/math_dev.jsonl"):
        answer = row["prediction"] if row["form"] == "bare" else judged(row).answer
        is_value = answer and len(answer) < 500 and not any(map(looks_like_prose, (answer, row["gold"])))
        if is_value and "**" not in answer:
            there = verify_answer(MathReference(row["gold"]), answer).outcome is Outcome.CORRECT
            back = verify_answer(MathReference(answer), row["gold"]).outcome is Outcome.CORRECT
            assert there == back, (row["gold"], answer)
