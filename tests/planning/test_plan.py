"""Plans from pilots: the figures of a run that then happens, what is refused, what is assumed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from selfplay.cli import app
from selfplay.planning.pilot import read_pilot
from selfplay.planning.plan import Extent, Hardware, plan_run, weak_or_strong
from selfplay.recipe import read_recipe
from selfplay.records import CORRECT, WRONG
from selfplay.report import write_report
from tasks import UserError

TASKS, HELD_OUT = 300, 20
RECIPE = f"""
rounds = 2
[tasks]
source = "arithmetic"
num_tasks = {TASKS}
operands = [2, 3]
[model.create]
hidden_size = 32
num_layers = 1
num_heads = 1
max_length = 64
[pretraining]
steps = 150
batch_size = 32
learning_rate = 3e-3
[sampling]
max_tokens = 20
batch_size = 256
[allocation]
samples_per_task = 4
[training]
steps = 5
batch_size = 16
[evaluation]
samples_per_task = 4
k = [1]
[evaluation.tasks]
source = "arithmetic"
split = "test"
num_tasks = {HELD_OUT}
operands = [2, 3]
[ray]
address = "none"
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe whose run is finished."""
    path = tmp_path_factory.mktemp("plan") / "mine.toml"
    path.write_text(RECIPE)
    done = CliRunner().invoke(app, ["run", str(path)])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(scope="module")
def pilot(recipe):
    return read_pilot(recipe.with_suffix(""), 4)


def test_a_preview_that_is_kept_foretells_the_run(recipe):
    shown = CliRunner().invoke(app, ["run", str(recipe), "--preview", "100", "--keep"])
    assert shown.exit_code == 0 and "selfplay plan" in shown.output
    kept = recipe.parent / "mine-preview"
    made = plan_run(read_recipe(recipe), read_pilot(kept, 4), Extent(TASKS, HELD_OUT), Hardware())
    metrics = json.loads((recipe.with_suffix("") / "round_000" / "metrics.json").read_text())
    told = made.figures["a round"]
    assert told["samples"].value == pytest.approx(metrics["sampling"]["num_samples"])
    assert told["completion tokens"].value == pytest.approx(metrics["sampling"]["completion_tokens"], rel=0.25)
    assert told["accepted traces"].low <= metrics["selection"].get("accepted", 0) * 1.25
    assert told["accepted traces"].high >= metrics["selection"].get("accepted", 0) * 0.75
    assert told["solved tasks"].value == pytest.approx(metrics["sampling"]["num_solved"], rel=0.35)


def test_a_pilot_that_leaves_much_open_says_how_large_it_should_be(recipe, pilot):
    outcomes = np.full(len(pilot.samples), WRONG)
    outcomes[:3] = CORRECT
    few = replace(pilot, samples=replace(pilot.samples, outcome=outcomes))
    made = plan_run(read_recipe(recipe), few, Extent(TASKS, HELD_OUT), Hardware())
    assert any("would know them to 30%" in text for text in made.assumptions), made.assumptions


def test_the_bill_adds_up_and_names_its_sources(recipe, pilot):
    made = plan_run(read_recipe(recipe), pilot, Extent(TASKS, HELD_OUT), Hardware("h100", 2.0))
    bill = {row["phase"]: row for row in made.tables["bill"]}
    assert set(bill) == {"sampling", "checking", "training", "evaluation"}
    flops = (
        2 * (bill["sampling"]["flops"].value + bill["training"]["flops"].value) + 3 * bill["evaluation"]["flops"].value
    )
    assert made.figures["the run"]["flops"].value == pytest.approx(flops)
    assert made.figures["the run"]["money"].value == pytest.approx(2.0 * made.figures["the run"]["wall hours"].value)
    assert any("price" in text for text in made.assumptions)
    for part in made.figures.values():
        for figure in part.values():
            assert figure.low <= figure.value <= figure.high and figure.source in ("measured", "fitted", "assumed")


def test_the_training_that_was_measured_is_planned_at_its_pace(recipe, pilot):
    made = plan_run(read_recipe(recipe), pilot, Extent(TASKS, HELD_OUT), Hardware())
    training = next(row for row in made.tables["bill"] if row["phase"] == "training")
    fitted = pilot.metrics["training"]
    assert training["tokens"].value == pytest.approx(fitted["num_tokens"], rel=0.2)
    assert training["hours"].value == pytest.approx(fitted["seconds"] / 3600, rel=0.2)


def test_two_rounds_tell_how_fast_tasks_run_dry(recipe, pilot):
    made = plan_run(read_recipe(recipe), pilot, Extent(TASKS, HELD_OUT), Hardware())
    assert "ratio from one round to the next" in made.figures["when tasks run dry"]
    alone = plan_run(read_recipe(recipe), replace(pilot, rounds=pilot.rounds[:1]), Extent(TASKS, 20), Hardware())
    assert any("two finished rounds" in text for text in alone.assumptions)


def test_a_price_of_hits_ends_their_table(recipe, pilot):
    extent = Extent(TASKS, HELD_OUT)
    rows = plan_run(read_recipe(recipe), pilot, extent, Hardware()).tables["first hits"]
    assert [row["k"] for row in rows][:4] == [1, 2, 4, 8]
    limit = rows[2]["tokens"].value * 1.01
    cut = plan_run(read_recipe(recipe), pilot, extent, Hardware(), limit).tables["first hits"]
    assert len(cut) < len(rows) and "beyond" in cut[-1]


def test_unique_tokens_and_passes_follow_their_formula(recipe, pilot):
    wall = plan_run(read_recipe(recipe), pilot, Extent(TASKS, HELD_OUT), Hardware()).figures["data wall"]
    assert wall["worth of 5 passes"].value == pytest.approx(1 + 15.4 * (1 - np.exp(-4 / 15.4)))
    assert 0 < wall["share of 20 tokens a parameter"].value < 1


def test_a_plan_is_kept_before_the_run_and_stands_in_its_report(recipe, tmp_path):
    fresh, run = tmp_path / "fresh.toml", recipe.with_suffix("")
    fresh.write_text(RECIPE)
    shown = CliRunner().invoke(app, ["plan", str(fresh), "--from", str(run)])
    assert shown.exit_code == 0, shown.output
    CliRunner().invoke(app, ["plan", str(recipe), "--from", str(run)])
    assert not (run / "plan.json").exists(), "a plan made after the fact is no plan"
    played = tmp_path / "played"
    shutil.copytree(run, played)
    shutil.copy(tmp_path / "fresh" / "plan.json", played)
    page = tmp_path / "report.html"
    write_report([played], page)
    assert "Planned and happened" in page.read_text()


def test_a_model_against_itself_is_worth_one_sample(pilot):
    compared = weak_or_strong(pilot, pilot)
    assert compared["weak samples at the operations of one strong"].value == 1.0
    assert compared["weak: tasks solved with 4"] == compared["strong: tasks solved with 4"]


def test_too_small_a_pilot_is_refused_with_the_number_needed(recipe):
    shown = CliRunner().invoke(
        app, ["run", str(recipe), "--preview", "5", "--keep", "--set", f"output={recipe.parent}/few"]
    )
    assert shown.exit_code == 0
    with pytest.raises(UserError, match="5 tasks, and a plan needs at least 25"):
        read_pilot(recipe.parent / "few-preview")
    with pytest.raises(UserError, match="holds no sampled round"):
        read_pilot(recipe.parent)


def test_the_command_prints_compares_and_writes_json(recipe, tmp_path):
    out = tmp_path / "plan.json"
    arguments = ["plan", str(recipe), "--from", str(recipe.with_suffix("")), "--gpu", "h100", "--price", "2.5"]
    changes = ["--what-if", "allocation.samples_per_task=8", "--weak", str(recipe.with_suffix("")), "--out", str(out)]
    shown = CliRunner().invoke(app, [*arguments, *changes])
    assert shown.exit_code == 0, shown.output
    for words in ("accepted traces", "what if", "weak or strong", "assumed:", "pass@k"):
        assert words in shown.output
    content = json.loads(out.read_text())
    samples = content["figures"]["a round"]["samples"]["value"]
    other = content["what if"]["allocation.samples_per_task=8"]["figures"]["a round"]["samples"]["value"]
    assert other == pytest.approx(2 * samples)
