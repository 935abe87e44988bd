"""Reading completions: what commits, and what never may."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.math_fuzz import texts
from verifiers.mathematics.extraction.boxes import unboxed
from verifiers.mathematics.extraction.extract import extract

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

NUMBERS = st.integers(-10_000, 10_000)
CHATTER = st.text(alphabet="abcdefghij \n,", max_size=60)


@given(CHATTER, NUMBERS)
def test_a_box_is_found_behind_any_chatter(chatter, number):
    assert extract(f"{chatter} \\boxed{{{number}}}.") == str(number)


@given(CHATTER, NUMBERS)
def test_a_mark_is_found_behind_any_chatter(chatter, number):
    assert extract(f"{chatter}\n#### {number}") == str(number)


@given(NUMBERS, NUMBERS)
def test_the_last_commitment_counts(first, last):
    assert extract(f"The answer is {first}.\nNo: the final answer is {last}.") == str(last)
    assert extract(f"\\boxed{{{first}}} was wrong, so I get \\boxed{{{last}}}") == str(last)
    assert extract(f"#### {first}\n#### {last}") == str(last)


@given(NUMBERS, NUMBERS)
def test_boxes_side_by_side_are_a_list_and_no_choice(first, second):
    if first != second:
        assert extract(f"\\boxed{{{first}}} or \\boxed{{{second}}}") == f"{first} or {second}"
        assert extract(f"\\boxed{{{first}}} \\boxed{{{second}}}") == f"{first}, {second}"


@given(CHATTER, NUMBERS)
def test_unfinished_thinking_holds_no_answer(chatter, number):
    assert extract(f"<think>{chatter}\\boxed{{{number}}}") is None


@given(NUMBERS)
def test_a_box_that_was_cut_off_holds_no_answer(number):
    assert extract(f"So we get \\boxed{{{number}") is None


@given(NUMBERS)
def test_an_unclosed_box_ends_with_its_formula(number):
    assert extract(f"So we get $\\boxed{{{number}$ in the end.") == str(number)


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_is_read_without_an_exception(text):
    answer = extract(text)
    assert answer is None or isinstance(answer, str)
    unboxed(text)


@pytest.mark.parametrize(
    "sign",
    [
        "$",
        r"\[",
        "<answer>",
        r"\boxed{",
        r"\boxed{1} ",
        "answer is ",
        "so it is 5. ",
        "**a",
        "1,",
        "\\",
        "所以",
        " ",
        "The answer is: 30",
        "the answer is $x$ ",
        "`",
    ],
)
def test_long_rows_of_one_sign_are_read_in_time(sign):
    extract(sign)  # what is imported and compiled once does not count
    start = time.thread_time()
    extract(sign * (200_000 // len(sign)))
    assert time.thread_time() - start < 0.5


def test_texts_that_repeat_nest_and_cut_real_ones_are_read_in_time():
    for text in texts(60, seed=5):
        start = time.thread_time()
        extract(text)
        assert time.thread_time() - start < 0.5, (len(text), text[:60])
