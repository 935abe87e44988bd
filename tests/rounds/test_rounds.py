"""Whole runs of a very small recipe, in one process and without one."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.journal import read_journal
from selfplay.recipe.toml import read_recipe
from selfplay.rounds import preflight
from selfplay.rounds.preview import preview
from selfplay.rounds.run import run
from selfplay.rounds.run_folder import open_run
from selfplay.shards.files import read_traces
from selfplay.storage import read_json
from tasks import UserError
from tests.factories import quietly, small_recipe_file
from verifiers import Outcome


def written(folder):
    return small_recipe_file(folder, rounds=2, control=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    run(read_recipe(written(folder)), quietly())
    return folder / "small"


def accepted(folder):
    """(task, index, text) of the accepted rows of each round of both arms."""
    return {
        str(shards.parent.relative_to(folder)): [
            (trace.task.id, trace.sample.index, trace.sample.text) for trace, _ in read_traces(shards, "accepted")
        ]
        for shards in sorted(folder.glob("**/shards"))
    }


def test_a_run_leaves_the_files_of_the_design(finished):
    for arm in (finished, finished / "control"):
        assert (arm / "recipe.toml").exists()
        for index in (0, 1):
            folder = arm / f"round_{index:03d}"
            manifest = read_json(folder / "manifest.json")
            assert manifest["index"] == index
            assert {shard["name"] for shard in manifest["shards"]} == {
                path.name for path in (folder / "shards").iterdir()
            }
            assert (folder / "model" / "config.json").exists()
            assert read_json(folder / "metrics.json")["evaluation"]["pass_at_k"].keys() == {"1", "4"}
    assert read_json(finished / "round_001" / "manifest.json")["model"].endswith("round_000/model")
    assert not list(finished.glob("**/*.tmp"))


def test_an_accepted_trace_is_correct_and_the_control_accepts_all(finished):
    for traces, verified in (
        (read_traces(finished / "round_000" / "shards"), True),
        (read_traces(finished / "control" / "round_000" / "shards"), False),
    ):
        rows = list(traces)
        assert len(rows) == 240
        for trace, selection in rows:
            right = trace.sample.text.rpartition("####")[2] == trace.task.reference.answer
            assert (trace.verdict.outcome is Outcome.CORRECT) == right
            if selection == "accepted" and verified:
                assert right
        if not verified:
            assert not all(
                trace.verdict.outcome is Outcome.CORRECT for trace, selection in rows if selection == "accepted"
            )


def test_both_arms_start_from_the_same_model_and_samples(finished):
    one, other = (
        {(sample.task_id, sample.index): sample.text for sample, _ in read_journal(arm / "round_000" / "journal")}
        for arm in (finished, finished / "control")
    )
    assert one == other


def test_held_out_tasks_are_never_sampled_for_training(finished):
    held_out = {sample.task_id for sample, _ in read_journal(finished / "base" / "evaluation")}
    sampled = {sample.task_id for path in finished.glob("**/journal") for sample, _ in read_journal(path)}
    assert len(held_out) == 20 and len(sampled) > 60
    assert not held_out & sampled


def test_rounds_play_fresh_tasks(finished):
    first, second = (
        {sample.task_id for sample, _ in read_journal(finished / f"round_00{n}" / "journal")} for n in (0, 1)
    )
    assert len(first & second) < 0.7 * len(first)


def test_figures_come_from_the_journals(finished):
    metrics = read_json(finished / "round_001" / "metrics.json")
    rows = list(read_journal(finished / "round_001" / "journal"))
    assert metrics["sampling"]["num_samples"] == metrics["health"]["num_samples"] == len(rows) == 240
    assert metrics["health"]["num_cut"] == sum(sample.finish_reason == "length" for sample, _ in rows)
    assert metrics["sampling"]["num_correct"] == sum(verdict.outcome is Outcome.CORRECT for _, verdict in rows)
    assert metrics["sampling"]["completion_tokens"] == sum(sample.completion_tokens for sample, _ in rows)
    evaluated = list(read_journal(finished / "round_001" / "evaluation"))
    share = sum(verdict.outcome is Outcome.CORRECT for _, verdict in evaluated) / len(evaluated)
    assert metrics["evaluation"]["pass_at_k"]["1"] == pytest.approx(share)


def test_a_finished_run_is_not_played_again(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    run(read_recipe(finished.parent / "small.toml"), quietly())
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_a_run_from_before_a_key_existed_goes_on_with_the_default_of_the_key(finished):
    stored = finished / "recipe.toml"
    whole = stored.read_text()
    stored.write_text(whole.replace("redundancy = 0.0\n", "").replace("max_tokens = 0\n", ""))
    assert stored.read_text() != whole
    run(read_recipe(finished.parent / "small.toml"), quietly())
    with pytest.raises(UserError, match="selection.max_tokens was 0 and is now 5"):
        run(read_recipe(finished.parent / "small.toml", ["selection.max_tokens=5"]), quietly())
    stored.write_text(whole)


def test_nothing_is_asked_of_a_finished_run_but_its_recipe(finished):
    silent = "ray.address=localhost:1"
    (told,) = preflight.errors(read_recipe(finished.parent / "small.toml", [silent, "rounds=3"]))
    assert "cannot reach Ray" in told
    assert preflight.errors(read_recipe(finished.parent / "small.toml", [silent])) == []
    (told,) = preflight.errors(read_recipe(finished.parent / "small.toml", [silent, "seed=7"]))
    assert "seed was 0 and is now 7" in told


def test_another_recipe_is_refused_by_the_name_of_the_key(finished):
    with pytest.raises(UserError, match="sampling.temperature was 1.0 and is now 0.5"):
        run(read_recipe(finished.parent / "small.toml", ["sampling.temperature=0.5"]), quietly())


def test_another_recipe_is_welcome_where_nothing_was_made_or_sampled(tmp_path):
    recipe, other = (read_recipe(written(tmp_path), [f"pretraining.steps={steps}"]) for steps in (60, 70))
    folder = open_run(tmp_path / "small", recipe)
    (folder / "base" / "untrained").mkdir(parents=True)
    (folder / "round_000" / "journal").mkdir(parents=True)
    (folder / "round_000" / "journal" / "samples.jsonl").touch()
    open_run(folder, other)
    assert "steps = 70" in (folder / "recipe.toml").read_text() and not list(folder.glob("*_*")) + list(
        folder.glob("base")
    )
    (folder / "base" / "model").mkdir(parents=True)
    with pytest.raises(UserError, match="pretraining.steps was 70 and is now 60"):
        open_run(folder, recipe)


def test_a_run_is_played_by_one_process_at_a_time(finished):
    code = "import pathlib, sys; from tests.rounds.test_rounds import _play; _play(pathlib.Path(sys.argv[1]))"
    second = subprocess.run(
        [sys.executable, "-c", code, finished.parent / "small.toml"], capture_output=True, text=True, timeout=120
    )
    assert "another process is playing" in second.stderr


def test_a_preview_shows_samples_of_the_run_itself_counts_all_of_it_and_keeps_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    shown = preview(read_recipe(finished.parent / "small.toml"), 3, quietly())
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    stored = {
        (sample.task_id, sample.index): (sample.text, verdict.outcome)
        for sample, verdict in read_journal(finished / "round_000" / "journal")
    }
    assert len(shown.traces) == 3 and shown.outcomes.total() == shown.selected.total() == 12
    for trace, selection in shown.traces:
        assert stored[trace.task.id, 0] == (trace.sample.text, trace.verdict.outcome)
        assert (selection == "accepted") <= (trace.verdict.outcome is Outcome.CORRECT)
        assert trace.sample.text in shown.in_words()
    first = shown.traces[0][0].task.prompt[0]["content"]
    assert first in shown.rendered and shown.opening == "" and shown.rendered in shown.in_words()
    assert "health: " in shown.in_words() and "cut at max_tokens = 16" in shown.health
    assert shown.num_samples == 60 * 4 * 2 * 2 + 20 * 4 * 5  # two rounds of two arms; the base and each round evaluated
    assert shown.seconds > 0 and shown.num_tokens > shown.num_samples and not shown.is_untrained


def test_twenty_kills_lose_nothing_and_double_nothing(finished, tmp_path):
    """kill -9 at 20 random moments of one run; the same command each time; then the rows of an undisturbed run."""
    path = written(tmp_path)
    shutil.copytree(finished / "base", tmp_path / "small" / "base")  # the base model is the slow part, and the same
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rounds.test_rounds", "trl", "selfplay.samplers.transformers"])
    rng = random.Random(os.urandom(8))
    kills = 0
    acknowledged: dict[Path, set] = {}
    while True:
        process = context.Process(target=_play, args=(path,))
        process.start()
        process.join(rng.uniform(0.1, 1.5) if kills < 20 else 120)
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            assert process.exitcode == 0
            break
        assert kills < 20, "the last, undisturbed try did not end"
        kills += 1
        for journal in (tmp_path / "small").glob("**/samples.jsonl"):
            rows = [(sample.task_id, sample.index) for sample, _ in read_journal(journal.parent)]
            assert len(rows) == len(set(rows))
            assert acknowledged.get(journal, set()) <= set(rows)
            acknowledged[journal] = set(rows)
    assert kills >= 10  # the run is long enough that the kills fell into it
    assert accepted(tmp_path / "small") == accepted(finished)


def _play(path):
    run(read_recipe(path), quietly())
