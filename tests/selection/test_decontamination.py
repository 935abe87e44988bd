"""Copies of evaluation tasks are found; tasks that only resemble them are not."""

import random
import re

import pytest

from selfplay.selection.decontamination import Contamination, text_of
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
@pytest.mark.parametrize(
    "template",
    ["{}", BOXED.replace("{{}}", "{{}}"), "Question: {}\nAnswer:", "Solve this.\n\n{}", "{} Think step by step."],
)
def test_a_verbatim_copy_is_found_in_any_template(index, number, template):
    text = template.format(EVALUATION[number])
    assert index.match(text) == f"held-out {tasks_of(EVALUATION, BOXED)[number].id}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            EVALUATION[0].replace("16", "20").replace("three", "five").replace("$2", "$7"),
            "other numbers, in digits and in words",
        ),
        (EVALUATION[1].replace("2", "11"), "other numbers"),
        ("Compute $\\sin 45^\\circ$.", "other numbers in a short one"),
        (EVALUATION[0][:180], "its beginning"),
        (EVALUATION[0][90:], "its end"),
        (EVALUATION[0].upper().replace(" ", "  "), "another case and spacing"),
        (
            EVALUATION[0].replace("ducks", "hens").replace("friends", "neighbours").replace("fresh ", ""),
            "a few words changed",
        ),
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
        (
            "Tom's hens lay 12 eggs a week. He gives two to each of his neighbours. How many are left for him?",
            "a similar story",
        ),
        ("How much does she make?", "the sentence that it ends with"),
        ("Reason step by step, and put the final answer within \\boxed{}.", "the template alone"),
        ("", "nothing"),
    ],
)
def test_a_task_of_its_own_is_not_taken_for_a_copy(index, text, why):
    assert not index.match(text), why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"This is a known one: {EVALUATION[0]} So 16 - 3 - 4 = 9, and 9 * 2 = 18.\n#### 18", "word for word"),
        (
            f"It reads like this. {EVALUATION[0].replace('16', '20').replace('$2', '$7')} And so on.",
            "with other numbers",
        ),
        (f"The first part of it was {EVALUATION[0][:200]}", "the most part of it"),
    ],
)
def test_a_completion_that_quotes_an_evaluation_task_is_found(index, text, why):
    assert index.quoted(text).startswith("held-out"), why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "Janet's ducks lay 16 eggs per day. She eats 3 and bakes with 4, so 16 - 3 - 4 = 9 are left.\n#### 9",
            "a solution that begins alike",
        ),
        ("3+4=7\nSo what is 3+4? It is 7.", "a short sum, which any reasoning may hold"),
        ("", "nothing"),
    ],
)
def test_a_completion_that_quotes_none_is_left_alone(index, text, why):
    assert not index.quoted(text), why


def test_a_part_of_an_evaluation_task_is_found_and_a_phrase_that_many_have_is_none():
    stories = [
        f"{name} has some {thing} in the shed behind the house. How many are left in the end?"
        for name, thing in zip(
            ["Ann", "Bo", "Cleo", "Dan", "Eve"],
            ["red apples", "old bricks", "tin boxes", "wet stones", "oak boards"],
            strict=False,
        )
    ]
    own = "The ferry from Aberdeen carries forty lorries across the cold northern sea at dawn, and comes back with twelve of them at dusk."
    index = Contamination({"set": tasks_of([*stories, f"{own} {stories[0]}"])})
    assert index.match(own[:60]) and index.match(own[50:])
    assert not index.match("Finn has some books in the shed behind the house. How many are left in the end?")


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
    tasks = [text_of(task).partition("\n\nReason step")[0] for task in real_tasks("gsm8k_train")]
    assert sum(bool(index.match(text)) for text in tasks) <= 7  # of 7,473
    last_sentences = [re.split(r"(?<=[.?!])\s+", text.strip())[-1] for text in tasks]
    assert sum(bool(index.match(text)) for text in last_sentences) <= 15, "many tasks end alike"


@real
def test_no_competition_task_is_taken_for_a_word_problem_and_no_human_solution_for_a_quotation():
    index = Contamination({"gsm8k_train": real_tasks("gsm8k_train")})
    assert not any(index.match(text_of(task)) for task in real_tasks("math500"))
    index = Contamination({name: real_tasks(name) for name in ("gsm8k_test", "math500")})
    assert not any(index.quoted(task.metadata["solution"]) for task in real_tasks("gsm8k_train"))


@real
@pytest.mark.parametrize(("name", "share"), [("gsm8k_test", 0.99), ("math500", 0.87)])
def test_parts_of_real_tasks_are_found(name, share):
    tasks = real_tasks(name)
    index = Contamination({name: tasks})
    texts = [text_of(task).partition("\n\nReason step")[0].split() for task in tasks[:400]]
    for parts in ([words[: len(words) * 2 // 3] for words in texts], [words[len(words) // 3 :] for words in texts]):
        assert sum(bool(index.match(" ".join(part))) for part in parts) >= share * len(parts)


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
    from selfplay.recipe.toml import read_recipe, to_toml
    from selfplay.rounds.data import contamination

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
    from selfplay.recipe.toml import read_recipe

    recipe = tmp_path / "made.toml"
    recipe.write_text('[tasks]\nsource = "arithmetic"\n[model.create]\n[selection.against.held]\nsource = "gsm9k"\n')
    with pytest.raises(UserError, match=r'unknown source "gsm9k" in .*selection.against.held.; did you mean "gsm8k"'):
        read_recipe(recipe)
