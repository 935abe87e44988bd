"""Sets of real numbers: intervals, unions, inequalities and set-builders brought to one form, disjoint ordered pieces."""

from functools import cmp_to_key
from math import ceil, floor
from typing import NamedTuple

from verifiers.mathematics.equivalence.normal_form import Forms
from verifiers.mathematics.equivalence.polynomials import ONE, TooBig, Undefined
from verifiers.mathematics.equivalence.scalars import Scalars, infinite
from verifiers.mathematics.parsing.tree import INFINITY, ZERO, Node, contains, div, neg, num, rational, substituted
from verifiers.mathematics.parsing.tree import ONE as ONE_NODE

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_MAX_WHOLE = 50  # whole numbers of a set that is written out
_LETTERS = frozenset(["sym", "apply", "sub"])


class NotASet(Exception):
    """The answer is no set of real numbers that can be written as pieces."""


class Piece(NamedTuple):
    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


class RealSets:
    """Turns trees into tuples of pieces. The letter that the set is about is kept in `letters`."""

    def __init__(self, scalars: Scalars):
        self.scalars = scalars
        self.letters: set[Node] = set()
        self.parameters: set[Node] = set()  # letters that no relation is solved for

    def same(self, left: tuple[Piece, ...], right: tuple[Piece, ...]) -> bool | None:
        if len(left) != len(right):
            return False
        verdict: bool | None = True
        for a, b in zip(left, right, strict=False):
            if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed):
                return False
            for ends in ((a.low, b.low), (a.high, b.high)):
                same = self.scalars.same(*ends)
                if same is False:
                    return False
                verdict = verdict if same else None
        return verdict

    def of(self, node: Node) -> tuple[Piece, ...]:
        kind = node.kind
        if kind == "bracket" and len(node.args) == 4:
            return self._interval(*node.args)
        if kind == "region" and node.args[0] == "R":
            return (Piece(neg(INFINITY), False, INFINITY, False),)
        if kind == "empty":
            return ()
        if kind in ("set", "list") and all(
            item.kind not in ("bracket", "set", "list", "relation", "union") for item in node.args
        ):
            return self._merged([Piece(item, True, item, True) for item in node.args])
        if kind == "list":
            return self._several([self.of(item) for item in node.args])
        if kind == "union":
            return self._merged([*self.of(node.args[0]), *self.of(node.args[1])])
        if kind == "meet":
            return self._meet(self.of(node.args[0]), self.of(node.args[1]))
        if kind == "minus":
            return self._meet(self.of(node.args[0]), self._complement(self.of(node.args[1])))
        if kind == "relation":
            return self._relation(node)
        if kind == "builder":
            return self._builder(node)
        raise NotASet(kind)

    # -- the parts

    def _interval(self, opening: str, closing: str, low: Node, high: Node) -> tuple[Piece, ...]:
        if (
            opening not in "(["
            or closing not in ")]"
            or low.kind in ("relation", "bracket")
            or high.kind in ("relation", "bracket")
        ):
            raise NotASet("a bracket of something else")
        return self._valid(
            Piece(low, opening == "[" and not infinite(low), high, closing == "]" and not infinite(high))
        )

    def _several(self, sets: list[tuple[Piece, ...]]) -> tuple[Piece, ...]:
        """Conditions side by side: all of them where they overlap (x > 1, x < 3), else any (x < 1, x > 3)."""
        common = sets[0]
        for other in sets[1:]:
            common = self._meet(common, other)
        return common or self._merged([piece for pieces in sets for piece in pieces])

    def _builder(self, node: Node) -> tuple[Piece, ...]:
        """{x | ...}: its letter is bound, and says nothing of the letters around it."""
        variable, conditions = node.args[0], node.args[1:]
        if variable.kind == "relation" and variable.args[0] == ("in",):
            variable, conditions = variable.args[1], (variable, *conditions)
        if variable.kind not in _LETTERS:
            raise NotASet("a set of values that are computed from a letter")
        numbers = [Node("relation", (("in",), variable, Node("region", (name,)))) for name in ("Z", "N")]
        outside, self.letters = self.letters, set()
        pieces = self._several([self.of(condition) for condition in conditions if condition not in numbers])
        if self.letters - {variable}:
            raise NotASet("a condition on another letter")
        self.letters = outside
        if any(number in conditions for number in numbers):
            return self._whole_numbers(pieces, 1 if numbers[1] in conditions else None)
        return pieces

    def _whole_numbers(self, pieces: tuple[Piece, ...], lowest: int | None) -> tuple[Piece, ...]:
        """The whole numbers in pieces, each as a piece of its own; whether 0 is a natural number stays open."""
        found: list[Piece] = []
        for piece in pieces:
            low, high = self.scalars.exact(piece.low), self.scalars.exact(piece.high)
            if low is None or high is None or high - low > _MAX_WHOLE or (lowest is not None and low < lowest):
                raise NotASet("whole numbers that cannot be listed")
            first = ceil(low) if piece.low_closed else floor(low) + 1
            last = floor(high) if piece.high_closed else ceil(high) - 1
            found += [Piece(num(value), True, num(value), True) for value in range(first, last + 1)]
        return self._merged(found)

    def _relation(self, node: Node) -> tuple[Piece, ...]:
        operators, sides = node.args[0], node.args[1:]
        if operators in (("in",), ("notin",)):
            if sides[0].kind not in _LETTERS:
                raise NotASet("a membership of something that is no letter")
            self.letters.add(sides[0])
            inner = self.of(sides[1])
            return inner if operators == ("in",) else self._complement(inner)
        if any(operator not in _FLIPPED for operator in operators):
            raise NotASet("a relation of another kind")
        if operators == ("!=",) and sides[1].kind == "list":
            raise NotASet("a list behind a relation")
        parts = [self._inequality(operator, a, b) for operator, a, b in zip(operators, sides, sides[1:], strict=False)]
        common = parts[0]
        for other in parts[1:]:
            common = self._meet(common, other)
        return common

    def _inequality(self, operator: str, left: Node, right: Node) -> tuple[Piece, ...]:
        if infinite(left) or infinite(right):
            return self._unbounded(operator, left, right)
        difference = Node("add", (left, neg(right)))
        variables = _variables(difference) - self.parameters
        if len(variables) != 1:
            raise NotASet("a relation of no letter, or of several")
        variable = variables.pop()
        self.letters.add(variable)
        if right.kind == "pm" or left.kind == "pm":
            raise NotASet("a relation with two signs")
        if (left.kind == "call" and left.args[0] == "abs") or (right.kind == "call" and right.args[0] == "abs"):
            return self._absolute(operator, left, right)
        degree = _degree(difference, variable)
        constant = substituted(difference, variable, ZERO)
        slope = Node("add", (substituted(difference, variable, ONE_NODE), neg(constant)))
        if degree == 2:
            return self._quadratic(operator, difference, variable)
        if degree != 1:
            raise NotASet(f"a relation of degree {degree}")
        exact = self.scalars.exact(slope)
        sign = self._order(slope, ZERO) if exact is None else (exact > 0) - (exact < 0)
        end = div(neg(constant), slope)
        return self._half_line(operator if sign > 0 else _FLIPPED[operator], end)

    def _half_line(self, operator: str, end: Node) -> tuple[Piece, ...]:
        closed = operator in ("<=", ">=")
        if operator in ("<", "<="):
            return (Piece(neg(INFINITY), False, end, closed),)
        if operator in (">", ">="):
            return (Piece(end, closed, INFINITY, False),)
        point = (Piece(end, True, end, True),)
        return point if operator == "=" else self._complement(point)

    def _unbounded(self, operator: str, left: Node, right: Node) -> tuple[Piece, ...]:
        """x < infinity says nothing; what it would forbid is left to other answers."""
        variable = right if infinite(left) else left
        if operator not in ("<", ">", "<=", ">=") or variable.kind not in _LETTERS:
            raise NotASet("a relation with infinity")
        below = (infinite(right) > 0 and operator[0] == "<") or (infinite(left) < 0 and operator[0] == "<")
        above = (infinite(right) < 0 and operator[0] == ">") or (infinite(left) > 0 and operator[0] == ">")
        if not below and not above:
            raise NotASet("a relation with infinity that nothing fulfils")
        self.letters.add(variable)
        return (Piece(neg(INFINITY), False, INFINITY, False),)

    def _absolute(self, operator: str, left: Node, right: Node) -> tuple[Piece, ...]:
        """|u| < r as -r < u < r."""
        if not (left.kind == "call" and left.args[0] == "abs"):
            left, right, operator = right, left, _FLIPPED[operator]
        if _variables(right) or operator not in _FLIPPED:
            raise NotASet("an absolute value against something that is no number")
        inner = left.args[1]
        above, below = self._inequality(operator, inner, right), self._inequality(_FLIPPED[operator], inner, neg(right))
        if operator in ("<", "<=", "!="):
            return self._meet(above, below)
        return self._merged([*above, *below])

    def _quadratic(self, operator: str, difference: Node, variable: Node) -> tuple[Piece, ...]:
        at = [self.scalars.exact(substituted(difference, variable, num(x))) for x in (0, 1, -1)]
        if None in at:
            raise NotASet("a quadratic relation with irrational coefficients")
        c, a = at[0], (at[1] + at[2]) / 2 - at[0]
        b = at[1] - a - c
        discriminant = b * b - 4 * a * c
        if a < 0:
            operator = _FLIPPED[operator]
        if discriminant < 0:
            return (Piece(neg(INFINITY), False, INFINITY, False),) if operator in (">", ">=", "!=") else ()
        spread = Node("pow", (num(discriminant), num("1/2"))) if discriminant else ZERO
        ends = [div(Node("add", (num(-b), term)), num(2 * a)) for term in (spread, neg(spread))]
        low, high = ends if a < 0 else ends[::-1]
        closed = operator in ("<=", ">=")
        between = (Piece(low, operator in ("<=", ">", "!="), high, operator in ("<=", ">", "!=")),)
        if operator in ("=", "!="):
            points = self._merged([Piece(low, True, low, True), Piece(high, True, high, True)])
            return points if operator == "=" else self._complement(points)
        if operator in ("<", "<="):
            return self._valid(Piece(low, closed, high, closed)) if discriminant else ((between) if closed else ())
        outside = [Piece(neg(INFINITY), False, low, closed), Piece(high, closed, INFINITY, False)]
        return self._merged(outside)

    # -- arithmetic of pieces; ends compare by value

    def _valid(self, piece: Piece) -> tuple[Piece, ...]:
        order = self._order(piece.low, piece.high)
        if order > 0:
            raise NotASet("an interval that runs backwards")
        if order == 0:
            return (piece,) if piece.low_closed and piece.high_closed else ()
        return (piece,)

    def _order(self, left: Node, right: Node) -> int:
        signs = infinite(left), infinite(right)
        if signs[0] != signs[1]:
            return -1 if signs[0] < signs[1] else 1
        a, b = rational(left), rational(right)
        if a is not None and b is not None:
            return (a > b) - (a < b)
        a, b = self.scalars.value(left), self.scalars.value(right)
        if a is None or b is None:
            raise NotASet("an end that is no number")
        if a != b and (
            abs(a) == float("inf") or abs(b) == float("inf") or abs(a - b) > max(abs(a), abs(b)) * 2.0**-150
        ):
            return -1 if a < b else 1
        same = self.scalars.same(left, right)
        if same is None:
            raise NotASet("two ends too close to tell apart")
        return 0 if same else (-1 if a < b else 1)

    def _merged(self, pieces: list[Piece]) -> tuple[Piece, ...]:
        if len(pieces) > 60:
            raise NotASet("too many pieces")
        pieces = sorted(pieces, key=cmp_to_key(lambda a, b: self._order(a.low, b.low) or b.low_closed - a.low_closed))
        merged: list[Piece] = []
        for piece in pieces:
            if merged:
                last = merged[-1]
                touch = self._order(piece.low, last.high)
                if touch < 0 or (touch == 0 and (piece.low_closed or last.high_closed)):
                    further = self._order(piece.high, last.high)
                    high = piece if further > 0 else last
                    closed = high.high_closed if further else piece.high_closed or last.high_closed
                    merged[-1] = Piece(last.low, last.low_closed, high.high, closed)
                    continue
            merged.append(piece)
        return tuple(merged)

    def _meet(self, left: tuple[Piece, ...], right: tuple[Piece, ...]) -> tuple[Piece, ...]:
        found: list[Piece] = []
        for a in left:
            for b in right:
                low, high = self._order(a.low, b.low), self._order(a.high, b.high)
                lower = a if low > 0 else b
                upper = a if high < 0 else b
                piece = Piece(
                    lower.low, lower.low_closed if low else a.low_closed and b.low_closed,
                    upper.high, upper.high_closed if high else a.high_closed and b.high_closed,
                )  # fmt: skip
                order = self._order(piece.low, piece.high)
                if order < 0 or (order == 0 and piece.low_closed and piece.high_closed):
                    found.append(piece)
        return self._merged(found)

    @staticmethod
    def _complement(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        low, closed, found = neg(INFINITY), False, []
        for piece in pieces:
            if not infinite(piece.low):
                found.append(Piece(low, closed, piece.low, not piece.low_closed))
            low, closed = piece.high, not piece.high_closed
        if not infinite(low) or low != INFINITY:
            found.append(Piece(low, closed and not infinite(low), INFINITY, False))
        return tuple(found)


def _variables(node: Node) -> set[Node]:
    if node.kind in _LETTERS:
        return {node}
    found: set[Node] = set()
    for part in node.args:
        if isinstance(part, Node):
            found |= _variables(part)
    return found


def _degree(node: Node, variable: Node) -> int:
    """The degree of a polynomial in one letter; NotASet for anything else."""
    forms = Forms()
    try:
        top, bottom = forms.of(substituted(node, variable, Node("sym", ("#",))))
    except (TooBig, Undefined):
        raise NotASet("an expression without a normal form") from None
    if bottom != ONE or contains(node, frozenset(["pm"])):
        raise NotASet("a quotient")
    degree = 0
    for monomial in top:
        for name, exponent in monomial:
            if name == "x:#":
                if not isinstance(exponent, int) or exponent < 0:
                    raise NotASet("a root of the letter")
                degree = max(degree, exponent)
            elif "#" in name:
                raise NotASet("a function of the letter")
    return degree
