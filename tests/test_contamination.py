"""Copies of evaluation tasks are found; tasks that only resemble them are not."""

import random
import re

import pytest

from selfplay.contamination import Contamination, text_of
from tasks import MathReference, Task, UserError, load
from tests.shared_data import SHARED

EVALUATION = [
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends every day with four. She"
    " sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in dollars does she make every day?",
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?",
    "Compute $\\sin 60^\\circ$.",
    "What is 3+4?",
    "What is 5+9?",
    "What is 2+8?",
]
BOXED = "{}\n\nReason step by step, and put the final answer within \\boxed{{}}."


def tasks_of(texts, template="{}"):
    return [Task.make("made", template.format(text), MathReference("1")) for text in texts]


@pytest.fixture(scope="module")
def index():
    return Contamination({"held-out": tasks_of(EVALUATION, BOXED)})


@pytest.mark.parametrize("number", range(len(EVALUATION)))
@pytest.mark.parametrize("template", ["{}", BOXED.replace("{{}}", "{{}}"), "Question: {}\nAnswer:", "Solve this.\n\n{}", "{} Think step by step."])
def test_a_verbatim_copy_is_found_in_any_template(index, number, template):
    text = template.format(EVALUATION[number])
    assert index.match(text) == f"held-out {tasks_of(EVALUATION, BOXED)[number].id}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (EVALUATION[0].replace("16", "20").replace("three", "five").replace("$2", "$7"), "other numbers, in digits and in words"),
        (EVALUATION[1].replace("2", "11"), "other numbers"),
        ("Compute $\\sin 45^\\circ$.", "other numbers in a short one"),
        (EVALUATION[0][:180], "its beginning"),
        (EVALUATION[0][90:], "its end"),
        (EVALUATION[0].upper().replace(" ", "  "), "another case and spacing"),
        (EVALUATION[0].replace("ducks", "hens").replace("friends", "neighbours").replace("fresh ", ""), "a few words changed"),
        ("Here is something to think about at length. " + EVALUATION[1] + " Give reasons.", "inside of another text"),
    ],
)
def test_a_changed_copy_is_found(index, text, why):
    assert index.match(text), why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("What is 6+7?", "a family of tasks that differ in their numbers alone: this one is not among them"),
        ("What is 3+4*5?", "another sum that begins alike"),
        ("Compute $\\cos 45^\\circ$.", "another function"),
        ("Tom's hens lay 12 eggs a week. He gives two to each of his neighbours. How many are left for him?", "a similar story"),
        ("How much in dollars does she make every day?", "one sentence that many tasks end with"),
        ("Reason step by step, and put the final answer within \\boxed{}.", "the template alone"),
        ("", "nothing"),
    ],
)
def test_a_task_of_its_own_is_not_taken_for_a_copy(index, text, why):
    assert not index.match(text), why


def test_a_template_that_all_evaluation_tasks_share_matches_nothing():
    template = "You are given a question of elementary mathematics. Read it with care and write the answer. {} Answer now, and do not explain a thing."
    index = Contamination({"set": tasks_of(EVALUATION, template)})
    assert not index.match(template.format("Who has more apples, Ann with her 5 baskets of 7 or Bo with his 6 of 6?"))
    assert index.match(template.format(EVALUATION[1]))


def test_sums_of_the_arithmetic_source_are_matched_exactly_and_only_so():
    index = Contamination({"test": load("arithmetic", split="test", num_tasks=200)})
    assert all(index.match(text_of(task)) for task in load("arithmetic", split="test", num_tasks=200))
    assert not any(index.match(text_of(task)) for task in load("arithmetic", split="train", num_tasks=1000))


real = pytest.mark.skipif(SHARED is None, reason="the folder of real data is absent (SELFPLAY_SHARED)")


@real
def test_at_most_one_in_a_thousand_real_training_tasks_is_flagged():
    index = Contamination({name: real_tasks(name) for name in ("gsm8k_test", "math500")})
    flagged = sum(bool(index.match(text_of(task))) for task in real_tasks("gsm8k_train"))
    assert flagged <= 7  # of 7,473


@real
@pytest.mark.parametrize("name", ["gsm8k_test", "math500"])
def test_99_of_100_real_tasks_are_found_verbatim_and_renumbered(name):
    tasks = real_tasks(name)
    index = Contamination({name: tasks})
    rng = random.Random(0)

    def renumbered(text):
        return re.sub(r"\d+", lambda digits: str(rng.randrange(2, 10 ** len(digits[0]) + 2)), text)

    texts = [text_of(task).partition("\n\nReason step")[0] for task in tasks[:400]]
    assert sum(bool(index.match(text)) for text in texts) >= 0.99 * len(texts)
    assert sum(bool(index.match(renumbered(text))) for text in texts) >= 0.99 * len(texts)


def real_tasks(name):
    return list(load("math500" if name == "math500" else "gsm8k", path=str(SHARED / "data" / f"{name}.jsonl")))


def test_a_recipes_evaluation_and_the_sets_it_names_are_looked_for(tmp_path):
    from selfplay.recipe_file import read_recipe, to_toml
    from selfplay.rounds import contamination

    (tmp_path / "held.jsonl").write_text('{"prompt": "How many legs have 7 spiders and 3 dogs?", "answer": "68"}\n')
    recipe = tmp_path / "made.toml"
    recipe.write_text(f"""
[tasks]
source = "arithmetic"
[model.create]
[evaluation.tasks]
source = "arithmetic"
split = "test"
num_tasks = 50
[selection.against.held]
source = "files"
path = "{tmp_path / "held.jsonl"}"
""")
    checked = read_recipe(recipe)
    index = contamination(checked)
    assert len(index) == 51 and index.match("How many legs have 8 spiders and 2 dogs?").startswith("held ")
    recipe.write_text(to_toml(checked.model_dump()))
    assert read_recipe(recipe).selection == checked.selection, "a stored recipe reads as it was"
    assert contamination(read_recipe(recipe, ["selection.decontaminate=false"])) is None


def test_a_mistake_in_a_named_set_is_told_with_its_section(tmp_path):
    from selfplay.recipe_file import read_recipe

    recipe = tmp_path / "made.toml"
    recipe.write_text('[tasks]\nsource = "arithmetic"\n[model.create]\n[selection.against.held]\nsource = "gsm9k"\n')
    with pytest.raises(UserError, match=r'unknown source "gsm9k" in .*selection.against.held.; did you mean "gsm8k"'):
        read_recipe(recipe)
