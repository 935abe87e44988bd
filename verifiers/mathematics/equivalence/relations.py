"""Equations and inequalities as relations: equal up to a nonzero factor, rearrangement and the side each term stands on."""

from fractions import Fraction

from verifiers.mathematics.equivalence.normal_form import Forms
from verifiers.mathematics.equivalence.polynomials import ONE, Poly, TooBig, Undefined, add, key, scale
from verifiers.mathematics.equivalence.scalars import EXPRESSIONS, Scalars
from verifiers.mathematics.parsing.tree import MINUS_ONE, ZERO, Node, call, contains, neg, substituted, sym

NAMES = frozenset(["sym", "apply", "sub"])
_FUNCTION_LETTERS = frozenset(["y", "f", "g", "h", "F", "G", "H", "P"])
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def is_name(node: Node) -> bool:
    """Whether a side only names what the other side gives: x, f(2), AB, |z|, S : T."""
    if (
        node.kind in NAMES
        or node.kind == "limit"
        or node.kind == "region"
        or (node.kind == "const" and node.args[0] in ("e", "i"))
    ):
        return True
    if node.kind == "ratio":
        return all(is_name(part) for part in node.args)
    if node.kind == "mul":
        return all(
            (part.kind == "sym" and (part.args[0][:1].isupper() or part.args[0] in ("m", "angle", "triangle")))
            or (part.kind == "mul" and is_name(part))
            or (
                part.kind == "pow"
                and part.args[1] == MINUS_ONE
                and part.args[0].kind in ("sym", "mul")
                and is_name(part.args[0])
            )
            for part in node.args
        )
    if node.kind == "call":
        return (
            node.args[0] in ("abs", "det", "Pr", "re", "im", "max", "min") and not contains(node, frozenset(["num"]))
        ) or node.args[0] == "Pr"
    return False


def holds_only_letters(node: Node) -> bool:
    """Whether a side is a product or a sum of letters: ab, x + y. With a number in it, 2x = 12, it is an equation to solve."""
    return node.kind in ("mul", "add") and all(
        part.kind == "sym" or (part.kind == "mul" and holds_only_letters(part)) for part in node.args
    )


def assigned(node: Node) -> tuple[Node, Node] | None:
    """(name, value) of `name = value`, or None. Of a chain x = a = b the last side is the value."""
    if node.kind != "relation" or any(operator != "=" for operator in node.args[0]):
        return None
    first, last = node.args[1], node.args[-1]
    if is_name(first):
        return first, last
    if len(node.args) == 3 and is_name(last):
        return last, first
    return None


def same_functions(left: Node, right: Node) -> bool:
    """Whether two names both stand for the value of a function: y and f(x)."""
    return all(
        name.kind == "apply" or (name.kind == "sym" and name.args[0] in _FUNCTION_LETTERS) for name in (left, right)
    ) and "apply" in (left.kind, right.kind)


def renamed(name: Node, other: tuple[Node, Node]) -> tuple[Node, Node]:
    """f(t) = 2t as f(x) = 2x, where `name` is f(x): a function of one letter, whichever letter it is."""
    mine, theirs = _index(name), _index(other[0])
    if mine and theirs and mine[0] == theirs[0] and mine != theirs:  # a_k = 2k as a_n = 2n
        fixed = substituted(other[1], mine[1], sym(mine[1].args[0] + " fixed"))
        return name, substituted(fixed, theirs[1], mine[1])
    kinds = [side.kind == "apply" and len(side.args) == 2 and side.args[1].kind for side in (name, other[0])]
    if kinds != ["sym", "sym"] or name.args[0] != other[0].args[0] or name == other[0]:
        return other
    fixed = substituted(
        other[1], name.args[1], sym(name.args[1].args[0] + " fixed")
    )  # that letter is another one there
    return name, substituted(fixed, other[0].args[1], name.args[1])


def _index(name: Node) -> tuple[str, Node] | None:
    """(a, n) of the name a_n of a sequence's term; None for other names."""
    letter, _, index = name.args[0].partition("_") if name.kind == "sym" else ("", "", "")
    return (letter, sym(index)) if len(index) == 1 and index.isalpha() and index.islower() else None


def shared_value(node: Node) -> Node | None:
    """x = y = 0 as x = 0, y = 0: the letters before a value each have it; None for other chains."""
    if node.kind != "relation" or len(node.args) < 4 or set(node.args[0]) != {"="}:
        return None
    names, value = node.args[1:-1], node.args[-1]
    if (
        value.kind == "sym"
        or len(set(names)) < len(names)
        or not all(name.kind == "sym" and len(name.args[0]) == 1 for name in names)
    ):
        return None
    return Node("list", tuple(Node("relation", (("=",), name, value)) for name in names))


class Relations:
    def __init__(self, scalars: Scalars):
        self.scalars = scalars

    def same(self, left: Node, right: Node) -> bool | None:
        """Whether two relations say the same; None where that stays open."""
        a, b = assigned(left), assigned(right)
        if (
            a
            and b
            and a[0] == b[0]
            and len(left.args) == len(right.args) == 3
            and a[1].kind in EXPRESSIONS
            and b[1].kind in EXPRESSIONS
        ):
            return self.scalars.same(a[1], b[1])
        operators, others = left.args[0], right.args[0]
        if len(operators) == 1 and len(others) == 1:
            return self._single(left, right)
        if len(operators) != len(others):
            return False
        return self._chain(left, right)

    def _chain(self, left: Node, right: Node) -> bool | None:
        """a < b < c, read from either end."""
        if left.args[0][0] in (">", ">=") or (left.args[0][0] == "=" and left.args[0][-1] in (">", ">=")):
            left = _reversed(left)
        if right.args[0][0] in (">", ">=") or (right.args[0][0] == "=" and right.args[0][-1] in (">", ">=")):
            right = _reversed(right)
        if left.args[0] != right.args[0]:
            return False
        verdict: bool | None = True
        for a, b in zip(left.args[1:], right.args[1:], strict=False):
            same = self.scalars.same(a, b) if a.kind in EXPRESSIONS and b.kind in EXPRESSIONS else a == b
            if same is False:
                return False
            verdict = verdict if same else None
        return verdict

    def _single(self, left: Node, right: Node) -> bool | None:
        operator, other = left.args[0][0], right.args[0][0]
        if operator in (">", ">="):
            left, operator = _reversed(left), _FLIPPED[operator]
        if other in (">", ">="):
            right, other = _reversed(right), _FLIPPED[other]
        if operator != other:
            return False
        if operator == "equiv":
            return self._congruent(left.args[1:], right.args[1:])
        if operator in ("in", "notin", "~") or any(
            side.kind not in EXPRESSIONS for side in (*left.args[1:], *right.args[1:])
        ):
            return left.args[1:] == right.args[1:]
        if all(self.scalars.same(a, b) for a, b in zip(left.args[1:], right.args[1:], strict=True)):
            return True
        return self._proportional(left, right, signed=operator in ("<", "<="))

    def _congruent(self, left: tuple[Node, ...], right: tuple[Node, ...]) -> bool | None:
        """n = 3 (mod 5) against n = -2 (mod 5): the same letter, modulus and class."""
        moduli = [
            side[1].args[2] if side[1].kind == "call" and side[1].args[0] == "mod" else None for side in (left, right)
        ]
        if left == right or None in moduli or left[0] != right[0] or moduli[0] != moduli[1]:
            return left == right
        difference = Node("add", (left[1].args[1], neg(right[1].args[1])))
        return self.scalars.same(call("mod", difference, moduli[0]), ZERO)

    def _proportional(self, left: Node, right: Node, signed: bool) -> bool | None:
        """Whether left - right of both relations agree up to a constant factor, a positive one where `signed`."""
        forms = Forms()
        try:
            first, second = (self._numerator(forms, relation, signed) for relation in (left, right))
        except Undefined:
            return False
        except TooBig:
            return None
        if not first or not second:
            return None if not first and not second else False  # two identities; all are true, and not one the other
        one, other = _by_letters(first), _by_letters(second)
        if one.keys() != other.keys():
            return False if forms.disproves(first) and forms.disproves(second) else None
        letters = min(one, key=repr)
        try:
            difference = add(
                forms.multiply(first, other[letters]), scale(forms.multiply(second, one[letters]), Fraction(-1))
            )
        except TooBig:
            return None
        if difference:
            return False if forms.disproves(difference) else None
        if not signed:
            return True
        factors = [next(iter(part.values())) for part in (one[letters], other[letters])]
        return factors[0] * factors[1] > 0 if len(one[letters]) == len(other[letters]) == 1 else None

    def _numerator(self, forms: Forms, relation: Node, signed: bool) -> Poly:
        top, bottom = forms.of(Node("add", (relation.args[1], neg(relation.args[2]))))
        if signed and bottom != ONE:
            raise TooBig("an inequality with a quotient")
        return _cleared(top) if not signed else top


def _cleared(poly: Poly) -> Poly:
    """An equation's polynomial without negative powers: both sides times the letters below."""
    lowest: dict[str, object] = {}
    for monomial in poly:
        for name, exponent in monomial:
            lowest[name] = min(lowest.get(name, 0), exponent)
    factors = {name: -exponent for name, exponent in lowest.items() if exponent < 0 and name[:2] == "x:"}
    if not factors:
        return poly
    cleared: Poly = {}
    for monomial, coefficient in poly.items():
        exponents = dict(monomial)
        for name, exponent in factors.items():
            exponents[name] = exponents.get(name, 0) + exponent
        cleared[tuple(sorted((name, exponent) for name, exponent in exponents.items() if exponent))] = coefficient
    return cleared


def _by_letters(poly: Poly) -> dict[str, Poly]:
    """The polynomial's terms by what of them holds letters; each with its constant factor."""
    parts: dict[str, Poly] = {}
    for monomial, coefficient in poly.items():
        letters = tuple(
            part for part in monomial if part[0][:2] not in ("p:", "L:") and part[0] not in ("i", "pi", "e", "U")
        )
        constant = tuple(part for part in monomial if part not in letters)
        parts.setdefault(key({letters: Fraction(1)}), {})[constant] = coefficient
    return parts


def _reversed(relation: Node) -> Node:
    operators = tuple(_FLIPPED.get(operator, operator) for operator in reversed(relation.args[0]))
    return Node("relation", (operators, *reversed(relation.args[1:])))
