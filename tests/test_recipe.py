"""Recipes: every mistake named, all at once."""

import tomllib
from pathlib import Path

import pytest

from selfplay.recipe import Recipe
from selfplay.recipe_file import first_difference, read_recipe, to_toml
from tasks import UserError

RECIPES = Path(__file__).resolve().parents[1] / "runs"
GOOD = """
[tasks]
source = "arithmetic"
[model.create]
[sampling]
temperature = 0.5
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def mistakes(tmp_path, text, *overrides):
    with pytest.raises(UserError) as caught:
        read_recipe(written(tmp_path, text), list(overrides))
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_the_recipes_that_come_along_hold_no_mistake(path, tmp_path):
    overrides = []
    if path.stem == "gsm8k_replay":
        (tmp_path / "completions.jsonl").write_text("{}")
        overrides = [f"{key}={tmp_path}/completions.jsonl" for key in ("tasks.path", "sampling.replay.path")]
    assert read_recipe(path, overrides).name == path.stem


def test_a_resolved_recipe_survives_the_way_through_toml(tmp_path):
    recipe = read_recipe(written(tmp_path, GOOD))
    assert Recipe.model_validate(tomllib.loads(to_toml(recipe.model_dump()))) == recipe


def test_a_misspelt_key_is_named_with_its_file_its_section_and_a_suggestion(tmp_path):
    text = mistakes(tmp_path, GOOD.replace("temperature", "temprature"))
    assert text == 'unknown key "temprature" in mine.toml [sampling]; did you mean "temperature"?'


def test_all_mistakes_are_told_at_once(tmp_path):
    text = mistakes(tmp_path, "rounds = 0\nsede = 1\n" + GOOD.replace("0.5", '"hot"') + "[ray]\nnum_samplers = 0\n")
    assert len(text.splitlines()) == 4
    for part in ("rounds = 0", '"sede"', "temperature = 'hot'", "num_samplers = 0"):
        assert part in text


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("tasks.splitt=train", 'did you mean "split"'),
        ("tasks.source=arithmetics", 'did you mean "arithmetic"'),
        ("evaluation.k=[32]", "k = 32 needs at least 32 samples_per_task"),
        ("model.path=x/y", "exactly one of path and create"),
        ("rounds=2", "each round would sample the same model"),
        ("sampling.engine=openai", "base_url"),
        ("sampling.engine=replay", "sampling.replay"),
        ("allocation.rule=budget", "token_budget"),
        ("name=../x", "name"),
        ("sampling.temperature=-1", "temperature = -1"),
        ("tasks.num_tasks=many", "num_tasks"),
        ("nonsense", "section.key=value"),
    ],
)
def test_impossible_values_are_refused_before_anything_starts(tmp_path, override, named):
    text = GOOD + '[evaluation]\n[evaluation.tasks]\nsource = "arithmetic"\n'
    assert named in mistakes(tmp_path, text, override)


def test_a_missing_file_is_named(tmp_path):
    text = GOOD.replace('"arithmetic"', '"gsm8k"\npath = "nowhere.jsonl"')
    assert "no file nowhere.jsonl in mine.toml [tasks]" in mistakes(tmp_path, text)


def test_a_recipe_that_is_not_toml_or_not_there_is_one_clear_line(tmp_path):
    assert "is not TOML" in mistakes(tmp_path, "rounds = = 3")
    with pytest.raises(UserError, match="cannot read the recipe"):
        read_recipe(tmp_path / "absent.toml")


def test_the_digest_ignores_where_a_run_works_and_nothing_else(tmp_path):
    path = written(tmp_path, GOOD)
    digest = read_recipe(path).digest
    assert read_recipe(path, ["ray.num_samplers=4", "output=elsewhere"]).digest == digest
    assert read_recipe(path, ["sampling.temperature=0.6"]).digest != digest


def test_the_first_difference_names_the_key_and_both_values():
    assert first_difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}) == "a.b was 1 and is now 3"
    assert first_difference({"a": 1}, {"a": 1}) == ""
