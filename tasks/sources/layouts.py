"""Rows of published sets of programs, turned into tasks: `layout = "..."` of the source `files` names one.

Each layout says which columns it reads, under which licence the set is published, and gives the prompt, the reference and
the set's own solution, by which `selfplay tasks --validate` tests the reference.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.errors import UserError, did_you_mean
from tasks.references import AssertTests, Call, Exchange, FunctionTests, Limits, Reference, StdioTests
from tasks.sources.humaneval import TEMPLATE, own_helpers

_ASK = "\n\nAnswer with the whole program in one code block."
_READ = (
    "\n\nThe program reads standard input and writes standard output. Answer with the whole program in one code block."
)
_PYTHON3 = 3  # of CodeContests' solutions; 2 is C++
_MAX_CASES = 100  # of one task: some sets hold tens of thousands of lines of input
_IMPORTED = """\
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, sys
from bisect import bisect_left, bisect_right, insort
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from functools import cache, cmp_to_key, lru_cache, reduce
from heapq import heapify, heappop, heappush, heappushpop, heapreplace, nlargest, nsmallest
from itertools import accumulate, chain, combinations, count, groupby, permutations, product, zip_longest
from math import ceil, comb, factorial, floor, gcd, inf, log, log2, sqrt
from typing import *
"""  # solutions of functional problems are published for sites that import these


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a task."""

    prompt: str
    reference: Reference
    solution: str  # empty where the set gives none


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one published set are read."""

    columns: tuple[str, ...]  # that a row must have
    license: str  # of the set as it is published
    read: Callable[[dict[str, Any]], Row]


def row_of(layout: str, row: dict[str, Any], where: str) -> Row:
    """A row of a published set as a task; UserError where it is not of that form."""
    if layout not in LAYOUTS:
        raise UserError(f'layout "{layout}" is unknown{did_you_mean(layout, LAYOUTS)}; one of {", ".join(LAYOUTS)}')
    missing = [name for name in LAYOUTS[layout].columns if row.get(name) is None]
    if missing:
        raise UserError(
            f'{where}: rows of the layout "{layout}" have the columns {", ".join(missing)}, this one has not'
        )
    try:
        return LAYOUTS[layout].read(row)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f'{where} is no row of the layout "{layout}": {type(error).__name__}: {error}') from None


def _humaneval(row: dict[str, Any]) -> Row:
    tests = AssertTests(own_helpers(row) + row["test"], row["entry_point"], prelude=row["prompt"])
    return Row(TEMPLATE.format(problem=row["prompt"]), tests, row["prompt"] + row.get("canonical_solution", ""))


def _mbpp(row: dict[str, Any]) -> Row:
    text = row.get("text") or row.get("prompt")
    head = row.get("test_imports") or ([row["test_setup_code"]] if row.get("test_setup_code") else [])
    tests = list(row["test_list"])
    shown = "\n".join(tests)
    code = row.get("test") or "\n".join([*head, *tests, *(row.get("challenge_test_list") or ())])
    prompt = f"{text}\n\nThe program has to pass these tests:\n\n```python\n{shown}\n```{_ASK}"
    return Row(prompt, AssertTests(code + "\n"), row.get("code", ""))


def _leetcode(row: dict[str, Any]) -> Row:
    tests = AssertTests(row["test"], row["entry_point"], prelude=row["prompt"])
    prompt = f"{row['problem_description']}\n\n```python\n{row['starter_code']}\n```{_ASK}"
    return Row(prompt, tests, row.get("completion", ""))


def _kodcode(row: dict[str, Any]) -> Row:
    heads = "\n".join(one["function_declaration"] for one in row.get("test_info") or ())
    named = f"\n\nThe tests call:\n\n```python\n{heads}\n```" if heads else ""
    return Row(
        f"{row['question']}{named}{_ASK}", AssertTests(row.get("test") or row["test_code"]), row.get("solution", "")
    )


def _apps(row: dict[str, Any]) -> Row:
    tests = _json(row["input_output"])
    solutions = _json(row.get("solutions") or "[]")
    inputs, outputs = tests["inputs"][:_MAX_CASES], tests["outputs"][:_MAX_CASES]
    starter = row.get("starter_code") or ""
    solution = solutions[0] if solutions else ""
    if tests.get("fn_name"):
        prompt = f"{row['question']}\n\n```python\n{starter}\n```{_ASK}" if starter else row["question"] + _ASK
        return Row(prompt, _calls(tests["fn_name"], inputs, map(_single, outputs)), solution)
    return Row(row["question"] + _READ, _runs(inputs, outputs), solution)


def _code_contests(row: dict[str, Any]) -> Row:
    inputs, outputs = [], []
    for name in ("public_tests", "private_tests", "generated_tests"):
        inputs += (row.get(name) or {}).get("input", [])
        outputs += (row.get(name) or {}).get("output", [])
    limit = row.get("time_limit") or {}
    seconds = (limit.get("seconds") or 0) + (limit.get("nanos") or 0) / 1e9
    memory = (row.get("memory_limit_bytes") or 0) >> 20
    solutions = row.get("solutions") or {"language": [], "solution": []}
    ours = [text for kind, text in zip(solutions["language"], solutions["solution"], strict=True) if kind == _PYTHON3]
    num = min(len(inputs), _MAX_CASES)
    limits = Limits(cpu_seconds=3.0 * seconds * num, memory_mb=memory, case_cpu_seconds=3.0 * seconds)  # for Python
    return Row(row["description"] + _READ, _runs(inputs[:num], outputs[:num], limits), ours[0] if ours else "")


def _livecodebench(row: dict[str, Any]) -> Row:
    tests = _json(row["public_test_cases"]) + _hidden_tests(row.get("private_test_cases") or "[]")
    tests, starter = tests[:_MAX_CASES], row.get("starter_code") or ""
    inputs, outputs = [one["input"] for one in tests], [one["output"] for one in tests]
    if tests[0]["testtype"] == "functional":
        name = _json(row["metadata"])["func_name"]
        arguments = ([json.loads(line) for line in text.splitlines() if line.strip()] for text in inputs)
        prompt = f"{row['question_content']}\n\n```python\n{starter}\n```{_ASK}"
        return Row(prompt, _calls(name, arguments, map(json.loads, outputs)), "")
    return Row(row["question_content"] + _READ, _runs(inputs, outputs), "")


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _single(output: Any) -> Any:
    """The sets put a returned value into a list of one."""
    return output[0] if isinstance(output, list) and len(output) == 1 else output


def _calls(name: str, inputs, outputs) -> FunctionTests:
    cases = tuple(Call(args=list(args), expected=value) for args, value in zip(inputs, outputs, strict=True))
    return FunctionTests(name, cases, prelude=_IMPORTED)


def _runs(inputs, outputs, limits: Limits | None = None) -> StdioTests:
    cases = tuple(Exchange(stdin=_lines(one), stdout=_lines(two)) for one, two in zip(inputs, outputs, strict=True))
    return StdioTests(cases, limits=limits or Limits())


def _lines(text: Any) -> str:
    return "\n".join(map(str, text)) + "\n" if isinstance(text, list) else str(text)


class _TextOnly(pickle.Unpickler):
    """Reads a pickled text; a pickle that asks for any class or function is refused."""

    def find_class(self, module: str, name: str):
        raise ValueError(f"a pickle that holds {module}.{name}")


def _hidden_tests(text: str) -> list[dict[str, Any]]:
    """Test cases as JSON, or as LiveCodeBench packs them: JSON text, pickled, compressed, in base 64."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        packed = zlib.decompress(base64.b64decode(text))
    try:
        return json.loads(_TextOnly(io.BytesIO(packed)).load())
    except (pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise ValueError(f"hidden tests that cannot be read: {error}") from None


LAYOUTS = {
    "humaneval": Layout(("prompt", "test", "entry_point"), "MIT", _humaneval),
    "humaneval+": Layout(("prompt", "test", "entry_point"), "Apache-2.0", _humaneval),
    "mbpp": Layout(("test_list",), "CC-BY-4.0", _mbpp),
    "mbpp+": Layout(("prompt", "test"), "Apache-2.0", _mbpp),
    "leetcode": Layout(
        ("problem_description", "starter_code", "prompt", "entry_point", "test"), "Apache-2.0", _leetcode
    ),
    "kodcode": Layout(("question",), "CC-BY-NC-4.0", _kodcode),
    "apps": Layout(("question", "input_output"), "MIT", _apps),
    "taco": Layout(("question", "input_output"), "Apache-2.0", _apps),
    "code_contests": Layout(("description", "public_tests"), "CC-BY-4.0", _code_contests),
    "livecodebench": Layout(("question_content", "public_test_cases"), "CC", _livecodebench),
}
