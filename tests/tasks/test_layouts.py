"""Layouts of published sets: a row of each becomes a task whose reference takes the set's solution and no wrong one."""

import base64
import json
import pickle
import zlib

import pytest

from tasks import UserError, load
from tasks.sources.layouts import LAYOUTS
from verifiers import verify
from verifiers.validation import validate

_TREE = "class TreeNode:\n    def __init__(self, val=0, left=None, right=None):\n        self.val, self.left, self.right = val, left, right\n"
_TESTS = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]
_SUM = "print(sum(map(int, input().split())))"


def _packed(tests: list) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


ROWS = {
    "humaneval": {"prompt": "def f(x):\n", "test": "def check(candidate):\n    assert candidate(1) == 2\n", "entry_point": "f", "canonical_solution": "    return x + 1\n"},
    "humaneval+": {"prompt": "def f(x):\n", "test": "import numpy as np\ndef check(candidate):\n    for a, b in [[1, 2], [3, 4]]:\n        assert np.allclose(candidate(a), b)\n", "entry_point": "f", "canonical_solution": "    return x + 1\n"},
    "mbpp": {"text": "Add one.", "code": "def f(x):\n    return x + 1", "test_setup_code": "", "test_list": ["assert f(1) == 2"], "challenge_test_list": ["assert f(5) == 6"]},
    "mbpp+": {"prompt": "Add one.", "code": "def f(x):\n    return x + 1", "test_imports": [], "test_list": ["assert f(1) == 2"], "test": "inputs = [[1], [5]]\nresults = [2, 6]\nfor args, want in zip(inputs, results):\n    assert f(*args) == want\n"},
    "leetcode": {"problem_description": "Invert a tree.", "starter_code": "class Solution:\n    def invert(self, root): ", "prompt": _TREE, "entry_point": "Solution().invert", "test": "def check(candidate):\n    root = candidate(root=TreeNode(1, TreeNode(2)))\n    assert root.left is None and root.right.val == 2\n", "completion": "class Solution:\n    def invert(self, root):\n        if root: root.left, root.right = self.invert(root.right), self.invert(root.left)\n        return root\n"},
    "kodcode": {"question": "Add one.", "solution": "def f(x):\n    return x + 1", "test": "from solution import f\n\ndef test_one():\n    assert f(1) == 2\n", "test_info": [{"function_declaration": "def f(x):"}]},
    "apps": {"question": "Add.", "solutions": json.dumps([_SUM]), "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})},
    "taco": {"question": "Add.", "solutions": json.dumps(["def f(a, b): return a + b"]), "starter_code": "def f(a, b):", "input_output": json.dumps({"fn_name": "f", "inputs": [[1, 2]], "outputs": [[3]]})},
    "code_contests": {"description": "Add.", "public_tests": {"input": ["1 2\n"], "output": ["3\n"]}, "private_tests": {"input": [], "output": []}, "solutions": {"language": [2, 3], "solution": ["int main(){}", _SUM]}, "time_limit": {"seconds": 1, "nanos": 0}, "memory_limit_bytes": 256000000},
    "livecodebench": {"question_content": "Add.", "public_test_cases": json.dumps(_TESTS), "private_test_cases": _packed(_TESTS)},
}  # fmt: skip


def _task(tmp_path, layout: str, row: dict):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (task,) = load("files", path=str(tmp_path / "rows.jsonl"), layout=layout)
    return task


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_becomes_a_task_that_its_own_solution_passes(tmp_path, layout):
    task = _task(tmp_path, layout, ROWS[layout])
    assert task.metadata["license"] == LAYOUTS[layout].license
    assert validate(task).valid is (None if layout == "livecodebench" else True)
    for wrong in ("def f(*args): return 0\nprint(0)", "class Solution:\n    def invert(self, root): return root"):
        assert verify(task, wrong).outcome == "wrong"


def test_earlier_editions_of_kodcode_name_their_tests_otherwise(tmp_path):
    row = {("test_code" if name == "test" else name): value for name, value in ROWS["kodcode"].items()}
    assert validate(_task(tmp_path, "kodcode", row)).valid is True


@pytest.mark.parametrize(
    "completion", ["    return x + 1\n", "```python\nreturn x + 1\n```", "def f(x: Any): return x + 1"]
)
def test_rows_of_humaneval_take_bodies_and_the_imports_of_their_prompt(tmp_path, completion):
    row = ROWS["humaneval"] | {"prompt": 'from typing import Any\n\ndef f(x):\n    """Add one."""\n'}
    assert verify(_task(tmp_path, "humaneval", row), completion).outcome == "correct"


def test_functional_tests_of_livecodebench_call_the_method(tmp_path):
    tests = [{"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}]
    row = {"question_content": "q", "public_test_cases": json.dumps(tests), "metadata": json.dumps({"func_name": "f"})}
    task = _task(tmp_path, "livecodebench", row)
    assert (
        verify(task, "class Solution:\n    def f(self, a: List[int], b: int) -> int: return sum(a) + b").outcome
        == "correct"
    )


def test_packed_tests_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    row = dict(ROWS["livecodebench"], private_test_cases=base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode())
    with pytest.raises(UserError, match="print"):
        _task(tmp_path, "livecodebench", row)


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="humaneval"):
        _task(tmp_path, "humanevil", ROWS["humaneval"])
    with pytest.raises(UserError, match="entry_point"):
        _task(tmp_path, "humaneval", {"prompt": "p", "test": "t"})
