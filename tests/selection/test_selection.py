"""Selection: each rule on what it is for and on what it must leave alone."""

import json

import pytest

from selfplay.recipe.sections import Selection
from selfplay.selection.decontamination import Contamination
from selfplay.selection.dedup import signature, similarities
from selfplay.selection.filters import FILTERS
from selfplay.selection.selection import SelectionStats, select
from tasks import MathReference, Task, load
from tests.factories import arithmetic_traces, recipe_of, trace_of
from tests.shared_data import SHARED

LONG = "Ann has {a} apples and gives half of them to Bo, who then eats two, so that {b} are left between the two of them in the end, as we see."


def reasons(traces, contamination=None, account=None, **settings):
    traces = list(traces)
    selected = list(select(traces, Selection(**settings), contamination, account))
    assert [trace for trace, _ in selected] == traces
    return [reason for _, reason in selected]


# rule, prompt, completion, reference, rejected?, why
CASES = [
    ("wrong_step", "3+4+5=", "9+3=####12", "12", False, "a step that holds"),
    ("wrong_step", "3+4+5=", "8+5=####12", "12", True, "a right answer over a wrong step"),
    ("text_after_answer", "How many?", "3 + 4 = 7\n#### 7", "7", False, "nothing behind it"),
    (
        "text_after_answer",
        "How many?",
        "3 + 4 = 7\n#### 7\nQuestion: What is next?",
        "7",
        True,
        "a line behind the mark",
    ),
    ("text_after_answer", "How many?", "So it is $\\boxed{7}$ apples.", "7", False, "the sentence ends"),
    (
        "text_after_answer",
        "How many?",
        "So it is $\\boxed{7}$.\n\n" + "Let us now look at another problem that has nothing to do with it. " * 2,
        "7",
        True,
        "new matter",
    ),
    ("text_after_answer", "How many?", "The answer is 7.", "7", False, "no marked answer"),
    ("answer_from_nowhere", "2+3=", "####5", "5", False, "no reasoning that it could stand in"),
    ("answer_from_nowhere", "3+4+5=", "7+5=####12", "12", False, "the last step ends in it"),
    ("answer_from_nowhere", "Ann has 3 of 4.", "3 * 4 = <<3*4=12>>12\n#### 5", "5", True, "no step comes to 5"),
    ("answer_from_nowhere", "Ann has 3 of 4.", "3 * 4 = <<3*4=12>>12\n#### 12", "12", False, "a step comes to it"),
    ("answer_from_nowhere", "Cents?", "1/4 = <<1/4=0.25>>0.25 dollars\n#### 25", "25", False, "dollars told in cents"),
    (
        "answer_from_nowhere",
        "How many?",
        "x = 6 and y = 7, and their product is $\\boxed{42}$.",
        "42",
        False,
        "one more step from what stands there",
    ),
    (
        "answer_from_nowhere",
        "How many?",
        "x = 6 and y = 7, so that we find $\\boxed{97}$.",
        "97",
        True,
        "no one step gives 97",
    ),
    ("repetition", "How many?", "We add. " * 3 + "The sum of three and four is seven.\n#### 7", "7", False, "short"),
    (
        "repetition",
        "How many?",
        "so the sum of three and four must be seven again " * 12 + "\n#### 7",
        "7",
        True,
        "a loop",
    ),
    (
        "repetition",
        "How many?",
        LONG.format(a=8, b=6) + " " + LONG.format(a=10, b=8) + "\n#### 8",
        "8",
        False,
        "two sentences of one form",
    ),
    (
        "repetition",
        "多少？",
        "所以答案是七因为三加四等于七" * 12 + "\n#### 7",
        "7",
        True,
        "a loop in a script without spaces",
    ),
    (
        "language",
        "How many apples are there in all of the boxes?",
        "我们首先计算苹果的总数然后再减去被吃掉的苹果数量得到答案七个苹果\n#### 7",
        "7",
        True,
        "another script",
    ),
    (
        "language",
        "How many are there in the box? She has some of them and they are red, so that is it.",
        "The sum α + β is 7 × 1 ≤ 8 → 7\n#### 7",
        "7",
        False,
        "Greek letters and signs are mathematics",
    ),
    (
        "language",
        "How many are there in the box? She has some of them and they are red, and that is all that we know from this.",
        "Elle a les pommes dans une boîte et nous avons donc sept pommes pour chaque enfant qui est avec elle, sur cette table.\n#### 7",
        "7",
        True,
        "French for an English task",
    ),
    (
        "language",
        "一共有多少个苹果在这些盒子里面？请仔细计算并且给出最终的答案。",
        "三加四等于七，所以一共有七个苹果在这些盒子里面，答案就是七。\n#### 7",
        "7",
        False,
        "the task's own language",
    ),
    ("unfinished", "How many?", "3 + 4 = 7 #### 7", "7", False, "it ended by itself"),
]


@pytest.mark.parametrize(
    ("rule", "prompt", "text", "answer", "rejected", "why"), CASES, ids=[f"{case[0]}: {case[5]}" for case in CASES]
)
def test_a_rule_rejects_what_it_is_for_and_nothing_else(rule, prompt, text, answer, rejected, why):
    trace = trace_of(text, answer, prompt)
    assert trace.verdict.outcome == "correct", "the verdict alone would accept it"
    assert FILTERS[rule](trace) is rejected


def test_a_trace_that_was_cut_off_is_rejected_though_its_answer_is_there():
    assert reasons([trace_of("7+5=####12", finish_reason="length")]) == ["unfinished"]


def test_every_rule_can_be_left_out_and_every_rejection_has_a_reason():
    traces = [
        trace_of("8+5=####12"),
        trace_of("7+5=####12", index=1, finish_reason="length"),
        trace_of("7+5=####13", index=2),
    ]
    assert reasons(traces) == ["wrong_step", "unfinished", "wrong"]
    assert reasons(traces, reject=[]) == ["accepted", "accepted", "wrong"]
    assert reasons(traces, reject=["wrong_step"]) == ["wrong_step", "accepted", "wrong"]


def test_equal_texts_of_a_task_are_kept_once_and_of_two_tasks_twice():
    traces = [trace_of("#### 12"), trace_of("####  12\n", index=1), trace_of("#### 12", prompt="6+6=")]
    assert reasons(traces) == ["accepted", "duplicate", "accepted"]
    assert reasons(traces, drop_duplicates=False) == ["accepted"] * 3


def test_nearly_equal_long_texts_are_kept_once_and_different_ones_both():
    one = (
        LONG.format(a=12, b=10)
        + " That is how it went on that day in the garden behind the house of her aunt.\n#### 10"
    )
    near, other = (
        one.replace("garden", "orchard"),
        "Bo eats two and nobody else eats any, therefore ten of the twelve must remain; we take twelve, subtract two, and get the ten that we were asked for.\n#### 10",
    )
    traces = [trace_of(text, "10", index=number) for number, text in enumerate((one, near, other))]
    assert reasons(traces) == ["accepted", "near_duplicate", "accepted"]
    assert reasons(traces, near_duplicates=0.0) == ["accepted"] * 3


ASKED = (
    "Ann has 12 apples in a basket of willow and gives half of what she has to Bo, who eats two of his on the way home through the"
    " garden. How many apples are there between the two of them when both of them have come home in the evening?"
)
TOLD = (
    LONG.format(a=12, b=10)
    + " That is how it went on that day in the garden behind the house of her aunt, so we have it.\n#### 10"
)


def test_a_trace_of_two_tasks_that_ask_nearly_the_same_is_kept_once():
    tasks = [ASKED, ASKED.replace("evening?", "end?"), "Dan asks something else: " + " ".join(ASKED.split()[::-1])]
    texts = [TOLD, TOLD.replace("garden", "orchard"), TOLD]
    traces = [trace_of(text, "10", prompt) for prompt, text in zip(tasks, texts, strict=False)]
    assert reasons(traces, across_tasks=True) == ["accepted", "duplicate_across_tasks", "accepted"]
    assert reasons(traces) == ["accepted"] * 3


def test_other_solutions_of_nearly_the_same_task_are_kept():
    other = "Bo eats two and nobody else eats any, therefore ten of the twelve must remain; we take twelve, subtract two, and get the ten that we were asked for.\n#### 10"
    traces = [
        trace_of(TOLD, "10", ASKED),
        trace_of(other, "10", ASKED + " "),
        trace_of("5+5=10\n#### 10", "10", ASKED + "  "),
        trace_of("5+5=10 #### 10", "10", ASKED + "   "),
    ]
    assert reasons(traces, across_tasks=True) == ["accepted", "accepted", "accepted", "duplicate_across_tasks"]


def test_short_tasks_are_the_same_only_when_they_are_equal():
    traces = [trace_of("7+5=####12", prompt=prompt) for prompt in ("3+4+5=", "3+4+5= ", "4+3+5=")]
    assert reasons(traces, across_tasks=True) == ["accepted", "duplicate_across_tasks", "accepted"]


def test_estimated_similarities_are_those_of_the_sets():
    words = [f"word{number}" for number in range(400)]
    for shared in (50, 200, 350):
        left, right = words[:400], words[400 - shared :] + [f"other{number}" for number in range(400 - shared)]
        sets = [{tuple(text[start : start + 5]) for start in range(len(text) - 4)} for text in (left, right)]
        exact = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        assert similarities(signature(" ".join(left)), [signature(" ".join(right))])[0] == pytest.approx(
            exact, abs=0.15
        )


def test_at_most_m_traces_of_a_task_are_kept_the_first_by_default():
    traces = [trace_of("so " * n + "####12", index=n) for n in range(3)]
    assert reasons(traces, max_traces_per_task=2, reject=[]) == ["accepted", "accepted", "max_traces_per_task"]


def test_shortest_keeps_the_shortest_right_trace():
    texts = ["7+5=12+0=####12", "#### 12", "7+5=####12", "#### 13"]
    traces = [trace_of(text, index=number) for number, text in enumerate(texts)]
    assert reasons(traces, choose="shortest", max_traces_per_task=1) == [
        "max_traces_per_task",
        "accepted",
        "max_traces_per_task",
        "wrong",
    ]


def test_diverse_keeps_the_texts_that_are_least_alike():
    same = [
        LONG.format(a=12, b=10) + f" She saw {end}.\n#### 10"
        for end in ("a cat", "a dog and a bird", "it and left again then")
    ]
    other = "Bo eats two and nobody else eats any, therefore ten of the twelve must remain; we take twelve, subtract two, and get ten.\n#### 10"
    traces = [trace_of(text, "10", index=number) for number, text in enumerate([*same, other])]
    assert reasons(traces, choose="diverse", max_traces_per_task=2, near_duplicates=0.0)[3] == "accepted"
    assert reasons(traces, max_traces_per_task=2, near_duplicates=0.0)[3] == "max_traces_per_task"


def pool():
    """Ten tasks of ten samples, number n with n + 1 right ones."""
    for task in range(10):
        for index in range(10):
            yield trace_of("####12" if index <= task else "####13", prompt=f"task {task}", index=index)


@pytest.mark.parametrize(
    ("prefer", "tasks"),
    [("hard", {0, 1, 2}), ("easy", {9}), ("difficulty", {0, 1, 2}), ("information", {0, 1, 2})],
)
def test_a_budget_keeps_what_is_preferred(prefer, tasks):
    traces = list(pool())
    settings = dict(prefer=prefer, max_traces=6, max_traces_per_task=0, drop_duplicates=False, reject=[])
    kept = [trace for trace, reason in zip(traces, reasons(traces, **settings), strict=False) if reason == "accepted"]
    assert len(kept) == 6 and {int(trace.task.prompt[0]["content"].split()[1]) for trace in kept} == tasks


def test_difficulty_keeps_the_easy_ones_where_data_is_scarce():
    traces = list(pool())
    settings = dict(prefer="difficulty", max_traces=45, max_traces_per_task=0, drop_duplicates=False, reject=[])
    kept = [
        trace.task.prompt[0]["content"]
        for trace, reason in zip(traces, reasons(traces, **settings), strict=False)
        if reason == "accepted"
    ]
    assert kept.count("task 9") == 10 and "task 0" not in kept


@pytest.mark.parametrize("prefer", ["random", "hard", "easy", "information", "short"])
def test_a_budget_of_tokens_is_filled_to_less_than_one_trace_and_never_passed(prefer):
    traces = [trace_of(f"{'so ' * (number % 7)}####12", prompt=f"task {number}") for number in range(100)]
    account = SelectionStats()
    settings = Selection(prefer=prefer, max_tokens=500, reject=[])
    kept = [
        trace.sample.completion_tokens
        for trace, reason in account.record(select(traces, settings, None, account))
        if reason == "accepted"
    ]
    longest = max(trace.sample.completion_tokens for trace in traces)
    assert 500 - longest < sum(kept) <= 500
    assert account.counts["max_tokens"] == 100 - len(kept) and account.tokens["accepted"] == sum(kept)


def test_of_two_budgets_the_smaller_one_bounds_and_each_names_what_it_cost():
    traces = [trace_of("####12", prompt=f"task {number}") for number in range(10)]  # six tokens each
    for max_traces, max_tokens, counts in (
        (3, 30, (3, 0, 7)),
        (7, 30, (5, 2, 3)),
        (0, 30, (5, 5, 0)),
        (3, 0, (3, 0, 7)),
    ):
        got = reasons(traces, max_traces=max_traces, max_tokens=max_tokens)
        assert tuple(got.count(reason) for reason in ("accepted", "max_tokens", "max_traces")) == counts


def test_the_control_learns_from_as_many_tokens_by_chance_whatever_their_verdicts():
    traces = [trace_of("####12" if number % 4 else "####13", prompt=f"task {number}") for number in range(400)]
    for prefer in ("random", "hard"):
        got = reasons(traces, verified=False, prefer=prefer, max_tokens=1200)
        assert got.count("accepted") == 200 and got.count("max_tokens") == 200
        wrong = sum(
            reason == "accepted"
            for trace, reason in zip(traces, got, strict=False)
            if trace.verdict.outcome != "correct"
        )
        assert 30 <= wrong <= 70  # a quarter of 200


def test_what_is_kept_by_chance_does_not_depend_on_the_order_of_the_tasks():
    def kept(traces):
        got = reasons(traces, prefer="random", max_traces=20, max_traces_per_task=0, drop_duplicates=False, reject=[])
        return {
            (trace.task.id, trace.sample.index)
            for trace, reason in zip(traces, got, strict=False)
            if reason == "accepted"
        }

    tasks = [list(pool())[start : start + 10] for start in range(0, 100, 10)]
    forward, backward = [t for group in tasks for t in group], [t for group in reversed(tasks) for t in group]
    assert kept(forward) == kept(backward) and len(kept(forward)) == 20


def test_a_copied_task_is_rejected_whole_and_named():
    account = SelectionStats()
    index = Contamination({"held-out": [Task.make("x", "3+4+5=", MathReference("12"))]})
    traces = [trace_of("7+5=####12"), trace_of("####13", index=1), trace_of("####12", prompt="6+6=")]
    assert reasons(traces, index, account) == ["contaminated", "wrong", "accepted"]
    assert account.contaminated == {traces[0].task.id: f"held-out {traces[0].task.id}"}


def test_a_trace_that_quotes_an_evaluation_task_is_rejected_and_its_siblings_are_not():
    held = Task.make("x", LONG.format(a=12, b=10), MathReference("10"))
    index = Contamination({"held-out": [held]})
    quoting = f"A similar one: {LONG.format(a=40, b=17)} So here it is 7 + 5 = 12.\n#### 12"
    traces = [trace_of(quoting), trace_of("7+5=####12", index=1)]
    assert reasons(traces, index) == ["quotes_evaluation", "accepted"]
    assert reasons(traces) == ["accepted", "accepted"], "without an evaluation set there is nothing to quote"


def test_what_is_kept_does_not_depend_on_the_number_of_processes():
    recipe = recipe_of()
    traces = [
        *arithmetic_traces(recipe),
        trace_of("8+5=####12"),
        trace_of("8+5=####12", index=1, finish_reason="length"),
    ]
    told = [SelectionStats(), SelectionStats()]
    alone, together = (
        list(select(traces, Selection(), None, account, number)) for account, number in zip(told, (1, 2), strict=False)
    )
    assert alone == together and set(told[0].seconds) == set(told[1].seconds)


def test_the_control_keeps_every_trace_that_has_a_text():
    traces = [
        trace_of("8+5=####12"),
        trace_of("####13", index=1),
        trace_of("####13", index=2),
        trace_of("", index=3, finish_reason="failed"),
    ]
    assert reasons(traces, verified=False, max_traces_per_task=1, max_traces=1) == ["accepted"] * 3 + ["no_sample"]


def test_the_account_says_what_each_reason_cost():
    account = SelectionStats()
    traces = [trace_of("8+5=####12"), trace_of("####13", index=1), trace_of("####12", prompt="6+6=")]
    list(account.record(select(traces, Selection(), None, account)))
    told = account.to_dict()
    assert told["reasons"] == {
        "wrong_step": {"num_traces": 1, "completion_tokens": 10, "num_tasks_lost": 1},
        "wrong": {"num_traces": 1, "completion_tokens": 6, "num_tasks_lost": 0},
        "accepted": {"num_traces": 1, "completion_tokens": 6, "num_tasks_lost": 0},
    }
    assert told["rule_seconds"]["wrong_step"] > 0 and json.dumps(told)


def test_right_chains_of_the_arithmetic_source_pass_every_rule():
    traces = [trace for trace in arithmetic_traces(recipe_of()) if trace.sample.index == 0]
    assert set(reasons(traces, Contamination({"test": load("arithmetic", split="test", num_tasks=200)}))) == {
        "accepted"
    }


@pytest.mark.skipif(SHARED is None, reason="the folder of real data is absent (SELFPLAY_SHARED)")
def test_human_solutions_of_gsm8k_pass_but_for_one_in_a_hundred():
    """What is flagged in them are slips of their authors: `2/12 = .125`, `70 + 40 = 100`."""
    rows = [json.loads(line) for line in (SHARED / "data" / "gsm8k_train.jsonl").open()][:2500]
    traces = [trace_of(row["answer"], row["answer"].rpartition("#### ")[2], row["question"]) for row in rows]
    got = reasons(traces)
    assert got.count("accepted") >= 0.99 * len(got)
