"""Whether two amounts with units are the same quantity."""

from verifiers.scalars import EXPRESSIONS, Scalars
from verifiers.tree import PI, Node, contains, div, function_names, num, rational, times
from verifiers.units import DEGREES, RADIANS, SYMBOL_UNITS, unit_of

WITH_UNIT = frozenset(["quantity", "percent", "degree"])
_PERCENT_LEFT_OUT = 2  # from here on, 28 against 28% is a sign left out; below, a number is a share
_ANGLES = frozenset(["arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"])
_PERCENT = ((("percent", 1),), 1)


class Quantities:
    """The part of a comparison that knows units."""

    scalars: Scalars

    def _units(self, left: Node, right: Node) -> bool | None:
        """Quantities: of one kind they compare by amount; a unit on one side only is taken as left out on the other."""
        if {left.kind, right.kind} & {"list", "set"}:
            return self._collection(left, right)
        if not {left.kind, right.kind} <= EXPRESSIONS | WITH_UNIT or contains((left, right), frozenset(["matrix"])):
            return False
        if "quantity" in (left.kind, right.kind):
            left, right = symbol_as_unit(left) or left, symbol_as_unit(right) or right
        a, b = _measure(left), _measure(right)
        if a[1] is None or b[1] is None:
            return self._unit_left_out(a, b)
        (first, (dimensions, scale)), (second, (others, other)) = a, b
        if dimensions != others:
            if {dimensions, others} == {DEGREES[0], RADIANS[0]}:
                degrees, radians = (first, second) if dimensions == DEGREES[0] else (second, first)
                return self.scalars.same(_radians(degrees), radians)
            return False
        if scale == other:
            return self.scalars.same(first, second)
        return self.scalars.same(Node("mul", (num(scale), first)), Node("mul", (num(other), second)))

    def _unit_left_out(self, a: tuple, b: tuple) -> bool | None:
        (amount, unit), (bare, _) = (a, b) if a[1] is not None else (b, a)
        if unit == _PERCENT:
            share = self.scalars.same(Node("mul", (amount, num("1/100"))), bare)
            value = rational(bare)
            return (
                self.scalars.same(amount, bare)
                if share is False and value is not None and abs(value) >= _PERCENT_LEFT_OUT
                else share
            )
        same = self.scalars.same(amount, bare)
        if (
            same is False
            and unit == DEGREES
            and (contains(bare, frozenset(["const"])) or function_names(bare) & _ANGLES)
            and not contains(amount, frozenset(["const"]))
        ):
            return self.scalars.same(_radians(amount), bare)
        return same


def _measure(node: Node) -> tuple[Node, object]:
    """(amount, unit) of a quantity; the unit is None where none is written."""
    if node.kind == "quantity":
        return node.args[0], node.args[1]
    if node.kind == "percent":
        return node.args[0], _PERCENT
    if node.kind == "degree":
        return node.args[0], DEGREES
    return node, None


def _radians(degrees: Node) -> Node:
    return Node("mul", (degrees, div(PI, num(180))))


def symbol_as_unit(value: Node) -> Node | None:
    """5m and 9.8 m/s^2, where the other side has a unit: a number times letters that abbreviate units, as a quantity."""
    amount, parts = num(1), []
    for factor in _factors(value):
        base, exponent = (factor.args[0], rational(factor.args[1])) if factor.kind == "pow" else (factor, 1)
        if base.kind == "sym" and base.args[0] in SYMBOL_UNITS and exponent and exponent.denominator == 1:
            parts += ["/"] * (exponent < 0) + [base.args[0], "^", str(abs(int(exponent)))]
        else:
            amount = times(amount, factor)
    return Node("quantity", (amount, unit_of(parts))) if parts else None


def _factors(node: Node) -> list[Node]:
    if node.kind == "mul":
        return [part for factor in node.args for part in _factors(factor)]
    if node.kind == "pow" and node.args[0].kind == "mul" and rational(node.args[1]) == -1:
        return [Node("pow", (part, node.args[1])) for part in _factors(node.args[0])]
    if (
        node.kind == "pow"
        and node.args[0].kind == "pow"
        and rational(node.args[1]) == -1
        and rational(node.args[0].args[1]) is not None
    ):
        return [Node("pow", (node.args[0].args[0], num(-rational(node.args[0].args[1]))))]
    return [node]
