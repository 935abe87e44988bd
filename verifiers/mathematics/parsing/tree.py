"""The value tree: what a text means, before anything is compared.

Expressions
    num(Fraction)  sym(name)  const("pi" | "e" | "i" | "inf")  add(*terms)  mul(*factors)  pow(base, exponent)
    pm(value, sign)            both signs at once; sign is +1 for \\pm, -1 for \\mp
    call(name, *arguments)     a known function; log carries its base: call("log", base, x)
    apply(name, *arguments)    an unknown function, such as f(2)
    sub(name, index)           a symbol with an index, such as F_{n-1}
    sum / prod / integral (variable, low, high, body)  limit(variable, point, body, side)
Answers
    list(*items)  either(*items): parted by "or" alone  set(*items)  bracket(open, close, *items)  builder(variable, *conditions)  matrix(rows)
    relation(operators, *sides)  union(*sets)  meet(*sets)  minus(set, set)  region("R" | "Z" | ...)  empty()
    ratio(*parts)  quantity(value, unit)  percent(value)  based(digits, base)  text(words)  choice(letter, content)
    cases(*list(value, condition))  approx(exact, decimal)  dots()  clock(minutes[, "AM or PM" where neither is written])  date(year, month, day)
    where(value, conditions): qualified in words  unread(text): signs of mathematics that make none  deep(text): nested too deep to read in this process
"""

from fractions import Fraction
from typing import Any, NamedTuple


class Node(NamedTuple):
    kind: str
    args: tuple[Any, ...]


def num(value: int | Fraction) -> Node:
    return Node("num", (Fraction(value),))


def sym(name: str) -> Node:
    return Node("sym", (name,))


def call(name: str, *arguments: Node) -> Node:
    return Node("call", (name, *arguments))


def neg(value: Node) -> Node:
    if value.kind == "num":
        return num(-value.args[0])
    return times(MINUS_ONE, value)


def times(left: Node, right: Node) -> Node:
    """A product; a unit written at the last factor is that of the whole: 2 * 30 degrees, 270/7 degrees."""
    if right.kind in _MEASURED and left.kind not in _MEASURED:
        return Node(right.kind, (times(left, right.args[0]), *right.args[1:]))
    return Node("mul", (left, right))


def plus(terms: tuple[Node, ...]) -> Node:
    """A sum; terms that all carry the same unit add up under it."""
    first = terms[0]
    if first.kind in _MEASURED and all(term.kind == first.kind and term.args[1:] == first.args[1:] for term in terms):
        return Node(first.kind, (Node("add", tuple(term.args[0] for term in terms)), *first.args[1:]))
    return Node("add", terms)


def div(top: Node, bottom: Node) -> Node:
    if bottom.kind in _MEASURED and top.kind not in _MEASURED:
        return Node(bottom.kind, (div(top, bottom.args[0]), *bottom.args[1:]))
    return Node("mul", (top, Node("pow", (bottom, MINUS_ONE))))


def root(value: Node, degree: Node) -> Node:
    return Node("pow", (value, Node("pow", (degree, MINUS_ONE))))


_MEASURED = frozenset(["degree", "percent", "quantity"])
MINUS_ONE = num(-1)
ONE = num(1)
ZERO = num(0)
UNWRITTEN_BASE = Node("num", (Fraction(10), "unwritten"))  # of \log: ten, or e if the other side is in terms of \ln
PI = Node("const", ("pi",))
E = Node("const", ("e",))
I = Node("const", ("i",))
INFINITY = Node("const", ("inf",))


def contains(node: Any, kinds: frozenset[str]) -> bool:
    """Whether a node of one of the kinds stands anywhere in the tree; iterative, for trees of any depth."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, Node):
            if current.kind in kinds:
                return True
            stack.extend(current.args)
        elif isinstance(current, tuple):
            stack.extend(current)
    return False


def rational(node: Node) -> Fraction | None:
    """The value of a number, a signed number or a plain quotient of numbers; None for anything else."""
    if node.kind == "num":
        return node.args[0]
    if node.kind == "mul" and len(node.args) == 2:
        left, right = rational(node.args[0]), rational(node.args[1])
        return None if left is None or right is None else left * right
    if node.kind == "pow" and node.args[1] == MINUS_ONE:
        base = rational(node.args[0])
        return 1 / base if base else None
    if node.kind == "add" and len(node.args) == 2:
        left, right = rational(node.args[0]), rational(node.args[1])
        return None if left is None or right is None else left + right
    return None


def substituted(node: Node, variable: Node, value: Node) -> Node:
    """The tree with a letter replaced; indices such as F_k follow their letter."""
    if node == variable:
        return value
    if node.kind == "sym" and variable.kind == "sym" and node.args[0].endswith("_" + variable.args[0]):
        return Node("sub", (node.args[0][: -len(variable.args[0]) - 1], value))
    if node.kind in ("num", "sym", "const", "text"):
        return node
    return Node(
        node.kind, tuple(substituted(part, variable, value) if isinstance(part, Node) else part for part in node.args)
    )


def letters(node: Node) -> set[str]:
    """The free letters of an expression."""
    if node.kind == "sym":
        return {node.args[0]}
    found: set[str] = set()
    for part in node.args:
        if isinstance(part, Node):
            found |= letters(part)
    if node.kind in ("sum", "prod", "limit"):
        found -= letters(node.args[0])
    return found


def function_names(node: Node) -> set[str]:
    found = {node.args[0]} if node.kind == "call" else set()
    for part in node.args:
        if isinstance(part, Node):
            found |= function_names(part)
    return found


def literal_bits(node: Node) -> int:
    if node.kind == "num":
        return node.args[0].numerator.bit_length() + node.args[0].denominator.bit_length()
    return sum(literal_bits(part) for part in node.args if isinstance(part, Node))


def symbol_in_exponent(pair: tuple[Node, Node]) -> bool:
    stack: list[Any] = list(pair)
    while stack:
        node = stack.pop()
        if node.kind == "pow" and letters(node.args[1]):
            return True
        stack.extend(part for part in node.args if isinstance(part, Node))
    return False


def mentions_i(pair: tuple[Node, Node]) -> bool:
    stack: list[Any] = list(pair)
    while stack:
        node = stack.pop()
        if node == Node("const", ("i",)):
            return True
        stack.extend(part for part in node.args if isinstance(part, Node))
    return False
