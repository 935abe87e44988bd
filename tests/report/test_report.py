"""The report's figures and its file, from runs written to disk by the run's own writers."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

from selfplay.layout import MANIFEST, METRICS
from selfplay.report import summary_table, write_plot, write_report
from selfplay.report.arms import open_arms, paired
from selfplay.report.charts import MOST_TICKS, Line, line_chart, log_ticks
from selfplay.report.figures import learning_charts, reason_chart
from selfplay.report.notable import Notable, mark_notable
from selfplay.report.tables import health_table
from selfplay.report.traces import collect, count_tasks
from selfplay.storage import read_json, write_json
from tasks import MathReference, Task, UserError
from tests.factories import HOSTILE, sums, write_run
from verifiers import Reason, Verdict, verify


@pytest.fixture(scope="module")
def two_arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_run(folder, [sums(30, 4, 2), sums(30, 4, 3, 30)], lambda position: sums(40, 6, 2 + position, 100))
    write_run(folder / "control", [sums(30, 4, 2)], lambda position: sums(40, 6, 2, 100), verified=False)
    return folder


def test_figures_of_the_table_are_those_of_the_files(two_arms: Path):
    table = summary_table([two_arms])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    stored = [read_json(two_arms / part / METRICS) for part in ("base", "round_000", "round_001")]
    for k in ("1", "4"):
        shown = [float(str(cell).split()[0]) for cell in columns[f"pass@{k}"][:3]]
        assert shown == [round(metrics["evaluation"]["pass_at_k"][k], 3) for metrics in stored]
    assert str(columns["accepted"][1]) == str(stored[1]["selection"]["accepted"])


def test_a_run_and_its_control_given_twice_are_two_arms(two_arms: Path):
    assert [arm.name for arm in open_arms([two_arms, two_arms / "control"])] == ["verified", "control"]


def test_runs_of_the_same_name_are_told_apart(two_arms: Path, tmp_path: Path):
    other = write_run(tmp_path / "other", [sums(5, 2, 1)])
    names = [arm.name for arm in open_arms([two_arms, other])]
    assert len(set(names)) == 3


def test_the_same_runs_give_the_same_bytes(two_arms: Path, tmp_path: Path):
    for name in ("a.html", "b.html"):
        write_report([two_arms], tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_folder_without_a_run_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="holds no run"):
        write_report([tmp_path], tmp_path / "report.html")


def test_a_recipe_that_was_damaged_is_named(tmp_path: Path):
    folder = write_run(tmp_path / "run", [sums(3, 2, 1)])
    text = (folder / "recipe.toml").read_text()
    for damaged in (text.replace("rounds = 1", 'rounds = "one"'), text[: len(text) // 2] + "= ="):
        (folder / "recipe.toml").write_text(damaged)
        with pytest.raises(UserError, match="cannot read .*recipe.toml"):
            write_report([folder], tmp_path / "report.html")


def test_a_run_without_rounds_or_evaluation_still_has_a_report(tmp_path: Path):
    started = write_run(tmp_path / "started", [sums(3, 2, 1)])
    (started / "round_000" / MANIFEST).unlink()  # as a kill within the first round leaves it
    write_report([started], tmp_path / "started.html")
    assert "0 of 1 round " in (tmp_path / "started.html").read_text()
    write_report([write_run(tmp_path / "replayed", [sums(3, 2, 1)])], tmp_path / "replayed.html")
    assert "Reasons of the verdicts" in (tmp_path / "replayed.html").read_text()


def test_a_plot_without_evaluation_says_what_is_missing(tmp_path: Path):
    with pytest.raises(UserError, match=r"add \[evaluation\]"):
        write_plot([write_run(tmp_path / "run", [sums(3, 2, 1)])], tmp_path / "plot.svg")


def test_the_plot_is_one_svg_that_has_both_modes(two_arms: Path, tmp_path: Path):
    write_plot([two_arms], tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    root = ElementTree.fromstring(text)
    words = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"verified", "control", "pass@1", "pass@4", "round 1"} <= words
    assert "prefers-color-scheme: dark" in text
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))
    assert not re.search(r"#[ab]1000", text), "a drawing colour was left in place of the style sheet's"


def test_no_model_text_stands_in_the_page_itself(tmp_path: Path):
    task = Task.make("files", HOSTILE, MathReference(HOSTILE), difficulty=HOSTILE)
    run = write_run(tmp_path / "run", [[(task, HOSTILE, verify(task, HOSTILE)), *sums(3, 2, 1)]])
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "window.hacked = 1</script>" not in page and '<img src="http' not in page
    assert page.count("<script") == page.count("</script>")


def test_a_limit_leaves_out_whole_tasks_and_the_page_says_so(two_arms: Path, tmp_path: Path):
    arms = open_arms([two_arms])
    traces = collect(arms, count_tasks(arms), max_traces=100)
    assert 0 < traces.num_shown <= 100 and traces.num_traces == 30 * 4 * 3 + 40 * 6 * 4
    per_task = [traces.index["task"].count(task) for task in set(traces.index["task"])]
    assert set(per_task) <= {4, 8, 24}, (
        "a task of one round has 4 samples, one that both arms share 8, and a held-out one 4 times 6"
    )
    write_report([two_arms], tmp_path / "report.html", max_traces=100)
    assert f"{traces.num_shown} of the 1,320 traces" in (tmp_path / "report.html").read_text()


def test_held_out_samples_are_in_the_reader_each_once(two_arms: Path):
    arms = open_arms([two_arms])
    index = collect(arms, count_tasks(arms)).index
    held_out = [row for row, kind in enumerate(index["set"]) if index["names"]["set"][kind] == "held out"]
    found = Counter((index["arms"][index["arm"][row]], index["round"][row]) for row in held_out)
    assert found == {("verified", -1): 240, ("verified", 0): 240, ("verified", 1): 240, ("control", 0): 240}
    ids = {index["tasks"]["id"][index["task"][row]] for row in held_out}
    assert ids == {task.id for task, _, _ in sums(40, 1, 1, 100)}


def test_held_out_tasks_that_are_gone_are_counted_and_the_report_goes_on(tmp_path: Path):
    run = write_run(tmp_path / "run", [sums(3, 2, 1)], lambda position: sums(4, 2, 1, 50))
    (run / "held_out.jsonl").unlink()
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "4 held-out tasks are missing" in page and "held_out.jsonl" in page and "6 traces of 3 tasks." in page


def test_undecided_samples_are_bounded(tmp_path: Path):
    undecided = Verdict.of(Reason.CHECKER_TIMEOUT, "", 1.0, "math@1")
    rows = [
        (task, text, undecided if place % 4 == 3 else verdict)
        for place, (task, text, verdict) in enumerate(sums(20, 4, 2, 50))
    ]
    run = write_run(tmp_path / "run", [sums(3, 2, 1)], lambda position: rows)
    evaluation = open_arms([run])[0].stages[-1].evaluation
    assert evaluation.bounds(1) == pytest.approx((2 / 4, 3 / 4)) and evaluation.curve[1].value == pytest.approx(2 / 3)
    write_report([run], tmp_path / "report.html")
    assert "0.500 to 0.750" in (tmp_path / "report.html").read_text()
    assert "40 undecided" in str(summary_table([run]).caption)


def test_runs_are_compared_over_the_tasks_that_both_have(tmp_path: Path):
    one = write_run(tmp_path / "one", [sums(3, 2, 1)], lambda position: sums(40, 8, 2, 100), name="one")
    two = write_run(tmp_path / "two", [sums(3, 2, 1)], lambda position: sums(40, 8, 4, 120), name="two")
    left, right = (arm.stages[-1].evaluation for arm in open_arms([one, two]))
    difference = paired(left, right, 1)
    assert (difference.num_tasks, difference.value) == (20, pytest.approx(0.25)) and difference.low > 0
    write_report([one, two], tmp_path / "report.html")
    assert f"+0.250 [{difference.low:+.3f}, {difference.high:+.3f}]" in (tmp_path / "report.html").read_text()


def test_flops_of_the_figures_are_those_of_the_ledger(tmp_path: Path):
    run = write_run(tmp_path / "run", [sums(3, 2, 1)] * 2, lambda position: sums(10, 4, 2, 50))
    for number, spent in enumerate([(2e9, 3e9), (1e9, None)]):
        path = run / f"round_00{number}" / METRICS
        ledger = {"flops": dict(zip(("sampling", "training", "evaluation"), (*spent, 8e8), strict=False))}
        path.write_text(json.dumps(read_json(path) | {"ledger": ledger}))
    (arm,) = open_arms([run])
    assert (arm.flops(0), arm.flops(1), arm.flops(2)) == (0.0, 5e9, None)
    assert arm.rounds[0].flops_per_sample == 8e8 / 40 and arm.base.flops_per_sample is None


def test_every_point_and_bar_tells_its_numbers(two_arms: Path):
    for chart in (*learning_charts(open_arms([two_arms])), *reason_chart(open_arms([two_arms]))):
        told = [node.text for node in ElementTree.fromstring(chart.svg).iter("{http://www.w3.org/2000/svg}title")][1:]
        assert len(told) == len(chart.rows) * (1 if "from" in chart.columns else len(chart.columns) - 1)
        assert all(any(row[-1] in text for text in told) for row in chart.rows)


def test_pointing_at_a_point_meets_its_mark():
    """The marks lie where matplotlib drew the points: on the corners of the axes."""
    line = Line("a line", 0, [0, 1], [0.0, 1.0])
    svg = ElementTree.fromstring(line_chart("corners", [line], "x", "y").svg)
    path = next(
        node.get("d")
        for node in svg.iter("{http://www.w3.org/2000/svg}path")
        if "var(--series-0)" in (node.get("style") or "")
    )
    drawn = [tuple(map(float, point.split())) for point in re.findall(r"[ML] ([\d.]+ [\d.]+)", path)]
    marks = [node for node in svg.iter("{http://www.w3.org/2000/svg}rect") if node.get("class") == "hover"]
    found = [
        tuple(float(node.get(at)) + float(node.get(size)) / 2 for at, size in (("x", "width"), ("y", "height")))
        for node in marks
    ]
    assert [pytest.approx(point, abs=0.2) for point in drawn] == found


def test_formulas_bring_katex_with_its_licence_and_plain_text_does_not(tmp_path: Path):
    plain = Task.make("sums", "1 + 1", MathReference("2"))
    write_report(
        [write_run(tmp_path / "plain", [[(plain, "I owe $5 and $3. #### 2", verify(plain, "#### 2"))]])],
        tmp_path / "a.html",
    )
    write_report([write_run(tmp_path / "latex", [sums(1, 1, 1)])], tmp_path / "b.html")
    assert (
        "katex.render=" not in (tmp_path / "a.html").read_text()
        and "Khan Academy" not in (tmp_path / "a.html").read_text()
    )
    assert "Khan Academy and other contributors" in (tmp_path / "b.html").read_text()


USUAL = "First we take {} and add one to it, which gives the sum that we want."


def notes_of(texts: list[str], **changes: object) -> dict[int, str]:
    traces = [Notable(0, True, text, "match", "stop") for text in texts]
    if changes:
        traces[-1] = Notable(**{name: getattr(traces[-1], name) for name in Notable.__slots__} | changes)
    return {row: " ".join(notes) for row, notes in mark_notable(traces, [""])[0]}


@pytest.mark.parametrize(
    ("odd", "changes", "word"),
    [
        ("2", {}, "very short"),
        (USUAL.format(3) * 5, {}, "very long"),
        ("Counting beads on a wire shows that nothing else but this value can stand here.", {}, "unlike"),
        (USUAL.format(3), {"finish_reason": "length"}, "cut off"),
        (USUAL.format(3), {"reason": "rounded"}, "rounded"),
    ],
)
def test_an_odd_solution_is_marked_and_its_siblings_are_not(odd: str, changes: dict, word: str):
    found = notes_of([USUAL.format(number % 2) for number in range(6)] + [odd], **changes)
    assert list(found) == [6] and word in found[6]


def test_a_wrong_trace_is_never_suspicious_as_an_accept():
    assert not notes_of([USUAL.format(1)] * 6 + ["2"], correct=False)


def test_hardest_tasks_are_solved_ones_rarest_first():
    solved = {0: 4, 1: 1, 2: 0, 3: 2}  # of four samples
    traces = [
        Notable(task, index < right, USUAL.format(task), "match", "stop")
        for task, right in solved.items()
        for index in range(4)
    ]
    assert mark_notable(traces, [""] * 4)[1] == [1, 3]


def test_every_ledger_figure_of_the_metrics_is_shown(tmp_path: Path):
    run = write_run(tmp_path / "run", [sums(3, 2, 1)])
    path = run / "round_000" / METRICS
    ledger = {"flops": {"sampling": 1.5e12}, "bits": {"per_trace": 2.25}, "tokens": [1, 2]}
    path.write_text(json.dumps(read_json(path) | {"ledger": ledger, "alarms": ["pass@16 fell"]}))
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for shown in ("1.5T", "flops, sampling", "1.5e+12", "bits, per trace", "2.250", "pass@16 fell"):
        assert shown in page


def test_many_difficulties_are_joined_and_none_is_lost():
    from selfplay.report.figures import MOST_GROUPS, _joined

    parts = [
        {str(name): {"num_samples": 2, "num_correct": name > 50, "completion_tokens": 5} for name in range(start, 100)}
        for start in (0, 40)
    ]
    joined = _joined(parts)
    assert max(map(len, joined)) <= MOST_GROUPS
    for before, after in zip(parts, joined, strict=True):
        for key in ("num_samples", "num_correct", "completion_tokens"):
            assert sum(group[key] for group in before.values()) == sum(group[key] for group in after.values())


def test_a_place_that_cannot_be_written_is_named(two_arms: Path, tmp_path: Path):
    with pytest.raises(UserError, match="cannot write the report"):
        write_report([two_arms], tmp_path / "missing" / "report.html")


@pytest.mark.parametrize(
    ("low", "high"), [(1, 4), (1, 3), (4.3e4, 2e5), (2.1e6, 2.9e6), (1, 25600), (1e9, 1e15), (3, 3)]
)
def test_a_log_axis_has_a_few_plain_labels(low, high):
    chart = line_chart("a", [Line("a", 0, sorted({low, high}), [0.5] * len({low, high}))], "k", "b", log_x=True)
    ticks = log_ticks(low, high)
    assert 1 <= len(ticks) <= MOST_TICKS and all(low <= tick <= high for tick in ticks)
    assert "mathdefault" not in chart.svg and "$" not in chart.svg


def test_the_health_of_samples_is_shown_and_an_older_run_has_none(tmp_path):
    task = sums(1, 1, 1)[0][0]
    rows = [(task, "#### 2", verify(task, "#### 2")) for _ in range(3)]
    run = write_run(tmp_path / "run", [[*rows, *sums(30, 1, 0, first=5)]])
    table = health_table(open_arms([run]))
    assert "<td>1 of 1</td>" in table and f"<td>{2 / 33:.1%}</td>" in table
    metrics = read_json(run / "round_000" / METRICS)
    write_json(run / "round_000" / METRICS, {key: value for key, value in metrics.items() if key != "health"})
    assert health_table(open_arms([run])) == ""
