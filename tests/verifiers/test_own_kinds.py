"""A kind and a source of the user's own, as verifiers/README.md shows them: every command works with them, Ray's workers too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.shards.files import read_rows

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "verifiers" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
(EXAMPLE,) = (text for language, text in BLOCKS if language == "python")
(ROW,) = (text for language, text in BLOCKS if language == "json")
(TASKS,) = (text for language, text in BLOCKS if language == "toml")
RECIPE = """
{tasks}
seed = 1
[sampling]
engine = "replay"
[sampling.replay]
path = "completions.jsonl"
completions = ["right", "wrong", "other"]
[allocation]
samples_per_task = 3
[ray]
address = "{address}"
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the example and nothing else, and beside it one to run commands in."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine" / "numerals.py").write_text(EXAMPLE)
    return tmp_path / "mine"


def selfplay(folder: Path, *commands: str) -> str:
    """Run commands in one process, in a folder; gives all that they print. Each has to succeed."""
    code = (
        "import json, sys\nfrom selfplay.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['selfplay', *command.split()]\n"
        "    try: main()\n"
        "    except SystemExit as end:\n"
        "        if end.code: sys.exit(end.code)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}  # no module of the working directory
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tasks_and_verify_take_a_kind_of_the_users_own_from_the_working_directory(folder):
    row = json.loads(ROW)
    rows = [
        row,
        row | {"id": "b", "completion": "It is \\boxed{XIIII}."},
        row | {"id": "c", "completion": "I cannot say"},
        {"id": "d", "reference": row["reference"], "answer": "xiv"},
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = selfplay(
        folder,
        "tasks numerals:numerals --set num_tasks=20 --set highest=50 --validate --show 1 --out tasks.jsonl",
        "tasks files --set path=tasks.jsonl --validate --show 0",
        "verify rows.jsonl --out verdicts.jsonl --workers 2",
    )
    assert told.count("20 tasks, 20 valid, 0 not") == 2
    assert '"kind": "numerals:NumeralVerifier"' in told
    verdicts = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    assert [verdict["outcome"] for verdict in verdicts] == ["correct", "wrong", "wrong", "correct"]
    assert {verdict["verifier"] for verdict in verdicts} == {"numerals:NumeralVerifier@1"}


@pytest.mark.parametrize("address", ["none", "local"])
def test_a_run_of_a_kind_of_the_users_own_is_played_reported_exported_and_verified_again(folder, address):
    (folder / "own.toml").write_text(RECIPE.format(tasks=TASKS, address=address))
    example = {"__name__": "example"}
    exec(EXAMPLE, example)
    with (folder / "completions.jsonl").open("w") as rows:
        for task in example["numerals"](num_tasks=20, seed=1):
            right, wrong = (f"So \\boxed{{{example['roman'](task.reference.value + more)}}}." for more in (0, 1))
            row = {"prompt": task.prompt[0]["content"], "right": right, "wrong": wrong, "other": "<think>Hm"}
            rows.write(json.dumps(row) + "\n")
    told = selfplay(
        folder.parent / "elsewhere",
        "run ../mine/own.toml --check",
        "run ../mine/own.toml",
        "run ../mine/own.toml",
        "report ../mine/own",
        "passk ../mine/own --k 1 --k 2 --majority",
        "reverify ../mine/own --workers 2",
        "shards rebuild ../mine/own",
        "export ../mine/own --format verl --out verl",
        "export ../mine/own --format sft --out sft",
    )
    assert "all that this recipe needs is here" in told
    rows = list(read_rows(folder / "own" / "round_000" / "shards"))
    assert len(rows) == 60
    outcomes = {(row["completion"][:4], row["outcome"], row["reason"]) for row in rows}
    assert outcomes == {("So \\", "correct", "match"), ("So \\", "wrong", "mismatch"), ("<thi", "wrong", "no_answer")}
    assert sum(row["outcome"] == "correct" for row in rows) == 20
    report = json.loads((folder / "own" / "round_000" / "reverified" / "report.json").read_text())
    assert report["num_traces"] == 60 and report["num_changed"] == 0
    import pyarrow.parquet as pq

    exported = pq.read_table(folder.parent / "elsewhere" / "verl" / "train.parquet").to_pylist()
    assert len(exported) == 20 and set(exported[0]["reward_model"]["ground_truth"]) <= set("IVXLCDM")
