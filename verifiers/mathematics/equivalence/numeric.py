"""Numbers at high precision: what refutes an equality, and when agreement leaves no room for a difference.

A difference refutes where it stands still while the precision doubles. Agreement proves
  - for algebraic numbers, below the separation bound of Burnikel, Fleischer, Mehlhorn and Schirra (Algorithmica 27, 2000,
    section 3): a nonzero expression of degree D with parameters u, l is at least 1 / (u^(D-1) l) in absolute value;
  - for other constants and for analytic functions at several random points, 200 bits beyond three times all digits and
    magnitudes that the two expressions hold.
"""

import random
import threading
from fractions import Fraction
from typing import Any

from mpmath.ctx_mp import MPContext

from verifiers.mathematics.equivalence.evaluation import MAX_PRECISION, TRANSCENDENTAL, Evaluation
from verifiers.mathematics.equivalence.normal_form import Forms
from verifiers.mathematics.equivalence.polynomials import TooBig, Undefined
from verifiers.mathematics.parsing.tree import (
    Node,
    contains,
    function_names,
    letters,
    literal_bits,
    mentions_i,
    rational,
    symbol_in_exponent,
)


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


_STEPWISE = frozenset(["floor", "ceil", "abs", "max", "min", "mod", "sign", "gcd", "lcm"])
_GAMMA = frozenset(["factorial", "factorial2", "gamma", "binom"])
_local = threading.local()


def _context() -> Any:
    """This thread's arithmetic; mpmath's own is shared by all threads and keeps its precision there."""
    context = getattr(_local, "context", None)
    if context is None:
        context = _local.context = MPContext()
    return context


def equal(left: Node, right: Node, deadline: float) -> bool | None:
    """Whether two expressions are equal: False is a refutation, True a proof as above, None neither.

    `deadline` is a time.thread_time() value, so that a busy machine changes no verdict; OutOfTime passes through, as do TooBig and Undefined.
    """
    free = sorted(letters(left) | letters(right))
    names = function_names(left) | function_names(right)
    if not free:
        return _equal_constants(left, right, deadline)
    provable = not names & _STEPWISE and not contains((left, right), frozenset(["sum", "prod", "apply", "sub"]))
    return _equal_functions(
        left, right, free, bool(names & TRANSCENDENTAL) or symbol_in_exponent((left, right)), provable, deadline
    )


def real_value(node: Node, deadline: float, precision: int = 200) -> Any:
    """The value of a real constant as an mpf; TooBig where it is not real or not finite."""
    context = _context()
    context.prec = precision
    value = Evaluation(context, {}, deadline).of(node)
    if isinstance(value, context.mpc):
        if abs(value.imag) > abs(value) * context.mpf(2) ** (-precision // 2):
            raise TooBig("a number that is not real")
        value = value.real
    return value


def _equal_constants(left: Node, right: Node, deadline: float) -> bool | None:
    digits = literal_bits(left) + literal_bits(right)
    bound = separation_bits(left, right)
    precision = 128
    while precision <= MAX_PRECISION:
        near, seen = _difference(left, right, {}, precision, deadline)
        if not near:
            return False
        needed = (bound + 64 if bound is not None else 200 + 3 * digits) + 2 * seen
        if precision >= needed:
            return True
        precision = max(needed, precision * 2)
    return None


def _equal_functions(
    left: Node, right: Node, free: list[str], exponential: bool, provable: bool, deadline: float
) -> bool | None:
    digits = literal_bits(left) + literal_bits(right)
    choose = random.Random(repr(sorted((repr(left), repr(right)))))
    gamma = bool((function_names(left) | function_names(right)) & _GAMMA)
    largest = 3 if exponential else 8 + min(digits, 64)
    agreed = 0
    for attempt in range(14):
        whole = attempt >= 10 and not agreed  # where only whole numbers have a value, as in (-1)^n, they may refute
        point = {
            letter: Fraction(choose.randrange(1, 30)) if whole else _coordinate(choose, largest, attempt)
            for letter in free
        }
        try:
            near, seen = _difference(left, right, point, 160, deadline, real=True)
            if near and agreed < 2 and provable:
                near, seen = _difference(
                    left, right, point, min(200 + 3 * digits + 2 * seen, 300 if gamma else 4_000), deadline, real=True
                )
        except (Undefined, _NotReal, ZeroDivisionError):
            continue
        if not near:
            return False
        agreed += 1
    return True if provable and agreed >= 5 else None


def _coordinate(choose: random.Random, largest: int, attempt: int) -> Fraction:
    """A random rational; the first half of the points is positive, where most domains lie."""
    size = Fraction(choose.randrange(1 << 59, 1 << 60), 1 << 60) * Fraction(2) ** choose.randrange(-3, largest)
    return -size if attempt >= 7 and choose.random() < 0.6 else size


class _NotReal(Exception):
    """A value outside of the reals, where functions of a real variable are compared."""


def _difference(
    left: Node, right: Node, point: dict[str, Fraction], precision: int, deadline: float, real: bool = False
) -> tuple[bool, int]:
    """Whether the two sides agree to within rounding, and the largest binary magnitude seen on the way.

    Where they differ, the difference has stood still under twice the precision."""
    context = _context()
    for _ in range(5):
        context.prec = precision + 40
        work = Evaluation(context, point, deadline)
        a, b = work.of(left), work.of(right)
        is_complex = real and (_is_complex(context, a) or _is_complex(context, b))
        if is_complex and not (contains((left, right), frozenset(["const"])) and mentions_i((left, right))):
            raise _NotReal
        gap, size = abs(a - b), max(abs(a), abs(b))
        if gap <= size * context.mpf(2) ** -precision:
            return True, work.magnitude
        context.prec = 2 * precision + 80
        again = Evaluation(context, point, deadline)
        second = abs(again.of(left) - again.of(right))
        if abs(second - gap) * 1000 <= second:
            return False, work.magnitude
        precision = precision * 2 + work.magnitude // 2
        if precision > MAX_PRECISION:
            break
    raise TooBig("a difference that does not settle")


def _is_complex(context: Any, value: Any) -> bool:
    return isinstance(value, context.mpc) and abs(value.imag) > abs(value.real) * context.mpf(2) ** (-context.prec // 2)
