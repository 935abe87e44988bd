"""Whether two numbers or expressions are equal: by normal form first, at high precision where that leaves it open."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from verifiers.mathematics.equivalence import numeric
from verifiers.mathematics.equivalence.normal_form import Forms
from verifiers.mathematics.equivalence.polynomials import ONE, TooBig, Undefined, rational_value
from verifiers.mathematics.parsing.tree import INFINITY, Node, contains, letters, neg, rational

_UNKNOWN = frozenset(["sub", "apply"])
EXPRESSIONS = frozenset(
    [
        "num",
        "sym",
        "const",
        "add",
        "mul",
        "pow",
        "pm",
        "call",
        "apply",
        "sub",
        "sum",
        "prod",
        "integral",
        "limit",
        "percent",
        "degree",
        "based",
    ]
)


Prover = Callable[[Node, Node], bool | None]


class Scalars:
    """Comparisons of expressions; numbers at high precision take `seconds` of CPU time in all; `prover` is asked last."""

    def __init__(self, seconds: float, prover: Prover | None = None):
        self.seconds = seconds
        self.prover = prover
        self.symbolic = False  # something stayed open that symbolic algebra may decide

    @cached_property
    def deadline(self) -> float:
        """A time.thread_time() value, read where precision is first needed: most comparisons never ask for the time."""
        return time.thread_time() + self.seconds

    def same(self, left: Node, right: Node) -> bool | None:
        """True or False where it is certain, else None. What has no value equals nothing."""
        a, b = rational(left), rational(right)
        if a is not None and b is not None:
            return a == b
        if _endless(left) or _endless(right):
            return self._symbolically(left, right)
        signs = infinite(left), infinite(right)
        if signs != (0, 0):
            return signs[0] == signs[1] if 0 not in signs else False
        forms = Forms()
        try:
            difference = forms.difference(left, right)
            if not difference:
                return True
            if forms.disproves(difference):
                return False
        except Undefined:
            return False
        except TooBig:
            pass
        return self._numerically(left, right)

    def _numerically(self, left: Node, right: Node) -> bool | None:
        try:
            found = numeric.equal(left, right, self.deadline)
        except Undefined:
            return False
        except (TooBig, ZeroDivisionError, OverflowError, ValueError):
            found = None
        if found is None and (letters(left) or letters(right)):
            return self._symbolically(left, right)
        return found

    def _symbolically(self, left: Node, right: Node) -> bool | None:
        if left == right:
            return True
        unknown = contains(left, _UNKNOWN), contains(right, _UNKNOWN)
        if True in unknown:
            return None if unknown[0] == unknown[1] else False  # a term of an unknown sequence is no known expression
        self.symbolic = True
        return self.prover(left, right) if self.prover else None

    def key(self, node: Node) -> str | None:
        """A text that equal expressions of plain form share, to pair the items of long lists."""
        forms = Forms()
        try:
            return forms._key(forms.of(node))
        except (TooBig, Undefined):
            return None

    def value(self, node: Node) -> Any:
        """The value of a real constant as an mpf (infinities included), or None."""
        sign = infinite(node)
        if sign:
            return numeric._context().mpf("inf" if sign > 0 else "-inf")
        if contains(node, frozenset(["sym", "apply", "sub"])):
            return None
        try:
            return numeric.real_value(node, self.deadline)
        except (TooBig, Undefined, ZeroDivisionError, OverflowError, ValueError):
            return None

    def exact(self, node: Node) -> Any:
        """The rational value of an expression, or None."""
        plain = rational(node)
        if plain is not None:
            return plain
        forms = Forms()
        try:
            top, bottom = forms.of(node)
        except (TooBig, Undefined):
            return None
        return rational_value(top) if bottom == ONE else None

    def defined(self, node: Node) -> bool:
        """Whether an expression has a value, as far as its normal form shows."""
        if infinite(node):
            return True
        try:
            Forms().of(node)
        except Undefined:
            return False
        except TooBig:
            pass
        return True


def _endless(node: Node) -> bool:
    """Whether an integral or a limit stands in a tree, or a sum without end: only symbolic algebra has a value for these."""
    if node.kind in ("integral", "limit") or (
        node.kind in ("sum", "prod") and contains(node.args[1:3], frozenset(["const"]))
    ):
        return True
    return any(_endless(part) for part in node.args if isinstance(part, Node))


def infinite(node: Node) -> int:
    """1 for infinity, -1 for minus infinity, 0 for anything else."""
    if node == INFINITY:
        return 1
    return -1 if node == neg(INFINITY) else 0
