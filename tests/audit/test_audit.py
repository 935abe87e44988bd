"""An audit from draw to findings, on runs whose truth is known."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from selfplay.audit import draw_traces, findings_of, read_draw, read_labels, write_findings
from selfplay.audit.drawing import doubts_about, write_draw
from selfplay.audit.labels import joined, kappa
from selfplay.export.export import export
from selfplay.recipe.sections import Selection
from selfplay.report import write_report
from selfplay.selection.selection import select
from tasks import MathReference, Task, UserError
from tests.factories import trace_of, write_run
from verifiers import Reason, Verdict


def row(number, reason=Reason.MATCH, answer="7", text="so \\boxed{7}"):
    task = Task.make("made", f"task {number // 4}", MathReference("7"))
    return task, text, Verdict.of(reason, answer, 0.001, "math@2")


@pytest.fixture
def run(tmp_path):
    """800 traces of 200 tasks: in each task one wrong, and every tenth task one wrong verdict of another's majority."""
    rows = []
    for number in range(800):
        if number % 4 == 3:
            rows.append(row(number, Reason.MISMATCH, "9", f"perhaps {number} \\boxed{{9}}"))
        else:
            rows.append(row(number, text=f"as {number} shows, \\boxed{{7}}"))
    return write_run(tmp_path / "run", [rows])


def labelled(draw, truth):
    """Labels of a labeller who knows the truth: a function from a row to a label."""
    return {each["key"]: truth(each) for each in draw.rows}


def test_the_same_seed_draws_the_same_traces_in_the_same_order(run):
    one, same, other = (draw_traces(run, 60, seed) for seed in (0, 0, 1))
    assert [each["key"] for each in one.rows] == [each["key"] for each in same.rows] and one.id == same.id
    assert one.id != other.id
    assert len(one.rows) == 60 and len(one.keys) == 60


def test_strata_hold_every_decided_trace_once(run):
    draw = draw_traces(run, 60)
    assert sum(cell.size for cell in draw.cells) == 800
    assert [cell.drawn for cell in draw.cells] == [
        sum(each["stratum"] == place for each in draw.rows) for place in range(len(draw.cells))
    ]


def test_a_newer_verifier_that_says_otherwise_is_a_doubt(run):
    """The stored verdict of one trace is turned round, as an older verifier's might be; reverify then disagrees with it."""
    shards = (run / "round_000" / "shards").glob("*.parquet")
    shard = next(path for path in shards if "correct" in pq.read_table(path)["outcome"].to_pylist())
    table = pq.read_table(shard)
    outcomes = table["outcome"].to_pylist()
    place = outcomes.index("correct")
    outcomes[place] = "wrong"
    column = table.schema.get_field_index("outcome")
    pq.write_table(table.set_column(column, "outcome", pa.array(outcomes, table.schema.field(column).type)), shard)
    key = f"round_000/{table['task_id'][place]}/{table['sample_index'][place]}"
    folder = run / "round_000" / "reverified"
    folder.mkdir()
    seen = {"task_id": [table["task_id"][place].as_py()], "sample_index": [table["sample_index"][place].as_py()]}
    said = {"old_outcome": ["wrong"], "new_outcome": ["correct"], "new_reason": ["match"], "new_verifier": ["math@2"]}
    pq.write_table(pa.table(seen | said), folder / "verdicts.parquet")
    unfinished = {row["key"]: row["doubts"] for row in draw_traces(run, 800).rows}
    (folder / "manifest.json").write_text("{}")
    doubts = {row["key"]: row["doubts"] for row in draw_traces(run, 800).rows}
    assert "math@2 says correct: match" in doubts[key] and "math@2 says correct: match" not in unfinished[key]
    assert sum("math@2 says correct: match" in found for found in doubts.values()) == 1


def test_more_traces_than_there_are_draws_them_all(run):
    draw = draw_traces(run, 10_000)
    assert len(draw.rows) == 800 and all(cell.drawn == cell.size for cell in draw.cells)


def test_one_of_each_stratum_comes_first(run):
    draw = draw_traces(run, 60)
    assert {each["stratum"] for each in draw.rows[: len(draw.cells)]} == set(range(len(draw.cells)))


def test_a_whole_audit_finds_the_exact_rates(run):
    draw = draw_traces(run, 10_000)
    wrong = {each["key"] for each in draw.rows if each["outcome"] == "correct"}
    wrong = set(sorted(wrong)[:30])
    found = findings_of(
        draw, labelled(draw, lambda each: "wrong" if each["key"] in wrong or each["outcome"] == "wrong" else "right")
    )
    assert found["false_accepts"]["value"] == pytest.approx(30 / 600)
    assert found["false_accepts"]["low"] == found["false_accepts"]["high"] == pytest.approx(30 / 600)
    assert found["false_rejects"]["value"] == 0.0
    assert found["broken_of_correct"]["value"] == 0.0


def test_the_corrected_share_of_right_samples_is_the_true_one(run):
    draw = draw_traces(run, 10_000)
    correct = [each["key"] for each in draw.rows if each["outcome"] == "correct"]
    rejected = [each["key"] for each in draw.rows if each["outcome"] == "wrong"]
    right = set(correct[30:]) | set(rejected[:20])
    found = findings_of(draw, labelled(draw, lambda each: "right" if each["key"] in right else "wrong"))
    assert found["pass_at_1"]["by_verdicts"] == 0.75
    assert found["pass_at_1"]["value"] == pytest.approx(590 / 800)
    assert found["pass_at_1"]["low"] == found["pass_at_1"]["high"] == pytest.approx(590 / 800)
    assert found["verifier"] == pytest.approx({"false_accept": 30 / 210, "false_reject": 20 / 590})


def test_unsure_labels_are_no_judgement_and_are_counted(run):
    draw = draw_traces(run, 40)
    labels = labelled(draw, lambda each: "wrong" if each["outcome"] == "wrong" else "right")
    labels[draw.rows[-1]["key"]] = "unsure"
    found = findings_of(draw, labels)
    assert found["num_judged"] == 39 and found["num_unsure"] == 1


def test_a_stratum_that_nobody_judged_is_named(run):
    draw = draw_traces(run, 40)
    labels = {each["key"]: "right" for each in draw.rows if each["outcome"] == "correct"}
    with pytest.raises(UserError, match=r"no trace of wrong, .* is judged yet"):
        findings_of(draw, labels)


def test_majorities_and_lone_answers_raise_doubts():
    def sample(outcome, answer, selection="accepted", completion="", reason="match"):
        return {
            "outcome": outcome, "answer": answer, "selection": selection, "completion": completion, "reason": reason,
            "finish_reason": "stop", "reference": json.dumps({"kind": "math", "answer": "7"}),
        }  # fmt: skip

    rows = [sample("wrong", "9", "wrong", reason="mismatch")] * 3 + [sample("correct", "7")]
    assert [bool(doubts) for doubts in doubts_about(rows, votes=True)] == [True, True, True, True]
    rows = [sample("correct", "7")] * 3 + [sample("wrong", "9", "wrong", "I get 9.", "mismatch")]
    assert [bool(doubts) for doubts in doubts_about(rows, votes=True)] == [False, False, False, False]
    silent = sample("wrong", "", "wrong", "so it is 7", "no_answer")
    assert len(doubts_about([silent], votes=True)[0]) == 2
    assert not doubts_about([sample("correct", "7", "near_duplicate")], votes=True)[0]
    assert doubts_about([sample("correct", "7", "wrong_step")], votes=True)[0]


def test_labels_name_the_line_at_fault(run, tmp_path):
    draw = draw_traces(run, 20)
    path = tmp_path / "labels.jsonl"
    key = draw.rows[0]["key"]
    for line, words in (
        ("{", "line 2: not JSON"),
        ('{"key": "x", "label": "right"}', "no trace 'x' was drawn"),
        (json.dumps({"key": key, "label": "good"}), "'good' is unknown; one of right, wrong, broken, unsure"),
        (json.dumps({"key": key, "label": "right", "draw": "other"}), "a label of the draw other"),
        ("[1]", 'an object with "key" and "label"'),
    ):
        path.write_text(json.dumps({"key": key, "label": "right"}) + "\n" + line + "\n")
        with pytest.raises(UserError, match=words):
            read_labels(path, draw)


def test_labellers_who_differ_leave_a_trace_unsure():
    one, other = {"a": "right", "b": "wrong"}, {"a": "right", "b": "right", "c": "broken"}
    assert joined([one, other]) == {"a": "right", "b": "unsure", "c": "broken"}


def test_kappa_is_cohens():
    one = dict(zip("abcdefghij", ["right"] * 5 + ["wrong"] * 5, strict=True))
    other = dict(zip("abcdefghij", ["right"] * 4 + ["wrong"] * 6, strict=True))
    value, shared = kappa(one, other)  # observed 0.9, expected 0.5 * 0.4 + 0.5 * 0.6
    assert shared == 10 and value == pytest.approx((0.9 - 0.5) / 0.5)
    assert kappa(one, {})[1] == 0


def test_the_command_draws_and_reads_labels(run, tmp_path):
    from selfplay.cli import app

    shown = CliRunner().invoke(app, ["audit", str(run), "--draw", "50"])
    assert shown.exit_code == 0, shown.output
    draw = read_draw(run)
    assert (run / "audit" / "audit.html").exists() and len(draw.rows) == 50
    bad = next(each for each in draw.rows if each["outcome"] == "correct")
    broken = next(each for each in draw.rows if each["outcome"] == "wrong")
    labels = labelled(draw, lambda each: "wrong" if each["outcome"] == "wrong" or each is bad else "right")
    labels[broken["key"]] = "broken"
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps({"key": key, "label": label}) + "\n" for key, label in labels.items()))
    shown = CliRunner().invoke(app, ["audit", str(run), "--labels", str(path), "--labels", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "correct verdicts" in shown.output and "kappa 1.000 over 50" in shown.output
    rows = [json.loads(line) for line in (run / "audit" / "exclude.jsonl").read_text().splitlines()]
    assert {(each["task_id"], each.get("sample_index")) for each in rows} == {
        (bad["task_id"], bad["sample_index"]),
        (broken["task_id"], None),
    }


def test_selection_leaves_out_what_an_audit_doubts(tmp_path):
    traces = [trace_of(f"so it is {number} ####12", index=number) for number in range(3)]
    traces += [trace_of("7+5=####12", prompt="7+5=", index=0)]
    path = tmp_path / "exclude.jsonl"
    rows = [{"task_id": traces[3].task.id}, {"round": 0, "task_id": traces[0].task.id, "sample_index": 1}]
    rows.append({"round": 5, "task_id": traces[0].task.id, "sample_index": 2})  # another round's
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Selection(exclude=str(path), near_duplicates=0.0, reject=[])
    assert [reason for _, reason in select(traces, settings)] == ["accepted", "excluded", "accepted", "excluded"]
    path.write_text('{"sample_index": 1}\n')
    with pytest.raises(UserError, match="line 1: an object with"):
        list(select(traces, settings))


def test_cards_and_reports_state_the_audit_of_their_run(run, tmp_path):
    export(run, "sft", tmp_path / "before")
    assert "Nobody has audited this run" in (tmp_path / "before" / "README.md").read_text()
    draw = draw_traces(run, 60)
    write_draw(draw, run / "audit")
    labels = labelled(draw, lambda each: "wrong" if each["outcome"] == "wrong" else "right")
    write_findings(run, draw, labels, findings_of(draw, labels) | {"labellers": 2, "agreement": []})
    export(run, "sft", tmp_path / "after")
    card = (tmp_path / "after" / "README.md").read_text()
    assert "2 people judged 60 traces" in card and "0.00% of the accepted traces have a wrong answer" in card
    write_report([run], tmp_path / "report.html")
    assert "audited by people" in (tmp_path / "report.html").read_text()


def test_a_draw_with_another_seed_does_not_replace_one_that_is_there(run):
    draw = draw_traces(run, 20, seed=3)
    write_draw(draw, run / "audit")
    from selfplay.cli.audit import _begin

    with pytest.raises(UserError, match="holds another draw"):
        _begin(run, 20, 4)
