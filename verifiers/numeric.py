"""Numbers at high precision: what refutes an equality, and when agreement leaves no room for a difference.

A difference refutes where it stands still while the precision doubles. Agreement proves
  - for algebraic numbers, below the separation bound of Burnikel, Fleischer, Mehlhorn and Schirra (Algorithmica 27, 2000,
    section 3): a nonzero expression of degree D with parameters u, l is at least 1 / (u^(D-1) l) in absolute value;
  - for other constants and for analytic functions at several random points, 200 bits beyond three times all digits and
    magnitudes that the two expressions hold.
"""

import random
import threading
import time
from fractions import Fraction
from typing import Any

from mpmath.ctx_mp import MPContext

from verifiers.polynomials import TooBig, Undefined
from verifiers.tree import Node, contains, rational

_MAX_PRECISION = 12_000  # bits
_MAX_EXPONENT = 1 << 2_100  # binary magnitude of any value
_MAX_GAMMA_PRECISION = 700  # bits; the gamma function is slow beyond
_STEPWISE = frozenset(["floor", "ceil", "abs", "max", "min", "mod", "sign", "gcd", "lcm"])
_EXPONENTIAL = frozenset(["factorial", "factorial2", "gamma", "binom", "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth"])
_GAMMA = frozenset(["factorial", "factorial2", "gamma", "binom"])
_local = threading.local()


class OutOfTime(Exception):
    """The deadline of a check has passed."""


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
    names = _function_names(left) | _function_names(right)
    if not free:
        return _equal_constants(left, right, deadline)
    provable = not names & _STEPWISE and not contains((left, right), frozenset(["sum", "prod", "apply", "sub"]))
    return _equal_functions(left, right, free, bool(names & _EXPONENTIAL) or _symbol_in_exponent((left, right)), provable, deadline)


def real_value(node: Node, deadline: float, precision: int = 200) -> Any:
    """The value of a real constant as an mpf; TooBig where it is not real or not finite."""
    context = _context()
    context.prec = precision
    value = _Evaluation(context, {}, deadline).of(node)
    if isinstance(value, context.mpc):
        if abs(value.imag) > abs(value) * context.mpf(2) ** (-precision // 2):
            raise TooBig("a number that is not real")
        value = value.real
    return value


def _equal_constants(left: Node, right: Node, deadline: float) -> bool | None:
    digits = _literal_bits(left) + _literal_bits(right)
    bound = _separation_bits(left, right)
    precision = 128
    while precision <= _MAX_PRECISION:
        near, seen = _difference(left, right, {}, precision, deadline)
        if not near:
            return False
        needed = (bound + 64 if bound is not None else 200 + 3 * digits) + 2 * seen
        if precision >= needed:
            return True
        precision = max(needed, precision * 2)
    return None


def _equal_functions(left: Node, right: Node, free: list[str], exponential: bool, provable: bool, deadline: float) -> bool | None:
    digits = _literal_bits(left) + _literal_bits(right)
    choose = random.Random(repr(sorted((repr(left), repr(right)))))
    gamma = bool((_function_names(left) | _function_names(right)) & _GAMMA)
    largest = 3 if exponential else 8 + min(digits, 64)
    agreed = 0
    for attempt in range(14):
        point = {letter: _coordinate(choose, largest, attempt) for letter in free}
        try:
            near, seen = _difference(left, right, point, 160, deadline, real=True)
            if near and agreed < 2 and provable:
                near, seen = _difference(left, right, point, min(200 + 3 * digits + 2 * seen, 300 if gamma else 4_000), deadline, real=True)
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


def _difference(left: Node, right: Node, point: dict[str, Fraction], precision: int, deadline: float, real: bool = False) -> tuple[bool, int]:
    """Whether the two sides agree to within rounding, and the largest binary magnitude seen on the way.

    Where they differ, the difference has stood still under twice the precision."""
    context = _context()
    for _ in range(5):
        context.prec = precision + 40
        work = _Evaluation(context, point, deadline)
        a, b = work.of(left), work.of(right)
        if real and (_is_complex(context, a) or _is_complex(context, b)):
            if not contains((left, right), frozenset(["const"])) or not _mentions_i((left, right)):
                raise _NotReal
        gap, size = abs(a - b), max(abs(a), abs(b))
        if gap <= size * context.mpf(2) ** -precision:
            return True, work.magnitude
        context.prec = 2 * precision + 80
        again = _Evaluation(context, point, deadline)
        second = abs(again.of(left) - again.of(right))
        if abs(second - gap) * 1000 <= second:
            return False, work.magnitude
        precision = precision * 2 + work.magnitude // 2
        if precision > _MAX_PRECISION:
            break
    raise TooBig("a difference that does not settle")


def _is_complex(context: Any, value: Any) -> bool:
    return isinstance(value, context.mpc) and abs(value.imag) > abs(value.real) * context.mpf(2) ** (-context.prec // 2)


class _Evaluation:
    """One pass over a tree at the context's precision."""

    def __init__(self, context: Any, point: dict[str, Fraction], deadline: float):
        self.context, self.point, self.deadline = context, point, deadline
        self.magnitude = 0
        self.steps = 0

    def of(self, node: Node) -> Any:
        self.steps += 1
        if self.steps & 15 == 0 and time.thread_time() > self.deadline:
            raise OutOfTime
        value = self._value(node)
        if value:
            magnitude = self.context.mag(value)
            if not -_MAX_EXPONENT < magnitude < _MAX_EXPONENT:
                raise TooBig("a number beyond all magnitudes")
            self.magnitude = max(self.magnitude, min(abs(int(magnitude)), _MAX_PRECISION))
        return value

    def _value(self, node: Node) -> Any:
        context, kind = self.context, node.kind
        if kind == "num":
            return self._fraction(node.args[0])
        if kind == "sym":
            return self._fraction(self.point[node.args[0]]) if node.args[0] in self.point else self._opaque(node.args[0], ())
        if kind == "const":
            if node.args[0] == "inf":
                raise Undefined("infinity inside of an expression")
            return {"pi": +context.pi, "e": +context.e, "i": context.j}[node.args[0]]
        if kind == "add":
            return sum((self.of(term) for term in node.args[1:]), self.of(node.args[0]))
        if kind == "mul":
            value = self.of(node.args[0])
            for factor in node.args[1:]:
                value = value * self.of(factor)
            return value
        if kind == "pow":
            return self._power(node)
        if kind == "percent":
            return self.of(node.args[0]) / 100
        if kind == "degree":
            return self.of(node.args[0]) * context.pi / 180
        if kind == "based":
            return context.mpf(int(node.args[0], node.args[1]))
        if kind == "call":
            return self._call(node.args[0], [self.of(argument) for argument in node.args[1:]])
        if kind in ("apply", "sub"):
            return self._opaque(node.args[0], tuple(self.of(argument) for argument in node.args[1:]))
        if kind in ("sum", "prod"):
            return self._series(node)
        raise TooBig(f"{kind} inside of an expression")

    def _fraction(self, value: Fraction) -> Any:
        return self.context.mpf(value.numerator) / value.denominator

    def _opaque(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """A value for what is unknown: the same for the same name and arguments, else unrelated."""
        text = name + ";".join(self.context.nstr(argument, 12) for argument in arguments)
        return self._fraction(Fraction(random.Random(text).randrange(1 << 59, 1 << 60), 1 << 58))

    def _power(self, node: Node) -> Any:
        context = self.context
        base = self.of(node.args[0])
        exact = rational(node.args[1])
        if exact is None:
            exponent = self.of(node.args[1])
            self._check_power(base, exponent)
            if not base:
                raise Undefined("zero to a power that is no number")
            return context.power(base, exponent)
        if not base:
            if exact < 0:
                raise Undefined("division by zero")
            return context.mpf(1) if exact == 0 else context.mpf(0)
        self._check_power(base, context.mpf(exact.numerator) / exact.denominator)
        if exact.denominator == 1:
            return base ** int(exact)
        if exact.denominator % 2 and not isinstance(base, context.mpc) and base < 0:
            sign = -1 if exact.numerator % 2 else 1
            return sign * context.power(-base, self._fraction(exact))
        if exact.denominator == 2:
            return context.sqrt(base) ** exact.numerator
        return context.power(base, self._fraction(exact))

    def _check_power(self, base: Any, exponent: Any) -> None:
        if exponent and self.context.mag(exponent) > 2_000:
            raise TooBig("a power beyond all magnitudes")

    def _call(self, name: str, values: list[Any]) -> Any:
        context, first = self.context, values[0]
        if name not in ("log", "factorial", "gamma", "abs") and abs(first) > 1 << 1000:
            raise TooBig(f"{name} of a huge number")
        if name == "log":
            if not values[0] or not values[1] or values[0] == 1:
                raise Undefined("a logarithm without a value")
            return context.log(values[1]) / context.log(values[0])
        if name in ("factorial", "gamma"):
            return self._gamma(first + 1 if name == "factorial" else first)
        if name == "factorial2" or name == "binom":
            if any(abs(value) > 1 << 24 for value in values) or context.prec > _MAX_GAMMA_PRECISION:
                raise TooBig(f"{name} of a huge number")
            return context.fac2(first) if name == "factorial2" else context.binomial(first, values[1])
        if name in ("max", "min"):
            return max(values) if name == "max" else min(values)
        if name == "mod":
            if not values[1]:
                raise Undefined("a remainder of division by zero")
            return values[0] - values[1] * context.floor(values[0] / values[1])
        method = _METHODS.get(name)
        if method is None:
            return self._opaque(name, tuple(values))
        return getattr(context, method)(*values)

    def _gamma(self, value: Any) -> Any:
        if abs(value) > 1 << 60 or self.context.prec > _MAX_GAMMA_PRECISION:
            raise TooBig("the factorial of a huge number")
        if not isinstance(value, self.context.mpc) and value <= 0 and value == self.context.floor(value):
            raise Undefined("the factorial of a negative number")
        return self.context.gamma(value)

    def _series(self, node: Node) -> Any:
        from verifiers.normal_form import substituted
        from verifiers.tree import num

        variable, low, high, body = node.args
        bounds = [self.of(low), self.of(high)]
        if any(isinstance(bound, self.context.mpc) or bound != self.context.floor(bound) for bound in bounds) or bounds[1] - bounds[0] > 300:
            raise TooBig("a sum over a range that is not short")
        total = self.context.mpf(0 if node.kind == "sum" else 1)
        for step in range(int(bounds[0]), int(bounds[1]) + 1):
            value = self.of(substituted(body, variable, num(step)))
            total = total + value if node.kind == "sum" else total * value
        return total


_METHODS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "coth": "coth", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "floor": "floor", "ceil": "ceil", "abs": "fabs", "sign": "sign", "re": "re",
    "im": "im",
}  # fmt: skip


def _separation_bits(left: Node, right: Node) -> int | None:
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
    return bits if bits < _MAX_PRECISION else None


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
            upper, lower = ((upper + (degree - 1) * lower) / degree, lower) if upper >= lower else (upper, ((degree - 1) * upper + lower) / degree)
        return upper * whole, lower * whole
    if node.kind == "call" and node.args[0] in _EXPONENTIAL and node.args[0] in ("sin", "cos"):
        return _trigonometric_bound(node, roots)
    return None


def _trigonometric_bound(node: Node, roots: dict[Node, int]) -> tuple[float, float] | None:
    """sin and cos of rational multiples of pi: half a sum of two roots of unity."""
    from verifiers.normal_form import Forms

    top, bottom = Forms().of(node.args[1])
    if len(bottom) != 1 or () not in bottom or set(top) - {(("pi", 1),)}:
        return None
    turn = next(iter(top.values()), Fraction(0))
    if turn.denominator > 180:
        return None
    roots[Node("unity", (turn.denominator,))] = 2 * turn.denominator
    roots[Node("const", ("i",))] = 2
    return 1.0, 1.0


def letters(node: Node) -> set[str]:
    """The free letters of an expression."""
    if node.kind == "sym":
        return {node.args[0]}
    found: set[str] = set()
    for part in node.args:
        if isinstance(part, Node):
            found |= letters(part)
    if node.kind in ("sum", "prod"):
        found -= letters(node.args[0])
    return found


def _function_names(node: Node) -> set[str]:
    found = {node.args[0]} if node.kind == "call" else set()
    for part in node.args:
        if isinstance(part, Node):
            found |= _function_names(part)
    return found


def _literal_bits(node: Node) -> int:
    if node.kind == "num":
        return node.args[0].numerator.bit_length() + node.args[0].denominator.bit_length()
    return sum(_literal_bits(part) for part in node.args if isinstance(part, Node))


def _symbol_in_exponent(pair: tuple[Node, Node]) -> bool:
    stack: list[Any] = list(pair)
    while stack:
        node = stack.pop()
        if node.kind == "pow" and letters(node.args[1]):
            return True
        stack.extend(part for part in node.args if isinstance(part, Node))
    return False


def _mentions_i(pair: tuple[Node, Node]) -> bool:
    stack: list[Any] = list(pair)
    while stack:
        node = stack.pop()
        if node == Node("const", ("i",)):
            return True
        stack.extend(part for part in node.args if isinstance(part, Node))
    return False
