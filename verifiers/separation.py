"""How close two different algebraic numbers can be, by the bound that numeric.py names."""

from fractions import Fraction

from verifiers.evaluation import MAX_PRECISION
from verifiers.normal_form import Forms
from verifiers.tree import Node, rational


def separation_bits(left: Node, right: Node) -> int | None:
    """Bits below which a difference of algebraic numbers must be zero; None for numbers that may be transcendental."""
    roots: dict[Node, int] = {}
    parameters = [_bound(side, roots) for side in (left, right)]
    if None in parameters:
        return None
    degree = 1
    for extra in roots.values():
        degree *= extra
        if degree > 1 << 12:
            return None
    (u1, l1), (u2, l2) = parameters
    upper, lower = max(u1 + l2, u2 + l1) + 1, l1 + l2
    bits = int((degree - 1) * upper + lower) + 2
    return bits if bits < MAX_PRECISION else None


def _bound(node: Node, roots: dict[Node, int]) -> tuple[float, float] | None:
    """(log2 u, log2 l) of an expression in rationals, i, sums, products, quotients and roots."""
    if node.kind == "num":
        return float(node.args[0].numerator.bit_length()), float(node.args[0].denominator.bit_length())
    if node.kind == "const" and node.args[0] == "i":
        roots[node] = 2
        return 0.0, 0.0
    if node.kind in ("add", "mul"):
        parts = [_bound(part, roots) for part in node.args]
        if None in parts:
            return None
        upper, lower = parts[0]
        for u, l in parts[1:]:
            upper, lower = (max(upper + l, u + lower) + 1 if node.kind == "add" else upper + u), lower + l
        return upper, lower
    if node.kind == "pow":
        exponent, base = rational(node.args[1]), _bound(node.args[0], roots)
        if exponent is None or base is None or abs(exponent) > 64:
            return None
        upper, lower = (base[1], base[0]) if exponent < 0 else base
        whole, degree = abs(exponent.numerator), exponent.denominator
        if degree > 1:
            if degree > 64:
                return None
            roots[Node("pow", (node.args[0], degree))] = degree
            upper, lower = (
                ((upper + (degree - 1) * lower) / degree, lower)
                if upper >= lower
                else (upper, ((degree - 1) * upper + lower) / degree)
            )
        return upper * whole, lower * whole
    if node.kind == "call" and node.args[0] in ("sin", "cos"):
        return _trigonometric_bound(node, roots)
    return None


def _trigonometric_bound(node: Node, roots: dict[Node, int]) -> tuple[float, float] | None:
    """sin and cos of rational multiples of pi: half a sum of two roots of unity."""
    top, bottom = Forms().of(node.args[1])
    if len(bottom) != 1 or () not in bottom or set(top) - {(("pi", 1),)}:
        return None
    turn = next(iter(top.values()), Fraction(0))
    if turn.denominator > 180:
        return None
    roots[Node("unity", (turn.denominator,))] = 2 * turn.denominator
    roots[Node("const", ("i",))] = 2
    return 1.0, 1.0
