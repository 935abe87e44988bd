"""What is mixed into a round's training set: how many rows, from where, and always the same."""

import json
from collections import Counter

import pytest

from selfplay.report.arms import Stage
from selfplay.report.traces import _rows
from selfplay.rounds.rebuild import rebuild_shards
from selfplay.selection.decontamination import Contamination
from selfplay.shards.files import read_rows, write_mixed
from selfplay.shards.integrity import check_shards
from selfplay.storage import read_json
from selfplay.training.corpus import pretraining_corpus
from selfplay.training.mix import mix_metrics, mixed_rows
from selfplay.training.step import examples_of
from tasks import MathReference, Task, UserError
from tests.factories import made_run, recipe_of

SECTIONS = {"training": {}, "model": {"create": {}}, "pretraining": {"steps": 50, "batch_size": 16}}
DRAWN = ("round", "task_id", "sample_index")


def mixing(**mix):
    return recipe_of(**SECTIONS, selection={"mix": mix})


def rows_of(run, index, kind):
    return list(read_rows(run / f"round_{index:03d}" / "shards", kind))


def names(rows):
    return [tuple(row[name] for name in DRAWN) for row in rows]


@pytest.fixture(scope="module")
def recipe():
    return mixing(earlier_rounds=0.3, corpus=0.2)


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    """Three rounds of 30 tasks, each with as many accepted traces."""
    return made_run(tmp_path_factory.mktemp("mixed") / "run", recipe, num_rounds=3)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_shares_are_of_all_rows_trained_on(recipe, run, index):
    own, counts = (
        len(rows_of(run, index, "accepted")),
        Counter(row["selection"] for row in rows_of(run, index, "mixed")),
    )
    total = own + counts.total()
    wanted = {"earlier_rounds": 0.3 if index else 0.0, "corpus": 0.2}
    assert {kind: counts[kind] / total for kind in wanted} == pytest.approx(wanted, abs=1.0 / total)
    assert len(list(examples_of(recipe, run / f"round_{index:03d}" / "shards"))) == total


def test_rows_of_earlier_rounds_are_theirs_unchanged(run):
    accepted = {name: row for index in (0, 1) for row in rows_of(run, index, "accepted") for name in names([row])}
    mixed = [row for row in rows_of(run, 2, "mixed") if row["selection"] == "earlier_rounds"]
    assert len(set(names(mixed))) == len(mixed)  # each once
    assert {row["round"] for row in mixed} == {0, 1}
    for row in mixed:
        assert row | {"selection": "accepted"} == accepted[names([row])[0]]


def test_rows_of_the_corpus_are_those_of_pretraining_and_claim_no_verdict(recipe, run):
    corpus = [(prompt[0]["content"], text) for prompt, text in pretraining_corpus(recipe)]
    mixed = [row for row in rows_of(run, 0, "mixed")]
    assert mixed and {row["selection"] for row in mixed} == {"corpus"}
    for row in mixed:
        place = int(row["task_id"].partition("/")[2])
        assert (row["prompt"][0]["content"], row["completion"]) == corpus[place]
        assert row["outcome"] is None and row["model"] is None


def test_each_round_draws_rows_of_its_own_and_draws_the_same_again(recipe, run, tmp_path):
    first, second = (
        names(row for row in rows_of(run, index, "mixed") if row["selection"] == "corpus") for index in (1, 2)
    )
    assert len(set(first) & set(second)) < 0.5 * len(first)
    (again,) = write_mixed(mixed_rows(recipe, 2, run, len(rows_of(run, 2, "accepted")), None), tmp_path)
    assert again.sha256 == read_json(run / "round_002" / "manifest.json")["shards"][-1]["sha256"]


def test_mixed_shards_are_listed_checked_and_made_again(run):
    for index in range(3):
        listed = read_json(run / f"round_{index:03d}" / "manifest.json")["shards"]
        assert [shard["kind"] for shard in listed] == ["accepted", "rejected", "mixed"]
    mixed = run / "round_002" / "shards" / "mixed-00000.parquet"
    whole = mixed.read_bytes()
    mixed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert ["mixed-00000" in problem and "damaged" in problem for problem in check_shards(run)] == [True]
    assert rebuild_shards(run) == [] and check_shards(run) == []
    assert mixed.read_bytes() == whole


def test_a_report_shows_the_traces_of_a_round_and_not_what_was_mixed_in(run):
    shown = _rows(Stage(3, run / "round_002", {}), None)
    own = rows_of(run, 2, "accepted") + rows_of(run, 2, "rejected")
    assert Counter((row["task_id"], row["sample_index"]) for row in shown) == Counter(
        (row["task_id"], row["sample_index"]) for row in own
    )


def test_what_was_asked_for_and_is_not_there_is_said(run):
    greedy = mixing(earlier_rounds=0.9)
    own = len(rows_of(run, 1, "accepted"))
    shards = write_mixed(mixed_rows(greedy, 1, run, own, None), run / "greedy")
    assert shards[0].num_rows == len(rows_of(run, 0, "accepted"))  # all there are
    figures = mix_metrics(greedy, 1, own, run / "greedy")
    assert figures["earlier_rounds"] == {"num_wanted": 9 * own, "num_rows": own, "by_round": {"0": own}}
    assert figures["num_own"] == own and figures["corpus"] == {"num_wanted": 0, "num_rows": 0}


def test_a_corpus_may_be_a_file_and_its_copies_of_evaluation_tasks_are_left_out(run, tmp_path):
    animals = ("dogs", "cows", "hens", "bees", "ants")
    rows = [{"question": f"How many legs do 3 {name} have together?", "solution": f"Of {name}"} for name in animals]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = mixing(corpus=0.9, path=str(tmp_path / "corpus.jsonl"), prompt="question", completion="solution")
    evaluation = Contamination({"held out": [Task.make("held out", rows[3]["question"], MathReference("20"))]})
    write_mixed(mixed_rows(recipe, 0, run, 100, evaluation), tmp_path / "shards")
    found = [(row["prompt"][0]["content"], row["completion"]) for row in read_rows(tmp_path / "shards", "mixed")]
    assert found == [(row["question"], row["solution"]) for row in rows if row is not rows[3]]
    with pytest.raises(UserError, match='row 1: a prompt in column "prompt"'):
        list(mixed_rows(mixing(corpus=0.5, path=str(tmp_path / "corpus.jsonl")), 0, run, 10, None))


def test_a_round_needs_its_corpus_no_more_once_it_took_its_rows(tmp_path):
    corpus, run = tmp_path / "corpus.jsonl", tmp_path / "run"
    corpus.write_text(
        "".join(json.dumps({"prompt": f"{n}+1=", "completion": f"#### {n + 1}"}) + "\n" for n in range(50))
    )
    recipe = mixing(corpus=0.5, path=str(corpus))
    first = write_mixed(mixed_rows(recipe, 0, run, 10, None), tmp_path / "shards")
    corpus.unlink()
    again = write_mixed(mixed_rows(recipe, 0, run, 10, None), tmp_path / "again")
    assert first[0].num_rows == 10 and again[0].sha256 == first[0].sha256
    with pytest.raises(UserError, match="corpus.jsonl"):  # another number of rows are other rows
        list(mixed_rows(recipe, 0, run, 12, None))
