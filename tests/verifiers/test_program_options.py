"""Options of the references of programs: what each accepts and refuses."""

import shutil

import pytest

from tasks import Task, reference_from_dict
from tests.program_cases.cheats import cheats
from verifiers.kinds import verifier_of
from verifiers.programs import checkers, verify_program
from verifiers.programs.output import same_output
from verifiers.validation import validate

_SORTS = "def check(input, output, expected):\n    return sorted(output.split()) == sorted(expected.split())\n"
_SUMS = "def check(args, result, expected):\n    assert sum(result) == args[0]\n    return len(result) == 2\n"
_PRINTS = {"stdin": "", "stdout": "1 2\n"}
_PAIR = {"args": [5], "expected": [2, 3]}
_TREES = """class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right
def leaves(root): return [] if root is None else [root.val, leaves(root.left), leaves(root.right)]
"""
_INVERT = """def check(candidate):
    root = candidate(TreeNode(4, TreeNode(2), TreeNode(7)))
    assert leaves(root) == [4, [7, [], []], [2, [], []]]
"""


def _stdio(**options) -> dict:
    return {"kind": "stdio_tests", "cases": [_PRINTS], **options}


def _calls(**options) -> dict:
    return {"kind": "function_tests", "entry_point": "f", "cases": [_PAIR], **options}


@pytest.mark.parametrize(
    ("reference", "program", "reason"),
    [
        (_stdio(compare="tokens"), "print(1)\nprint(2)", "match"),
        (_stdio(), "print(1)\nprint(2)", "mismatch"),
        (_stdio(checker=_SORTS), "print(2, 1)", "match"),
        (_stdio(checker=_SORTS), "print(2, 2)", "mismatch"),
        (_stdio(checker="def check(a, b, c): return 1 / 0"), "print(2, 2)", "checker_failure"),
        (_stdio(checker="def check(a, b, c):\n    while True: pass"), "print(2, 2)", "checker_timeout"),
        (_calls(checker=_SUMS), "def f(n): return [n, 0]", "match"),
        (_calls(checker=_SUMS), "def f(n): return [n, 1]", "mismatch"),
        (_calls(checker=_SUMS), "class E(list):\n    def __len__(s): return 2\ndef f(n): return E([5])", "mismatch"),
        (_calls(checker=_SUMS), "class E:\n    def __iter__(s): return iter([5, 0])\ndef f(n): return E()", "mismatch"),
        (_calls(checker=_SUMS), "import os\ndef f(n): os.write(4, b'[\"value\", \"true\"]\\n')", "mismatch"),
        (_calls(unordered=True), "def f(n): return (3, 2)", "match"),
        (_calls(unordered=True), "def f(n): return [3, 3]", "mismatch"),
        (_calls(), "def f(n): return [3, 2]", "mismatch"),
        (_calls(int_is_float=True), "def f(n): return [2.0, 3]", "match"),
        (_calls(int_is_float=True), "def f(n): return [2.5, 3]", "mismatch"),
        (_calls(int_is_float=True, cases=[{"args": [1], "expected": True}]), "def f(n): return 1", "mismatch"),
        (_calls(), "def f(n): return [2.0, 3]", "mismatch"),
        (_calls(cases=[{"args": [3], "kwargs": {"k": 2}, "expected": 5}]), "def f(a, k=0): return a + k", "match"),
        (_calls(cases=[{"args": [[3, 1]], "expected": 2, "after": [[1, 3]]}]), "def f(a): a.sort(); return 2", "match"),
        (_calls(cases=[{"args": [[3, 1]], "expected": 2, "after": [[1, 3]]}]), "def f(a): return 2", "mismatch"),
        (_calls(cases=[{"args": [[3, 1]], "expected": [1, 3]}]), "def f(a): a.sort()", "match"),  # changed in place
        (_calls(cases=[{"args": [[1, 3]], "expected": [1, 3]}]), "def f(a): pass", "mismatch"),  # nothing was done
        (_calls(), "async def f(n): return [2, 3]", "match"),
        (_calls(cases=[{"args": [2], "expected": [0, 1]}]), "def f(n): return map(int, '01')", "match"),
        (_calls(cases=[{"args": [2], "expected": {"$list": [0, 1]}}]), "def f(n): return range(2)", "mismatch"),
        (_calls(entry_point="Solution().f"), "class Solution:\n    def f(self, n): return [2, 3]", "match"),
        (_calls(), "from heapq import *\nclass Other:\n    def f(self, n): return [2, 3]", "match"),
        (_calls(prelude="from typing import *\n"), "class Solution:\n    def f(self, n: int) -> List[int]: return [2, 3]", "match"),
        (_calls(packages=["no_such_package"]), "import no_such_package\ndef f(n): return [2, 3]", "unsupported"),
        (_calls(packages=["no_such_package"]), "def f(n): return [2, 3]", "match"),  # it does without
        (
            {"kind": "assert_tests", "entry_point": "f", "prelude": "def f(x):\n", "code": "def check(c):\n    assert c(3) == 6\n"},
            "    return 2 * x\n",  # a bare body
            "match",
        ),
        (
            {"kind": "assert_tests", "entry_point": "invert", "prelude": _TREES, "code": _INVERT},
            "def invert(t):\n    if t: t.left, t.right = invert(t.right), invert(t.left)\n    return t",
            "match",
        ),
        (
            {"kind": "assert_tests", "entry_point": "invert", "prelude": _TREES, "code": _INVERT},
            "def leaves(t): return [4, [7, [], []], [2, [], []]]\ndef invert(t): return t",  # the helper is the prelude's
            "mismatch",
        ),
    ],
)  # fmt: skip
def test_options_mean_what_they_say(reference, program, reason, monkeypatch):
    monkeypatch.setattr(checkers, "_CPU_SECONDS", 1.0)  # for the checker that never ends
    assert verify_program(reference_from_dict(reference), program).reason == reason


@pytest.mark.parametrize(
    ("output", "wanted", "same"),
    [
        ("0.3333333", "0.33333333", True),
        ("1e-9", "0.0", True),
        ("4", "3", False),  # two integers are compared exactly
        ("3.0000001", "3", True),
        ("nan", "0.5", False),
        ("inf", "0.5", False),
        ("0.5 a", "0.5 b", False),
        ("0.5\n0.5", "0.5 0.5", False),
        ("1_0.0", "10.0", False),
    ],
)
def test_tolerance_is_for_decimal_numbers(output, wanted, same):
    assert same_output(output.encode(), wanted.encode(), 1e-6) is same


def test_time_limit_of_a_case_is_its_own():
    program = "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\nprint(1)"
    cases = [{"stdin": "0.1", "stdout": "1\n"}, {"stdin": "0.6", "stdout": "1\n"}]
    reference = {"kind": "stdio_tests", "cases": cases, "limits": {"cpu_seconds": 4.0, "case_cpu_seconds": 0.4}}
    assert verify_program(reference_from_dict(reference), program).reason == "timeout"
    reference["limits"]["case_cpu_seconds"] = 2.0
    assert verify_program(reference_from_dict(reference), program).reason == "match"


def test_checker_that_takes_anything_is_found_by_validation():
    blind = reference_from_dict(_stdio(checker="def check(input, output, expected): return True"))
    sound = reference_from_dict(_stdio(checker=_SORTS))
    for reference, valid in ((blind, False), (sound, True)):
        assert validate(Task.make("t", "p", reference, solution="print(1, 2)")).valid is valid


def test_missing_package_is_named_before_a_run():
    reference = reference_from_dict(_calls(packages=["no_such_package"]))
    assert any("no_such_package" in one for one in verifier_of(reference).obstacles([reference]))


def test_reference_whose_tests_do_not_run_whole_is_no_valid_one():
    code = "y = f(1)\ndef check(candidate):\n    assert candidate(2) == 3\n"
    reference = reference_from_dict({"kind": "assert_tests", "code": code})
    found = validate(Task.make("t", "p", reference, solution="def f(x): return x + 1"))
    assert found.valid is False and "check" in found.fault


@pytest.mark.parametrize("name", cheats("add"))
def test_no_generic_cheat_passes_a_check(name):
    code = (
        "def check(candidate):\n    for a, b in ((1, 2), (5, 7), (-4, 9)):\n        assert candidate(a, b) == a + b\n"
    )
    code += "        assert abs(candidate(a, b) - a - b) < 1e-6\n"
    reference = {"kind": "assert_tests", "code": code, "entry_point": "add", "limits": {"cpu_seconds": 1.0}}
    assert verify_program(reference_from_dict(reference), cheats("add")[name]).outcome == "wrong"


def _cpp(program: str, wanted: str, stdin: str = "", **options):
    cases = [{"stdin": stdin, "stdout": wanted}]
    return verify_program(
        reference_from_dict({"kind": "stdio_tests", "language": "cpp", "cases": cases, **options}), program
    )


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")
@pytest.mark.parametrize(
    ("program", "wanted", "reason"),
    [
        ("```cpp\n#include <bits/stdc++.h>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }\n```", "3", "match"),
        ("#include <cstdio>\nint main() { puts(\"4\"); }", "3", "mismatch"),
        ("int main() { return x; }", "", "exception"),
        ("int main() { for (volatile int i = 0;; i++); }", "", "timeout"),
        ("#include <vector>\nint main() { std::vector<char> v(3ll << 30, 1); return v[5] == 2; }", "", "memory"),
        ("#include <cstdio>\nint main() { puts(fopen(\"/etc/passwd\", \"r\") ? \"through\" : \"safe\"); }", "safe", "match"),
        ("#include <cstdio>\n#include <unistd.h>\nint main() { puts(fork() < 0 ? \"safe\" : \"through\"); }", "safe", "match"),
        ("#include \"/etc/passwd\"\nint main() {}", "", "exception"),
        ("int main() { return 3; }", "", "exception"),
        ("#include <sys/resource.h>\nint main() { rlimit r = {0, 0}; setrlimit(RLIMIT_CPU, &r); for (;;); }", "", "refused"),
    ],
)  # fmt: skip
def test_cpp_is_compiled_and_run_confined(program, wanted, reason):
    verdict = _cpp(program, wanted, "1 2", limits={"cpu_seconds": 1.0})
    assert verdict.reason == reason, verdict
    assert "+g++=" in verdict.verifier


def test_other_languages_are_unsupported_by_name():
    reference = reference_from_dict({"kind": "stdio_tests", "cases": [_PRINTS], "language": "java"})
    verdict = verify_program(reference, "class Main {}")
    assert verdict.reason == "unsupported" and "java" in verdict.answer
