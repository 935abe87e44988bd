"""Simple assertions as data: `assert f(args) == literal` and `assert abs(f(args) - literal) < literal` need no test code.

All or nothing: one statement that is not simple, and the whole test code runs in its own confined process instead.
"""

import ast
from dataclasses import dataclass, replace
from typing import Any

from verifiers.programs.extraction import parse_program


@dataclass(frozen=True, slots=True)
class Call:
    """One call and the value that it must give, by Python's == or, with a margin, as a number that near."""

    name: str
    args: list
    kwargs: dict
    expected: Any
    margin: float = 0.0  # largest absolute error
    line: int = 0  # of the test code


def simple_calls(code: str, entry_point: str) -> list[Call] | None:
    """The calls that test code asserts; None where the code is not simple or is no Python.

    With an entry point, the body of `check(candidate)` counts, else the module's own statements.
    """
    try:
        body = parse_program(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = None
    if entry_point:
        checks = [line for line in body if isinstance(line, ast.FunctionDef) and line.name == "check"]
        if len(checks) != 1 or not all(line is checks[0] or _is_idle(line) for line in body):
            return None
        parameters = [argument.arg for argument in checks[0].args.args]
        if len(parameters) != 1:
            return None
        names, body = {parameters[0]: entry_point}, checks[0].body
    calls = []
    for line in body:
        if _is_idle(line):
            continue
        call = _call(line, names)
        if call is None:
            return None
        calls.append(replace(call, line=line.lineno))
    return calls or None


def _is_idle(line: ast.stmt) -> bool:
    """A statement that neither tests nor computes: a docstring, `pass`, METADATA = literal, `assert True`."""
    if isinstance(line, ast.Pass):
        return True
    if isinstance(line, ast.Expr):
        return isinstance(line.value, ast.Constant)
    if isinstance(line, ast.Assert):
        return isinstance(line.test, ast.Constant) and line.test.value is True
    return (
        isinstance(line, ast.Assign) and _literal(line.value)[0] and all(isinstance(t, ast.Name) for t in line.targets)
    )


def _call(line: ast.stmt, names: dict[str, str] | None) -> Call | None:
    test = line.test if isinstance(line, ast.Assert) else None
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], ast.Eq):
        return _called(left, right, names) or _called(right, left, names)
    if isinstance(test.ops[0], (ast.Lt, ast.LtE)) and _is_distance(left):
        known, margin = _literal(right)
        if known and type(margin) is float and margin > 0:
            difference = left.args[0]
            return _called(difference.left, difference.right, names, margin)
    return None


def _is_distance(node: ast.expr) -> bool:
    """`abs(one - other)`"""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "abs":
        return False
    return len(node.args) == 1 and isinstance(node.args[0], ast.BinOp) and isinstance(node.args[0].op, ast.Sub)


def _called(call: ast.expr, value: ast.expr, names: dict[str, str] | None, margin: float = 0.0) -> Call | None:
    known, expected = _literal(value)
    if not known or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    name = call.func.id if names is None else names.get(call.func.id)
    if name is None or any(keyword.arg is None for keyword in call.keywords):
        return None
    if margin and (type(expected) not in (int, float) or name == "abs"):
        return None
    args = [_literal(argument) for argument in call.args]
    kwargs = {keyword.arg: _literal(keyword.value) for keyword in call.keywords}
    if not all(known for known, _ in (*args, *kwargs.values())):
        return None
    return Call(name, [arg for _, arg in args], {key: arg for key, (_, arg) in kwargs.items()}, expected, margin)


def _literal(node: ast.expr) -> tuple[bool, Any]:
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False, None
