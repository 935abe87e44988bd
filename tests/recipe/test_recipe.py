"""Recipes: every mistake named, all at once."""

import json
import socket
import sys
import tomllib
from pathlib import Path

import pytest

from selfplay.recipe.reference import reference
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import first_difference, read_recipe, to_toml
from selfplay.rounds import preflight
from tasks import UserError
from verifiers.sandbox.inside import landlock

RECIPES = Path(__file__).resolve().parents[2] / "runs"
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
    template, options = (
        '\u00e9\U0001f600\\"\n\x7f{problem}',
        {"long key.": {"a": 1e300}, "\u00e9": [1, [2.5, True]], "teachers": [{"x y": 0.1}]},
    )
    against = {"my set": {"source": "files", "path": "x", "template": template}}
    recipe = Recipe.model_validate(
        read_recipe(written(tmp_path, GOOD)).model_dump()
        | {"selection": {"against": against}, "sampling": {"engine_options": options}}
    )
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
        ("allocation.cap=8", 'rule = "fixed" does not read cap; set rule = "until" or rule = "budget", or leave out'),
        ("model.create.x=1", "there are characters, hidden_size"),
        ("name=../x", "name"),
        ("sampling.temperature=-1", "temperature = -1"),
        ("tasks.num_tasks=many", "num_tasks"),
        ("tasks.num_tasks=0", "num_tasks = 0"),
        ("evaluation.tasks.num_tasks=-1", "num_tasks = -1"),
        ("training=3", "it is a section"),
        ("nonsense", "section.key=value"),
    ],
)
def test_impossible_values_are_refused_before_anything_starts(tmp_path, override, named):
    text = GOOD + '[evaluation]\n[evaluation.tasks]\nsource = "arithmetic"\n'
    assert named in mistakes(tmp_path, text, override)


def test_a_mistake_in_one_section_hides_none_in_another(tmp_path):
    text = """
seed = -1
rounds = 2
[tasks]
source = "gsm8k"
splt = "train"
template = "{question}"
[sampling]
stop = ["a", 3]
[model]
path = "x"
[evaluation]
samples_per_task = 8
k = [16]
[evaluation.tasks]
source = "arithmetc"
[selection.against.other]
source = "files"
"""
    told = mistakes(tmp_path, text, "nonsense", "sampling.top_p=2", "rounds=5").splitlines()
    assert sorted(told) == sorted(
        [
            "--set nonsense: write it as section.key=value",
            "seed = -1 in mine.toml: input should be greater than or equal to 0",
            'unknown key "splt" for source gsm8k in mine.toml [tasks]; did you mean "split"?',
            "template = '{question}' in mine.toml [tasks]: a template holds {problem}, where the problem goes, and other braces doubled, as in \\boxed{{}}",
            "stop[1] = 3 in mine.toml [sampling.stop]: input should be a valid string",
            "top_p = 2 in --set sampling.top_p=2: input should be less than or equal to 1",
            "k = 16 needs at least 16 samples_per_task, not 8 in mine.toml [evaluation]",
            'unknown source "arithmetc" in mine.toml [evaluation.tasks]; did you mean "arithmetic"?',
            'source files needs "path" in mine.toml [selection.against.other]',
            "rounds = 5 needs [training], or each round would sample the same model in --set rounds=5",
        ]
    )


def test_a_mistake_has_no_followers(tmp_path):
    """What cannot be said until a mistake is mended is not said: the section that is misspelt may be the one that is needed."""
    text = 'rounds = 2\n[tasks]\nsource = "arithmetic"\n[model.creat]\n[trainig]\n'
    assert [line.partition(";")[0] for line in mistakes(tmp_path, text).splitlines()] == [
        'unknown key "creat" in mine.toml [model]',
        'unknown key "trainig" in mine.toml',
    ]
    assert mistakes(tmp_path, GOOD, "sampling.engine=repaly", "model.create=3").count("\n") == 1


def test_a_missing_file_is_named(tmp_path):
    text = GOOD.replace('"arithmetic"', '"gsm8k"\npath = "nowhere.jsonl"')
    assert mistakes(tmp_path, text) == 'path = "nowhere.jsonl": no such file in mine.toml [tasks]'


def test_what_would_stop_a_run_later_is_told_before_it_begins(tmp_path, monkeypatch):
    rows = {"prompt": "f", "reference": {"kind": "assert_tests", "code": "assert f()"}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows) + "\n" + json.dumps({"prompt": "g"}))
    (tmp_path / "programs.jsonl").write_text(json.dumps(rows))
    (tmp_path / "none.jsonl").touch()
    (tmp_path / "model").mkdir()
    text = """
[tasks]
source = "files"
path = "programs.jsonl"
[model]
path = "model"
[sampling]
engine = "vllm"
[selection.against.broken]
source = "files"
path = "rows.jsonl"
[selection.against.empty]
source = "files"
path = "none.jsonl"
"""
    monkeypatch.setitem(sys.modules, "vllm", None)  # as where it is not installed
    monkeypatch.setenv("SELFPLAY_SANDBOX", "landlock")
    monkeypatch.setattr(landlock, "abi", lambda: 0)  # as in a kernel without it
    told = preflight.errors(read_recipe(written(tmp_path, text), [f"output={tmp_path}/mine.toml/run"]))
    for text, part in zip(
        told,
        (
            "mine.toml is a file",
            "which is not installed",
            "no config.json",
            'rows.jsonl, row 2 has no column "answer"',
            "yields no task",
            "nothing here can hold one",
        ),
        strict=True,
    ):
        assert part in text
    with socket.create_server(("localhost", 0)) as server:
        url = f"http://localhost:{server.getsockname()[1]}/v1"
        overrides = [
            "model.path=m",
            "sampling.engine=openai",
            f"sampling.base_url={url}",
            "verification.unsafe=true",
            "selection.against={}",
        ]
        assert preflight.errors(read_recipe(tmp_path / "mine.toml", overrides)) == []
    (silent,) = preflight.errors(read_recipe(tmp_path / "mine.toml", overrides))
    assert f"no server answers at base_url = '{url}'" in silent


def test_a_path_in_a_recipe_is_looked_up_beside_it_and_one_of_an_override_where_the_command_runs(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    text = '[tasks]\nsource = "files"\npath = "rows.jsonl"\n[sampling]\nengine = "replay"\n[sampling.replay]\npath = "rows.jsonl"\n'
    recipe = written(tmp_path / "recipes", text)
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").touch()
    both = (read_recipe(recipe).tasks.options["path"], read_recipe(recipe).sampling.replay.path)
    assert both == ("rows.jsonl", "rows.jsonl")
    (tmp_path / "recipes" / "rows.jsonl").touch()
    beside = str(tmp_path / "recipes" / "rows.jsonl")
    overridden = read_recipe(recipe, ["tasks.path=rows.jsonl"])
    assert (overridden.tasks.options["path"], overridden.sampling.replay.path) == ("rows.jsonl", beside)
    there = read_recipe(recipe)
    monkeypatch.chdir(recipe.parent)
    assert read_recipe(Path(recipe.name)).digest == there.digest, "the same recipe from another folder is the same"


def test_an_override_without_a_value_leaves_a_section_or_a_list_out(tmp_path):
    path = written(tmp_path, GOOD + 'stop = ["#"]\n[training]\nsteps = 3\n[selection.mix]\nearlier_rounds = 0.5\n')
    whole, less = read_recipe(path), read_recipe(path, ["training=", "selection.mix=", "sampling.stop=", "copy_to="])
    assert (whole.training.steps, whole.selection.mix.earlier_rounds, whole.sampling.stop) == (3, 0.5, ["#"])
    assert (less.training, less.selection.mix, less.sampling.stop, less.copy_to) == (None, None, [], "")


def test_a_broken_key_of_a_section_that_is_not_there_is_a_mistake(tmp_path):
    assert "evaluation" in mistakes(tmp_path, '[tasks]\nsource = "arithmetic"\n[model.create]\n', "evaluation.k=64")


def test_a_recipe_that_is_not_toml_or_not_there_is_one_clear_line(tmp_path):
    assert "is not TOML" in mistakes(tmp_path, "rounds = = 3")
    with pytest.raises(UserError, match="cannot read the recipe"):
        read_recipe(tmp_path / "absent.toml")


def test_the_digest_ignores_where_a_run_works_and_nothing_else(tmp_path):
    path = written(tmp_path, GOOD)
    digest = read_recipe(path).digest
    assert (
        read_recipe(
            path,
            [
                "ray.num_samplers=4",
                "output=elsewhere",
                "sampling.base_url=http://localhost:9",
                "verification.threads=2",
            ],
        ).digest
        == digest
    )
    assert read_recipe(path, ["sampling.temperature=0.6"]).digest != digest


def test_the_first_difference_names_the_key_and_both_values():
    assert first_difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}) == "a.b was 1 and is now 3"
    assert first_difference({"a": 1}, {"a": 1}) == ""


def test_the_page_of_recipes_is_up_to_date():
    written = (RECIPES / "README.md").read_text()
    assert reference() == written, "run: python -m selfplay.recipe.reference > runs/README.md"


def test_the_page_of_recipes_says_what_each_key_means():
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 80 and all(meaning.strip(" |") for *_, meaning in rows)
