"""Proofs by symbolic algebra, for what the normal form leaves open. Runs in a worker only.

Trees become sympy objects node by node: no text reaches sympy, and nothing is evaluated that worker_client.py does not bound.
"""

from functools import reduce
from typing import Any

from verifiers.mathematics.equivalence.scalars import infinite
from verifiers.mathematics.parsing.tree import Node

_NAMES = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "coth": "coth", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "floor": "floor", "ceil": "ceiling", "abs": "Abs", "sign": "sign",
    "factorial": "factorial", "factorial2": "factorial2", "gamma": "gamma", "binom": "binomial", "max": "Max", "min": "Min", "gcd": "gcd",
    "lcm": "lcm", "mod": "Mod", "re": "re", "im": "im",
}  # fmt: skip


class NoForm(Exception):
    """A tree that has no form in sympy."""


def load() -> None:
    """Imports sympy and warms what proofs use, before the first question."""
    import sympy

    x, n = sympy.Symbol("x", real=True), sympy.Symbol("n", integer=True, positive=True)
    sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1)
    sympy.simplify(sympy.Sum(x, (x, 1, n)).doit() + sympy.binomial(n, 2) + sympy.Integral(x, (x, 0, n)).doit())
    endless = (
        sympy.Sum(sympy.Rational(1, 2) ** n, (n, 1, sympy.oo))
        + sympy.Integral(x**2, (x, 0, 1))
        + sympy.Limit(sympy.sin(x) / x, x, 0, "+-")
    )
    (endless - 2).doit()


def prove(left: Node, right: Node) -> bool | None:
    """True where sympy shows left - right to be zero, False where it shows a number other than zero, else None."""
    import sympy

    try:
        first, second = _form(left), _form(right)
        if infinite(left) or infinite(right):
            values = first.doit(), second.doit()
            return values[0] == values[1] if all(value.is_number or value.is_infinite for value in values) else None
        difference = first - second
    except (NoForm, TypeError, ValueError, ZeroDivisionError):
        return None
    for step in (lambda e: e.doit(), sympy.simplify, lambda e: sympy.simplify(sympy.expand_func(e))):
        difference = step(difference)
        if difference.is_zero or difference == 0:
            return True
        if difference.is_number and difference.is_zero is False:
            return False
    return None


def _form(node: Node) -> Any:
    import sympy

    kind, arguments = node.kind, node.args
    if kind == "num":
        return sympy.Rational(arguments[0].numerator, arguments[0].denominator)
    if kind == "sym":
        integer = arguments[0] in ("n", "k", "m", "j") or None
        return sympy.Symbol(arguments[0], real=True, integer=integer, positive=integer)
    if kind == "const":
        return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}[arguments[0]]
    if kind == "add":
        return sympy.Add(*map(_form, arguments))
    if kind == "mul":
        return reduce(lambda a, b: a * b, map(_form, arguments))
    if kind == "pow":
        base, exponent = map(_form, arguments)
        if exponent.is_number and abs(exponent) > 1_000:
            raise NoForm("a large power")
        return base**exponent
    if kind == "percent":
        return _form(arguments[0]) / 100
    if kind == "degree":
        return _form(arguments[0]) * sympy.pi / 180
    if kind == "call":
        return _call(arguments[0], [_form(argument) for argument in arguments[1:]])
    if kind == "apply":
        return sympy.Function(arguments[0])(*map(_form, arguments[1:]))
    if kind == "limit":
        variable, point, body = map(_form, arguments[:3])
        return sympy.Limit(body, variable, point, "-" if infinite(arguments[1]) else arguments[3])
    if kind in ("sum", "prod", "integral"):
        variable, low, high, body = map(_form, arguments)
        return {"sum": sympy.Sum, "prod": sympy.Product, "integral": sympy.Integral}[kind](body, (variable, low, high))
    raise NoForm(kind)


def _call(name: str, values: list[Any]) -> Any:
    import sympy

    if name == "log":
        return sympy.log(values[1]) / sympy.log(values[0])
    if name in ("factorial", "factorial2", "gamma", "binom") and any(
        value.is_number and abs(value) > 1_000 for value in values
    ):
        raise NoForm("a large factorial")
    if name not in _NAMES:
        raise NoForm(name)
    return getattr(sympy, _NAMES[name])(*values)
