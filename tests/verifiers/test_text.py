"""The text verifier: answers whose writing is their meaning."""

import time

import pytest

from tasks import TextReference, load
from verifiers import Reason, verify, verify_answer

RIGHT = [  # reference, completion, why
    ("Paris", "The answer is Paris.", "a full stop"),
    ("Paris", "So it is \\boxed{\\text{Paris}}.", "a box, and words in mathematics"),
    ("Paris", "**Answer:** PARIS", "case, Markdown"),
    ("Paris", "Ｐａｒｉｓ", "full-width letters"),
    ("file", "\\boxed{ﬁle}", "a ligature"),
    ("it’s", "\\boxed{it's}", "a curly apostrophe"),
    ("12–15", "#### 12-15", "a dash"),
    ("New York", "\\boxed{New \u00a0 York}", "blanks"),
    ("naïve", "\\boxed{nai\u0308ve}", "a combining mark"),
    ("00:27", "<answer>00:27</answer>", "a time"),
    ("2024-01-03", "Answer: **2024-01-03**", "a date"),
    ("0x1d6b0", "the final answer is `0x1d6b0`", "an identifier in code"),
    ("file_name.py", "\\boxed{\\text{file\\_name.py}}", "an escaped underscore"),
    ("A is a knight, and B is a knave.", "The answer is: A is a knight, and B is a knave.", "a sentence whole"),
    ("the U.S. Army", "The answer is the U.S. Army. I hope it is correct.", "abbreviations, and what follows"),
    ("x²", "\\boxed{x²}", "a superscript"),
    ("6", "The answer is not 5; the answer is 6.", "the last statement"),
    ("Paris", "[THINK]the answer is Paris maybe[/THINK]\nParis", "thinking of another form"),
    ("Paris", "The answer is Paris.<|im_end|>", "the end of a turn"),
]
WRONG = [
    ("Paris", "The answer is Rome.", "another word"),
    ("Paris", "The answer is Paris or Rome.", "two answers"),
    ("Paris", "<think>The answer is Paris", "unfinished thought"),
    ("Paris", "<think>The answer is Paris.</think> \\boxed{Rome}", "what counts stands behind the thought"),
    ("00:27", "\\boxed{00:41}", "another time"),
    ("12:00", "\\boxed{1:00}", "no ratio"),
    ("2024-01-03", "\\boxed{2024-02-02}", "no difference of numbers"),
    ("0x1d6b0", "\\boxed{0}", "no product"),
    ("A is a knight, and B is a knave.", "\\boxed{A is a knave, and B is a knight.}", "roles"),
    ("A is a knight, and B is a knave.", "The answer is: a knave", "a part of it"),
    ("x²", "\\boxed{x2}", "a superscript is no digit"),
    ("½", "\\boxed{12}", "a fraction is no number of two digits"),
    ("1000", "\\boxed{1,000}", "no mathematics here"),
    ("2+2", "\\boxed{4}", "no mathematics here"),
    ("Paris", "<|channel|>analysis<|message|>The answer is Paris", "an unfinished channel"),
    ("Maße", "\\boxed{Masse}", "other letters"),
]


@pytest.mark.parametrize(("reference", "completion", "why"), RIGHT)
def test_answers_of_the_same_letters_are_right(reference, completion, why):
    assert verify(TextReference(reference), completion).reason is Reason.MATCH
    assert verify_answer(TextReference(reference), reference).reason is Reason.MATCH


@pytest.mark.parametrize(("reference", "completion", "why"), WRONG)
def test_other_answers_are_wrong(reference, completion, why):
    assert verify(TextReference(reference), completion).outcome == "wrong"


def test_case_counts_if_the_reference_says_so():
    assert verify(TextReference("May"), "\\boxed{may}").outcome == "correct"
    assert verify(TextReference("May", case_sensitive=True), "\\boxed{may}").outcome == "wrong"


@pytest.mark.parametrize("empty", ["", " ", "\u200b", "\\text{}"])
def test_a_reference_without_text_accepts_nothing(empty):
    for completion in ("", " ", "\\boxed{}", "\\boxed{\\text{}}", "the answer is", "\u200b"):
        assert verify(TextReference(empty), completion).outcome != "correct"


@pytest.mark.parametrize("part", ["the answer is ", "answer:", "**", "\\text{", "`", "$", "\\boxed{", "\u200b", "ﬁ"])
def test_no_text_stalls_it(part):
    text = part * (50_000 // len(part))
    start = time.process_time()
    verify(TextReference("x"), text)
    verify_answer(TextReference("x"), text)
    assert time.process_time() - start < 2


def test_files_takes_text_where_the_recipe_says_so(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"prompt": "When?", "answer": "00:27"}\n')
    (task,) = load("files", path=str(tmp_path / "t.jsonl"), kind="text", reference_options={"case_sensitive": True})
    assert task.reference == TextReference("00:27", case_sensitive=True)
