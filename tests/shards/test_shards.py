"""Shards: nothing is lost, the same journal gives the same bytes, and damage is found."""

import json
import random
import shutil
from dataclasses import asdict, replace

import fsspec
import pyarrow.parquet as pq
import pytest

from selfplay.journal import Journal
from selfplay.journal.by_task import TracesByTask
from selfplay.models.files import count_parameters
from selfplay.rounds.data import Round
from selfplay.rounds.rebuild import rebuild_shards
from selfplay.shards.files import read_in_order, read_traces, write_shards
from selfplay.shards.integrity import check_shards
from selfplay.shards.provenance import provenance_of, read_provenance
from selfplay.shards.schema import SCHEMA
from tasks import StdioTests, Task, UserError
from tests.factories import DECODER, MADE_BY, arithmetic_traces, made_run, recipe_of, sample_of, trace_of
from verifiers import Reason, Verdict


@pytest.fixture
def played(tmp_path):
    return made_run(tmp_path / "made", recipe_of(), num_rounds=2)


def accepted(traces):
    return [(trace, "accepted") for trace in traces]


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_written_is_read_back_whole(tmp_path):
    program = Task.make(
        "made",
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add."}],
        StdioTests(({"stdin": "1", "stdout": "2"},)),
    )
    traces = [
        trace_of("3+4=7, and ä 数 \u2028 \x00 end"),
        trace_of("", index=1),
        replace(
            trace_of("no numbers known", prompt="?"),
            sample=replace(sample_of(trace_of("", prompt="?").task, "x", 0), token_ids=(), cumulative_logprob=None),
        ),
    ]
    verdict = Verdict.of(Reason.TIMEOUT, "2 s", 2.0, "programs@1+none")
    traces.append(replace(traces[0], task=program, sample=sample_of(program, "print(2)", 3), verdict=verdict, round=7))
    write_shards([*accepted(traces[:2]), *((trace, "wrong") for trace in traces[2:])], tmp_path, MADE_BY)
    assert list(read_traces(tmp_path)) == [*accepted(traces[:2]), *((trace, "wrong") for trace in traces[2:])]


def test_half_of_a_surrogate_pair_does_not_stop_a_run(tmp_path):
    write_shards(accepted([trace_of("cut \ud83d here")]), tmp_path, MADE_BY)
    ((trace, _),) = read_traces(tmp_path)
    assert trace.sample.text == "cut \ufffd here"


def test_every_row_says_how_it_was_made(tmp_path):
    write_shards(accepted([trace_of("####12")]), tmp_path, MADE_BY)
    table = pq.read_table(tmp_path / "accepted-00000.parquet")
    row = table.to_pylist()[0]
    assert table.schema.names == SCHEMA.names
    assert (
        row["engine"] == "transformers"
        and json.loads(row["sampling"]) == {"temperature": 1.0}
        and row["license"] == "MIT"
    )
    assert row["flops"] == DECODER.sampling([5], [0], [6])[0] > 2 * 1000 * (5 + 6 - 1)
    assert row["seed"] == 2**62 and row["token_ids"] == [0, 1, 2, 3, 4, 5]


def test_each_row_has_the_digest_and_the_operations_of_the_model_that_drew_it(tmp_path):
    """Of two teachers of one round, and of a name that is no teacher's: the round's model."""
    small, large = replace(DECODER, body=10), replace(DECODER, body=10_000)
    teachers = {
        "small": {"model_digest": "sha256:1", "num_parameters": 10, "decoder": asdict(small)},
        "large": {"model_digest": "sha256:2", "num_parameters": 10_000, "decoder": asdict(large)},
        "unknown": {"model_digest": "hub:unknown", "num_parameters": 0, "decoder": None},
    }
    names = ["large", "a-model", "small", "unknown", "large"]
    traces = [trace_of("####12", index=number) for number in range(len(names))]
    traces = [
        replace(trace, sample=replace(trace.sample, model=name)) for trace, name in zip(traces, names, strict=False)
    ]
    write_shards(accepted(traces), tmp_path, replace(MADE_BY, teachers=teachers))
    rows = pq.read_table(tmp_path / "accepted-00000.parquet").to_pylist()
    assert [row["model_digest"] for row in rows] == ["sha256:2", "sha256:0", "sha256:1", "hub:unknown", "sha256:2"]
    expected = [
        decoder.sampling([5], [0], [6])[0] if decoder else None for decoder in (large, DECODER, small, None, large)
    ]
    assert [row["flops"] for row in rows] == expected


def test_the_provenance_of_a_round_describes_each_of_its_models(tmp_path):
    from selfplay.models.files import model_digest
    from selfplay.models.tiny_llama import create_model

    models = [
        str(create_model(tmp_path / name, hidden_size=width, num_layers=1, num_heads=2))
        for name, width in (("one", 16), ("two", 32))
    ]
    made = provenance_of(recipe_of(), models[0], tmp_path / "round", models)
    assert [made.digest_of(model) for model in models] == [model_digest(model) for model in models]
    assert made == read_provenance(tmp_path / "round") and list(made.teachers) == models[1:]
    assert made.teachers[models[1]]["num_parameters"] == count_parameters(models[1]) > made.num_parameters


def test_a_round_without_provenance_or_of_another_version_is_told_as_such(played):
    path = played / "round_000" / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    with pytest.raises(UserError, match="provenance.json cannot be read .*colour.*another version of selfplay"):
        rebuild_shards(played)
    path.unlink()
    with pytest.raises(UserError, match="provenance.json is missing: another version of selfplay"):
        rebuild_shards(played)
    assert check_shards(played) == []


def test_right_and_wrong_traces_are_kept_apart(played):
    for shard in (played / "round_000" / "shards").iterdir():
        selections = set(pq.read_table(shard, columns=["selection"])["selection"].to_pylist())
        assert (selections == {"accepted"}) == shard.name.startswith("accepted")


def test_shards_are_in_the_order_of_the_tasks_whatever_the_order_of_the_verdicts(tmp_path):
    recipe = recipe_of()
    traces = arithmetic_traces(recipe)
    journaled = traces[:]
    random.Random(3).shuffle(journaled)
    write_journal(tmp_path / "journal", journaled)
    assert list(TracesByTask(Round(recipe, tmp_path, 0).tasks, tmp_path / "journal", 0)) == traces


def test_rows_that_are_damaged_or_of_no_task_are_counted(tmp_path):
    recipe = recipe_of()
    traces = arithmetic_traces(recipe)
    write_journal(tmp_path / "journal", [*traces, trace_of("12")])
    path = tmp_path / "journal" / "samples.jsonl"
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    ordered = TracesByTask(Round(recipe, tmp_path, 0).tasks, tmp_path / "journal", 0)
    assert list(ordered) == traces[1:]
    assert ordered.damaged == [1] and ordered.num_without_task == 1


def test_a_task_that_the_stream_gives_twice_has_its_traces_once(tmp_path):
    recipe = recipe_of()
    traces = arithmetic_traces(recipe)
    write_journal(tmp_path / "journal", traces)
    tasks = Round(recipe, tmp_path, 0).tasks
    twice = TracesByTask(lambda: [*tasks(), *tasks()], tmp_path / "journal", 0)
    assert list(twice) == traces == list(twice)


def test_the_same_journal_gives_the_same_bytes(played):
    recipe = recipe_of()
    before = bytes_of(played / "round_001" / "shards")
    Round(recipe, played, 1).make_shards()
    assert bytes_of(played / "round_001" / "shards") == before and before


def test_files_are_cut_by_their_size_and_hold_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.shards.files.GROUP_BYTES", 1 << 20)
    rng = random.Random(0)
    texts = ["".join(rng.choices("0123456789abcdef", k=40_000)) for _ in range(150)]
    short = trace_of("12")
    traces = [
        replace(short, sample=replace(short.sample, text=text, index=number)) for number, text in enumerate(texts)
    ]
    shards = write_shards(accepted(traces), tmp_path, MADE_BY, shard_bytes=1 << 20)
    assert len(shards) > 2 and sum(shard.num_rows for shard in shards) == 150
    assert all(1 << 20 <= shard.num_bytes < 2 << 20 for shard in shards[:-1])
    assert [trace for trace, _ in read_traces(tmp_path)] == traces


def test_files_of_an_earlier_writing_do_not_stay(tmp_path):
    (tmp_path / "accepted-00007.parquet").write_bytes(b"old")
    (tmp_path / ".rejected-00000.parquet.tmp").write_bytes(b"torn")
    (tmp_path / "notes.txt").write_text("mine")
    write_shards(accepted([trace_of("12")]), tmp_path, MADE_BY)
    assert {path.name for path in tmp_path.iterdir()} == {"accepted-00000.parquet", "notes.txt"}


def test_tasks_are_read_back_with_their_right_and_wrong_traces_together(played):
    rows = list(read_in_order(played / "round_000" / "shards"))
    assert {selection == "accepted" for _, selection in rows[:5]} == {True, False}
    assert [(trace.task, trace.sample) for trace, _ in rows] == [
        (trace.task, trace.sample) for trace in arithmetic_traces(recipe_of())
    ]


def test_shards_on_a_url_are_those_of_a_folder(tmp_path):
    rows = accepted([trace_of("3+4=7")])
    there, here = write_shards(rows, "memory://far/shards", MADE_BY), write_shards(rows, tmp_path, MADE_BY)
    assert there == here
    assert list(read_traces("memory://far/shards")) == rows
    assert (
        fsspec.filesystem("memory").cat("/far/shards/accepted-00000.parquet")
        == (tmp_path / "accepted-00000.parquet").read_bytes()
    )


def test_a_shard_of_another_schema_is_refused_by_name(tmp_path):
    pq.write_table(
        pq.read_table(_one_shard(tmp_path)).replace_schema_metadata(None), tmp_path / "accepted-00001.parquet"
    )
    with pytest.raises(UserError, match="accepted-00001.parquet has shard schema none; this selfplay reads 2"):
        list(read_traces(tmp_path))


def test_whole_shards_have_no_problem(played):
    assert check_shards(played) == []


@pytest.mark.parametrize("where", [0, 0.3, 0.7, 1])
def test_one_flipped_byte_is_found_and_its_file_named(played, where):
    path = sorted((played / "round_001" / "shards").iterdir())[0]
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    (problem,) = check_shards(played)
    assert str(path) in problem and "damaged" in problem


def test_missing_truncated_and_foreign_files_are_each_named(played):
    missing, truncated = sorted((played / "round_000" / "shards").iterdir())
    missing.unlink()
    truncated.write_bytes(truncated.read_bytes()[:-7])
    foreign = played / "round_001" / "shards" / "accepted-00009.parquet"
    foreign.write_bytes(b"")
    problems = check_shards(played)
    assert [str(missing) in problems[0], str(truncated) in problems[1], str(foreign) in problems[2]] == [True] * 3
    assert ["missing" in problems[0], "truncated" in problems[1], "not in the manifest" in problems[2]] == [True] * 3


def test_a_run_without_a_finished_round_does_not_pass_the_check(tmp_path):
    assert "no finished round" in check_shards(tmp_path)[0]


def test_the_shards_of_a_control_are_checked_too(played):
    shutil.copytree(played / "round_000", played / "control" / "round_000")
    next((played / "control" / "round_000" / "shards").iterdir()).unlink()
    assert len(check_shards(played)) == 1


def test_damaged_shards_are_made_again_from_the_journal(played):
    before = bytes_of(played / "round_000" / "shards")
    for path in (played / "round_000" / "shards").iterdir():
        path.write_bytes(b"x")
    assert rebuild_shards(played) == []
    assert bytes_of(played / "round_000" / "shards") == before and check_shards(played) == []


def test_a_shard_that_the_journal_no_longer_gives_is_left_and_named(played):
    journal = played / "round_000" / "journal" / "samples.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[1:]))
    before = bytes_of(played / "round_000" / "shards")
    assert any("differs from the manifest" in problem for problem in rebuild_shards(played))
    assert bytes_of(played / "round_000" / "shards") == before


def test_shards_of_an_older_schema_are_checked_but_not_made_again(played):
    manifest = played / "round_000" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 1}))
    assert check_shards(played) == []
    with pytest.raises(UserError, match="its shards have schema 1, and this selfplay reads and writes 2"):
        rebuild_shards(played)


def test_a_recipe_of_another_version_is_told_as_such(played):
    (played / "recipe.toml").write_text((played / "recipe.toml").read_text() + "[colour]\nred = 1\n")
    with pytest.raises(
        UserError, match="recipe.toml: 1 of its keys are not known; use the selfplay that played the run"
    ):
        rebuild_shards(played)


def test_parameters_are_counted_from_a_models_files(tmp_path):
    from transformers import AutoModelForCausalLM

    from selfplay.models.tiny_llama import create_model

    folder = create_model(tmp_path / "model", hidden_size=16, num_layers=1, num_heads=2)
    assert count_parameters(str(folder)) == AutoModelForCausalLM.from_pretrained(folder).num_parameters()


def write_journal(folder, traces):
    journal = Journal(folder)
    for trace in traces:
        journal.append(trace.sample, trace.verdict)
    journal.close()


def _one_shard(folder):
    write_shards(accepted([trace_of("12")]), folder, MADE_BY)
    return folder / "accepted-00000.parquet"
