"""Copies of finished rounds behind URLs: whole or not there, checked and mended where they lie."""

import shutil

import fsspec
import pytest

from selfplay.progress import Progress
from selfplay.rounds import preflight
from selfplay.rounds.rebuild import rebuild_shards
from selfplay.rounds.run import play_rounds
from selfplay.shards.files import read_rows
from selfplay.shards.integrity import check_shards
from selfplay.shards.mirror import copy_run
from selfplay.training.start import RoundModels
from tasks import UserError
from tests.factories import made_run, recipe_of


@pytest.fixture
def played(tmp_path):
    return made_run(tmp_path / "made", recipe_of(), num_rounds=2)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_behind_a_url_is_checked_damaged_and_mended_there(played):
    shutil.copytree(played / "round_000", played / "control" / "round_000")
    shutil.copy(played / "recipe.toml", played / "control" / "recipe.toml")
    url = "memory://bucket/run"
    assert copy_run(played, url) == 3 and copy_run(played, url) == 0, "what is there already is not copied again"
    assert check_shards(url) == []
    files = fsspec.filesystem("memory")
    name = files.ls("/bucket/run/round_001/shards", detail=False)[0]
    whole = files.cat(name)
    files.pipe(name, whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    files.rm(files.ls("/bucket/run/control/round_000/shards", detail=False)[0])
    problems = check_shards(url)
    assert len(problems) == 2 and f"memory://{name}: damaged" in problems[0] and "missing" in problems[1]
    assert rebuild_shards(played, url) == []
    assert files.cat(name) == whole and len(check_shards(url)) == 1, "the control is a run of its own"


def test_a_run_copies_each_round_that_is_finished_where_its_recipe_says(played):
    """Also rounds that were finished before the recipe named a place, or before a copy was cut short."""
    recipe = recipe_of(rounds=2, copy_to="memory://bucket/played")
    models = RoundModels("a-model", "a-model", "a-model")
    assert (
        play_rounds(recipe, played, models, None, Progress()) == 2
    )  # nothing is left to be played, so no engine is asked
    assert check_shards("memory://bucket/played") == []
    assert recipe.digest == recipe_of(rounds=2).digest, "where copies go says nothing about the rows"


def test_a_copy_that_fails_stops_no_round_and_is_made_later(played, tmp_path, capsys):
    (tmp_path / "full").write_text("")
    recipe = recipe_of(rounds=2, copy_to=str(tmp_path / "full" / "copy"))
    models = RoundModels("a-model", "a-model", "a-model")
    assert play_rounds(recipe, played, models, None, Progress()) == 2
    assert "not copied yet: cannot copy" in capsys.readouterr().err
    (tmp_path / "full").unlink()
    play_rounds(recipe, played, models, None, Progress())
    assert "2 rounds copied" in capsys.readouterr().err and check_shards(tmp_path / "full" / "copy") == []


def test_the_same_copy_lies_behind_a_file_url(played, tmp_path):
    assert copy_run(played, f"file://{tmp_path}/copy") == 2
    assert bytes_of(tmp_path / "copy" / "round_000" / "shards") == bytes_of(played / "round_000" / "shards")
    assert check_shards(tmp_path / "copy") == check_shards(f"file://{tmp_path}/copy") == []


def test_an_interrupted_copy_is_no_round_until_it_is_whole(played):
    copy_run(played, "memory://bucket/cut")
    fsspec.filesystem("memory").rm("/bucket/cut/round_001/manifest.json")
    assert "has shards and no manifest.json" in check_shards("memory://bucket/cut")[0]
    assert copy_run(played, "memory://bucket/cut") == 1 and check_shards("memory://bucket/cut") == []


def test_a_place_for_copies_that_cannot_be_written_is_told_before_a_run_begins(tmp_path):
    (tmp_path / "file").write_text("")
    recipe = recipe_of(output=str(tmp_path / "run"), copy_to=str(tmp_path / "file" / "copies"))
    assert any("copies" in text and "copy_to" in text for text in preflight.errors(recipe))
    assert any(
        "cannot use gopher://x" in text
        for text in preflight.errors(recipe.model_copy(update={"copy_to": "gopher://x"}))
    )
    assert not any(
        "cop" in text for text in preflight.errors(recipe.model_copy(update={"copy_to": str(tmp_path / "copies")}))
    )


def test_a_url_that_nothing_can_open_is_a_mistake_of_the_users():
    with pytest.raises(UserError, match="cannot use gopher://x: .*give a path, or a URL whose fsspec package"):
        check_shards("gopher://x")


def test_a_damaged_shard_is_not_copied(played, tmp_path):
    shard = sorted((played / "round_000" / "shards").glob("*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"{shard.name} is not what its manifest says"):
        copy_run(played, str(tmp_path / "copy"))
    assert not (tmp_path / "copy" / "round_000" / "manifest.json").exists()
    with pytest.raises(UserError, match=f"{shard.name} is damaged.*shards rebuild"):
        list(read_rows(shard.parent))
