"""The commands, as a user runs them: their contract, their errors, their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.metrics.pass_table import Wanted, pass_table
from tasks import SOURCES, UserError, load
from tasks.sources import options_of
from tests.shared_data import SHARED

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("run", "verify", "tasks", "passk", "report", "shards", "export", "reverify", "doctor")

CONTRACT = [
    (
        {"id": "a", "reference": {"kind": "math", "answer": "\\frac{1}{2}"}, "completion": "... so \\boxed{0.5}"},
        "correct",
    ),
    ({"id": "b", "reference": {"kind": "math", "answer": "7425000"}, "answer": "7,425,000"}, "correct"),
    (
        {
            "id": "c",
            "reference": {
                "kind": "function_tests",
                "entry_point": "add",
                "cases": [{"args": [1, 2], "expected": 3}],
                "tolerance": 0,
            },
            "completion": "```python\ndef add(a, b):\n    return a + b\n```",
        },
        "correct",
    ),
    (
        {
            "id": "d",
            "reference": {
                "kind": "stdio_tests",
                "cases": [{"stdin": "1 2\n", "stdout": "3\n"}],
                "limits": {"cpu_seconds": 2.0, "memory_mb": 512},
            },
            "completion": "```python\nprint(sum(map(int, input().split())))\n```",
        },
        "correct",
    ),
    (
        {
            "id": "e",
            "reference": {"kind": "assert_tests", "code": "assert add(1, 2) == 3"},
            "completion": "```python\ndef add(a, b):\n    return a - b\n```",
        },
        "wrong",
    ),
    ({"id": 7, "reference": {"kind": "math", "answer": "5"}, "completion": "<think>it may be 5"}, "wrong"),
]


def selfplay(*arguments, folder=ROOT):
    return subprocess.run(
        [sys.executable, "-c", "from selfplay.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_a_line_in_the_readme(command):
    shown = selfplay(command, "--help")
    assert shown.returncode == 0 and "Usage" in shown.stdout
    assert f"selfplay {command}" in (ROOT / "README.md").read_text()
    if command == "tasks":
        assert all(option in shown.stdout for source in SOURCES for option in options_of(source))


def test_verify_keeps_its_contract(tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row, _ in CONTRACT))
    for workers in (1, 2):
        done = selfplay("verify", source, "--out", out, "--workers", workers)
        assert done.returncode == 0, done.stderr
        rows = rows_of(out)
        assert [row["id"] for row in rows] == [row["id"] for row, _ in CONTRACT]
        assert [row["outcome"] for row in rows] == [outcome for _, outcome in CONTRACT]
        assert set(rows[0]) == {"id", "outcome", "reason", "answer", "seconds", "verifier"}
        assert rows[0]["reason"] == "match" and rows[0]["answer"] == "0.5" and rows[0]["verifier"].startswith("math@")
        assert rows[-1]["reason"] == "no_answer"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "not JSON"),
        ('{"id": "x"}', '"reference" and "completion" (or "answer", already extracted) missing; the row has id'),
        (
            '{"id": "x", "reference": {"kind": "math", "answer": "1"}, "answer": "1", "completion": "1"}',
            "leave one of them out",
        ),
        ('{"id": "x", "reference": {"kind": "sums"}, "answer": "1"}', "sums"),
        ('{"id": "x", "reference": {"kind": "math", "answer": "1"}, "anser": "1"}', "anser"),
        ('{"id": "x", "reference": {"kind": "math", "answer": "1"}, "answer": 1}', "must be text"),
        ('{"id": "x", "reference": {"kind": "assert_tests", "code": ""}, "answer": "1"}', "needs a completion"),
    ],
)
def test_a_malformed_row_names_its_line_and_the_rows_before_keep_their_verdicts(tmp_path, line, named):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    good = json.dumps(CONTRACT[1][0]) + "\n"
    source.write_text(good * 300 + line + "\n" + good)
    done = selfplay("verify", source, "--out", out, "--workers", 1 + (named == "sums"))
    assert done.returncode == 2
    assert "line 301" in done.stderr and named in done.stderr and "Traceback" not in done.stderr
    assert len(rows_of(out)) == 300
    source.write_text(line + "\n" + good)
    refused = selfplay("verify", source, "--out", out, "--workers", 1 + (named == "sums"))
    assert refused.returncode == 2 and "line 1:" in refused.stderr
    assert len(rows_of(out)) == 300, "what stood there is lost only to verdicts"


def test_a_worker_that_is_killed_costs_no_verdict(tmp_path, monkeypatch):
    """A row whose check kills its own process is undecided; all others get their verdicts."""
    import os

    from selfplay import grading

    rows = [
        json.dumps({"id": n, "reference": {"kind": "math", "answer": "5"}, "answer": "5" if n != 150 else "DIE"})
        for n in range(300)
    ]
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(rows))
    deadly = tmp_path / "deadly.py"
    deadly.write_text(
        "import os\nimport selfplay.grading as g\nreal = g.verify_answer\n"
        "def check(reference, text):\n    os.kill(os.getpid(), 9) if text == 'DIE' else None\n    return real(reference, text)\n"
        "g.verify_answer = check\ndef grade(lines):\n    return g._results(lines)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + str(ROOT))
    import deadly as planted

    monkeypatch.setattr(grading, "_results", planted.grade)
    monkeypatch.setattr(grading, "verify_answer", planted.real)
    outcomes = grading.grade_file(source, out, 2, lambda rows, counts: None)
    assert outcomes == {"correct": 299, "undecided": 1}
    assert [row["id"] for row in rows_of(out)] == list(range(300))


def test_tasks_shows_validates_and_writes_tasks_that_files_reads(tmp_path):
    out = tmp_path / "tasks.jsonl"
    done = selfplay("tasks", "arithmetic", "--set", "num_tasks=20", "--show", 1, "--validate", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "20 tasks, 20 valid, 0 not" in done.stdout
    again = selfplay("tasks", "files", "--set", f"path={out}", "--validate", "--show", 0)
    assert "20 tasks, 20 valid, 0 not" in again.stdout, again.stderr
    assert list(load("files", path=str(out))) == list(load("arithmetic", num_tasks=20))


@pytest.mark.parametrize(
    "arguments",
    [("verify", "{}", "--out", "{}"), ("tasks", "files", "--set", "path={}", "--out", "{}")],
    ids=["verify", "tasks"],
)
def test_a_file_is_never_written_over_itself(tmp_path, arguments):
    source, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    source.write_text(json.dumps({"prompt": "2+2=", "answer": "4"}) + "\n")
    link.symlink_to(source)
    *first, last = (argument.format(source) for argument in arguments)
    for target in (last, str(link)):
        done = selfplay(*first, target)
        assert done.returncode == 2 and "would empty it" in done.stderr
    assert source.read_text()


def test_tasks_ends_with_status_1_where_a_reference_fails_its_own_verifier(tmp_path):
    bad = {"question": "What is 2+2?", "answer": "It is <<2+2=4>>4, or \\boxed{5}.\n#### 4"}
    (tmp_path / "bad.jsonl").write_text(json.dumps(bad | {"answer": "#### 4"}) + "\n" + json.dumps(bad))
    rows = [{"prompt": "f", "reference": {"kind": "math", "answer": ""}}]
    (tmp_path / "empty.jsonl").write_text(json.dumps(rows[0]))
    done = selfplay(
        "tasks",
        "files",
        "--set",
        f"path={tmp_path}/empty.jsonl",
        "--set",
        "reference=reference",
        "--validate",
        "--show",
        0,
    )
    assert done.returncode == 1 and "1 not" in done.stdout


def test_passk_of_a_file_is_the_unbiased_estimate_and_a_dash_where_it_is_undefined(tmp_path):
    rows = [
        {"id": f"{task}/{n}", "task_id": task, "outcome": "correct" if n < task else "wrong"}
        for task in (0, 1, 2)
        for n in range(4)
    ]
    path = tmp_path / "graded.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    done = selfplay("passk", path, "--k", 1, "--k", 2, "--k", 8)
    lines = [line.strip("│ \n").split("│") for line in done.stdout.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in lines[0][1:5]] == ["fixed", "3", "12", "0"]
    assert [line[-1].split()[0] for line in lines] == ["0.2500", "0.4444", "-"]


@pytest.mark.parametrize(
    ("text", "named"),
    [("\n\n", "holds no row"), ('\n{"outcome": "correct"}\n', "line 2"), ('{"id": 1, "outcome": "right"}', "line 1")],
)
def test_passk_of_a_file_without_graded_rows_says_so(tmp_path, text, named):
    (tmp_path / "graded.jsonl").write_text(text)
    with pytest.raises(UserError, match=named):
        list(pass_table(tmp_path / "graded.jsonl", Wanted()))


def test_every_mistake_has_status_2_and_lines_that_begin_alike(tmp_path):
    given = (
        ("run", "absent.toml"), ("run", "runs/quickstart.toml", "--set", "rounds=0", "--set", "sede=1"), ("run",), ("runn",),
        ("run", "runs/quickstart.toml", "--check", "--set", f"output={__file__}/run"),
        ("passk", tmp_path), ("passk", tmp_path, "--k", 0), ("report", tmp_path), ("tasks", "nothing"), ("verify", "absent", "--out", tmp_path / "o"),
    )  # fmt: skip
    for arguments in given:
        done = selfplay(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert done.stderr and all(line.startswith("selfplay: ") for line in done.stderr.splitlines()), done.stderr


def test_doctor_names_every_part_and_what_to_do():
    done = selfplay("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("Python", "torch", "GPU", "vllm", "Ray", "sandbox", "disk"):
        assert part in done.stdout


@pytest.mark.skipif(SHARED is None, reason="the folder of shared data is not here")
def test_real_completions_go_through_the_replay_recipe_and_agree_with_their_labels(tmp_path):
    path = SHARED / "data" / "gsm8k_model_solutions.jsonl"
    overrides = [f"tasks.path={path}", f"sampling.replay.path={path}", f"output={tmp_path}/replay", "ray.address=none"]
    done = selfplay("run", "runs/gsm8k_replay.toml", *(part for override in overrides for part in ("--set", override)))
    assert done.returncode == 0, done.stderr
    labels = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            labels.setdefault((f"{model}.solution", row["question"]), []).append(row[model]["is_correct"])
    from selfplay.shards.files import read_traces

    traces = [trace for trace, _ in read_traces(tmp_path / "replay" / "round_000" / "shards")]
    disagreements = [
        trace.sample.text
        for trace in traces
        if (trace.verdict.outcome == "correct") not in labels[(trace.sample.model, trace.task.prompt[0]["content"])]
    ]
    assert len(traces) == 5276
    assert len(disagreements) <= 0.002 * len(traces), disagreements
