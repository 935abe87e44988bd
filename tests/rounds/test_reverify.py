"""Verifying stored traces again."""

from dataclasses import replace

import pytest

from selfplay.export.export import export
from selfplay.rounds.reverify import reverify
from selfplay.shards.files import read_in_order
from selfplay.shards.integrity import check_shards
from selfplay.storage import read_json
from tasks import UserError
from tests.factories import arithmetic_traces, made_run, recipe_of
from verifiers import Reason, Verdict


@pytest.fixture
def misjudged(tmp_path):
    """A run in which an older verifier took every fourth right trace for wrong."""

    def older(recipe, index):
        traces = arithmetic_traces(recipe, index)
        for number in range(0, len(traces), 4):
            if traces[number].verdict.reason is Reason.MATCH:
                traces[number] = replace(traces[number], verdict=Verdict.of(Reason.MISMATCH, "", 0.1, "math@0"))
        return traces

    return made_run(tmp_path / "made", recipe_of(), traces_of=older)


def test_verdicts_that_were_wrong_are_found_and_counted_by_reason_and_task(misjudged):
    before = list(read_in_order(misjudged / "round_000" / "shards"))
    wrongly = [trace for trace, _ in before if trace.verdict.verifier == "math@0"]
    (report,) = reverify(misjudged)
    assert wrongly and report.num_changed == report.changes["wrong/mismatch -> correct/match"] == len(wrongly)
    assert report.num_tasks_changed == len({trace.task.id for trace in wrongly})
    assert {task["task_id"] for task in report.tasks} == {trace.task.id for trace in wrongly}
    assert report.old_verifiers["math@0"] == len(wrongly) and not report.new_verifiers["math@0"]


def test_the_new_verdicts_stand_beside_the_old_and_make_shards_of_their_own(misjudged):
    old_files = {path.name: path.read_bytes() for path in (misjudged / "round_000" / "shards").iterdir()}
    (report,) = reverify(misjudged)
    assert {path.name: path.read_bytes() for path in (misjudged / "round_000" / "shards").iterdir()} == old_files
    new = list(read_in_order(misjudged / "round_000" / "reverified" / "shards"))
    old = list(read_in_order(misjudged / "round_000" / "shards"))
    assert [(t.task, t.sample) for t, _ in new] == [(t.task, t.sample) for t, _ in old]
    assert all(trace.verdict.verifier != "math@0" for trace, _ in new)
    assert report.selection["accepted"] == sum(selection == "accepted" for _, selection in new)
    assert check_shards(misjudged) == []
    manifest = read_json(misjudged / "round_000" / "reverified" / "manifest.json")
    assert {shard["name"] for shard in manifest["shards"]} == {
        p.name for p in (misjudged / "round_000" / "reverified" / "shards").iterdir()
    }


def test_a_flipped_byte_in_the_new_shards_is_found_too(misjudged):
    reverify(misjudged)
    path = next((misjudged / "round_000" / "reverified" / "shards").iterdir())
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert [str(path) in problem for problem in check_shards(misjudged)] == [True]


def test_an_export_can_take_the_new_verdicts(misjudged, tmp_path):
    reverify(misjudged)
    new = export(misjudged, "kto", tmp_path / "new", reverified=True)
    old = export(misjudged, "kto", tmp_path / "old")
    assert (
        new.outcomes["correct"] - old.outcomes["correct"]
        == read_json(misjudged / "round_000" / "reverified" / "report.json")["num_changed"]
    )


def test_equal_answers_to_one_reference_share_a_verdict(misjudged):
    (report,) = reverify(misjudged)
    assert report.num_shared > 60  # of 150 traces, each task has three with the same answer at least


def test_verdicts_do_not_depend_on_the_number_of_processes(misjudged):
    def verdicts():
        rows = read_in_order(misjudged / "round_000" / "reverified" / "shards")
        return [(t.task.id, t.sample.index, t.verdict.outcome, t.verdict.reason, t.verdict.answer) for t, _ in rows]

    reverify(misjudged, num_workers=1)
    alone = verdicts()
    reverify(misjudged, num_workers=2)
    assert verdicts() == alone


def test_a_damaged_run_is_not_verified_again(misjudged):
    next((misjudged / "round_000" / "shards").glob("rejected-*")).unlink()
    with pytest.raises(UserError, match="missing"):
        reverify(misjudged)


def test_a_round_without_provenance_is_told_before_anything_is_graded(misjudged):
    (misjudged / "round_000" / "provenance.json").unlink()
    with pytest.raises(UserError, match="provenance.json is missing"):
        reverify(misjudged)
    assert not (misjudged / "round_000" / "reverified").exists()
