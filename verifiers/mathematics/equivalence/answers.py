"""What answers mean: whether two of them are equal in value.

Every rule is symmetric. True and False are certain; None is "could not decide" and never becomes a match.
scalars.py compares expressions, real_sets.py sets of reals, relations.py equations; here stands which kind meets which.
"""

import itertools
import re
import time

from verifiers.mathematics.equivalence import worker_client
from verifiers.mathematics.equivalence.canonical import arranged, as_places, conditions, items, point, with_plain_letter
from verifiers.mathematics.equivalence.conventions import PLAIN, Conventions
from verifiers.mathematics.equivalence.evaluation import OutOfTime
from verifiers.mathematics.equivalence.matrices import NotAMatrix, matrix_of, rows_of, with_values
from verifiers.mathematics.equivalence.parameters import constants_renamed, declared, may_be_renamed, renaming, residues
from verifiers.mathematics.equivalence.real_sets import NotASet, RealSets
from verifiers.mathematics.equivalence.relations import (
    Relations,
    assigned,
    holds_only_letters,
    is_name,
    renamed,
    same_functions,
    shared_value,
)
from verifiers.mathematics.equivalence.scalars import EXPRESSIONS, Prover, Scalars
from verifiers.mathematics.parsing.answers import readings
from verifiers.mathematics.parsing.statements import same_text
from verifiers.mathematics.parsing.tree import (
    MINUS_ONE,
    PI,
    UNWRITTEN_BASE,
    E,
    Node,
    contains,
    div,
    function_names,
    letters,
    num,
    rational,
    sym,
    times,
)
from verifiers.mathematics.parsing.units import DEGREES, RADIANS, SYMBOL_UNITS, unit_of
from verifiers.mathematics.parsing.words import words
from verifiers.verdict import Reason

_MAX_ITEMS = 200
_MAX_ANSWER_WORDS = 5  # of a reference in words; more make a sentence
_DEGREE = frozenset(["degree"])
_ANGLE_FUNCTIONS = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])
_WITH_UNIT = frozenset(["quantity", "percent", "degree"])
_PERCENT_LEFT_OUT = 2  # from here on, 28 against 28% is a sign left out; below, a number is a share
_ANGLES = frozenset(["arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"])
_PERCENT = ((("percent", 1),), 1)
DEADLINE_SECONDS = 0.15  # of CPU time
_MOST_SECONDS = 0.3  # of CPU time for a whole comparison; high precision has its own limit within
_OPTIONS = frozenset("ABCDEFGH")
_LONG_SECONDS = 0.05  # by the clock; what takes longer looks at its CPU time
_LETTER = frozenset(["sym"])
_SETS = frozenset(["union", "meet", "minus", "region", "builder", "empty"])
_MATRIX = frozenset(["matrix"])


def compare(
    reference: str,
    answer: str,
    prover: Prover | None = None,
    seconds: float = DEADLINE_SECONDS,
    conventions: Conventions = PLAIN,
) -> Reason:
    """MATCH, ROUNDED, WITHIN_TOLERANCE, MISMATCH, or why it could not be decided.

    Equal texts match, however little of them can be read. A reference that cannot be read whole is otherwise UNSUPPORTED.
    What symbolic algebra may still decide, and what nests deep, goes to a worker process, save in a worker itself, which
    gives its `prover` and its own limit in `seconds` of CPU time.
    """
    comparison = Comparison(seconds, prover, conventions)
    if same_text(reference, answer):
        return Reason.MISMATCH if "0" in reference and comparison.is_undefined(reference) else Reason.MATCH
    verdicts: list[bool | None] = []
    try:
        ours, theirs = readings(reference), readings(answer)
        for left, right in itertools.product(ours, theirs):
            if "deep" in (left.kind, right.kind):
                return Reason.UNSUPPORTED if prover else worker_client.ask(reference, answer, conventions)
            verdicts.append(comparison.answers(left, right))
            if verdicts[-1]:
                return comparison.reason()
        if ("ln" in reference) != ("ln" in answer) and "log" in reference + answer:
            for left, right in itertools.product(map(_natural, ours), map(_natural, theirs)):
                if comparison.answers(left, right):
                    return comparison.reason()
        if all(verdict is False for verdict in verdicts):
            if comparison.as_words(reference, answer):
                return Reason.MATCH
            return Reason.MISMATCH if is_read_whole(reference) else Reason.UNSUPPORTED
    except OutOfTime:
        return Reason.CHECKER_TIMEOUT
    except RecursionError:  # a long chain of products, unions or signs makes a deep tree
        return Reason.UNSUPPORTED if prover else worker_client.ask(reference, answer, conventions)
    if comparison.scalars.symbolic and not prover:
        return worker_client.ask(reference, answer, conventions)
    return Reason.UNSUPPORTED


def is_read_whole(reference: str) -> bool:
    """Whether a reference is mathematics or a few words; a sentence that is neither can only be compared as text."""
    kinds = readings(reference)
    return any(node.kind not in ("text", "unread") for node in kinds) or (
        kinds[0].kind == "text" and len(kinds[0].args[0].split()) <= _MAX_ANSWER_WORDS
    )


class Comparison:
    """One comparison of two answers: its numbers share one deadline."""

    def __init__(self, seconds: float, prover: Prover | None, conventions: Conventions = PLAIN):
        self.scalars = Scalars(seconds, prover)
        self.relations = Relations(self.scalars)
        self.conventions = conventions
        self.started = time.perf_counter()
        self.until: float | None = None  # in CPU time of this thread; set once the comparison takes long
        self.rounded = False
        self.tolerated = False

    def reason(self) -> Reason:
        """Why an answer that matched is right."""
        if self.tolerated:
            return Reason.WITHIN_TOLERANCE
        return Reason.ROUNDED if self.rounded else Reason.MATCH

    def is_undefined(self, reference: str) -> bool:
        """Whether a reference is a number that has no value, such as 1/0."""
        node = readings(reference)[0]
        return node.kind in EXPRESSIONS and not _unknowns(node) and not self.scalars.defined(node)

    # -- what an answer holds

    def answers(self, left: Node, right: Node) -> bool | None:
        """Two whole answers, the reference on the left."""
        if left.kind == right.kind == "where" and left.args[1] != right.args[1]:
            return None if self.answers(left.args[0], right.args[0]) else False
        (left, ours), (right, theirs) = declared(left), declared(right)
        if ours and theirs and {*ours.values()} != {*theirs.values()} and "" not in (*ours.values(), *theirs.values()):
            return False
        if left.kind == "approx" or right.kind == "approx":
            return self._approximate(left, right)
        plain = [arranged(self._one(with_plain_letter(side))) for side in (left, right)]
        verdict = self.same(*plain)
        if verdict or self._with_letters_chosen(left, right, {*ours, *theirs}):
            return True
        return self._residues(left, right) or verdict

    def _with_letters_chosen(self, left: Node, right: Node, said: set[str]) -> bool:
        """Whether two answers are the same once the letters that an answer may choose are named alike."""
        if not contains((left, right), _LETTER):
            return False
        shared = shared_value(left), shared_value(right)
        if any(shared):
            sides = (each or arranged(side) for each, side in zip(shared, (left, right), strict=True))
            return bool(self.same(*sides))
        values = _stated(left), _stated(right)
        if not may_be_renamed(*values):
            return False
        renamed_right = renaming(*values, said, _is_of_integers(left) and _is_of_integers(right))
        if renamed_right is not None and self.same(arranged(self._one(values[0])), arranged(self._one(renamed_right))):
            return True
        return any(self.same(values[0], named) is True for named in constants_renamed(*values))

    def _residues(self, left: Node, right: Node) -> bool:
        """n = 2 (mod 4) against n = 4k + 2: the same classes, where one side is a congruence."""
        if not {left.kind, right.kind} & {"relation", "list", "either", "call"}:
            return False
        first, second = residues(left), residues(right)
        return bool(
            first
            and second
            and (first.congruent or second.congruent)
            and first[:2] == second[:2]
            and len({first.name, second.name} - {None}) <= 1
        )

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
        """E ~ d: the exact value meets an exact one, the decimal another decimal, if it is the value rounded to its places."""
        if left.kind == right.kind:
            return self._two_approximate(left, right)
        (exact, decimal), other = (left.args, right) if left.kind == "approx" else (right.args, left)
        other = _value(other)
        if is_name(exact):
            return self.same(decimal, other) if left.kind == "approx" else self.same(other, decimal)
        value = _value(exact)
        verdict = self.same(arranged(value), arranged(other))
        if verdict:
            return self._is_rounding(value, decimal) is not False
        is_decimal = rational(other) is not None and rational(other).denominator != 1 and _places(other) is not None
        if (left.kind == "approx" or is_decimal) and self._is_rounding(value, decimal) and self.same(decimal, other):
            self.rounded = True
            return True
        return False if verdict is False else None

    def _two_approximate(self, left: Node, right: Node) -> bool | None:
        (exact, decimal), (other, stated) = left.args, right.args
        if is_name(exact) and is_name(other):
            return self.same(decimal, stated) if exact == other else False
        if not is_name(exact) and not is_name(other):
            if not self.same(decimal, stated) and self._is_rounding(_value(other), stated) is False:
                return False  # the same value, with a decimal that is none of its own
            return self.same(arranged(_value(exact)), arranged(_value(other)))
        return self.same(decimal, stated)

    def _is_rounding(self, value: Node, decimal: Node) -> bool | None:
        """Whether a decimal is a value rounded to the decimal's places; None for a value that is no number."""
        places, written = _places(decimal), rational(_measure(decimal)[0])
        found = self.scalars.value(_measure(value)[0])
        if found is None:
            return None
        if places is None or written is None:
            return self.same(value, decimal)
        return abs(found * 10**places - written.numerator * 10**places // written.denominator) <= 0.5 + 1e-9

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
        if time.perf_counter() - self.started > _LONG_SECONDS:
            self._look_at_time()
        kinds = {left.kind, right.kind}
        if "choice" in kinds:
            return self._choice(left, right)
        if "text" in kinds or "unread" in kinds:
            return left == right and left.args[0] != ""
        if "where" in kinds:
            left, right = (side.args[0] if side.kind == "where" else side for side in (left, right))
            return self.same(left, right)
        if (
            left.kind in EXPRESSIONS
            and right.kind in EXPRESSIONS
            and not kinds & _WITH_UNIT
            and "based" not in kinds
            and not _holds_matrix(left, right)
        ):
            return self._expressions(left, right)
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
        if left.kind == right.kind == "clock" and len(left.args) != len(right.args):
            return left.args[0] % 720 == right.args[0] % 720
        if left.kind == right.kind == "clock":
            return left.args[0] == right.args[0]
        if "clock" in kinds or "date" in kinds or "dots" in kinds or "approx" in kinds:
            return left == right
        return None if left.kind in EXPRESSIONS and right.kind in EXPRESSIONS else False

    def _look_at_time(self) -> None:
        """Raises OutOfTime where a comparison has had its share of CPU. To ask for CPU time is a call to the system, dear on some
        machines; short comparisons look at the clock alone."""
        now = time.thread_time()
        if self.until is None:
            self.until = now + _MOST_SECONDS * (1 + 4 * bool(self.scalars.prover)) - _LONG_SECONDS
        if now > self.until:
            raise OutOfTime

    def _expressions(self, left: Node, right: Node) -> bool | None:
        verdict = self.scalars.same(left, right)
        if verdict:
            return True
        degrees = contains(left, _DEGREE), contains(right, _DEGREE)
        if degrees[0] != degrees[1] and not (function_names(left) | function_names(right)) & _ANGLE_FUNCTIONS:
            stripped = self.scalars.same(
                _without_degrees(left), _without_degrees(right)
            )  # the sign left out on one side
            if stripped:
                return True
        return self._within_tolerance(left, right) or verdict

    def _within_tolerance(self, left: Node, right: Node) -> bool:
        """Whether a number is as near to the reference, on the left, as the reference allows."""
        allowed = self.conventions
        if not allowed.relative and not allowed.absolute:
            return False
        a, b = self.scalars.value(left), self.scalars.value(right)
        if a is None or b is None or abs(a) == float("inf") or abs(b) == float("inf"):
            return False
        relative = abs(a) * allowed.relative.numerator / allowed.relative.denominator
        absolute = allowed.absolute.numerator / allowed.absolute.denominator
        is_near = bool(abs(a - b) <= max(relative, absolute) * (1 + 1e-12))
        self.tolerated |= is_near
        return is_near

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
        if other.kind == "empty" and set(relation.args[0]) == {"="}:
            return False  # an equation is no set, though it may have no solution
        named = assigned(relation)
        if named:
            value = arranged(named[1])
            return self.same(value, other) if relation is left else self.same(other, value)
        if relation.args[0] == ("in",):
            return self.same(arranged(relation.args[2]), other)
        if (
            other.kind in EXPRESSIONS
            and relation.args[0] == ("=",)
            and "y" in letters(relation)
            and letters(other)
            and "y" not in letters(other)
        ):
            return self.relations.same(relation, Node("relation", (("=",), sym("y"), other)))
        if other.kind in EXPRESSIONS or other.kind in _WITH_UNIT:
            return self._identity(relation, other, relation is right)
        return self._sets(left, right)

    def _identity(self, relation: Node, other: Node, answered: bool) -> bool | None:
        """2 + 3 = 5 against 5, ab = 12 against 12: a relation that rewrites or names a value stands for that value.

        In an answer (`answered`) it may also state the value of an expression, x^4 + y^4 = 391, but not of a single unknown:
        2x = 10 is an equation that is still to be solved.
        """
        sides = relation.args[1:]
        if len(set(sides)) == 1:
            return False  # 5 = 5
        if set(relation.args[0]) - {"=", "~"} or not all(
            side.kind in EXPRESSIONS or side.kind in _WITH_UNIT for side in sides
        ):
            return False
        numbers = [side for side in sides if not _unknowns(side)]
        if not _unknowns(sides[-1]) and len(numbers) < len(sides):
            if not all(self.same(numbers[0], side) for side in numbers[1:]):
                return False
            named = len(sides) == 2 and holds_only_letters(sides[0])
            if not named and not (answered and _is_valued(sides)):
                return False
            return self.same(sides[-1], other) if not answered else self.same(other, sides[-1])
        if not all(self.same(sides[0], side) for side in sides[1:]):
            return False
        return self.same(sides[-1], other)

    def _two_relations(self, left: Node, right: Node) -> bool | None:
        a, b = assigned(left), assigned(right)
        if (
            self.conventions != PLAIN
            and left.args[0] == right.args[0]
            and self._all(zip(left.args[1:], right.args[1:], strict=True))
        ):
            return True
        if not _unknowns(left) and not _unknowns(right) and set(left.args[0]) | set(right.args[0]) == {"="}:
            return self._constant_equations(left, right)
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

    def _constant_equations(self, left: Node, right: Node) -> bool | None:
        """log_2 32 = 5 against 5 = log_2 32: the same functions of the same numbers on either side, for all such are true."""
        if len(left.args) != len(right.args):
            return False
        first, second = left.args[1:], right.args[1:]
        if (len(set(first)) == 1) != (len(set(second)) == 1):
            return False  # 1 = 1
        for sides in (second, second[::-1]):
            pairs = list(zip(first, sides, strict=True))
            if all(self._alike(*pair) for pair in pairs):
                return True
        return False

    def _alike(self, left: Node, right: Node) -> bool | None:
        if not {left.kind, right.kind} <= EXPRESSIONS or _holds_matrix(left, right):
            return self.same(left, right)
        return self.scalars.same(_unevaluated(left), _unevaluated(right))

    def _sets(self, left: Node, right: Node, relations: bool = False) -> bool | None:
        """Sets of reals by their pieces; sets that have none by their form."""
        sets = RealSets(self.scalars)
        sets.parameters = _parameters(left) | _parameters(right)
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
        zeros = [[rational(part) == 0 for part in side.args] for side in (left, right)]
        if zeros[0] != zeros[1] or zeros[0][0]:
            return self._all(zip(left.args, right.args, strict=True))
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
        if len(a) == 1 or len(b) == 1:
            chosen = _chosen_together(a, b)
            if chosen is not None:
                return chosen
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
        if self.conventions.ordered:
            return self._all(zip(left, right, strict=True))
        if len(left) > _MAX_ITEMS:
            return None if left != right else True
        rest = list(right)
        open_items: list[Node] = []
        keys = {}
        for item in rest:
            keys.setdefault(self._item_key(item), []).append(item)
        for item in left:
            same_key = keys.get(self._item_key(item))
            if same_key and self.same(item, same_key[0]):
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
            return self._expressions(first, second)
        return self._expressions(Node("mul", (num(scale), first)), Node("mul", (num(other), second)))

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
        same = self._expressions(amount, bare)
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


def _stated(node: Node) -> Node:
    """The value of (k, l) = (1 + t, 2 - t), of f(x) = x + C and of x = k pi."""
    if node.kind == "relation" and node.args[0] == ("=",) and len(node.args) == 3:
        name = node.args[1]
        if is_name(name) or (name.kind == "bracket" and all(part.kind == "sym" for part in name.args[2:])):
            return node.args[2]
    return node


def _is_of_integers(node: Node) -> bool:
    """n = ...: what is stated of a whole number."""
    return node.kind == "relation" and node.args[0] == ("=",) and node.args[1] == sym("n")


def _chosen_together(left: list[Node], right: list[Node]) -> bool | None:
    """Several options chosen, A, C, against AC: the same letters in the alphabet's order; None for other answers."""
    apart, joined = (left, right) if len(right) == 1 else (right, left)
    letters_apart = [item.args[0] for item in apart if item.kind == "sym" and item.args[0] in _OPTIONS]
    word = joined[0].args[0] if joined[0].kind == "sym" else ""
    if len(letters_apart) < 2 or len(letters_apart) < len(apart) or not set(word) <= _OPTIONS:
        return None
    return "".join(sorted(letters_apart)) == word


def _parameters(node: Node) -> set[Node]:
    """The letters in the ends of intervals: parameters, if a relation on the other side names the unknown."""
    return {sym(name) for name in letters(node)} if node.kind in ("bracket", "union") else set()


def _unknowns(node: Node) -> bool:
    """Whether letters, unknown functions or dots stand in a tree."""
    return contains(node, frozenset(["sym", "apply", "sub", "dots", "sum", "prod", "limit"]))


def _is_valued(sides: tuple[Node, ...]) -> bool:
    """Whether the first side is an expression whose value the last side states, and no equation of one unknown."""
    if len(sides) > 2:
        return True
    if sides[-1].kind == "num" and sides[-1].args[0] == 0:
        return False
    names = letters(sides[0])
    if (
        names
        and names <= {"x", "y", "z"}
        and contains(sides[0], frozenset(["num"]))
        and not contains(sides[0], frozenset(["pow", "call"]))
    ):
        return False  # of a line or a plane
    return (
        len(names) != 1
        or any(name[:1].isupper() for name in names)
        or bool(function_names(sides[0]) - {"abs"})
        or contains(sides[0], frozenset(["apply", "sub"]))
    )


def _unevaluated(node: Node) -> Node:
    """A tree in which functions and powers are kept as they are written, so that log_2 4 is not log_3 9."""
    parts = tuple(_unevaluated(part) if isinstance(part, Node) else part for part in node.args)
    if node.kind == "call":
        return Node("apply", ("call " + parts[0], *parts[1:]))
    if node.kind == "pow" and node.args[1] != MINUS_ONE:
        return Node("apply", ("power", *parts))
    if node.kind in ("degree", "percent"):
        return Node("apply", (node.kind, *parts))
    return Node(node.kind, parts)


def _without_degrees(node: Node) -> Node:
    if node.kind == "degree":
        return _without_degrees(node.args[0])
    return Node(node.kind, tuple(_without_degrees(part) if isinstance(part, Node) else part for part in node.args))


def _natural(node: Node) -> Node:
    """A tree with natural logarithms where logarithms to the base 10 stand."""
    if node.kind == "call" and node.args[:2] == ("log", UNWRITTEN_BASE):
        return Node("call", ("log", E, *(_natural(part) for part in node.args[2:])))
    return Node(node.kind, tuple(_natural(part) if isinstance(part, Node) else part for part in node.args))


def _places(node: Node) -> int | None:
    """The decimal places of a number as far as its value shows them; None for a number that is no finite decimal."""
    amount = _measure(node)[0]
    value = rational(amount)
    parts = amount.args if amount.kind == "mul" else (amount,)
    if value is None or any(part.kind == "pow" and part.args[0] != num(10) for part in parts):
        return None
    for places in range(40):
        if (value * 10**places).denominator == 1:
            return places
    return None
