"""Countdown: expressions of the given numbers, whoever writes them how; and its source."""

import pytest

from tasks import CountdownReference, UserError, load
from tasks.sources.countdown import organic_corpus, search, split_of
from tests.countdown_oracle import differences
from verifiers import Outcome, Reason, verify
from verifiers.games.countdown import evaluate
from verifiers.validation import validate

SIX = CountdownReference((2, 3, 4), 24)  # 2*3*4, (2+4)*3+... and the like
MANY = CountdownReference((1, 3, 4, 6), 24)  # 6/(1-3/4), with a fraction on the way
HONEST = [
    (SIX, "2*3*4", "bare"),
    (SIX, "2 * 3 * 4 = 24", "with its result"),
    (SIX, "24 = 2*3*4", "the result first"),
    (SIX, "The answer is 2×3×4.", "times sign, sentence"),
    (SIX, "2·3·4", "dot"),
    (SIX, "2 x 3 x 4", "letter x"),
    (SIX, "$2 \\times 3 \\cdot 4$", "LaTeX"),
    (SIX, "\\boxed{2 \\times 3 \\times 4 = 24}", "box"),
    (SIX, "so <answer>(4*3)*2</answer>", "tags"),
    (SIX, "2*3=6>4,6;####2*3*4", "search trace"),
    (SIX, "\\[ \\left( 2 \\cdot 3 \\right) \\cdot 4 \\]", "display"),
    (SIX, "[2*{3*4}]".replace("{", "(").replace("}", ")"), "square brackets"),
    (SIX, "**Answer: 4*(2*3)**", "bold"),
    (SIX, "Answer: `2*3*4`", "code"),
    (SIX, "first 2+3+4 = 9, too small\n2*3*4 = 24", "the last line counts"),
    (SIX, "<think>2+3=5</think>2*3*4", "thought first"),
    (SIX, "2(3)(4)", "brackets side by side"),
    (SIX, "(2)(3*4)", "brackets side by side"),
    (MANY, "6/(1-3/4)", "a fraction on the way"),
    (MANY, "6 ÷ (1 − 3 ÷ 4)", "typographic signs"),
    (MANY, "\\frac{6}{1-\\frac{3}{4}}", "nested fractions"),
    (MANY, "\\dfrac{6}{1 - \\dfrac{3}{4}} = 24", "display fractions"),
    (MANY, "<answer>\\frac{6}{1-3/4}</answer>", "fraction in tags"),
    (CountdownReference((25, 50, 75, 100), -50), "25+75-100-50 = -50", "a negative target"),
    (CountdownReference((7,), 7), "7", "one number"),
    (CountdownReference((2, 3, 4), 6, use_all=False), "2*3", "some of the numbers"),
    (CountdownReference((0, 5), 0), "0*5", "a zero"),
]
CHEATS = [
    "24", "24 = 24", "8*3", "2*12", "6*4", "2*3*4*1", "2*3*4+0", "2*2*3*4/2", "2*3*4*4/4", "4*3*2*1", "2+3+4", "2*3+4",
    "-2*-3*4", "+2*3*4", "2*3*(+4)", "-(-2)*3*4", "2*3*4 - -0", "(2*3*4", "2*3*4)", "2*(3*4", "[2*3*4)", "()2*3*4",
    "23+4-3", "2 3 + 4 - 3", "34-2*5", "24*(3-2)/4*4/4", "2**3*3", "2^3*3", "4!", "4!*(3-2)", "2*3*4!", "sqrt(4)*12",
    "\\sqrt{4}*12", "3*2^{4-1}", "2*3*4.0", "2.0*3*4", "2*3*4e0", "0x2*3*4", "02*3*4", "２*３*４", "²*3*4", "2*3*4%5*6",
    "2*3*4//1", "2*3*4 or 5", "2*3*4 == 24", "2*3*4 = 24 = 24", "2*3*4 = 25", "25 = 2*3*4", "2*3*4, 4*6", "2*3*4; 6*4",
    "9**9**9**9", "__import__('os').system('true')", "eval('2*3*4')", "[2*3*4 for _ in [1]][0]", "2*3*4\n# 24\nand 1",
    "2*3*4 (or 6*4)", "1e9", "inf", "nan", "2*3*4/0", "2/0*3*4", "0/0", "\\frac{24}{1}", "\\frac24*3", "\\binom{4}{2}*2*2",
    "two*three*four", "I cannot.", "", "The answer is 24", "\\boxed{24}", "<answer></answer>", "<answer>2*3*4</answer> <answer>6*4</answer>",
    "\\boxed{2*3*4} \\boxed{9}", "x=2;x*3*4", "2_0+4", "8/2(3)(2)", "4/(2*3)*36", "((((2*3*4))))-(", "(" * 5000 + "2*3*4" + ")" * 5000,
    "2*3*4" + " " * 3000 + "+1", "2*3*4" + "*1" * 900,
]  # fmt: skip


@pytest.mark.parametrize("reference, completion, why", HONEST)
def test_every_way_to_write_a_solution_counts(reference, completion, why):
    assert verify(reference, completion).reason is Reason.MATCH, why


@pytest.mark.parametrize("completion", CHEATS)
def test_no_cheat_is_accepted(completion):
    verdict = verify(SIX, completion)
    assert verdict.outcome is Outcome.WRONG, verdict


def test_numbers_of_another_task_do_not_count():
    tasks = list(load("countdown", num_tasks=60, counts=[4], target=24))
    for one in tasks:
        for other in tasks:
            right = verify(one, f"<answer>{other.metadata['solution']}</answer>").outcome is Outcome.CORRECT
            assert right == (one.reference.numbers == other.reference.numbers)


def test_values_are_pythons(num=3000):
    """The benchmark runs the same on 100,000."""
    assert differences(num) == []


def test_every_puzzle_is_solvable_and_of_one_split_alone():
    splits = {}
    for split in ("train", "test"):
        for seed in (0, 1):
            tasks = list(load("countdown", num_tasks=100, split=split, seed=seed))
            assert all(validate(task).valid for task in tasks)
            assert all(task.metadata["difficulty"] == len(task.reference.numbers) for task in tasks)
            splits.setdefault(split, set()).update(task.id for task in tasks)
    assert not splits["train"] & splits["test"]
    assert len(splits["train"]) > 180


def test_the_search_finds_what_can_be_found():
    assert evaluate(search((1, 3, 4, 6), 24)[0].text)[0] == 24
    assert search((1, 1, 1, 1), 24)[0] is None


def test_too_many_tasks_are_a_users_error():
    with pytest.raises(UserError, match="finds"):
        list(load("countdown", num_tasks=1000, counts=[2], largest=3))


def test_the_corpus_searches_and_a_sound_one_is_right():
    for prompt, text in organic_corpus(200, corruption=0.0):
        numbers, target = prompt.removesuffix("?").split("=")
        reference = CountdownReference(tuple(map(int, numbers.split(","))), int(target))
        assert verify(reference, text).outcome is Outcome.CORRECT, (prompt, text)
        for step in text.partition("####")[0].replace("x<", ";").split(";"):
            if step:
                left, _, right = step.partition(">")[0].rpartition("=")
                assert evaluate(left)[0] == int(right), (prompt, text)


def test_the_corpus_is_of_the_train_split():
    for prompt, _ in organic_corpus(100):
        numbers, target = prompt.removesuffix("?").split("=")
        assert split_of((tuple(map(int, numbers.split(","))), int(target))) == "train"
