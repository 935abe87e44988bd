"""The program verifier: right programs are accepted, whatever is wrong has its reason, a failed checker is no verdict."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import AssertTests, FunctionTests, Limits, StdioTests, UserError, load
from tests.program_cases.case import asserts, calls, prints
from tests.program_cases.honest import HONEST
from tests.shared_data import SHARED
from verifiers import programs, verify
from verifiers.programs import verify_program
from verifiers.programs.assertions import simple_calls
from verifiers.programs.comparison import equal, expected_from_json, expected_from_value, value_from_json, value_to_json
from verifiers.programs.extraction import extract_program
from verifiers.sandbox import pool
from verifiers.sandbox.errors import SandboxError
from verifiers.sandbox.inside import wire
from verifiers.sandbox.tiers import Settings, Tier

ADD = calls("add", ([1, 2], 3), ([2, 2], 4))
ADDS = "def add(a, b): return a + b"


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case.name)
def test_right_programs_are_accepted(case):
    verdict = verify_program(case.reference, case.program)
    assert verdict.reason == "match", f"{case.why}: {verdict}"
    assert re.fullmatch(r"programs@\d+\+(bubblewrap|landlock)(\+\w+=[\w.]+)*", verdict.verifier)


@pytest.mark.parametrize(
    ("program", "reference", "reason"),
    [
        ("def add(a, b): return 0", ADD, "mismatch"),
        ("def add(a, b): raise ValueError('no')", ADD, "exception"),
        ("def sub(a, b): return 0", ADD, "exception"),  # the function is not there
        ("def add(a, b:", ADD, "exception"),  # no Python
        ("I do not know.", ADD, "no_answer"),
        ("", ADD, "no_answer"),
        ("def add(a, b):\n    while True: pass", ADD, "timeout"),
        ("def add(a, b): return [0] * 10**10", ADD, "memory"),
        ("def add(a, b): return 'x' * (20 << 20)", ADD, "output_limit"),
        ("print('x' * (20 << 20))", prints(("", "x\n")), "output_limit"),
        ("import os\nos.fork()", prints(("", "x\n")), "refused"),
        (ADDS, asserts("assert add(1, 2) == 4"), "mismatch"),
        (ADDS, asserts("def check(f):\n    x = f(1, 2)\n    assert x == 4\n", "add"), "mismatch"),
        ("x = 1", asserts("def check(f):\n    x = f(1, 2)\n    assert x == 4\n", "add"), "exception"),
        (
            ADDS,
            asserts("assert add(1, 2) =="),
            "unsupported",
        ),  # the tests are no Python: nothing is said of the program
        (ADDS, asserts("import a_package_that_is_not_there\nassert add(1, 2) == 3"), "unsupported"),
        (ADDS, asserts("x = 1 + 1\nassert x == 2"), "unsupported"),  # tests that never call the program prove nothing
        (ADDS, asserts("x = add(1, 2)\nwhile True: pass"), "checker_timeout"),
    ],
)
def test_each_reason_has_its_cause(program, reference, reason):
    assert verify_program(reference, program).reason == reason


def test_humaneval_accepts_its_solutions_and_no_emptied_ones():
    if SHARED is None:
        pytest.skip("the shared data is not here")
    for line in (SHARED / "data" / "humaneval.jsonl").read_text().splitlines():
        row = json.loads(line)
        reference = AssertTests(row["test"], row["entry_point"])
        right = verify_program(reference, row["prompt"] + row["canonical_solution"])
        assert right.reason == "match", f"{row['task_id']}: {right}"
        if row["task_id"] != "HumanEval/39":  # emptied, its loop never ends: four seconds of CPU time
            emptied = re.sub(r"return .*", "return None", row["canonical_solution"])
            wrong = verify_program(reference, row["prompt"] + emptied)
            assert wrong.outcome == "wrong", f"{row['task_id']}: {wrong}"


def test_threads_share_the_sandbox():
    def one(number: int) -> bool:
        reference = calls("add", ([number, 1], number + 1))
        wrong = verify_program(reference, "def add(a, b): return a")
        return verify_program(reference, ADDS).outcome == "correct" and wrong.outcome == "wrong"

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(one, range(64)))


def test_ray_actors_verify():
    ray = pytest.importorskip("ray")
    started = not ray.is_initialized()
    if started:
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)

    @ray.remote(num_cpus=0)
    class Worker:
        def check(self, reference, program):
            return verify_program(reference, program)

    worker = Worker.remote()
    assert ray.get(worker.check.remote(ADD, ADDS)).outcome == "correct"
    assert ray.get(worker.check.remote(ADD, "def add(a, b): return 0")).outcome == "wrong"
    if started:
        ray.shutdown()


def test_sandbox_that_keeps_failing_gives_undecided(monkeypatch):
    def start(self, packages):
        raise SandboxError("no process can be made")

    pool.pool().tier()
    pool.close()
    monkeypatch.setattr(Tier, "start", start)
    monkeypatch.setattr("verifiers.programs._PAUSE_SECONDS", 0.0)
    verdict = verify(ADD, ADDS)
    assert (verdict.outcome, verdict.reason) == ("undecided", "checker_failure")


def test_nothing_runs_where_no_tier_holds(monkeypatch):
    monkeypatch.setattr("verifiers.sandbox.tiers.candidates", lambda settings: [])
    monkeypatch.setattr(pool, "_pool", pool.Pool(Settings()))
    verdict = verify_program(ADD, ADDS)
    assert (verdict.outcome, verdict.reason) == ("undecided", "unsupported")


def test_case_values_survive_json():
    for value in ([1, "a", None], (1, (2,)), {1: {2}}, frozenset([b"x"]), 2j, {"$set": [1]}, [True, 1.5], float("inf")):
        assert value_from_json(json.loads(json.dumps(value_to_json(value)))) == value
    with pytest.raises(UserError, match="is no value"):
        value_from_json({"$bytes": "zz"})


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_PLAIN)
def test_every_plain_value_equals_itself_over_the_wire(value):
    assert equal(expected_from_value(value), wire.decode_forms(wire.encode(value)))


@given(_PLAIN, _PLAIN)
def test_equal_values_have_equal_types(one, other):
    if equal(expected_from_value(one), wire.decode_forms(wire.encode(other))):
        assert type(one) is type(other)
        assert equal(expected_from_value(other), wire.decode_forms(wire.encode(one)))


@given(_PLAIN, _PLAIN)
def test_assertions_compare_as_python_does(one, other):
    assert equal(expected_from_value(one), wire.decode_forms(wire.encode(other)), python=True) == (one == other)


def test_answer_far_longer_than_the_wanted_value_is_not_read():
    long = [1] * 100_000
    assert programs._value([wire.encode(long)], expected_from_json(long)) == long
    assert programs._value([wire.encode(long)], expected_from_json([1])) is programs._MALFORMED
    assert programs._value(["1" + " " * 10_000], 1) == 1  # short ones are read whatever they are


def test_json_list_takes_any_sequence_and_a_tag_takes_one():
    tuple_form, list_form = wire.decode_forms(wire.encode((1, 2))), wire.decode_forms(wire.encode([1, 2]))
    assert equal(expected_from_json([1, 2]), tuple_form) and equal(expected_from_json([1, 2]), list_form)
    assert not equal(expected_from_json({"$list": [1, 2]}), tuple_form)
    assert not equal(expected_from_json({"$tuple": [1, 2]}), list_form)


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("```python\na = 1\n```", "a = 1\n"),
        ("draft\n```python\na = 1\n```\nfinal\n```python\na = 2\n```\n", "a = 2\n"),
        ("```python\na = 1\n```\noutput:\n```\n1\n```", "a = 1\n"),  # a block of output is no program
        ("```\na = 1\n```", "a = 1\n"),
        ("```Python\na = 1", "a = 1"),  # never closed
        ("~~~py\na = 1\n~~~", "a = 1\n"),
        ("1. so\n   ```python\n   def f():\n       return 1\n   ```", "def f():\n    return 1\n"),  # inside a list
        (
            '```python\nx = """\n```text\n"""\n```',
            'x = """\n```text\n"""\n',
        ),  # a fence with a language opens, never closes
        ("def f(): return 1", "def f(): return 1"),
        ("It is 4.", None),
        ("yes", None),
    ],
)
def test_program_is_the_last_python_block(completion, program):
    assert extract_program(completion) == program


def test_block_that_defines_the_function_goes_before_an_example():
    text = "```python\ndef f(x): return x\n```\nUse it so:\n```python\nprint(f(3))\n```"
    assert extract_program(text, "f") == "def f(x): return x\n"
    assert extract_program(text, "g") == "def f(x): return x\n\nprint(f(3))\n"  # blocks that belong together


def test_text_of_a_model_that_repeats_itself_is_read_in_linear_time():
    code = (
        "from verifiers.programs.extraction import extract_program\n"
        "for text in ('~' * 20000 + '`', '`' * 20000 + 'x`', '```python\\n' + '\\n' * 300000, '```python\\n' + ' \\n' * 300000):\n"
        "    extract_program(text, 'f')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # a quadratic reading takes hours


def test_only_simple_assertions_become_data():
    assert [call.expected for call in simple_calls("assert f(1, k=[2]) == (3, {4})\nassert 5 == f(-1)", "")] == [
        (3, {4}),
        5,
    ]
    for code in (
        "assert f(1) != 2",
        "assert f(x) == 1",
        "for i in 'ab':\n    assert f(i) == 1",
        "assert not f(1)",
        "f(1)",
    ):
        assert simple_calls(code, "") is None
    check = 'def check(candidate):\n    """Doc."""\n    assert candidate(1) == 2\n    assert True\n'
    assert [call.name for call in simple_calls(check, "g")] == ["g"]


def test_stdio_cases_share_one_limit():
    program = "import time\ninput()\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint(1)"
    cases = tuple({"stdin": "a", "stdout": "1\n"} for _ in range(3))
    assert verify_program(StdioTests(cases[:1], Limits(cpu_seconds=1.0)), program).reason == "match"
    assert verify_program(StdioTests(cases, Limits(cpu_seconds=1.0)), program).reason == "timeout"


def test_references_of_every_kind_reach_the_program_verifier():
    for reference in (
        ADD,
        asserts("assert add(1, 2) == 3"),
        FunctionTests("add", ADD.cases),
        StdioTests(({"stdin": "", "stdout": ""},)),
    ):
        assert verify(reference, ADDS).verifier.startswith("programs@2+")


def test_helper_that_tests_call_is_the_prompts_not_the_programs(tmp_path):
    row = {
        "task_id": "T/0",
        "entry_point": "root",
        "prompt": 'import math\n\ndef poly(c, x):\n    return c[0] + c[1] * x\n\ndef root(c):\n    """Find a zero of poly."""\n',
        "canonical_solution": "    return -c[0] / c[1]\n",
        "test": "def check(candidate):\n    for c in ([2, 4], [1, 8]):\n        assert math.fabs(poly(c, candidate(c))) < 1e-9\n",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (task,) = load("humaneval", path=str(tmp_path / "rows.jsonl"))
    assert verify(task, task.metadata["solution"]).reason == "match"
    assert verify(task, "def poly(c, x): return 0\ndef root(c): return 5").outcome == "wrong"
