"""The value of an expression at a point, at the precision of an mpmath context."""

import random
import time
from fractions import Fraction
from typing import Any

from verifiers.mathematics.equivalence.polynomials import TooBig, Undefined
from verifiers.mathematics.parsing.tree import Node, num, rational, substituted

MAX_PRECISION = 12_000  # bits
_MAX_EXPONENT = 1 << 2_100  # binary magnitude of any value
_MAX_GAMMA_PRECISION = 700  # bits; the gamma function is slow beyond
TRANSCENDENTAL = frozenset(
    [
        "factorial",
        "factorial2",
        "gamma",
        "binom",
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "sinh",
        "cosh",
        "tanh",
        "coth",
    ]
)


class OutOfTime(Exception):
    """The deadline of a check has passed."""


class Evaluation:
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
            self.magnitude = max(self.magnitude, min(abs(int(magnitude)), MAX_PRECISION))
        return value

    def _value(self, node: Node) -> Any:
        context, kind = self.context, node.kind
        if kind == "num":
            return self._fraction(node.args[0])
        if kind == "sym":
            return (
                self._fraction(self.point[node.args[0]])
                if node.args[0] in self.point
                else self._opaque(node.args[0], ())
            )
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
        variable, low, high, body = node.args
        bounds = [self.of(low), self.of(high)]
        if (
            any(isinstance(bound, self.context.mpc) or bound != self.context.floor(bound) for bound in bounds)
            or bounds[1] - bounds[0] > 300
        ):
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
