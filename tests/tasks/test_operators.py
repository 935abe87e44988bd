"""Chains of operators: tasks, their references, and texts that are no task."""

import random

import pytest

from tasks import UserError, load
from tasks.sources.procedures import PROCEDURES, procedure_of
from verifiers import Outcome, verify

procedure = procedure_of("operators")


def test_a_task_is_accepted_by_its_solution_and_by_no_other_value():
    for task in load("operators", num_tasks=200, depths=(1, 2, 3, 7, 20)):
        solution = task.metadata["solution"]
        assert verify(task, solution).outcome is Outcome.CORRECT
        body, _, answer = solution.rpartition("####")
        wrong = f"{(int(answer) + 1) % 100:02d}"
        assert verify(task, f"{body}####{wrong}").outcome is Outcome.WRONG
        assert task.metadata["difficulty"] == len(task.prompt[0]["content"]) - 2


def test_a_text_reads_as_the_task_that_the_source_gives():
    for task in load("operators", num_tasks=50):
        assert procedure.read(task.prompt[0]["content"]).reference == task.reference


@pytest.mark.parametrize(
    "text", ["", "7=", "7ab", "ab=", "77ab=", "7aba=", "7Ab=", "7ab==", "7ab=\n", " 7ab=", "7abn=8", "٣ab=", f"1{'abcdefghijklmnopqrstuvwxy'}="]
)  # fmt: skip
def test_other_texts_are_no_task(text):
    assert procedure.read(text) is None


def test_the_splits_share_no_task_of_some_depth():
    held_out = {task.id for task in load("operators", split="test", num_tasks=200, depths=(3, 4, 9))}
    assert held_out.isdisjoint(task.id for task in load("operators", num_tasks=2000, depths=(3, 4, 9)))


def test_every_operator_is_a_permutation_and_no_two_are_the_same():
    from tasks.sources.operators import tables

    assert all(sorted(table) == list(range(10)) for table in tables().values())
    assert len({tuple(table) for table in tables().values()}) == len(tables()) == 26


def test_a_writing_pair_makes_the_task_that_it_teaches_and_what_goes_on_grows():
    rng = random.Random(0)
    for task in load("operators", num_tasks=100):
        text = task.prompt[0]["content"]
        prompt, completion = procedure.writing_pair(text, rng)
        written = prompt.removeprefix(procedure.begin).removeprefix(procedure.go_on) + completion
        assert written + procedure.end == text and completion


def test_sources_that_read_no_tasks_say_which_do():
    with pytest.raises(UserError, match=next(iter(PROCEDURES))):
        procedure_of("gsm8k")


def test_impossible_depths_are_refused():
    with pytest.raises(UserError, match="depths"):
        list(load("operators", depths=(0,)))
    with pytest.raises(UserError, match="fewer than 300"):
        list(load("operators", num_tasks=300, depths=(1,)))
