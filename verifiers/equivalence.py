"""What answers mean: whether two of them are equal in value.

Every rule is symmetric. True and False are certain; None is "could not decide" and never becomes a match.
scalars.py compares expressions, real_sets.py sets of reals, relations.py equations; here stands which kind meets which.
"""

import itertools
import re

from verifiers import guard
from verifiers.answers import readings
from verifiers.arrangement import arranged, point, with_plain_letter
from verifiers.evaluation import OutOfTime
from verifiers.listings import Listings
from verifiers.matrices import NotAMatrix, matrix_of, rows_of, with_values
from verifiers.quantities import WITH_UNIT, Quantities
from verifiers.real_sets import NotASet, RealSets
from verifiers.relations import Relations, assigned, holds_only_letters, renamed, same_functions
from verifiers.scalars import EXPRESSIONS, Prover, Scalars
from verifiers.tree import Node, contains, div, letters, rational
from verifiers.verdict import Reason
from verifiers.words import words

DEADLINE_SECONDS = 0.15  # of CPU time
_SETS = frozenset(["union", "meet", "minus", "region", "builder", "empty"])
_MATRIX = frozenset(["matrix"])


def compare(reference: str, answer: str, prover: Prover | None = None, seconds: float = DEADLINE_SECONDS) -> Reason:
    """MATCH, ROUNDED, MISMATCH, or why it could not be decided.

    What symbolic algebra may still decide, and what nests deep, goes to a worker process, save in a worker itself, which
    gives its `prover` and its own limit in `seconds` of CPU time.
    """
    comparison = _Comparison(seconds, prover)
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
    except RecursionError:  # a long chain of products, unions or signs makes a deep tree
        return Reason.UNSUPPORTED if prover else guard.ask(reference, answer)
    if comparison.scalars.symbolic and not prover:
        return guard.ask(reference, answer)
    return Reason.UNSUPPORTED


class _Comparison(Listings, Quantities):
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
            and not kinds & WITH_UNIT
            and "based" not in kinds
            and not _holds_matrix(left, right)
        ):
            return self.scalars.same(left, right)
        if "relation" in kinds:
            return self._relation(left, right)
        if kinds & _SETS:
            return self._sets(left, right)
        if kinds & WITH_UNIT:
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
        if other.kind in EXPRESSIONS or other.kind in WITH_UNIT:
            return self._identity(relation, other)
        return self._sets(left, right)

    def _identity(self, relation: Node, other: Node) -> bool | None:
        """2 + 3 = 5 against 5, ab = 12 against 12: a relation that rewrites or names a value stands for that value."""
        sides = relation.args[1:]
        if len(sides) == 2 and relation.args[0] == ("=",) and holds_only_letters(sides[0]) and not letters(sides[1]):
            return self.same(sides[1], other)
        if set(relation.args[0]) != {"="} or not all(
            side.kind in EXPRESSIONS or side.kind in WITH_UNIT for side in sides
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


def _holds_matrix(left: Node, right: Node) -> bool:
    return contains(left, _MATRIX) or contains(right, _MATRIX)


def _value(node: Node) -> Node:
    named = assigned(node)
    return named[1] if named else node


def _flat(node: Node, kind: str) -> list[Node]:
    if node.kind != kind:
        return [node]
    return [part for child in node.args for part in _flat(child, kind)]
