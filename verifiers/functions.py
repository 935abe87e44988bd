"""Normal forms of functions: trigonometry through exponentials, logarithms through primes, factorials, sums."""

from fractions import Fraction
from math import comb, factorial, gcd, lcm

from verifiers.polynomials import (
    ONE,
    Poly,
    Ratio,
    Ring,
    TooBig,
    Undefined,
    add,
    constant,
    factored,
    generator,
    key,
    rational_value,
    scale,
)
from verifiers.tree import Node, call, div, neg, num, rational, substituted

_MAX_FACTORIAL = 3_000
_MAX_SERIES = 300  # terms, those of sums inside of sums included
_TURNS = {"arcsin": {0: 0, Fraction(1, 2): Fraction(1, 6), 1: Fraction(1, 2)}, "arccos": {0: Fraction(1, 2), Fraction(1, 2): Fraction(1, 3), 1: 0},
          "arctan": {0: 0, 1: Fraction(1, 4)}}  # fmt: skip
_TRIGONOMETRIC = frozenset(["sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth"])
_R2, _R3 = (("p:2", Fraction(1, 2)),), (("p:3", Fraction(1, 2)),)
_ROOT_TURNS = {
    ("arcsin", _R2, Fraction(1, 2)): Fraction(1, 4), ("arcsin", _R3, Fraction(1, 2)): Fraction(1, 3), ("arccos", _R2, Fraction(1, 2)): Fraction(1, 4),
    ("arccos", _R3, Fraction(1, 2)): Fraction(1, 6), ("arctan", _R3, Fraction(1)): Fraction(1, 3), ("arctan", _R3, Fraction(1, 3)): Fraction(1, 6),
}  # fmt: skip


class Functions(Ring):
    """The part of the normal form that knows functions; normal_form.py knows sums, products and powers."""

    def _call(self, name: str, arguments: tuple[Node, ...]) -> Ratio:
        if name in _TRIGONOMETRIC:
            return self._trigonometric(name, arguments[0])
        if name == "log":
            base, value = self._logarithm(arguments[0]), self._logarithm(arguments[1])
            if not base[0]:
                raise Undefined("a logarithm to the base 1")
            return self._settled(self.multiply(value[0], base[1]), self.multiply(value[1], base[0]))
        if name == "mod" and arguments[0].kind == "pow":
            base, exponent, modulus = (rational(part) for part in (*arguments[0].args, arguments[1]))
            if (
                None not in (base, exponent, modulus)
                and base.denominator == exponent.denominator == modulus.denominator == 1 <= exponent
                and modulus > 0
            ):
                return constant(pow(int(base), int(exponent), int(modulus))), ONE
        values = [self.of(argument) for argument in arguments]
        numbers = [rational_value(top) if bottom == ONE else None for top, bottom in values]
        if None not in numbers:
            exact = _exact_call(name, numbers)
            if exact is not None:
                return constant(exact), ONE
        if name == "abs":
            return self._absolute(values[0])
        if name == "binom" and numbers[1] is not None and numbers[1].denominator == 1 and 0 <= numbers[1] <= 6:
            return self._falling(arguments[0], int(numbers[1]))
        if name == "binom":
            rest = Node("add", (arguments[0], neg(arguments[1])))
            under = Node("mul", (call("factorial", arguments[1]), call("factorial", rest)))
            return self.of(div(call("factorial", arguments[0]), under))
        if name in ("factorial", "gamma"):
            return self._symbolic_factorial(values[0], 1 if name == "gamma" else 0)
        if name in _TURNS:
            return self._inverse(name, values[0], numbers[0])
        arranged = (
            sorted(self._key(value) for value in values)
            if name in ("max", "min", "gcd", "lcm")
            else [self._key(value) for value in values]
        )
        return generator(f"F:{name}({','.join(arranged)})"), ONE

    def _falling(self, top: Node, count: int) -> Ratio:
        value: Node = num(Fraction(1, factorial(count)))
        for step in range(count):
            value = Node("mul", (value, Node("add", (top, num(-step)))))
        return self.of(value)

    def _symbolic_factorial(self, value: Ratio, less: int) -> Ratio:
        """(m + c)! for a whole number c, as m! times the c factors above it."""
        top, bottom = value
        shift = top.get((), Fraction(0)) - less
        if bottom != ONE or shift.denominator != 1 or abs(shift) > 12:
            return generator(f"F:factorial{less}({self._key(value)})"), ONE
        rest = {monomial: coefficient for monomial, coefficient in top.items() if monomial}
        product = generator(f"F:factorial0({key(rest)})")
        for step in range(1, int(shift) + 1):
            product = self.multiply(product, add(rest, constant(step)))
        under = ONE
        for step in range(0, int(shift), -1):
            under = self.multiply(under, add(rest, constant(step)))
        return self._settled(product, under)

    def _absolute(self, value: Ratio) -> Ratio:
        top, bottom = value
        if len(top) == 1 and bottom == ONE:
            [(monomial, coefficient)] = top.items()
            if all(name[:2] in ("x:", "p:", "E:") or name in ("pi", "e") for name, _ in monomial):
                signed = tuple(("|" + name if name[:2] == "x:" else name, power) for name, power in monomial)
                return self.reduced(signed, (), abs(coefficient)), ONE
        over, under = (
            self._fractional(self.multiply(part, part), Fraction(1, 2)) for part in (top, bottom)
        )  # |u| is the root of u^2
        return self._settled(self.multiply(over[0], under[1]), self.multiply(over[1], under[0]))

    def _trigonometric(self, name: str, argument: Node) -> Ratio:
        """Through exponentials: sin u = (z - 1/z) / 2i with z = exp(iu); hyperbolic functions without the i."""
        reciprocal = {"sec": "cos", "csc": "sin", "cot": "tan", "coth": "tanh"}.get(name)
        if reciprocal:
            top, bottom = self._trigonometric(reciprocal, argument)
            return self._settled(bottom, top)
        if name in ("tan", "tanh"):
            over, under = ("sin", "cos") if name == "tan" else ("sinh", "cosh")
            (a, b), (c, d) = self._trigonometric(over, argument), self._trigonometric(under, argument)
            return self._settled(self.multiply(a, d), self.multiply(b, c))
        circular = name in ("sin", "cos")
        top, bottom = self.of(argument)
        if circular:
            top = self.multiply(top, generator("i"))
        forward = self._symbolic_power(Node("const", ("e",)), top, bottom)[0]
        backward = (
            self._symbolic_power(Node("const", ("e",)), scale(top, Fraction(-1)), bottom)[0]
            if bottom == ONE
            else self._settled(ONE, forward)[0]
        )
        if name in ("cos", "cosh"):
            return scale(add(forward, backward), Fraction(1, 2)), ONE
        odd = scale(add(forward, scale(backward, Fraction(-1))), Fraction(1, 2))
        return (self.multiply(odd, {(("i", 1),): Fraction(-1)}) if circular else odd), ONE

    def _inverse(self, name: str, value: Ratio, number: Fraction | None) -> Ratio:
        """Inverse functions at the values that every table has; the sign goes outside."""
        if number is not None:
            turn = _TURNS[name].get(abs(number))
            if turn is not None:
                signed = -turn if number < 0 else turn
                if name == "arccos" and number < 0:
                    signed = 1 - turn
                return self.multiply(constant(signed), generator("pi")), ONE
        top, bottom = value
        if len(top) == 1 and bottom == ONE:
            [(monomial, coefficient)] = top.items()
            turn = _ROOT_TURNS.get((name, monomial, abs(coefficient)))
            if turn is not None:
                signed = (1 - turn if name == "arccos" else -turn) if coefficient < 0 else turn
                return {(("pi", 1),): signed}, ONE
        return generator(f"F:{name}({self._key(value)})"), ONE

    def _logarithm(self, argument: Node) -> Ratio:
        """ln: the sum over the primes and generators of a single term."""
        top, bottom = self.of(argument)
        over, under = self._logarithm_of(top), self._logarithm_of(bottom)
        return add(over, scale(under, Fraction(-1))), ONE

    def _logarithm_of(self, poly: Poly) -> Poly:
        if not poly:
            raise Undefined("the logarithm of zero")
        if len(poly) > 1:
            content, rest = self._content(poly)
            return add(self._logarithm_of(constant(content)), generator(f"F:ln({key(rest)})"))
        [(monomial, coefficient)] = poly.items()
        if coefficient < 0:
            return generator(f"F:ln({key(poly)})")
        total: Poly = {}
        for part, side in ((coefficient.numerator, 1), (coefficient.denominator, -1)):
            primes, certain = factored(part)
            self.doubtful |= not certain
            for prime, count in primes.items():
                total = add(total, {((f"L:{prime}", 1),): Fraction(side * count)})
        for name, power in monomial:
            total = add(total, scale(self._logarithm_of_generator(name), Fraction(power)))
        return total

    def _logarithm_of_generator(self, name: str) -> Poly:
        if name == "e":
            return ONE
        if name[:2] == "p:":
            return generator("L:" + name[2:])
        if name[:4] == "E:e:" and "i^1" not in name and name.count(":") <= 3:
            parts = [part.rpartition("^") for part in name[4:].split(".")]
            return {tuple(sorted((letter, _number(power)) for letter, _, power in parts)): Fraction(1)}
        return generator(f"F:ln({name})")

    # -- sums and products over a range

    def _series(self, node: Node) -> Ratio:
        variable, low, high, body = node.args
        bounds = []
        for bound in (low, high):
            top, bottom = self.of(bound)
            value = rational_value(top) if bottom == ONE else None
            bounds.append(value if value is not None and value.denominator == 1 else None)
        if None in bounds:
            plain = substituted(body, variable, Node("sym", ("#",)))
            return generator(
                f"F:{node.kind}({self._key(self.of(low))},{self._key(self.of(high))},{self._key(self.of(plain))})"
            ), ONE
        self.num_terms += max(int(bounds[1] - bounds[0]), 0)
        if self.num_terms > _MAX_SERIES:
            raise TooBig(f"a {node.kind} over {bounds[1] - bounds[0]} terms")
        total: Ratio = ({}, ONE) if node.kind == "sum" else (ONE, ONE)
        for step in range(int(bounds[0]), int(bounds[1]) + 1):
            a, b = self.of(substituted(body, variable, num(step)))
            if node.kind == "prod":
                total = self._settled(self.multiply(total[0], a), self.multiply(total[1], b))
            elif b == total[1]:
                total = (add(total[0], a), b)
            else:
                total = self._settled(
                    add(self.multiply(total[0], b), self.multiply(a, total[1])), self.multiply(total[1], b)
                )
        return total


def _number(text: str) -> int | Fraction:
    value = Fraction(text)
    return int(value) if value.denominator == 1 else value


def _exact_call(name: str, numbers: list[Fraction]) -> Fraction | int | None:
    """A function of rational numbers where its value is rational, or None."""
    first = numbers[0]
    whole = all(number.denominator == 1 for number in numbers)
    if name == "abs":
        return abs(first)
    if name in ("floor", "ceil"):
        return first.__floor__() if name == "floor" else first.__ceil__()
    if name == "sign":
        return (first > 0) - (first < 0)
    if name in ("max", "min"):
        return max(numbers) if name == "max" else min(numbers)
    if name in ("re", "im"):
        return first if name == "re" else 0
    if not whole:
        return None
    if name == "mod":
        if not numbers[1]:
            raise Undefined("a remainder of division by zero")
        return first % numbers[1]
    if name in ("gcd", "lcm"):
        return (gcd if name == "gcd" else lcm)(*(int(number) for number in numbers))
    if name in ("factorial", "factorial2", "gamma"):
        return _factorial(name, int(first))
    if name == "binom":
        top, chosen = int(first), int(numbers[1])
        if top < 0 or min(chosen, top - chosen) > _MAX_FACTORIAL or (top > 10**6 and chosen > 100):
            raise TooBig(f"a binomial of {top} over {chosen}")
        return comb(top, chosen) if 0 <= chosen <= top else 0
    return None


def _factorial(name: str, value: int) -> int:
    value -= name == "gamma"
    if value < 0:
        raise Undefined("the factorial of a negative number")
    if value > _MAX_FACTORIAL:
        raise TooBig(f"the factorial of {value}")
    if name != "factorial2":
        return factorial(value)
    product = 1
    for step in range(value, 1, -2):
        product *= step
    return product
