"""Generated word problems: distinct, solvable, and of two splits that share no sentence."""

import re

import pytest

from tasks import UserError
from tasks.sources import load
from tasks.sources.word_problems import _SPLITS, OPERATIONS
from verifiers.validation import validate


def prompts(**options):
    return [task.prompt[0]["content"] for task in load("word_problems", **options)]


def test_the_same_seed_makes_the_same_problems_and_another_seed_others():
    first, again, other = (prompts(num_tasks=200, seed=seed) for seed in (1, 1, 2))
    assert first == again and len(set(first)) == 200
    assert len(set(first) & set(other)) < 10


def test_the_splits_share_no_sentence():
    def sentences(split):
        texts = [re.sub(r"\d+", "N", text) for text in prompts(num_tasks=2000, split=split)]
        return {part.strip() for text in texts for part in re.findall(r"[^.?]+[.?]", text)}

    assert sentences("train") & sentences("test") == {"Answer in one short sentence."}
    train, test = _SPLITS["train"], _SPLITS["test"]
    assert not set(train.names) & set(test.names) and not set(train.things) & set(test.things)


@pytest.mark.parametrize("split", _SPLITS)
def test_every_reference_passes_its_own_verifier_and_every_number_is_small_and_whole(split):
    for task in load("word_problems", num_tasks=200, split=split):
        assert validate(task).valid
        numbers = [int(number) for number in re.findall(r"\d+", task.prompt[0]["content"])]
        assert len(numbers) == task.metadata["difficulty"] + 1
        assert 1 <= int(task.reference.answer) <= 999


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_operation_alone_makes_problems_of_all_lengths(operation):
    for task in load("word_problems", num_tasks=60, operations=[operation]):
        numbers = [int(number) for number in re.findall(r"\d+", task.prompt[0]["content"])]
        total = numbers[0]  # of a group, either number may come first
        for number in numbers[1:]:
            total = {"add": total + number, "subtract": total - number, "multiply": total * number,
                     "divide": total / number}[operation]  # fmt: skip
        assert str(int(total)) == task.reference.answer and total == int(total)


def test_options_that_make_no_problem_are_user_errors():
    for options in ({"steps": [5]}, {"operations": ["root"]}, {"split": "dev"}):
        with pytest.raises(UserError, match="word_problems"):
            prompts(**options)
