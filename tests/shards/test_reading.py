"""The public way to read shards, and the page that describes them."""

from pathlib import Path
from typing import get_type_hints

import pytest

import selfplay.shards
from selfplay.shards import COLUMNS, SCHEMA_VERSION, ShardRow, read_shards
from selfplay.shards.reference import reference
from tasks import UserError
from tests.factories import made_run, recipe_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("made") / "run", recipe_of(rounds=2), num_rounds=2)


def test_a_run_a_round_and_a_folder_of_shards_are_read_alike(run):
    whole = list(read_shards(run))
    assert {row["round"] for row in whole} == {0, 1}
    first = [row for row in whole if row["round"] == 0]
    assert first == list(read_shards(run / "round_000")) == list(read_shards(str(run / "round_000" / "shards")))
    assert {row["outcome"] for row in whole} == {"correct"} and {row["selection"] for row in whole} == {"accepted"}
    everything = list(read_shards(run, ""))
    assert len(everything) == len(whole) + sum(1 for _ in read_shards(run, "rejected")) == 2 * 30 * 5


def test_a_row_has_every_column_and_its_json_is_parsed(run):
    row = next(read_shards(run))
    assert list(row) == [column.name for column in COLUMNS] == list(get_type_hints(ShardRow))
    assert row["reference"]["kind"] == "math" and row["metadata"]["license"] and row["prompt"][0]["role"] == "user"


@pytest.mark.parametrize(
    ("folder", "kind", "named"), [("", "accepted", "holds no shards"), ("", "right", "no shards of kind")]
)
def test_a_folder_without_shards_and_a_wrong_kind_are_named(tmp_path, folder, kind, named):
    with pytest.raises(UserError, match=named):
        list(read_shards(tmp_path / folder, kind))


def test_the_page_is_that_of_the_present_schema():
    written = (Path(selfplay.shards.__file__).parent / "README.md").read_text()
    assert reference() == written, "run: python -m selfplay.shards.reference > selfplay/shards/README.md"
    assert max(column.since for column in COLUMNS) == SCHEMA_VERSION
