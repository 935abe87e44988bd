"""The folder of a run that an earlier version made, one round finished and the next one killed, and all that is done with it.

tests/old_run holds it. It was made by the code before the rooms, and stays as it is.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.cli import app

OLD = Path(__file__).parents[1] / "old_run"
NUM_ROWS = 50  # whole ones in the journal of the killed round; the 51st is torn


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of the run in the folder where the commands work."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "old"


def selfplay(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_it_resumes_from_the_rows_that_are_there(run):
    finished = digests(run / "round_000")
    journal = run / "round_001" / "journal" / "samples.jsonl"
    rows = journal.read_bytes().splitlines()
    assert len(rows) == NUM_ROWS + 1
    selfplay("run", "old.toml")
    assert journal.read_bytes().splitlines()[:NUM_ROWS] == rows[:NUM_ROWS]
    assert len(journal.read_bytes().splitlines()) > 2 * NUM_ROWS
    assert digests(run / "round_000") == finished
    manifest = json.loads((run / "round_001" / "manifest.json").read_text())
    assert manifest["index"] == 1 and manifest["model"] == "old/round_000/model"
    assert manifest["recipe_digest"] == json.loads((run / "round_000" / "manifest.json").read_text())["recipe_digest"]
    assert (run / "report.html").exists()


def test_another_recipe_is_still_told_from_its_own(run):
    done = CliRunner().invoke(app, ["run", "old.toml", "--set", "allocation.cap=7"])
    assert "cap" in str(done.exception) and "another recipe" in str(done.exception)


def test_its_shards_are_whole_and_made_again_byte_for_byte(run):
    selfplay("shards", "check", "old")
    accepted = run / "round_000" / "shards" / "accepted-00000.parquet"
    before = accepted.read_bytes()
    accepted.unlink()
    selfplay("shards", "rebuild", "old")
    assert accepted.read_bytes() == before


def test_its_verdicts_are_given_again(run):
    assert "140 traces, 0 outcomes changed" in selfplay("reverify", "old")
    assert "7 rows" in selfplay("export", "old", "--format", "sft", "--out", "rows", "--reverified")


@pytest.mark.parametrize("format", ["sft", "chat", "dpo", "kto", "verl", "openai"])
def test_it_is_exported(run, format):
    selfplay("export", "old", "--format", format, "--out", "rows")
    assert (run.parent / "rows" / "README.md").exists()


def test_it_is_reported(run):
    selfplay("report", "old")
    assert (run / "report.html").stat().st_size > 10_000
    table = selfplay("passk", "old", "--k", "1")
    assert "round_000 sampling" in table and "until" in table
