"""Grown tests: they keep what the given tests mean, catch what those miss, and say how much still passes."""

import json
from dataclasses import replace

import pytest

from selfplay.cli.task_listing import list_tasks
from tasks import AssertTests, FunctionTests, UserError, load
from tests.program_cases.case import asserts, calls
from verifiers import verify
from verifiers.programs import verify_program
from verifiers.programs.input_growth import grow_inputs, invariants
from verifiers.programs.mutants import mutants
from verifiers.programs.strengthen import strengthen

LARGEST = "def largest(items):\n    best = items[0]\n    for item in items:\n        if item > best:\n            best = item\n    return best\n"
WEAK = calls("largest", ([[1, 2, 3]], 3), ([[5, 2, 9, 9]], 9), ([[4]], 4))
LAST = "def largest(items): return items[-1]"  # right on every case of WEAK


def test_wrong_program_past_weak_tests_fails_strong_ones():
    assert verify_program(WEAK, LAST).outcome == "correct"
    grown = strengthen(WEAK, LARGEST, 10)
    assert verify_program(grown.reference, LAST).outcome == "wrong"
    assert verify_program(grown.reference, LARGEST).outcome == "correct"


def test_strengthening_keeps_every_given_case():
    grown = strengthen(WEAK, LARGEST, 10)
    assert grown.reference.cases[:3] == WEAK.cases
    assert grown.report.num_given == 3 and len(grown.reference.cases) == 3 + grown.report.num_grown


def test_half_of_the_grown_cases_is_held_back():
    grown = strengthen(WEAK, LARGEST, 10)
    assert grown.report.num_grown == 10 and grown.report.num_held_back == len(grown.held_back) == 5


def test_report_counts_no_more_past_strong_tests_than_past_weak():
    report = strengthen(WEAK, LARGEST, 10).report
    assert report.num_wrong >= report.num_past_given >= report.num_past_grown


@pytest.mark.parametrize(
    "code",
    [
        "def check(candidate):\n    assert candidate([1, 2, 3]) == 3\n    assert candidate([4]) == 4\n",
        "def check(candidate):\n    for n in (3, 4):\n        assert candidate(list(range(n))) == n - 1\n",  # not simple
    ],
)
def test_assertions_grow_into_assertions(code):
    grown = strengthen(AssertTests(code, "largest"), LARGEST, 8)
    assert isinstance(grown.reference, AssertTests) and grown.report.num_grown == 8
    assert verify_program(grown.reference, LARGEST).outcome == "correct"
    assert verify_program(grown.reference, LAST).outcome == "wrong"


def test_bare_assertions_grow():
    grown = strengthen(asserts("assert largest([1, 2]) == 2\nassert largest([0]) == 0"), LARGEST, 8)
    assert verify_program(grown.reference, LAST).outcome == "wrong"


def test_floats_are_given_a_margin():
    reference = asserts("assert third(3) == 1.0\nassert third(6) == 2.0")
    grown = strengthen(reference, "def third(x): return x / 3", 5)
    assert verify_program(grown.reference, "def third(x): return x * (1 / 3)").outcome == "correct"


def test_answers_in_any_order_are_not_grown():
    reference = asserts("def check(f):\n    assert sorted(f([1, 2])) == [2, 3]\n", "f")
    grown = strengthen(reference, "def f(x): return [v + 1 for v in x]", 5)
    assert grown.reference == reference and "order" in grown.report.note


def test_solution_that_fails_its_own_tests_is_refused():
    with pytest.raises(UserError, match="does not pass its own tests"):
        strengthen(WEAK, "def largest(items): return 0", 5)


def test_programs_that_waver_are_no_reference():
    grown = strengthen(calls("f", ([1], 1)), "import time\ndef f(x): return 1 if x == 1 else time.perf_counter_ns()", 5)
    assert grown.report.num_grown == 0 and grown.report.note


@pytest.mark.parametrize(
    ("given", "allowed", "refused"),
    [
        ([[3], [5], [0]], [[4]], [[-1], ["a"], [1000]]),
        ([["()"], ["(())"], [")("]], [["()("]], [["a"]]),
        ([[[1, 2]], [[3, 9]], [[4, 5, 6]]], [[[1, 7]]], [[[2, 1]], [[]], [[1, 1]]]),
        ([[[1], [2]], [[1, 2], [3, 4]], [[0, 3, 1], [9, 9, 2]]], [[[1, 1], [2, 2]]], [[[1], [2, 3]]]),
    ],
)
def test_what_all_given_inputs_share_is_kept(given, allowed, refused):
    rules = invariants(given)
    assert all(all(rule(args) for rule in rules) for args in allowed)
    assert not any(all(rule(args) for rule in rules) for args in refused)


def test_growth_depends_on_the_seed_alone():
    given = [[[1, 2], "ab", {"k": 1.5}], [[3], "cd", {"k": 2.0, "l": 0.5}]]
    assert grow_inputs(given, 20, 1) == grow_inputs(given, 20, 1) != grow_inputs(given, 20, 2)
    assert given == [[[1, 2], "ab", {"k": 1.5}], [[3], "cd", {"k": 2.0, "l": 0.5}]]


def test_mutants_differ_from_the_program_in_one_place():
    found = mutants(LARGEST, "largest", 50, 0)
    assert len(found) == len(set(found)) > 5
    assert all(text != LARGEST for text in found)


def test_case_that_the_prompt_shows_is_not_held_back():
    grown = strengthen(WEAK, LARGEST, 10)
    shown = grown.held_back[0].removeprefix("assert ").split(" == ")[0]
    again = strengthen(WEAK, LARGEST, 10, prompt=f"Find the largest item.\n>>> {shown}")
    assert again.held_back == grown.held_back[1:]
    assert again.report.num_held_back == len(again.held_back)


def test_written_tasks_tell_what_is_held_back_and_what_strengthening_did(tmp_path, capsys):
    given, out = tmp_path / "given.jsonl", tmp_path / "strong.jsonl"
    row = {"task_id": "T/0", "entry_point": "largest", "prompt": "", "canonical_solution": LARGEST}
    row["test"] = "def check(candidate):\n    assert candidate([1, 2, 3]) == 3\n    assert candidate([4]) == 4\n"
    given.write_text(json.dumps(row) + "\n")
    counts = list_tasks("humaneval", {"path": str(given)}, 0, False, 8, out)
    (task,) = load("files", path=str(out))
    assert task.metadata["strengthening"]["num_grown"] == counts.num_cases == 8
    assert len(task.metadata["held_back"]) == counts.num_held_back == 4
    assert all(case.removeprefix("assert largest") in task.reference.code for case in task.metadata["held_back"])
    assert "4 held back" in counts.in_words()


@pytest.mark.parametrize(
    "reference",
    [
        FunctionTests("total", ({"args": [[1, 2]], "expected": 3},), prelude="from functools import reduce\n"),
        AssertTests(
            "def check(candidate):\n    assert candidate([1, 2]) == start + 3\n",
            "total",
            prelude="from functools import reduce\nstart = 0\n",
        ),
    ],
    ids=lambda reference: reference.kind,
)
def test_tests_with_starter_code_and_packages_grow(reference):
    """The program needs the prelude's import, and calls a package."""
    solution = "import sortedcontainers\ndef total(items):\n    return reduce(lambda a, b: a + b, items, 0)"
    grown = strengthen(replace(reference, packages=("sortedcontainers",)), solution, 4)
    assert grown.report.num_grown == 4, grown.report
    assert verify(grown.reference, solution).outcome == "correct"
    assert verify(grown.reference, "def total(items): return 3").outcome == "wrong"
