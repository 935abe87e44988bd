"""The registry of kinds, and kinds and sources of the user's own: every command works with them, Ray's workers too."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.recipe.toml import read_recipe
from selfplay.shards.files import read_rows
from tasks import Task, UserError, load, reference_from_dict
from tasks.references import CLASSES
from verifiers import Reason, verify
from verifiers.kinds import VERIFIERS, has_answers, verifier_of_kind
from verifiers.validation import validate

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "verifiers" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
(EXAMPLE,) = (text for language, text in BLOCKS if language == "python")
BLOCKS_OF_JSON = [text for language, text in BLOCKS if language == "json"]
ROW = BLOCKS_OF_JSON[1]
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


def selfplay(folder: Path, *commands: str, root: Path = ROOT) -> str:
    """Run commands of the packages in `root`, in one process, in a folder; returns all that they print. Each has to succeed."""
    code = (
        "import json, sys\nfrom selfplay.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['selfplay', *command.split()]\n"
        "    try: main()\n"
        "    except SystemExit as end:\n"
        "        if end.code: sys.exit(end.code)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}  # no module of the working directory
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_kind_has_one_reference_class_and_one_verifier():
    assert set(CLASSES) == set(VERIFIERS)
    for kind in VERIFIERS:
        verifier = verifier_of_kind(kind)
        name, at, number = verifier.version.partition("@")
        assert name and at and int(number) >= 1
        assert verifier_of_kind(kind) is verifier and has_answers(f"{verifier.version}+tier") == verifier.has_answers


TOY_REFERENCE = """
@dataclass(frozen=True, slots=True, config=STRICT)
class ToyReference:
    \"\"\"A number that an answer must divide.\"\"\"

    multiple: StrictInt
    kind: Literal["toy"] = field(default="toy", kw_only=True)


Reference = Annotated[
    ToyReference |"""
TOY_VERIFIER = """
from verifiers.answers import AnswerVerifier
from verifiers.verdict import Reason


class ToyVerifier(AnswerVerifier):
    version = "toy@1"

    def compare(self, reference, answer):
        return Reason.MATCH if answer.isdigit() and reference.multiple % int(answer) == 0 else Reason.MISMATCH

    def own_answer(self, reference):
        return str(reference.multiple)
"""


def test_a_kind_of_the_project_needs_three_files_and_works_in_every_command(folder):
    root = folder.parent / "project"
    for package in ("tasks", "verifiers", "selfplay"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    references, kinds = root / "tasks" / "references.py", root / "verifiers" / "kinds.py"
    references.write_text(re.sub(r"\nReference = Annotated\[", TOY_REFERENCE, references.read_text(), count=1))
    kinds.write_text(kinds.read_text().replace("VERIFIERS = {", 'VERIFIERS = {"toy": "verifiers.toy:ToyVerifier",', 1))
    (root / "verifiers" / "toy.py").write_text(TOY_VERIFIER)
    rows = [{"prompt": f"Name a divisor of {n}.", "reference": {"kind": "toy", "multiple": n}} for n in (12, 35)]
    (folder / "toys.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [{"prompt": row["prompt"], "right": "\\boxed{1}", "wrong": "\\boxed{8}", "other": "<think>"} for row in rows]
    (folder / "completions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    (folder / "toy.toml").write_text(
        RECIPE.format(tasks='[tasks]\nsource = "files"\npath = "toys.jsonl"', address="none").replace("seed = 1\n", "")
    )
    verify = [{"id": n, "reference": rows[1]["reference"], "answer": str(n)} for n in (7, 8)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in verify))
    told = selfplay(
        folder,
        "tasks files --set path=toys.jsonl --validate",
        "verify rows.jsonl --out verdicts.jsonl --workers 1",
        "run toy.toml",
        "reverify toy",
        "passk toy --majority",
        "export toy --format verl --out verl",
        root=root,
    )
    assert "2 tasks, 2 valid, 0 not" in told
    verdicts = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    assert [(row["outcome"], row["verifier"]) for row in verdicts] == [("correct", "toy@1"), ("wrong", "toy@1")]
    outcomes = [row["outcome"] for row in read_rows(folder / "toy" / "round_000" / "shards")]
    assert sorted(outcomes) == ["correct"] * 2 + ["wrong"] * 4


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


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of the user's own into the working directory, under a name that no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("tasks.imports._folders", [])

    def write(text: str) -> str:
        name = f"own_{len(_written)}"
        _written.append(name)
        (tmp_path / f"{name}.py").write_text(text.replace("NAME", name))
        return name

    return write


_written: list[str] = []
KIND = """
from dataclasses import dataclass
from tasks import MathReference, Task
from verifiers.answers import AnswerVerifier
from verifiers.verdict import Reason

@dataclass(frozen=True)
class Word:
    word: str
    kind: str = "NAME:WordVerifier"

class WordVerifier(AnswerVerifier):
    reference = Word
    version = "NAME:WordVerifier@1"

    def compare(self, reference, answer):
        return Reason.MATCH if answer == reference.word else Reason.MISMATCH

    def own_answer(self, reference):
        return reference.word

"""


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ("", "no_such_module:tasks", r"there is no module no_such_module; it is looked for in .* PYTHONPATH"),
        ("def my_tasks(): ...", "NAME:my_task", "has no my_task; it has my_tasks"),
        ("1 / 0", "NAME:tasks", r"importing NAME fails: ZeroDivisionError: division by zero \(NAME.py, line 1\)"),
        ("def f(:", "NAME:tasks", "importing NAME fails: SyntaxError"),
        ("import no_such_package", "NAME:tasks", "NAME needs the module no_such_package, which is not installed"),
        ("tasks = 5", "NAME:tasks", "is 5, not a function that yields tasks"),
        ("def tasks(): yield 5", "NAME:tasks", "task 1: yields 5; make tasks with Task.make"),
        ("def tasks(): yield {}['a']", "NAME:tasks", r"raises after task 0: KeyError: 'a' \(NAME.py, line 1\)"),
        ("def tasks(num: int): ...", "NAME:tasks", 'needs "num"'),
        (
            KIND + "def tasks(): yield Task.make('x', 'p', MathReference(5))",
            "NAME:tasks",
            "argument 1 = 5 in a MathReference",
        ),
        (KIND + "def tasks(): yield Task.make('x', 'p', Word((1,)))", "NAME:tasks", "word = .* reference"),
        ("", "a b:c", "is no name of an object: write it as package.module:name"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(module, text, name, named):
    own = module(text)
    with pytest.raises(UserError, match=named.replace("NAME", own)):
        list(load(name.replace("NAME", own)))


@pytest.mark.parametrize(
    ("text", "row", "named"),
    [
        ("", {"kind": "no_such_module:Kind"}, "there is no module no_such_module"),
        ("Kind = 5", {"kind": "NAME:Kind"}, "give the class an attribute `reference`"),
        (KIND, {"kind": "NAME:WordVerifier"}, '"word" is missing'),
        (KIND, {"kind": "NAME:WordVerifier", "word": "a", "wrd": 1}, 'unknown key "wrd".*did you mean "word"'),
        (
            KIND + "Other = WordVerifier",
            {"kind": "NAME:Other", "word": "a"},
            'needs the field  kind: str = "NAME:Other"',
        ),
    ],
)
def test_a_reference_of_a_kind_that_cannot_be_used_says_why(module, text, row, named):
    own = module(text)
    with pytest.raises(UserError, match=named.replace("NAME", own)):
        reference_from_dict(row | {"kind": row["kind"].replace("NAME", own)})


def test_a_verifier_needs_a_version_that_names_it(module):
    own = module(KIND.replace('version = "NAME:WordVerifier@1"', 'version = "words@1"'))
    reference = reference_from_dict({"kind": f"{own}:WordVerifier", "word": "a"})
    with pytest.raises(UserError, match=f'needs version = "{own}:WordVerifier@1"'):
        verify(reference, "a")


@pytest.mark.parametrize(
    ("changed", "metadata", "fault"),
    [
        ("", {}, ""),
        ("", {"wrong_solutions": ["\\boxed{b}"]}, ""),
        ("", {"solution": "\\boxed{b}"}, "its own reference gets wrong, mismatch"),
        ("", {"wrong_solutions": ["\\boxed{b}", "so \\boxed{a}"]}, "a wrong solution gets correct"),
        ("    def own_answer(self, reference): return None", {}, "it holds no solution to try"),
        (
            "    def verify(self, reference, text): return self.verdict(Reason.MATCH)",
            {},
            "a wrong solution gets correct",
        ),
        (
            "    def compare(self, reference, answer): raise ValueError('no')",
            {},
            "undecided, checker_failure: ValueError: no",
        ),
        ("    def compare(self, reference, answer): return 'yes'", {}, "checker_failure"),
    ],
)
def test_a_kind_of_the_users_own_has_to_prove_that_it_accepts_and_refuses(module, changed, metadata, fault):
    own = module(KIND + changed)
    validity = validate(
        Task.make("x", "p", reference_from_dict({"kind": f"{own}:WordVerifier", "word": "a"}), **metadata)
    )
    assert validity.valid is (not fault)
    assert fault in validity.fault


def test_a_recipe_names_the_place_of_a_source_that_is_not_there(tmp_path):
    (tmp_path / "own.toml").write_text('[tasks]\nsource = "no_such_module:tasks"\n[sampling]\nengine = "replay"\n')
    with pytest.raises(UserError, match=r"there is no module no_such_module.* in own.toml \[tasks\]"):
        read_recipe(tmp_path / "own.toml")


def test_the_readme_names_every_kind_every_reason_and_every_version():
    for kind, verifier in ((kind, verifier_of_kind(kind)) for kind in VERIFIERS):
        assert f"| `{kind}` |" in README and f"| `{verifier.version}` |" in README
    for reason in Reason:
        assert f"`{reason}`" in README.partition("## Kinds")[0]


def test_the_readmes_references_are_what_they_say():
    rows = [json.loads(line) for line in BLOCKS_OF_JSON[0].splitlines()]
    assert [row["kind"] for row in rows] == [kind for kind in VERIFIERS if kind in {row["kind"] for row in rows}]
    assert all(reference_from_dict(row) for row in rows)
