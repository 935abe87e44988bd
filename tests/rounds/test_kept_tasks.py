"""A round keeps its own tasks: a source that is edited or lost changes nothing that has begun."""

import json
import shutil

import pytest
from rich.console import Console

from selfplay.journal import read_journal
from selfplay.progress import Progress
from selfplay.recipe.toml import read_recipe
from selfplay.report import write_report
from selfplay.rounds import preflight
from selfplay.rounds.data import Round
from selfplay.rounds.rebuild import rebuild_shards
from selfplay.rounds.reverify import reverify
from selfplay.rounds.run import run
from selfplay.storage import read_json
from tasks import UserError, load

RECIPE = """
name = "kept"
[tasks]
source = "files"
path = "tasks.jsonl"
[sampling]
engine = "replay"
[sampling.replay]
path = "completions.jsonl"
completions = ["one", "two", "three", "four"]
[allocation]
samples_per_task = 2
[selection.against.exam]
source = "files"
path = "held_out.jsonl"
[ray]
address = "none"
"""
EVALUATED = """
name = "kept"
[tasks]
source = "files"
path = "tasks.jsonl"
[model.create]
max_length = 32
hidden_size = 16
num_layers = 1
[sampling]
max_tokens = 4
[allocation]
samples_per_task = 2
[evaluation]
samples_per_task = 2
k = [1]
[evaluation.tasks]
source = "files"
path = "held_out.jsonl"
[ray]
address = "none"
"""


def rows(first, last):
    return [
        {"prompt": f"How much are {number} and 1 apples?", "answer": str(number + 1)} for number in range(first, last)
    ]


def write(path, content):
    path.write_text("".join(json.dumps(row) + "\n" for row in content))


@pytest.fixture
def folder(tmp_path):
    """A recipe that replays completions for 20 tasks and 6 held-out ones; every third sample is wrong."""
    write(tmp_path / "tasks.jsonl", rows(100, 120))
    write(tmp_path / "held_out.jsonl", rows(200, 206))
    answers = [(row, int(row["answer"])) for row in rows(0, 300)]
    names = ("one", "two", "three", "four")
    completions = [
        {
            "prompt": row["prompt"],
            **{name: f"#### {right + (right + place) % 3 // 2}" for place, name in enumerate(names)},
        }
        for row, right in answers
    ]
    write(tmp_path / "completions.jsonl", completions)
    (tmp_path / "kept.toml").write_text(RECIPE)
    return tmp_path


def play(folder, *overrides):
    recipe = read_recipe(folder / "kept.toml", list(overrides))
    assert preflight.errors(recipe) == []
    run(recipe, Progress(Console(quiet=True)))
    return folder / "kept"


def interrupted(folder):
    """A run that was killed when a half of its round's samples were on disk."""
    played = play(folder)
    whole = played / "round_000" / "journal" / "samples.jsonl"
    lines = whole.read_bytes().splitlines(keepends=True)
    shutil.rmtree(played / "round_000" / "shards")
    for name in ("manifest.json", "metrics.json"):
        (played / "round_000" / name).unlink()
    whole.write_bytes(b"".join(lines[: len(lines) // 2]))
    return played, lines


@pytest.mark.parametrize("change", ["edited", "lost"])
def test_a_started_round_goes_on_with_the_tasks_that_it_began_with(folder, change):
    played, lines = interrupted(folder)
    for name in ("tasks.jsonl", "held_out.jsonl"):
        if change == "lost":
            (folder / name).unlink()
        else:
            write(folder / name, rows(110, 130))
    play(folder)
    journaled = {(sample.task_id, sample.index) for sample, _ in read_journal(played / "round_000" / "journal")}
    assert journaled == {(row["sample"]["task_id"], row["sample"]["index"]) for row in map(json.loads, lines)}
    metrics = read_json(played / "round_000" / "metrics.json")
    assert (metrics["sampling"]["num_tasks"], metrics["sampling"]["num_samples"]) == (20, 40)


def test_rebuild_reverify_and_report_need_no_source(folder):
    played = play(folder)
    before = {path.name: path.read_bytes() for path in (played / "round_000" / "shards").iterdir()}
    for name in ("tasks.jsonl", "held_out.jsonl"):
        (folder / name).unlink()
    for path in (played / "round_000" / "shards").iterdir():
        path.unlink()
    assert rebuild_shards(played) == []
    assert {path.name: path.read_bytes() for path in (played / "round_000" / "shards").iterdir()} == before
    (report,) = reverify(played)
    assert report.num_changed == 0 and report.selection["accepted"] > 0
    write_report([played], played / "report.html")
    assert "Traces" in (played / "report.html").read_text()


def test_held_out_tasks_stay_those_of_the_first_evaluation(folder):
    (folder / "kept.toml").write_text(EVALUATED)
    write(folder / "tasks.jsonl", [{"prompt": f"{number}+1=", "answer": str(number + 1)} for number in range(5)])
    write(
        folder / "held_out.jsonl", [{"prompt": f"{number}+1=", "answer": str(number + 1)} for number in range(50, 53)]
    )
    first = read_json(play(folder) / "base" / "metrics.json")["evaluation"]
    (folder / "held_out.jsonl").unlink()
    shutil.rmtree(folder / "kept" / "round_000")
    played = play(folder)
    second = read_json(played / "round_000" / "metrics.json")["evaluation"]
    assert first["num_tasks"] == second["num_tasks"] == 3
    write_report([played], played / "report.html")
    assert "held-out tasks are missing" not in (played / "report.html").read_text()


def test_kept_tasks_are_a_source_and_a_control_keeps_those_of_its_run(folder):
    played = play(folder)
    kept = played / "round_000" / "tasks.jsonl"
    again = list(load("files", path=str(kept)))
    assert [task.id for task in again] == [task.id for task in load("files", path=str(folder / "tasks.jsonl"))]
    write(folder / "tasks.jsonl", rows(110, 130))
    recipe = read_recipe(folder / "kept.toml")
    (played / "control").mkdir()
    (played / "control" / "recipe.toml").touch()
    assert Round(recipe, played / "control", 0).keep_tasks() == 20
    assert (played / "control" / "round_000" / "tasks.jsonl").read_bytes() == kept.read_bytes()


def test_a_round_that_has_not_begun_needs_its_source(folder):
    played = play(folder)
    shutil.rmtree(played / "round_000")
    (folder / "tasks.jsonl").unlink()
    with pytest.raises(UserError, match=r"tasks.jsonl\": no such file in kept.toml \[tasks\]"):
        play(folder)


def test_a_run_that_keeps_no_tasks_takes_them_from_their_source(folder):
    """As an earlier version left it."""
    played, _ = interrupted(folder)
    (played / "round_000" / "tasks.jsonl").unlink()
    shutil.rmtree(played / "held_out")
    play(folder)
    assert read_json(played / "round_000" / "metrics.json")["sampling"]["num_samples"] == 40


def test_a_damaged_row_is_named_with_its_file(folder):
    played, _ = interrupted(folder)
    kept = played / "round_000" / "tasks.jsonl"
    kept.write_bytes(kept.read_bytes().replace(b'"id"', b'"ix"', 1))
    assert any("tasks.jsonl, line 1 is damaged" in text for text in preflight.errors(read_recipe(folder / "kept.toml")))


def test_bad_rows_stop_the_run_before_it_samples_or_are_left_out_named_and_counted(folder):
    good = (folder / "tasks.jsonl").read_text()
    (folder / "tasks.jsonl").write_text('{"prompt": null}\n' + good + "no JSON\n")
    (error,) = preflight.errors(read_recipe(folder / "kept.toml"))
    assert "row 1: column" in error and "line 22: not JSON" in error and "2 bad rows; correct them" in error
    round_folder = play(folder, "tasks.on_bad_row=skip") / "round_000"
    names = (round_folder / "tasks.bad_rows.txt").read_text().splitlines()
    assert [name.rpartition("tasks.jsonl, ")[2].partition(":")[0] for name in names] == ["row 1", "line 22"]
    sampling = read_json(round_folder / "metrics.json")["sampling"]
    assert (sampling["num_bad_rows"], sampling["num_tasks"]) == (2, 20)
