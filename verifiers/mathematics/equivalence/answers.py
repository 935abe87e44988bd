"""What answers mean: whether two of them are equal in value.

Every rule is symmetric. True and False are certain; None is "could not decide" and never becomes a match.
scalars.py compares expressions, real_sets.py sets of reals, relations.py equations; here stands which kind meets which.
"""

import itertools
import re

from verifiers.mathematics.equivalence import worker_client
from verifiers.mathematics.equivalence.canonical import arranged, as_places, conditions, items, point, with_plain_letter
from verifiers.mathematics.equivalence.evaluation import OutOfTime
from verifiers.mathematics.equivalence.matrices import NotAMatrix, matrix_of, rows_of, with_values
from verifiers.mathematics.equivalence.real_sets import NotASet, RealSets
from verifiers.mathematics.equivalence.relations import Relations, assigned, holds_only_letters, renamed, same_functions
from verifiers.mathematics.equivalence.scalars import EXPRESSIONS, Prover, Scalars
from verifiers.mathematics.parsing.answers import readings
from verifiers.mathematics.parsing.tree import PI, Node, contains, div, function_names, letters, num, rational, times
from verifiers.mathematics.parsing.units import DEGREES, RADIANS, SYMBOL_UNITS, unit_of
from verifiers.mathematics.parsing.words import words
from verifiers.verdict import Reason

_MAX_ITEMS = 200
_WITH_UNIT = frozenset(["quantity", "percent", "degree"])
_PERCENT_LEFT_OUT = 2  # from here on, 28 against 28% is a sign left out; below, a number is a share
_ANGLES = frozenset(["arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"])
_PERCENT = ((("percent", 1),), 1)
DEADLINE_SECONDS = 0.15  # of CPU time
_SETS = frozenset(["union", "meet", "minus", "region", "builder", "empty"])
_MATRIX = frozenset(["matrix"])


def compare(reference: str, answer: str, prover: Prover | None = None, seconds: float = DEADLINE_SECONDS) -> Reason:
    """MATCH, ROUNDED, MISMATCH, or why it could not be decided.

    What symbolic algebra may still decide, and what nests deep, goes to a worker process, save in a worker itself, which
    gives its `prover` and its own limit in `seconds` of CPU time.
    """
    comparison = Comparison(seconds, prover)
    verdicts: list[bool | None] = []
    try:
        for left, right in itertools.product(readings(reference), readings(answer)):
            if "deep" in (left.kind, right.kind):
                return Reason.UNSUPPORTED if prover else worker_client.ask(reference, answer)
            verdicts.append(comparison.answers(left, right))
            if verdicts[-1]:
                return Reason.ROUNDED if comparison.rounded else Reason.MATCH
        if all(verdict is False for verdict in verdicts):
            return Reason.MATCH if comparison.as_words(reference, answer) else Reason.MISMATCH
    except OutOfTime:
        return Reason.CHECKER_TIMEOUT
    except RecursionError:  # a long chain of products, unions or signs makes a deep tree
        return Reason.UNSUPPORTED if prover else worker_client.ask(reference, answer)
    if comparison.scalars.symbolic and not prover:
        return worker_client.ask(reference, answer)
    return Reason.UNSUPPORTED


class Comparison:
    """One comparison of two answers: its numbers share one deadline."""

    def __init__(self, seconds: float, prover: Prover | None):
        self.scalars = Scalars(seconds, prover)
        self.relations = Relations(self.scalars)
        self.rounded = False

    # -- what an answer holds

    def answers(self, left: Node, right: Node) -> bool | None:
        """Two whole answers; a side that states its own rounding, E ~ d, may meet the other's decimal."""
        if left.kind == "approx" or right.kind == "approx":
            return self._approximate(left, right)
        left, right = (arranged(self._one(with_plain_letter(side))) for side in (left, right))
        return self.same(left, right)

    def _one(self, node: Node) -> Node:
        """1/2 or 0.5: an "or" between equal values is one value; between others it is a list of solutions."""
        if node.kind != "either":
            return node
        first = node.args[0]
        return (
            first
            if all(self.same(arranged(first), arranged(item)) for item in node.args[1:])
            else Node("list", node.args)
        )

    def _approximate(self, left: Node, right: Node) -> bool | None:
        exact = [side.args[0] if side.kind == "approx" else side for side in (left, right)]
        verdict = self.same(arranged(exact[0]), arranged(exact[1]))
        if verdict:
            return True
        for stated, other in ((left, right), (right, left)):
            if stated.kind == "approx" and other.kind != "approx" and self.same(stated.args[1], _value(other)):
                self.rounded = True
                return True
        return verdict

    def as_words(self, reference: str, answer: str) -> bool:
        """The same words, where one side happened to read as mathematics and the other did not."""
        if re.search(r"\d", reference) or re.search(r"\d", answer) or len(reference) > 200 or len(answer) > 200:
            return False
        left, right = words(reference), words(answer)
        return (
            left == right
            and left.kind == "text"
            and len(left.args[0]) > 1
            and "text" in (readings(reference)[0].kind, readings(answer)[0].kind)
        )

    def same(self, left: Node, right: Node) -> bool | None:
        """Whether two trees mean the same, whatever their kinds."""
        kinds = {left.kind, right.kind}
        if "choice" in kinds:
            return self._choice(left, right)
        if "text" in kinds:
            return left == right and left.args[0] != ""
        if (
            left.kind in EXPRESSIONS
            and right.kind in EXPRESSIONS
            and not kinds & _WITH_UNIT
            and "based" not in kinds
            and not _holds_matrix(left, right)
        ):
            return self.scalars.same(left, right)
        if "relation" in kinds:
            return self._relation(left, right)
        if kinds & _SETS:
            return self._sets(left, right)
        if kinds & _WITH_UNIT:
            return self._units(left, right)
        if "list" in kinds or "set" in kinds:
            return self._collection(left, right)
        if _holds_matrix(left, right):
            return self._matrices(left, right)
        if "bracket" in kinds:
            return self._tuples(point(left), point(right))
        if "ratio" in kinds:
            return self._ratios(left, right)
        if "based" in kinds:
            return self._based(left, right)
        if "cases" in kinds:
            return left.kind == right.kind and self._paired(list(left.args), list(right.args))
        if "clock" in kinds or "dots" in kinds or "approx" in kinds:
            return left == right
        return None if left.kind in EXPRESSIONS and right.kind in EXPRESSIONS else False

    def _all(self, pairs) -> bool | None:
        verdict: bool | None = True
        for a, b in pairs:
            same = self.same(a, b)
            if same is False:
                return False
            verdict = verdict if same else None
        return verdict

    # -- kind by kind

    def _choice(self, left: Node, right: Node) -> bool | None:
        """(C) 12 meets C, and 12, and (C) 12."""
        if left.kind == right.kind:
            return left.args[0] == right.args[0] and self.same(left.args[1], right.args[1])
        option, other = (left, right) if left.kind == "choice" else (right, left)
        if other.kind == "sym" and len(other.args[0]) == 1 and other.args[0].isupper():
            return option.args[0] == other.args[0]
        return self.same(option.args[1], other)

    def _relation(self, left: Node, right: Node) -> bool | None:
        if left.kind == right.kind:
            return self._two_relations(left, right)
        relation, other = (left, right) if left.kind == "relation" else (right, left)
        named = assigned(relation)
        if named:
            return self.same(arranged(named[1]), other)
        if relation.args[0] == ("in",):
            return self.same(arranged(relation.args[2]), other)
        if other.kind in EXPRESSIONS or other.kind in _WITH_UNIT:
            return self._identity(relation, other)
        return self._sets(left, right)

    def _identity(self, relation: Node, other: Node) -> bool | None:
        """2 + 3 = 5 against 5, ab = 12 against 12: a relation that rewrites or names a value stands for that value."""
        sides = relation.args[1:]
        if len(sides) == 2 and relation.args[0] == ("=",) and holds_only_letters(sides[0]) and not letters(sides[1]):
            return self.same(sides[1], other)
        if set(relation.args[0]) != {"="} or not all(
            side.kind in EXPRESSIONS or side.kind in _WITH_UNIT for side in sides
        ):
            return False
        if not all(self.same(sides[0], side) for side in sides[1:]):
            return False
        return self.same(sides[-1], other)

    def _two_relations(self, left: Node, right: Node) -> bool | None:
        a, b = assigned(left), assigned(right)
        if a and b:
            b = renamed(a[0], b)
            if a[0] == b[0] or same_functions(a[0], b[0]):
                return self.same(arranged(a[1]), arranged(b[1]))
            if a[1].kind not in EXPRESSIONS or b[1].kind not in EXPRESSIONS:
                return False
        if left.args[0] == right.args[0] == ("in",):
            return self.same(left.args[2], right.args[2]) if left.args[1] == right.args[1] else False
        equations = set(left.args[0]) | set(right.args[0]) <= {"="}
        if not equations:
            verdict = self._sets(left, right, relations=True)
            if verdict is not None:
                return verdict
        return self.relations.same(left, right)

    def _sets(self, left: Node, right: Node, relations: bool = False) -> bool | None:
        """Sets of reals by their pieces; sets that have none by their form."""
        sets = RealSets(self.scalars)
        try:
            first = sets.of(left)
            used = set(sets.letters)
            sets.letters.clear()
            second = sets.of(right)
            if used and sets.letters and used != sets.letters:
                return False
            return sets.same(first, second)
        except NotASet:
            if relations:
                return None
        if left.kind != right.kind:
            return False
        if left.kind in ("region", "empty"):
            return left == right
        if left.kind in ("union", "meet"):
            return self._paired([*_flat(left, left.kind)], [*_flat(right, right.kind)])
        if left.kind == "bracket":
            return self._tuples(left, right)
        if left.kind == "relation":
            return self._two_relations(left, right)
        return self._all(zip(left.args, right.args, strict=False)) if len(left.args) == len(right.args) else False

    def _matrices(self, left: Node, right: Node) -> bool | None:
        """Cell by cell; a column or row against a tuple of its cells; a determinant as its value."""
        values = with_values(left), with_values(right)
        if values != (left, right):
            return self.same(*values)
        try:
            cells = [
                self._cells(side)
                for side in (left, right)
                if (side.kind == "bracket" and side.args[:2] == ("(", ")")) or contains(side, _MATRIX) or rows_of(side)
            ]
        except NotAMatrix:
            return None
        if len(cells) < 2:
            return False
        first, second = cells
        if not rows_of(left) and not rows_of(right) and "bracket" in (left.kind, right.kind):
            if 1 not in (len(first), len(first[0])) or 1 not in (len(second), len(second[0])):
                return False
            first, second = (tuple((cell,) for row in side for cell in row) for side in cells)
        if len(first) != len(second) or len(first[0]) != len(second[0]):
            return False
        return self._all(
            (a, b) for row, other in zip(first, second, strict=False) for a, b in zip(row, other, strict=False)
        )

    def _cells(self, side: Node) -> tuple[tuple[Node, ...], ...]:
        if side.kind == "bracket" and not rows_of(side):
            return tuple((item,) for item in side.args[2:])
        return matrix_of(side)

    def _ratios(self, left: Node, right: Node) -> bool | None:
        """7 : 32 is 7/32; longer ratios are equal up to a common factor."""
        if left.kind != right.kind:
            ratio, other = (left, right) if left.kind == "ratio" else (right, left)
            if len(ratio.args) == 2 and other.kind in EXPRESSIONS:
                return self.scalars.same(div(*ratio.args), other)
            return other.kind == "clock" and [rational(part) for part in ratio.args] in (
                [other.args[0] // 60 % 12 or 12, other.args[0] % 60],
                [other.args[0] // 60, other.args[0] % 60],
            )
        if len(left.args) != len(right.args):
            return False
        return self._all(
            (Node("mul", (a, right.args[0])), Node("mul", (b, left.args[0])))
            for a, b in zip(left.args, right.args, strict=False)
        )

    def _based(self, left: Node, right: Node) -> bool | None:
        """Numbers that both name their base compare by value; a number without one is no answer to "in base 8"."""
        if left.kind != right.kind:
            return False
        try:
            return int(left.args[0], left.args[1]) == int(right.args[0], right.args[1])
        except ValueError:
            return left == right

    # -- lists, sets and tuples: their items pair off

    def _collection(self, left: Node, right: Node) -> bool | None:
        """Lists and sets, in any order, unless dots stand in them or names give the places."""
        first, second = as_places(left), as_places(right)
        if first and second and first[0] is not None and second[0] is not None:
            return self._named(first, second)
        if first and second and (first[0] is not None or second[0] is not None):
            return self._placed(left, right, first, second)
        if left.kind == "bracket" or right.kind == "bracket":
            return self._list_against_tuple(left, right)
        if left.kind == "matrix" or right.kind == "matrix":
            return False
        a, b = items(left), items(right)
        if conditions(left) or conditions(right):
            verdict = self._sets(left, right, relations=True)
            if verdict is not None:
                return verdict
        if any(item.kind == "dots" for item in (*a, *b)):
            return len(a) == len(b) and self._all(zip(a, b, strict=False))
        if left.kind == "set" or right.kind == "set":
            a, b = self._distinct(a), self._distinct(b)
        return self._paired(a, b)

    def _list_against_tuple(self, left: Node, right: Node) -> bool | None:
        """3, 4, 5 against (3, 4, 5): the same in order. Two in brackets may be an interval, so there brackets count."""
        listed, held = (left, right) if left.kind != "bracket" else (right, left)
        items = held.args[2:]
        if listed.kind == "list" and held.args[:2] == ("(", ")") and len(items) == len(listed.args) > 2:
            return self._all(zip(items, listed.args, strict=False))
        if (listed.kind == "set" and len(listed.args) == 1) or (listed.kind == "list" and len(listed.args) == 1):
            return self.same(listed.args[0], held)
        return False

    def _named(self, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against y = 2, x = 1."""
        a, b = dict(zip(*first, strict=False)), dict(zip(*second, strict=False))
        if a.keys() != b.keys() or len(a) != len(first[0]):
            return False
        return self._all((a[name], b[name]) for name in a)

    def _placed(self, left: Node, right: Node, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against (1, 2), in the order of the letters; against a bare list 1, 2, in the order written."""
        named, plain = (first, second) if first[0] is not None else (second, first)
        other = right if first[0] is not None else left
        if len(named[1]) != len(plain[1]):
            return False
        pairs = list(zip(named[0], named[1], strict=False))
        if other.kind == "bracket" and all(name.kind == "sym" and len(name.args[0]) == 1 for name in named[0]):
            pairs.sort(key=lambda pair: pair[0].args[0])
        return self._all(zip([value for _, value in pairs], plain[1], strict=False))

    def _tuples(self, left: Node, right: Node) -> bool | None:
        if left.kind != right.kind or left.args[:2] != right.args[:2] or len(left.args) != len(right.args):
            return False
        return self._all(zip(left.args[2:], right.args[2:], strict=False))

    def _distinct(self, items: list[Node]) -> list[Node]:
        found: dict[object, Node] = {}
        for item in items:
            found.setdefault(self.scalars.key(item) if item.kind in EXPRESSIONS else item, item)
        return list(found.values())

    def _paired(self, left: list[Node], right: list[Node]) -> bool | None:
        """Whether items pair off, one to one, in any order."""
        if len(left) != len(right):
            return False
        if len(left) > _MAX_ITEMS:
            return None if left != right else True
        rest = list(right)
        open_items: list[Node] = []
        keys = {}
        for item in rest:
            keys.setdefault(self._item_key(item), []).append(item)
        for item in left:
            same_key = keys.get(self._item_key(item))
            if same_key and self.same(same_key[0], item):
                rest.remove(same_key.pop(0))
            else:
                open_items.append(item)
        if len(open_items) > 24:
            return None
        verdict: bool | None = True
        for item in open_items:
            verdicts = [self.same(item, other) for other in rest]
            if True in verdicts:
                rest.pop(verdicts.index(True))
            elif None in verdicts:
                verdict = None
            else:
                return False
        if verdict is None and any(all(self.same(item, other) is False for item in left) for other in rest):
            return False  # seen from the other side: an item that nothing here may equal
        return verdict

    def _item_key(self, item: Node) -> object:
        return self.scalars.key(item) if item.kind in EXPRESSIONS else item

    # -- units

    def _units(self, left: Node, right: Node) -> bool | None:
        """Quantities: of one kind they compare by amount; a unit on one side only is taken as left out on the other."""
        if {left.kind, right.kind} & {"list", "set"}:
            return self._collection(left, right)
        if not {left.kind, right.kind} <= EXPRESSIONS | _WITH_UNIT or contains((left, right), frozenset(["matrix"])):
            return False
        if "quantity" in (left.kind, right.kind):
            left, right = _symbol_as_unit(left) or left, _symbol_as_unit(right) or right
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


def _holds_matrix(left: Node, right: Node) -> bool:
    return contains(left, _MATRIX) or contains(right, _MATRIX)


def _value(node: Node) -> Node:
    named = assigned(node)
    return named[1] if named else node


def _flat(node: Node, kind: str) -> list[Node]:
    if node.kind != kind:
        return [node]
    return [part for child in node.args for part in _flat(child, kind)]


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


def _symbol_as_unit(value: Node) -> Node | None:
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
