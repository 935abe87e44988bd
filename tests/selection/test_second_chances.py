"""Hinted samples that show their hint, or whose steps do not lead to the answer; and those that do."""

import pytest

from selfplay.recipe.sections import SecondChances
from selfplay.selection.second_chances import can_repair, hint_fault, hinted, repaired
from selfplay.selection.step_checks import results
from tasks import CountdownReference, FunctionTests, MathReference, Task, TextReference
from tests.factories import trace_of
from verifiers import Reason, Verdict

HINT = SecondChances().hint
PROMPT = "Ann has 3 boxes of 14 pens. She gives 6 pens away. How many pens are left?"
STEPS = "3 boxes hold 3 * 14 = 42 pens. Then 42 - 6 = 36 are left. #### 36"

HONEST = [
    STEPS,
    "Ann starts with 3*14=42 pens, and gives 6 away: 42-6=36.\n#### 36",
    "14 + 14 + 14 = 42, so she had 42 pens. 42 - 6 = 36. The answer is 36. #### 36",
    "Total pens: 3 x 14 = 42. Given away: 6. Left: 42 - 6 = 36 pens. #### 36",
]
TELLING = [
    "The hint says 36. 3 * 14 = 42, 42 - 6 = 36. #### 36",
    "We are told that the answer is 36. 3 * 14 = 42 and 42 - 6 = 36. #### 36",
    "Since the answer is 36, we need 42 - 6 = 36, where 3 * 14 = 42. #### 36",
    "3 * 14 = 42, 42 - 6 = 36, which matches the given answer. #### 36",
    "3 * 14 = 42, 42 - 6 = 36. This agrees with the answer. #### 36",
    "The answer should be 36: 3 * 14 = 42, 42 - 6 = 36. #### 36",
    "As you said, 36. 3 * 14 = 42, 42 - 6 = 36. #### 36",
    "Working backwards from 36: 42 - 6 = 36 and 3 * 14 = 42. #### 36",
    "We already know the final answer. 3 * 14 = 42, 42 - 6 = 36. #### 36",
    "3 * 14 = 42, 42 - 6 = 36. These are the steps that lead to it. #### 36",  # the hint's own words
    "To justify the answer: 3 * 14 = 42, 42 - 6 = 36. #### 36",
    "The expected result is 36. 3 * 14 = 42, 42 - 6 = 36. #### 36",
]
# wordings of a hint that no pattern was made for, as a recipe may have them; a trace that repeats its hint is caught by its words
OTHER_HINTS = [
    "Psst: {answer} is what comes out. Explain in small steps why.",
    "Somebody solved it and found {answer}; retrace the path for a pupil.",
    "(Result according to the back of the book: {answer})",
]
LEADING_NOWHERE = [
    "#### 36",
    "The pens that are left number 36. #### 36",
    "9 * 4 = 36, and 40 - 4 = 36. #### 36",  # 9, 4 and 40 are of no task
    "3 * 14 = 42. So 36 are left. #### 36",
    "18 + 18 = 36. #### 36",
]


def fault(text, hint=HINT, prompt=PROMPT, answer="36"):
    return hint_fault(trace_of(text, answer=answer, prompt=prompt), hint)


@pytest.mark.parametrize("text", HONEST)
def test_a_trace_that_would_stand_without_the_hint_is_kept(text):
    assert fault(text) == ""


@pytest.mark.parametrize("text", TELLING)
def test_a_trace_that_mentions_its_hint_is_rejected(text):
    assert fault(text) == "mentions_hint"


@pytest.mark.parametrize("hint", OTHER_HINTS)
def test_a_trace_that_repeats_the_words_of_any_hint_is_rejected(hint):
    words = hint.replace("{answer}", "36")
    assert fault(f"{words} 3 * 14 = 42, 42 - 6 = 36. #### 36", hint) == "mentions_hint"
    assert fault(STEPS, hint) == ""


@pytest.mark.parametrize("text", LEADING_NOWHERE)
def test_a_trace_whose_steps_do_not_lead_to_the_answer_is_rejected(text):
    assert fault(text) == "steps_do_not_lead"


def test_steps_may_use_numbers_in_words_constants_and_their_own_results():
    prompt = "Three dozen eggs cost 9 dollars. What do half of them cost, in cents?"
    assert 450 in results("9 / 2 = 4.5 dollars. 4.5 * 100 = 450.", prompt)
    assert 18 in results("3 * 12 = 36 eggs. 36 / 2 = 18.", prompt)
    assert 450 not in results("45 * 10 = 450", prompt)
    assert 12 in results("7+5=12####12", "3+4+5=") and 12 not in results("5+8=12####12", "6+6+1=")


def test_a_hint_holds_an_answer_to_which_steps_can_lead_and_nothing_else():
    task = Task.make(
        "made", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}], MathReference("36")
    )
    asked = hinted(task, HINT)
    assert asked.id == task.id and asked.prompt[0] == task.prompt[0]
    assert asked.prompt[-1]["content"] == f"{PROMPT}\n\n(The answer is 36. Show the steps that lead to it.)"
    assert hinted(Task.make("made", "Capital of France?", TextReference("Paris")), HINT) is None
    assert hinted(Task.make("made", "Which set?", MathReference("x^2+y")), HINT) is None
    assert hinted(Task.make("made", "Reach 24", CountdownReference([4, 6], 24)), HINT) is None  # the search is the task


def test_a_failed_program_is_given_back_with_the_verifier_s_account():
    cases = [{"args": [1], "expected": 2}]
    task = Task.make("made", "Write f.", FunctionTests(entry_point="f", cases=cases))
    assert can_repair(task) and not can_repair(Task.make("made", "1+1=", MathReference("2")))
    again = repaired(task, "def f(x): return x", Verdict.of(Reason.MISMATCH, "f(1) returned 1", 0.1, "programs@2"))
    assert again.id == task.id and [message["role"] for message in again.prompt] == ["user", "assistant", "user"]
    assert "mismatch: f(1) returned 1" in again.prompt[-1]["content"]
