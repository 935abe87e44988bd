"""The commands about a run's data: what they print, and the status that tells success from failure."""

import pytest
import typer
from typer.testing import CliRunner

from selfplay.cli.data import add_commands
from tests.factories import made_run, recipe_of


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("cli") / "made", recipe_of())


def call(*arguments):
    app = typer.Typer()
    add_commands(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_whole_run_passes_its_check(played):
    result = call("shards", "check", played)
    assert result.exit_code == 0 and "as their manifests say" in result.output


def test_a_damaged_shard_fails_the_check_and_rebuild_mends_it(played):
    shard = next((played / "round_000" / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1])
    result = call("shards", "check", played)
    assert result.exit_code == 1 and shard.name in result.output
    assert call("shards", "rebuild", played).exit_code == 0
    assert call("shards", "check", played).exit_code == 0


def test_a_copy_of_a_run_is_checked_mended_and_exported_where_it_lies(played, tmp_path):
    url = f"file://{tmp_path}/copy"
    assert "1 round copied" in call("shards", "copy", played, url).output
    shard = next((tmp_path / "copy" / "round_000" / "shards").iterdir())
    shard.unlink()
    assert call("shards", "check", url).exit_code == 1
    assert call("shards", "rebuild", played, "--out", url).exit_code == 0
    assert call("shards", "check", url).exit_code == 0
    assert "30 rows" in call("export", url, "--format", "sft", "--out", f"file://{tmp_path}/out").output


def test_export_says_how_many_rows_it_wrote_and_where(played, tmp_path):
    result = call("export", played, "--format", "sft", "--out", tmp_path / "out")
    assert result.exit_code == 0 and "30 rows" in result.output
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 30


def test_reverify_says_what_changed(played):
    result = call("reverify", played, "--workers", 1)
    assert result.exit_code == 0 and "round 0: 150 traces, 0 outcomes changed in 0 tasks" in result.output


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path):
    assert call("shards", "check", tmp_path / "none").exit_code == 2
    assert call("export", "memory://none", "--format", "sft", "--out", tmp_path / "out").exit_code == 2


@pytest.mark.parametrize(
    "command", [("shards", "check"), ("shards", "copy"), ("shards", "rebuild"), ("export",), ("reverify",)]
)
def test_every_command_has_help(command):
    result = call(*command, "--help")
    assert result.exit_code == 0 and "Usage" in result.output
