"""Whether two numbers or expressions are equal: by normal form first, at high precision where that leaves it open."""

import time
from typing import Any

from verifiers.normal_form import Forms
from verifiers.polynomials import TooBig, Undefined, rational_value, ONE
from verifiers.tree import INFINITY, Node, contains, neg, rational

_INFINITE = frozenset(["const"])
EXPRESSIONS = frozenset("num sym const add mul pow pm call apply sub sum prod percent degree based".split())


class Scalars:
    """Comparisons of expressions within one deadline, a time.perf_counter() value."""

    def __init__(self, deadline: float):
        self.deadline = deadline
        self.limited = False  # something was too big to decide

    def same(self, left: Node, right: Node) -> bool | None:
        """True or False where it is certain, else None. What has no value equals nothing."""
        a, b = rational(left), rational(right)
        if a is not None and b is not None:
            return a == b
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
        from verifiers import numeric

        try:
            found = numeric.equal(left, right, self.deadline)
        except Undefined:
            return False
        except (TooBig, ZeroDivisionError, OverflowError, ValueError):
            found = None
        if found is None:
            self.limited = True
        return found

    def key(self, node: Node) -> str | None:
        """A text that equal expressions of plain form share, to pair the items of long lists."""
        forms = Forms()
        try:
            return forms._key(forms.of(node))
        except (TooBig, Undefined):
            return None

    def value(self, node: Node) -> Any:
        """The value of a real constant as an mpf (infinities included), or None."""
        from verifiers import numeric

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


def infinite(node: Node) -> int:
    """1 for infinity, -1 for minus infinity, 0 for anything else."""
    if node == INFINITY:
        return 1
    return -1 if node == neg(INFINITY) else 0


def now() -> float:
    return time.perf_counter()
