"""References, task ids, sources and their splits."""

import json
import random
from dataclasses import FrozenInstanceError

import pytest

from selfplay.selection.filters import FILTERS
from tasks import FunctionTests, MathReference, Task, UserError, load, reference_from_dict, reference_to_dict
from tasks.sources.arithmetic import chain_of_thought, organic_corpus
from tests.factories import trace_of
from tests.shared_data import SHARED
from verifiers import verify_answer
from verifiers.validation import validate

needs_shared = pytest.mark.skipif(SHARED is None, reason="the folder of shared data is not here")

CONTRACT = [
    {"kind": "math", "answer": "\\frac{1}{2}"},
    {"kind": "math", "answer": "7", "literal": True},
    {"kind": "text", "answer": "Paris"},
    {"kind": "text", "answer": "Paris", "case_sensitive": True},
    {"kind": "function_tests", "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}], "tolerance": 0.5},
    {
        "kind": "stdio_tests",
        "cases": [{"stdin": "1 2\n", "stdout": "3\n"}],
        "limits": {"cpu_seconds": 2.0, "memory_mb": 512},
    },
    {"kind": "assert_tests", "code": "assert add(1, 2) == 3"},
    {"kind": "assert_tests", "code": "def check(f): ...", "entry_point": "add"},
]


@pytest.mark.parametrize("row", CONTRACT, ids=lambda row: row["kind"])
def test_a_reference_survives_the_way_through_json(row):
    assert reference_to_dict(reference_from_dict(json.loads(json.dumps(row)))) == row


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("5", "object"),
        ({"kind": "maths", "answer": "5"}, "maths"),
        ({"kind": "math"}, '"answer"'),
        ({"kind": "math", "answer": 5}, "answer = 5"),
        ({"kind": "math", "answer": "5", "tolerence": 1}, "tolerence"),
        ({"kind": "math", "answer": "5", "tolerance": -1}, "tolerance"),
        ({"kind": "math", "answer": "5", "literal": 1}, "literal = 1"),
        ({"kind": "function_tests", "entry_point": "f", "cases": []}, "at least 1"),
        (
            {"kind": "function_tests", "entry_point": "f", "cases": [{"args": 1, "expected": 1}]},
            r"args = 1 in cases\[0\]",
        ),
        (
            {"kind": "function_tests", "entry_point": "f", "cases": [{"args": []}]},
            r'"expected" is missing in cases\[0\]',
        ),
        ({"kind": "stdio_tests", "cases": [{"stdin": 1, "stdout": ""}]}, r"stdin = 1 in cases\[0\]"),
        ({"kind": "assert_tests", "code": "", "limits": {"cpu": 1}}, '"cpu"'),
        ({"kind": "assert_tests", "code": "", "limits": {"cpu_seconds": -1}}, "cpu_seconds"),
    ],
)
def test_a_malformed_reference_is_an_error_that_names_the_key(row, named):
    with pytest.raises(UserError, match=named):
        reference_from_dict(row)


def test_all_mistakes_of_a_reference_are_named_at_once_each_with_its_place():
    row = {
        "kind": "function_tests",
        "entry_point": 3,
        "tolerance": "no",
        "limit": {},
        "cases": [{"args": 1}, {"expected": 2}],
    }
    with pytest.raises(UserError) as raised:
        reference_from_dict(row | {"limits": {"memory_mb": 1.5}})
    told = str(raised.value)
    for words in (
        'unknown key "limit" in the function_tests reference; did you mean "limits"?',
        "entry_point = 3 in the function_tests reference",
        "tolerance = 'no' in the function_tests reference: it must be a number",
        "args = 1 in cases[0] of the function_tests reference",
        '"expected" is missing in cases[0] of the function_tests reference',
        '"args" is missing in cases[1] of the function_tests reference',
        "memory_mb = 1.5 in limits of the function_tests reference",
    ):
        assert words in told
    assert told.count(";") == 7  # one of them before a suggestion


@pytest.mark.parametrize(
    ("row", "task_id"),
    [  # ids that earlier versions gave: a run that was begun then is resumed now
        ({"kind": "function_tests", "entry_point": "f", "cases": [{"args": [1], "expected": 2}], "tolerance": 0}, "a93f16e323d01fec"),
        ({"kind": "function_tests", "entry_point": "f", "cases": [{"args": [1], "expected": 2}]}, "b777c838c44488b8"),
        ({"kind": "stdio_tests", "cases": [{"stdin": "1", "stdout": "2"}], "limits": {"cpu_seconds": 2}}, "0532d858ce5ef29b"),
        ({"kind": "assert_tests", "code": "assert f(1) == 2", "entry_point": ""}, "e1ff35d6300c89e2"),
        ({"kind": "math", "answer": "7", "literal": False}, "47563eb0e26db5b1"),
    ],
)  # fmt: skip
def test_a_reference_of_an_earlier_version_keeps_the_id_of_its_task(row, task_id):
    assert Task.make("x", "prompt", reference_from_dict(row)).id == task_id


def test_a_task_id_depends_on_content_and_nothing_else():
    one = Task.make("a", "2+2=", MathReference("4"), number=1)
    assert one.id == Task.make("b", "2+2=", MathReference("4"), number=2).id
    assert one.id != Task.make("a", "2+2=", MathReference("5")).id
    assert one.id != Task.make("a", "2+3=", MathReference("4")).id
    assert Task.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_literal_task_takes_a_number_that_is_written_out_and_no_expression_of_its_value():
    value, literal = (list(load("arithmetic", num_tasks=20, literal=literal)) for literal in (False, True))
    assert all(validate(task).valid for task in literal)
    assert not {task.id for task in value} & {task.id for task in literal}
    assert value[0].id == Task.make("", value[0].prompt, MathReference(value[0].reference.answer)).id
    for answer, written, other in (
        ("7", ["7", "7.0", "\\frac{7}{1}=7", "3+4=7", "x = 7", "seven", "\\$7"], ["3+4", "7+0", "14/2", "\\sqrt{49}", "7 \\cdot 1", "\\frac{7}{1}"]),
        ("-1/2", ["-1/2", "-0.5", "\\frac{-1}{2}"], ["-2/4", "1/2-1", "2^{-1}-1"]),
        ("1, 2", ["1, 2"], ["1, 1+1"]),
    ):  # fmt: skip
        for text in [*written, *other]:
            assert verify_answer(MathReference(answer), text).outcome == "correct", text
            assert (verify_answer(MathReference(answer, literal=True), text).outcome == "correct") == (
                text in written
            ), text


def test_a_task_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Task.make("a", "2+2=", MathReference("4")).source = "b"


def test_splits_of_arithmetic_share_no_task_and_no_row_of_the_corpus():
    train = {task.id for seed in range(5) for task in load("arithmetic", num_tasks=800, split="train", seed=seed)}
    test = {task.id: task for seed in range(5) for task in load("arithmetic", num_tasks=240, split="test", seed=seed)}
    assert not train & set(test)
    corpus = {prompt for prompt, _ in organic_corpus(20_000, seed=1)}
    assert not corpus & {task.prompt[0]["content"] for task in test.values()}


def test_arithmetic_is_the_same_for_the_same_seed_and_fresh_for_another():
    first, again, other = ([t.id for t in load("arithmetic", num_tasks=300, seed=seed)] for seed in (7, 7, 8))
    assert first == again
    assert len(set(first)) == 300
    assert len(set(first) & set(other)) < 0.5 * 300  # neighbouring seeds do not share their tasks, but for small sums


def test_corrupted_chains_end_in_a_wrong_answer_about_as_often_as_the_steps_say():
    rows = [
        (sum(map(int, p.rstrip("=").split("+"))), int(c.rpartition("####")[2]), p.count("+"))
        for p, c in organic_corpus(20_000)
    ]
    for steps in (1, 2, 3, 4):
        right = [want == got for want, got, count in rows if count == steps]
        assert abs(sum(right) / len(right) - 0.8**steps) < 0.04


def test_redundant_chains_say_the_same_at_a_random_length_and_only_repetition_minds():
    lengths = set()
    for redundancy in (0.3, 0.6):
        num_steps = num_restated = 0
        for prompt, chain in organic_corpus(4000, corruption=0.0, redundancy=redundancy):
            lines = (prompt + chain.partition("####")[0]).rstrip("=").split("=")
            once = [line for number, line in enumerate(lines) if not number or line != lines[number - 1]]
            plain = chain_of_thought(tuple(map(int, once[0].split("+"))), random.Random(0))
            assert "".join(line + "=" for line in once[1:]) + "####" + chain.rpartition("####")[2] == plain
            num_steps += len(once)
            num_restated += len(lines) - len(once)
            lengths.add(len(lines) - len(once))
            trace = trace_of(chain, str(sum(map(int, once[0].split("+")))), prompt)
            assert trace.verdict.outcome == "correct" and {name for name, rule in FILTERS.items() if rule(trace)} <= {
                "repetition"
            }
        assert num_restated / num_steps == pytest.approx(redundancy / (1 - redundancy), rel=0.1)
    assert lengths > set(range(8))


def test_more_arithmetic_than_there_is_says_so_instead_of_hanging():
    with pytest.raises(UserError, match="fewer than 500"):
        list(load("arithmetic", num_tasks=500, operands=[2]))


def test_every_arithmetic_reference_passes_its_own_verifier():
    assert all(validate(task).valid for task in load("arithmetic", num_tasks=200))


def test_unknown_sources_and_options_get_a_suggestion():
    with pytest.raises(UserError, match='did you mean "arithmetic"'):
        load("arithmetics")
    with pytest.raises(UserError, match='did you mean "num_tasks"'):
        load("arithmetic", num_task=3)
    with pytest.raises(UserError, match='needs "path"'):
        load("files")


def test_files_reads_jsonl_and_parquet_alike(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"q": "What is 2+3?", "a": "5", "hard": 1}, {"q": "What is 2*3?", "a": "6", "hard": 2}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    read = [
        list(
            load("files", path=str(tmp_path / name), prompt="q", answer="a", difficulty="hard", template="Q: {problem}")
        )
        for name in ("t.jsonl", "t.parquet")
    ]
    assert read[0] == read[1]
    assert read[0][1].prompt[0]["content"] == "Q: What is 2*3?"
    assert read[0][1].metadata["difficulty"] == 2


def test_files_takes_references_of_any_kind(tmp_path):
    reference = {"kind": "function_tests", "entry_point": "f", "cases": [{"args": [], "expected": 1}]}
    (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": "write f", "reference": reference}))
    (task,) = load("files", path=str(tmp_path / "t.jsonl"), reference="reference")
    assert isinstance(task.reference, FunctionTests)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"prompt": "x", "answer": "1"}\n{"prompt"', "line 2"),
        ("[1]", "line 1"),
        ('{"prompt": "x"}', 'no column "answer"'),
        ('{"prompt": " ", "answer": "1"}', 'row 1: column "prompt" is empty'),
    ],
)
def test_a_broken_file_of_tasks_is_named_with_its_place(tmp_path, text, named):
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(UserError, match=named):
        list(load("files", path=str(tmp_path / "t.jsonl")))


@needs_shared
@pytest.mark.parametrize(
    ("source", "file", "count"), [("gsm8k", "gsm8k_test.jsonl", 1319), ("math500", "math500.jsonl", 500)]
)
def test_every_reference_of_the_real_sources_passes_its_own_verifier(source, file, count):
    tasks = list(load(source, path=str(SHARED / "data" / file)))
    assert len(tasks) == len({task.id for task in tasks}) == count
    invalid = [validity for validity in map(validate, tasks) if not validity.valid]
    assert invalid == []
