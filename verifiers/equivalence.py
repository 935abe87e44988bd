"""What answers mean: whether two of them are equal in value.

Every rule is symmetric. True and False are certain; None is "could not decide" and never becomes a match.
scalars.py compares expressions, real_sets.py sets of reals, relations.py equations; here stands which kind meets which.
"""

import itertools
import re
import time

from verifiers import guard
from verifiers.answers import readings, symbol_as_unit, words
from verifiers.matrices import NotAMatrix, matrix_of
from verifiers.evaluation import OutOfTime
from verifiers.real_sets import NotASet, RealSets
from verifiers.relations import Relations, assigned, same_functions
from verifiers.scalars import EXPRESSIONS, Prover, Scalars
from verifiers.tree import PI, Node, contains, div, neg, num, rational
from verifiers.units import DEGREES, RADIANS
from verifiers.verdict import Reason

DEADLINE_SECONDS = 0.15  # of CPU time
_MAX_ITEMS = 200
_PERCENT_LEFT_OUT = 2  # from here on, 28 against 28% is a sign left out; below, a number is a share
_SETS = frozenset(["union", "meet", "minus", "region", "builder", "empty"])
_WITH_UNIT = frozenset(["quantity", "percent", "degree"])
_MATRIX = frozenset(["matrix"])


def compare(reference: str, answer: str, prover: Prover | None = None, seconds: float = DEADLINE_SECONDS) -> Reason:
    """MATCH, ROUNDED, MISMATCH, or why it could not be decided.

    What symbolic algebra may still decide, and what nests deep, goes to a worker process, save in a worker itself, which
    gives its `prover` and its own limit in `seconds` of CPU time.
    """
    comparison = _Comparison(time.thread_time() + seconds, prover)
    verdicts: list[bool | None] = []
    try:
        for left, right in itertools.product(readings(reference), readings(answer)):
            if "deep" in (left.kind, right.kind):
                return Reason.UNSUPPORTED if prover else guard.ask(reference, answer)
            verdicts.append(comparison.answers(left, right))
            if verdicts[-1]:
                return Reason.ROUNDED if comparison.rounded else Reason.MATCH
        if all(verdict is False for verdict in verdicts):
            return Reason.MATCH if comparison.as_words(reference, answer) else Reason.MISMATCH
    except OutOfTime:
        return Reason.CHECKER_TIMEOUT
    if comparison.scalars.symbolic and not prover:
        return guard.ask(reference, answer)
    return Reason.UNSUPPORTED


class _Comparison:
    def __init__(self, deadline: float, prover: Prover | None):
        self.scalars = Scalars(deadline, prover)
        self.relations = Relations(self.scalars)
        self.rounded = False

    # -- what an answer holds

    def answers(self, left: Node, right: Node) -> bool | None:
        """Two whole answers; a side that states its own rounding, E ~ d, may meet the other's decimal."""
        if left.kind == "approx" or right.kind == "approx":
            return self._approximate(left, right)
        return self.same(_arranged(self._one(left)), _arranged(self._one(right)))

    def _one(self, node: Node) -> Node:
        """1/2 or 0.5: an "or" between equal values is one value; between others it is a list of solutions."""
        if node.kind != "either":
            return node
        first = node.args[0]
        return first if all(self.same(_arranged(first), _arranged(item)) for item in node.args[1:]) else Node("list", node.args)

    def _approximate(self, left: Node, right: Node) -> bool | None:
        exact = [side.args[0] if side.kind == "approx" else side for side in (left, right)]
        verdict = self.same(_arranged(exact[0]), _arranged(exact[1]))
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
        return left == right and left.kind == "text" and len(left.args[0]) > 1 and "text" in (readings(reference)[0].kind, readings(answer)[0].kind)

    def same(self, left: Node, right: Node) -> bool | None:
        """Whether two trees mean the same, whatever their kinds."""
        kinds = {left.kind, right.kind}
        if "choice" in kinds:
            return self._choice(left, right)
        if "text" in kinds:
            return left == right and left.args[0] != ""
        if left.kind in EXPRESSIONS and right.kind in EXPRESSIONS and not kinds & _WITH_UNIT and "based" not in kinds and not _holds_matrix(left, right):
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
            return self._tuples(_point(left), _point(right))
        if "ratio" in kinds:
            return self._ratios(left, right)
        if "based" in kinds:
            return self._based(left, right)
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
            return self.same(_arranged(named[1]), other)
        if relation.args[0] == ("in",):
            return self.same(_arranged(relation.args[2]), other)
        if other.kind in EXPRESSIONS or other.kind in _WITH_UNIT:
            return self._identity(relation, other)
        return self._sets(left, right)

    def _identity(self, relation: Node, other: Node) -> bool | None:
        """2 + 3 = 5 against 5: a relation that merely rewrites a value stands for that value."""
        sides = relation.args[1:]
        if set(relation.args[0]) != {"="} or not all(side.kind in EXPRESSIONS or side.kind in _WITH_UNIT for side in sides):
            return False
        if not all(self.same(sides[0], side) for side in sides[1:]):
            return False
        return self.same(sides[-1], other)

    def _two_relations(self, left: Node, right: Node) -> bool | None:
        a, b = assigned(left), assigned(right)
        if a and b:
            if a[0] == b[0] or same_functions(a[0], b[0]):
                return self.same(_arranged(a[1]), _arranged(b[1]))
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
            letters = set(sets.letters)
            sets.letters.clear()
            second = sets.of(right)
            if letters and sets.letters and letters != sets.letters:
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
        return self._all(zip(left.args, right.args)) if len(left.args) == len(right.args) else False

    def _units(self, left: Node, right: Node) -> bool | None:
        """Quantities: of one kind they compare by amount; a unit on one side only is taken as left out on the other."""
        if {left.kind, right.kind} & {"list", "set"}:
            return self._collection(left, right)
        if not {left.kind, right.kind} <= EXPRESSIONS | _WITH_UNIT or _holds_matrix(left, right):
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
            return self.scalars.same(amount, bare) if share is False and value is not None and abs(value) >= _PERCENT_LEFT_OUT else share
        same = self.scalars.same(amount, bare)
        if same is False and unit == DEGREES and contains(bare, frozenset(["const"])) and not contains(amount, frozenset(["const"])):
            return self.scalars.same(_radians(amount), bare)
        return same

    def _collection(self, left: Node, right: Node) -> bool | None:
        """Lists and sets, in any order, unless dots stand in them or names give the places."""
        first, second = _as_places(left), _as_places(right)
        if first and second and first[0] is not None and second[0] is not None:
            return self._named(first, second)
        if first and second and (first[0] is not None or second[0] is not None):
            return self._placed(left, right, first, second)
        if left.kind == "bracket" or right.kind == "bracket":
            return self._list_against_tuple(left, right)
        if left.kind == "matrix" or right.kind == "matrix":
            return False
        a, b = _items(left), _items(right)
        if _conditions(left) or _conditions(right):
            verdict = self._sets(left, right, relations=True)
            if verdict is not None:
                return verdict
        if any(item.kind == "dots" for item in (*a, *b)):
            return len(a) == len(b) and self._all(zip(a, b))
        if left.kind == "set" or right.kind == "set":
            a, b = self._distinct(a), self._distinct(b)
        return self._paired(a, b)

    def _list_against_tuple(self, left: Node, right: Node) -> bool | None:
        """3, 4, 5 against (3, 4, 5): the same in order. Two in brackets may be an interval, so there brackets count."""
        listed, held = (left, right) if left.kind != "bracket" else (right, left)
        items = held.args[2:]
        if listed.kind == "list" and held.args[:2] == ("(", ")") and len(items) == len(listed.args) > 2:
            return self._all(zip(items, listed.args))
        if listed.kind == "set" and len(listed.args) == 1 or listed.kind == "list" and len(listed.args) == 1:
            return self.same(listed.args[0], held)
        return False

    def _named(self, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against y = 2, x = 1."""
        a, b = dict(zip(*first)), dict(zip(*second))
        if a.keys() != b.keys() or len(a) != len(first[0]):
            return False
        return self._all((a[name], b[name]) for name in a)

    def _placed(self, left: Node, right: Node, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against (1, 2), in the order of the letters; against a bare list 1, 2, in the order written."""
        named, plain = (first, second) if first[0] is not None else (second, first)
        other = right if first[0] is not None else left
        if len(named[1]) != len(plain[1]):
            return False
        pairs = list(zip(named[0], named[1]))
        if other.kind == "bracket" and all(name.kind == "sym" and len(name.args[0]) == 1 for name in named[0]):
            pairs.sort(key=lambda pair: pair[0].args[0])
        return self._all(zip([value for _, value in pairs], plain[1]))

    def _tuples(self, left: Node, right: Node) -> bool | None:
        if left.kind != right.kind or left.args[:2] != right.args[:2] or len(left.args) != len(right.args):
            return False
        return self._all(zip(left.args[2:], right.args[2:]))

    def _matrices(self, left: Node, right: Node) -> bool | None:
        """Cell by cell; a column or row against a tuple of its cells."""
        try:
            cells = [self._cells(side) for side in (left, right) if side.kind == "bracket" and side.args[:2] == ("(", ")") or contains(side, _MATRIX)]
        except NotAMatrix:
            return None
        if len(cells) < 2:
            return False
        first, second = cells
        if left.kind == "bracket" or right.kind == "bracket":
            if 1 not in (len(first), len(first[0])) or 1 not in (len(second), len(second[0])):
                return False
            first, second = (tuple((cell,) for row in side for cell in row) for side in cells)
        if len(first) != len(second) or len(first[0]) != len(second[0]):
            return False
        return self._all((a, b) for row, other in zip(first, second) for a, b in zip(row, other))

    def _cells(self, side: Node) -> tuple[tuple[Node, ...], ...]:
        if side.kind == "bracket":
            return tuple((item,) for item in side.args[2:])
        return matrix_of(side)

    def _ratios(self, left: Node, right: Node) -> bool | None:
        """7 : 32 is 7/32; longer ratios are equal up to a common factor."""
        if left.kind != right.kind:
            ratio, other = (left, right) if left.kind == "ratio" else (right, left)
            if len(ratio.args) == 2 and other.kind in EXPRESSIONS:
                return self.scalars.same(div(*ratio.args), other)
            return other.kind == "clock" and [rational(part) for part in ratio.args] in ([other.args[0] // 60 % 12 or 12, other.args[0] % 60], [other.args[0] // 60, other.args[0] % 60])
        if len(left.args) != len(right.args):
            return False
        return self._all((Node("mul", (a, right.args[0])), Node("mul", (b, left.args[0]))) for a, b in zip(left.args, right.args))

    def _based(self, left: Node, right: Node) -> bool | None:
        """Numbers that both name their base compare by value; a number without one is no answer to "in base 8"."""
        if left.kind != right.kind:
            return False
        try:
            return int(left.args[0], left.args[1]) == int(right.args[0], right.args[1])
        except ValueError:
            return left == right

    # -- pairing

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
        return verdict

    def _item_key(self, item: Node) -> object:
        return self.scalars.key(item) if item.kind in EXPRESSIONS else item


_PERCENT = ((("percent", 1),), 1)


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


def _holds_matrix(left: Node, right: Node) -> bool:
    return contains(left, _MATRIX) or contains(right, _MATRIX)


def _point(node: Node) -> Node:
    """A(1, 2) as the tuple that it names."""
    if node.kind == "apply" and node.args[0][:1].isupper() and len(node.args) > 2:
        return Node("bracket", ("(", ")", *node.args[1:]))
    return node


def _value(node: Node) -> Node:
    named = assigned(node)
    return named[1] if named else node


def _arranged(node: Node) -> Node:
    """One form for lists: signs spelled out, (p, q) = (3, 2) as p = 3, q = 2, and x = 1, 2, 3 as its values."""
    if contains(node, frozenset(["pm"])):
        node = _signs_spelled(node)
    if node.kind == "relation" and node.args[0] == ("=",):
        names, values = node.args[1:]
        if names.kind == values.kind == "bracket" and names.args[:2] == values.args[:2] and len(names.args) == len(values.args):
            return Node("list", tuple(Node("relation", (("=",), *pair)) for pair in zip(names.args[2:], values.args[2:])))
    if node.kind == "list":
        items = [_arranged(item) for item in node.args]
        named = [assigned(item) for item in items]
        if named[0] and len(items) > 1 and not any(item.kind == "relation" for item in items[1:]):
            return Node("list", (named[0][1], *items[1:]))
        if all(named) and len({name for name, _ in named}) == 1 and len(items) > 1:
            return Node("list", tuple(value for _, value in named))
        if all(item.kind == "relation" and item.args[0] == ("in",) for item in items) and len(items) == 1:
            return items[0].args[2]
        return Node("list", tuple(part for item in items for part in (item.args if item.kind == "list" and _from_signs(item) else (item,))))
    if node.kind == "set":
        items = [_arranged(item) for item in node.args]
        return Node("set", tuple(part for item in items for part in (item.args if item.kind == "list" else (item,))))
    return node


def _from_signs(item: Node) -> bool:
    return bool(item.args) and all(part.kind in EXPRESSIONS for part in item.args)


def _signs_spelled(node: Node) -> Node:
    """Each answer with a plus-minus sign as the list of its values; signs in one expression go together, mp opposite."""
    if node.kind in ("list", "set"):
        return Node(node.kind, tuple(_signs_spelled(item) if contains(item, frozenset(["pm"])) else item for item in node.args))
    if node.kind == "relation" and node.args[0] == ("=",):
        name, values = node.args[1], _signs_spelled(node.args[2]) if contains(node.args[2], frozenset(["pm"])) else node.args[2]
        if values.kind == "list":
            return Node("list", tuple(Node("relation", (("=",), name, value)) for value in values.args))
        return node
    return Node("list", (_with_sign(node, 1), _with_sign(node, -1)))


def _with_sign(node: Node, sign: int) -> Node:
    if node.kind == "pm":
        value = _with_sign(node.args[0], sign)
        return value if node.args[1] * sign > 0 else neg(value)
    return Node(node.kind, tuple(_with_sign(part, sign) if isinstance(part, Node) else part for part in node.args))


def _items(node: Node) -> list[Node]:
    return list(node.args) if node.kind in ("list", "set") else [node]


def _conditions(node: Node) -> bool:
    """Whether a list is one of inequalities."""
    return node.kind == "list" and all(item.kind == "relation" and item.args[0][0] in ("<", ">", "<=", ">=", "!=", "in") for item in node.args)


def _as_places(node: Node) -> tuple[tuple[Node, ...] | None, tuple[Node, ...]] | None:
    """(names, values) of a list of assignments, (None, values) of a tuple or a list of plain values, else None."""
    if node.kind == "list":
        named = [assigned(item) for item in node.args]
        if all(named):
            return tuple(name for name, _ in named), tuple(value for _, value in named)
        return None if any(item.kind == "relation" for item in node.args) else (None, node.args)
    if node.kind == "bracket" and node.args[:2] == ("(", ")"):
        return None, node.args[2:]
    return None


def _flat(node: Node, kind: str) -> list[Node]:
    if node.kind != kind:
        return [node]
    return [part for child in node.args for part in _flat(child, kind)]
