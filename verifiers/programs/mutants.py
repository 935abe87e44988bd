"""Wrong programs made from a right one: one small change each, as a programmer or a model slips.

Operators as in mutation testing (DeMillo, Lipton, Sayward 1978): constants, comparisons, arithmetic, boolean connectives,
negated conditions, dropped statements, range and slice ends.
"""

import ast
import copy
import random
from collections.abc import Iterator

_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Div: (ast.FloorDiv,), ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip


def mutants(program: str, entry_point: str, most: int, seed: int) -> list[str]:
    """Up to `most` different programs, each one change away from `program`; a random choice where there are more."""
    tree = ast.parse(program)
    original = ast.unparse(tree)
    found = {}
    for position, node in enumerate(ast.walk(tree)):
        for number, _ in enumerate(_changes(copy.deepcopy(node))):
            text = _changed(tree, position, number)
            if text is not None and text != original:
                found[text] = None
    texts = sorted(found)
    random.Random(f"{seed} {entry_point}").shuffle(texts)
    return texts[:most]


def _changed(tree: ast.Module, position: int, number: int) -> str | None:
    """The program with one change made in a copy: the `number`-th of the node at `position`."""
    other = copy.deepcopy(tree)
    node = next(node for index, node in enumerate(ast.walk(other)) if index == position)
    for index, _ in enumerate(_changes(node)):
        if index == number:
            return ast.unparse(ast.fix_missing_locations(other))
    return None


def _changes(node: ast.AST) -> Iterator[None]:
    """Make the changes of one node in place, one at a time; each stands while the iterator waits."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        before = node.value
        for node.value in (before + 1, before - 1):
            yield
        node.value = before
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        node.value = not node.value
        yield
        node.value = not node.value
    elif isinstance(node, ast.Compare):
        before = node.ops[0]
        for kind in _COMPARISONS[type(before)]:
            node.ops[0] = kind()
            yield
        node.ops[0] = before
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _ARITHMETIC:
        before = node.op
        for kind in _ARITHMETIC[type(before)]:
            node.op = kind()
            yield
        node.op = before
    elif isinstance(node, ast.BoolOp):
        before = node.op
        node.op = ast.Or() if isinstance(before, ast.And) else ast.And()
        yield
        node.op = before
    yield from _structural_changes(node)


def _structural_changes(node: ast.AST) -> Iterator[None]:
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        before = node.test
        node.test = ast.UnaryOp(ast.Not(), before)
        yield
        node.test = before
    for name in ("body", "orelse"):
        body = getattr(node, name, None)
        if isinstance(body, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
            for index, statement in enumerate(body):
                if isinstance(statement, (ast.Assign, ast.AugAssign, ast.If, ast.Return)):
                    body[index] = ast.Pass()
                    yield
                    body[index] = statement
