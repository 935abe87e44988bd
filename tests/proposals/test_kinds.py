"""Kinds in words and programs: how a proposal is read, and when its program decides the reference."""

import random

import pytest

from selfplay.proposals.kinds import KINDS, make_kind
from selfplay.proposals.language import OPERATORS, number_in_words
from selfplay.proposals.proposal import Ask, Proposal
from tasks import MathReference, Task
from verifiers import Outcome, verify
from verifiers.validation import validate

SEED = Task.make("made", "Maya has 14 marbles and buys 5 bags with 6 marbles each. How many marbles does she have now?", MathReference("44"))  # fmt: skip
NEW = "Problem: Tim has 3 boxes of 4 apples. How many apples does he have?\n```python\ndef solve():\n    {body}\n```"
TEMPLATE = """```python
PROBLEM = "{text}"
ORIGINAL = {{"a": 14, "b": 5, "c": 6}}

def draw(rng):
    return {{"a": rng.randint(5, 40), "b": rng.randint(2, 9), "c": rng.randint(2, 12)}}

def solve(a, b, c):
    return {value}
```"""
TEXT = "Maya has {a} marbles and buys {b} bags with {c} marbles each. How many marbles does she have now?"
CODE = """Problem: Return the largest number of a list, or 0 if it is empty.
```python
def largest(numbers):
    best = 0
    for place, number in enumerate(numbers):
        if place == 0 or number > best:
            best = number
    return best
```
Inputs: {inputs}"""


def settled(name, text, seed=5):
    """What a kind makes of a completion: its reading, its program run."""
    kind = make_kind(name, "gsm8k")
    ask = Ask(0, name, "", (SEED,) * kind.num_parents, ())
    reading = kind.read(ask, text)
    return kind.settle(Proposal(ask, text, "a-model", seed, 5, reading)) if reading.task else reading


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if name not in ("begin", "go_on", "draw")])
def test_a_request_shows_its_parents_and_no_answer(name):
    kind = make_kind(name, "gsm8k")
    operator, (message,) = kind.prompt((SEED,) * kind.num_parents, random.Random(0))
    assert SEED.prompt[0]["content"] in message["content"] and "44" not in message["content"]
    assert name != "evolve" or operator in OPERATORS


def test_a_program_decides_the_reference():
    reading = settled("instruct", NEW.format(body="return 3 * 4"))
    assert reading.task.reference == MathReference("12") and reading.trust == "program"
    assert verify(reading.task, "So \\boxed{12}").outcome is Outcome.CORRECT


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("import random; return random.random()", "imports random"),
        ("return 'twelve'", "is no number"),
        ("return 10 ** 40", "is no number"),
        ("return 1 / 0", "fails"),
        ("import os; return len(os.listdir('/'))", "imports os"),
        ("return id(3)", "uses id"),
        ("return (3).__class__.__name__", "uses __"),
        ("return )", "does not parse"),
        ("while True: pass", "does not return"),
    ],
)
def test_a_program_that_decides_nothing_proposes_nothing(body, fault):
    assert fault in settled("evolve", NEW.format(body=body)).fault


@pytest.mark.parametrize("text", ["", "Problem: how many?", "Problem: how many?\n```python\nprint(3)\n```"])
def test_a_completion_without_problem_and_program_is_no_proposal(text):
    assert settled("instruct", text).task is None


def test_an_instance_of_a_template_that_reproduces_its_seed_is_a_task():
    reading = settled("template", TEMPLATE.format(text=TEXT, value="a + b * c"))
    assert reading.fault == "" and reading.trust == "template"
    numbers = [int(word) for word in reading.task.metadata["problem"].split() if word.isdigit()]
    assert int(reading.task.reference.answer) == numbers[0] + numbers[1] * numbers[2]
    assert reading.task.metadata["template_of"] == SEED.id


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        (TEXT, "a + b + c", "it gives 25"),
        (TEXT, "44", "hardly depends"),
        (TEXT.replace("Maya", "Lena"), "a + b * c", "its text is another"),
        (TEXT, "a + b * c if a == 14 else -a", "negative"),
        (TEXT, "a + b * c if a == 14 else a / 7", "broken"),
        (TEXT, "a + undefined", "fails"),
        (TEXT.replace("{a}", "14"), "a + b * c if b else 0", ""),
    ],
)
def test_a_template_that_says_something_else_is_refused(text, value, fault):
    assert fault in settled("template", TEMPLATE.format(text=text, value=value)).fault


def test_a_code_task_gets_outputs_and_refuses_its_mutants():
    reading = settled("program", CODE.format(inputs="[[[]], [[3]], [[1, 5, 2]], [[-4, -2]], [[2, 2]], [[9, 1]]]"))
    assert reading.fault == "" and reading.trust == "tests"
    assert [case["expected"] for case in reading.task.reference.cases] == [0, 3, 5, -2, 2, 9]
    assert validate(reading.task).valid


def test_tests_that_kill_few_mutants_are_refused():
    assert "changed programs apart" in settled("program", CODE.format(inputs="[[[]], [[]], [[0]]]")).fault


def test_numbers_are_written_as_a_reference_writes_them():
    values = [3, 3.0, 2.5, -7, True, "3", 10**13, float("nan"), None]
    assert [number_in_words(value) for value in values] == ["3", "3", "2.5", "-7", "", "", "", "", ""]
