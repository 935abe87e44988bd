"""The recipes of runs/ for proofs, games and families, played end to end with a smaller model."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from selfplay.recipe.toml import read_recipe
from selfplay.report import write_report
from selfplay.rounds.run import run
from selfplay.shards.files import read_traces
from selfplay.storage import read_json
from tests.factories import quietly
from verifiers import Outcome, verify

RECIPES = Path(__file__).resolve().parents[2] / "runs"
SMALLER = [
    "rounds=1", "tasks.num_tasks=12", "training=", "evaluation=",
    "allocation.samples_per_task=2", "model.create.hidden_size=32", "model.create.num_layers=1", "pretraining.batch_size=16",
    "pretraining.warmup_steps=0", "pretraining.steps=20", "ray.address=none",
]  # fmt: skip
NEEDS = {
    "countdown": (True, ""),
    "proofs": (shutil.which("coqc") is not None, "coqc is not installed (apt-get install coq)"),
    "chess": (importlib.util.find_spec("rust_chess") is not None, "no rust-chess (pip install selfplay[chess])"),
    "families": (
        importlib.util.find_spec("reasoning_gym") is not None,
        "no reasoning-gym (pip install selfplay[families])",
    ),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_run_samples_verifies_and_writes_shards(name, tmp_path):
    there, why = NEEDS[name]
    if not there:
        pytest.skip(why)
    recipe = read_recipe(RECIPES / f"{name}.toml", [*SMALLER, f"output={tmp_path / name}"])
    run(recipe, quietly())
    folder = tmp_path / name / "round_000"
    rows = list(read_traces(folder / "shards"))
    assert len(rows) == 24
    assert all(trace.verdict.outcome is not Outcome.UNDECIDED for trace, _ in rows), rows
    for trace, _ in rows[:4]:
        assert verify(trace.task, trace.sample.text).outcome is trace.verdict.outcome
    assert read_json(folder / "metrics.json")
    write_report([tmp_path / name], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000
