"""References: one frozen dataclass a kind, and their form as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Zero takes the verifier's default."""

    cpu_seconds: float = 0.0  # CPU time over all cases together
    memory_mb: int = 0  # address space, in units of 2**20 bytes


@dataclass(frozen=True, slots=True)
class MathReference:
    """A final answer; equal in value is correct."""

    answer: str  # LaTeX or plain text, as the source writes it
    literal: bool = False  # a number written out is asked for: 7, and not 3+4
    kind: str = field(default="math", init=False)


@dataclass(frozen=True, slots=True)
class FunctionTests:
    """Calls of one function and the values that it must return."""

    entry_point: str  # name of the function in the program
    cases: tuple[Mapping[str, Any], ...]  # each {"args": [...], "expected": value}
    tolerance: float = 0.0  # largest absolute or relative error of a float; 0 means exact
    limits: Limits = Limits()
    kind: str = field(default="function_tests", init=False)


@dataclass(frozen=True, slots=True)
class StdioTests:
    """Runs of a whole program: text in, text out."""

    cases: tuple[Mapping[str, str], ...]  # each {"stdin": text, "stdout": text}
    limits: Limits = Limits()
    kind: str = field(default="stdio_tests", init=False)


@dataclass(frozen=True, slots=True)
class AssertTests:
    """Test code as HumanEval (`check(candidate)`) and MBPP (`assert ...` lines) write it."""

    code: str  # Python source of the tests
    entry_point: str = ""  # with a name: `check` is called on that function of the program
    limits: Limits = Limits()
    kind: str = field(default="assert_tests", init=False)


Reference = MathReference | FunctionTests | StdioTests | AssertTests
_KINDS = {
    "math": MathReference,
    "function_tests": FunctionTests,
    "stdio_tests": StdioTests,
    "assert_tests": AssertTests,
}
_FIELDS = {
    "math": ({"answer": str}, {"literal": bool}),
    "function_tests": ({"entry_point": str, "cases": list}, {"tolerance": (int, float), "limits": dict}),
    "stdio_tests": ({"cases": list}, {"limits": dict}),
    "assert_tests": ({"code": str}, {"entry_point": str, "limits": dict}),
}
_CASE_KEYS = {"function_tests": {"args", "expected"}, "stdio_tests": {"stdin", "stdout"}}


def reference_from_dict(row: Any) -> Reference:
    """The reference that a JSON object describes; UserError names the key that is wrong."""
    if not isinstance(row, Mapping):
        raise UserError(f"reference must be an object with a kind, not {row!r:.80}")
    kind = row.get("kind")
    if kind not in _KINDS:
        raise UserError(f"reference kind {kind!r} is unknown; one of {', '.join(_KINDS)}")
    required, optional = _FIELDS[kind]
    allowed = required | optional
    for key in row:
        if key != "kind" and key not in allowed:
            raise UserError(f'unknown key "{key}" in a {kind} reference; allowed: {", ".join(allowed)}')
    for key in required:
        if key not in row:
            raise UserError(f'a {kind} reference needs the key "{key}"')
    for key, value in row.items():
        wanted = allowed.get(key, str)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            name = wanted.__name__ if isinstance(wanted, type) else "number"
            raise UserError(f'"{key}" of a {kind} reference must be a {name}, not {value!r:.80}')
    fields = {key: value for key, value in row.items() if key != "kind"}
    if "cases" in fields:
        fields["cases"] = tuple(_case(kind, case, number) for number, case in enumerate(fields["cases"]))
        if not fields["cases"]:
            raise UserError(f"a {kind} reference needs at least one case")
    if "limits" in fields:
        fields["limits"] = _limits(fields["limits"])
    return _KINDS[kind](**fields)


def reference_to_dict(reference: Reference) -> dict[str, Any]:
    """The JSON object of a reference, without what stands at its default."""
    row: dict[str, Any] = {"kind": reference.kind}
    for name in type(reference).__dataclass_fields__:
        value = getattr(reference, name)
        if name == "kind" or (
            name in ("literal", "tolerance", "entry_point") and not value and reference.kind != "function_tests"
        ):
            continue
        if name == "limits":
            limits = {key: getattr(value, key) for key in Limits.__dataclass_fields__ if getattr(value, key)}
            if limits:
                row["limits"] = limits
        elif name == "cases":
            row["cases"] = [dict(case) for case in value]
        else:
            row[name] = value
    return row


def _case(kind: str, case: Any, number: int) -> Mapping[str, Any]:
    keys = _CASE_KEYS[kind]
    if not isinstance(case, Mapping) or set(case) != keys:
        raise UserError(f"case {number} of a {kind} reference must have the keys {sorted(keys)}, not {case!r:.80}")
    if kind == "function_tests" and not isinstance(case["args"], list):
        raise UserError(f'"args" of case {number} must be a list, not {case["args"]!r:.80}')
    if kind == "stdio_tests" and not all(isinstance(case[key], str) for key in keys):
        raise UserError(f"stdin and stdout of case {number} must be text")
    return case


def _limits(row: Mapping[str, Any]) -> Limits:
    for key, value in row.items():
        if key not in Limits.__dataclass_fields__:
            raise UserError(f'unknown limit "{key}"; allowed: {", ".join(Limits.__dataclass_fields__)}')
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
            raise UserError(f'limit "{key}" must be a number above 0, not {value!r:.80}')
    return Limits(**row)
