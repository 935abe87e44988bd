"""Families of reasoning-gym: what we decide, what is refused, and seeds that share nothing."""

import pytest

from tasks import CountdownReference, MathReference, TextReference, UserError, load
from tasks.sources.reasoning_gym import NUM_ANSWERS, REFUSED
from verifiers import Outcome, verifier_of, verify
from verifiers.validation import validate

pytest.importorskip("reasoning_gym", reason="no reasoning-gym (pip install selfplay[families])")

FAST = {"chain_sum": MathReference, "spell_backward": TextReference, "countdown": CountdownReference, "puzzle24": CountdownReference,
        "rotate_matrix": TextReference, "syllogism": TextReference, "time_intervals": TextReference, "dice": TextReference}  # fmt: skip


@pytest.mark.parametrize("family", FAST)
def test_each_item_accepts_its_own_answer_and_no_other(family):
    tasks = list(load("reasoning_gym", family=family, num_tasks=30))
    assert all(validate(task).valid for task in tasks)
    assert {type(task.reference) for task in tasks} == {FAST[family]}
    assert {task.metadata["chance"] for task in tasks} == {1 / NUM_ANSWERS[family] if family in NUM_ANSWERS else 0.0}
    for one in tasks:
        for other in tasks:
            if one.metadata["solution"].lower() != other.metadata["solution"].lower() and family not in (
                "countdown",
                "puzzle24",
            ):
                solution = verifier_of(other.reference).own_solution(other)
                assert verify(one, solution).outcome is not Outcome.CORRECT, (one.reference, solution)


def test_neighbouring_seeds_and_splits_share_no_item():
    ids = [
        {task.id for task in load("reasoning_gym", family="chain_sum", num_tasks=50, seed=seed, split=split)}
        for seed in (0, 1) for split in ("train", "test")
    ]  # fmt: skip
    assert len(set().union(*ids)) == 200


def test_several_families_with_weights():
    tasks = list(load("reasoning_gym", family={"chain_sum": 3, "gcd": 1}, num_tasks=80))
    counts = [sum(task.metadata["family"] == name for task in tasks) for name in ("chain_sum", "gcd")]
    assert counts[0] > counts[1] > 0
    assert len(list(load("reasoning_gym", family=["lcm", "gcd"], num_tasks=10, config={"max_numbers": 2}))) == 10


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_without_one_right_answer_is_refused(family):
    with pytest.raises(UserError, match="refused"):
        next(load("reasoning_gym", family=family))


def test_unknown_families_and_settings_are_a_users_error():
    with pytest.raises(UserError, match='did you mean "chain_sum"'):
        next(load("reasoning_gym", family="chain_sums"))
    with pytest.raises(UserError, match="config"):
        next(load("reasoning_gym", family="chain_sum", config={"min_termz": 3}))


def test_code_in_an_answer_is_text():
    task = next(load("reasoning_gym", family="countdown"))
    for answer in ("9**9**9**9", "__import__('os').system('true')"):
        assert verify(task, f"<answer>{answer}</answer>").outcome is Outcome.WRONG
