"""The normal form of an expression: a quotient of polynomials over exact generators.

Equal forms prove equality. Different forms disprove it where all generators are independent (polynomials.py); else
numeric.py decides. Symbols are real; an even root of an even power is an absolute value; an odd root of a negative
number is real.
"""

from fractions import Fraction
from math import gcd, lcm

from verifiers.functions import Functions
from verifiers.polynomials import (
    MAX_BITS,
    ONE,
    Poly,
    Ratio,
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
from verifiers.tree import Node

_I_PI = "i^1.pi^1"

_NEVER_ZERO = frozenset(["x:", "p:", "E:", "i", "pi", "e", "U"])  # heads of generators: a product of these is not zero


class Forms(Functions):
    """Normal forms within one comparison, so that generators of both sides are shared."""

    def __init__(self) -> None:
        super().__init__()
        self.doubtful = False  # a factor that may not be prime: forms then no longer disprove

    def difference(self, left: Node, right: Node) -> Poly:
        """The numerator of left - right; empty where they are equal. TooBig and Undefined pass through."""
        (a, b), (c, d) = self.of(left), self.of(right)
        if b == d:
            return add(a, scale(c, Fraction(-1)))
        return add(self.multiply(a, d), scale(self.multiply(c, b), Fraction(-1)))

    def disproves(self, difference: Poly) -> bool:
        """Whether a difference that is not empty is certainly not zero."""
        if len(difference) == 1 and all(name[:2] in _NEVER_ZERO for monomial in difference for name, _ in monomial):
            return True
        constants = set()  # values of unknown functions are independent of everything else
        for monomial in difference:
            for name, exponent in monomial:
                if name in ("pi", "e") or name[:2] == "L:":
                    constants.add(name)
                elif (
                    name[:2] not in ("x:", "p:")
                    and name[:8] != "F:apply:"
                    and name[:6] != "F:sub:"
                    and name != "i"
                    and name[:1] != "|"
                ) or (name == "i" and not isinstance(exponent, int)):
                    return False
        return len(constants) <= 1 and not self.doubtful

    # -- building

    def of(self, node: Node) -> Ratio:
        kind = node.kind
        if kind == "num":
            return constant(node.args[0]), ONE
        if kind == "sym":
            return generator("x:" + node.args[0]), ONE
        if kind == "const":
            if node.args[0] == "inf":
                raise Undefined("infinity inside of an expression")
            return generator(node.args[0]), ONE
        if kind == "add":
            return self._sum(node.args)
        if kind == "mul":
            top, bottom = ONE, ONE
            for factor in node.args:
                a, b = self.of(factor)
                top, bottom = self.multiply(top, a), self.multiply(bottom, b)
            return self._settled(top, bottom)
        if kind == "pow":
            return self._power(node.args[0], node.args[1])
        if kind == "percent":
            top, bottom = self.of(node.args[0])
            return scale(top, Fraction(1, 100)), bottom
        if kind == "degree":
            top, bottom = self.of(node.args[0])
            return self.multiply(top, {(("pi", 1),): Fraction(1, 180)}), bottom
        if kind == "based":
            return constant(int(node.args[0], node.args[1])), ONE
        if kind == "call":
            return self._call(node.args[0], node.args[1:])
        if kind in ("apply", "sub"):
            inner = ",".join(self._key(self.of(argument)) for argument in node.args[1:])
            return generator(f"F:{kind}:{node.args[0]}({inner})"), ONE
        if kind in ("sum", "prod"):
            return self._series(node)
        raise TooBig(f"{kind} inside of an expression")

    def _sum(self, terms: tuple[Node, ...]) -> Ratio:
        total, under = self.of(terms[0])
        for term in terms[1:]:
            top, bottom = self.of(term)
            if bottom == under:
                total = add(total, top)
            else:
                total = add(self.multiply(total, bottom), self.multiply(top, under))
                under = self.multiply(under, bottom)
        return total, under

    def _settled(self, top: Poly, bottom: Poly) -> Ratio:
        """A denominator of one term moves into the numerator, save for polynomials under roots."""
        if bottom == ONE:
            return top, bottom
        if not bottom:
            raise Undefined("division by zero")
        if len(bottom) > 1:
            return (top, bottom) if top else ({}, ONE)
        [(monomial, coefficient)] = bottom.items()
        movable = tuple((name, -exponent) for name, exponent in monomial if name[:2] != "r:")
        kept = tuple((name, exponent) for name, exponent in monomial if name[:2] == "r:")
        inverse = self.reduced(movable, (), 1 / coefficient)
        return self.multiply(top, inverse), ({kept: Fraction(1)} if kept else ONE)

    def _key(self, ratio: Ratio) -> str:
        top, bottom = ratio
        if bottom == ONE:
            return key(top)
        leading = bottom[min(bottom, key=repr)]
        return f"{key(scale(top, 1 / leading))}/{key(scale(bottom, 1 / leading))}"

    # -- powers

    def _power(self, base: Node, exponent: Node) -> Ratio:
        top, bottom = self.of(exponent)
        value = rational_value(top) if bottom == ONE else None
        if value is None:
            return self._symbolic_power(base, top, bottom)
        if value.denominator == 1:
            return self._whole_power(self.of(base), int(value))
        a, b = self.of(base)
        over, under = self._fractional(a, value), self._fractional(b, value)
        return self._settled(self.multiply(over[0], under[1]), self.multiply(over[1], under[0]))

    def _whole_power(self, base: Ratio, exponent: int) -> Ratio:
        top, bottom = base if exponent >= 0 else (base[1], base[0])
        if exponent < 0 and not base[0]:
            raise Undefined("division by zero")
        size = abs(exponent)
        value = rational_value(top)
        if (
            value is not None
            and bottom == ONE
            and value not in (0, 1, -1)
            and size * max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS
        ):
            return self._huge_power(value, size), ONE
        return self._settled(self.power(top, size), self.power(bottom, size))

    def _huge_power(self, value: Fraction, exponent: int) -> Poly:
        """A power too large to write out, as primes to powers."""
        if exponent.bit_length() > 4_000:
            raise TooBig("a power with a huge exponent")
        exponents: dict[str, int] = {}
        for part, side in ((abs(value.numerator), 1), (value.denominator, -1)):
            primes, certain = factored(part)
            self.doubtful |= not certain
            for prime, count in primes.items():
                exponents[f"p:{prime}"] = side * count * exponent
        sign = Fraction(-1 if value < 0 and exponent % 2 else 1)
        return self.reduced(tuple(exponents.items()), (), sign)

    def _fractional(self, poly: Poly, exponent: Fraction) -> Ratio:
        """poly ** exponent for a true fraction."""
        if exponent < 0:
            top, bottom = self._fractional(poly, -exponent)
            if not top:
                raise Undefined("division by zero")
            return self._settled(bottom, top)
        if not poly:
            return {}, ONE
        if poly == ONE:
            return ONE, ONE
        if len(poly) == 1:
            [(monomial, coefficient)] = poly.items()
            return self.multiply(
                self._coefficient_root(coefficient, exponent), self._monomial_root(monomial, exponent)
            ), ONE
        content, rest = self._content(poly)
        whole, part = divmod(exponent, 1)
        value = self.reduced(((self.root_generator(rest), part),), (), Fraction(1))
        if whole:
            value = self.multiply(value, self.power(rest, int(whole)))
        return self.multiply(self._coefficient_root(content, exponent), value), ONE

    @staticmethod
    def _content(poly: Poly) -> tuple[Fraction, Poly]:
        """The positive rational that all coefficients share, and what is left."""
        top, bottom = 0, 1
        for coefficient in poly.values():
            top, bottom = gcd(top, coefficient.numerator), lcm(bottom, coefficient.denominator)
        content = Fraction(top, bottom)
        return content, scale(poly, 1 / content)

    def _coefficient_root(self, value: Fraction, exponent: Fraction) -> Poly:
        result = ONE
        if value < 0:
            result = constant(-1 if exponent.numerator % 2 else 1) if exponent.denominator % 2 else self.unity(exponent)
            value = -value
        exponents: dict[str, Fraction] = {}
        for part, side in ((value.numerator, 1), (value.denominator, -1)):
            primes, certain = factored(part)
            self.doubtful |= not certain
            for prime, count in primes.items():
                exponents[f"p:{prime}"] = side * count * exponent
        return self.multiply(result, self.reduced(tuple(exponents.items()), (), Fraction(1)))

    def _monomial_root(self, monomial: tuple, exponent: Fraction) -> Poly:
        exponents = []
        for name, power in monomial:
            raised = Fraction(power) * exponent
            if name == "i":
                exponents.append(("U", raised / 2))
            elif name[:2] == "x:" and power % 2 == 0 and raised % 2 and exponent.denominator % 2 == 0:
                exponents.append(("|" + name, raised))
            elif name[:2] == "F:" and power % 2 == 0 and raised % 2:
                raise TooBig("an even root of an even power of a function")
            else:
                exponents.append((name, raised))
        return self.reduced(tuple(exponents), (), Fraction(1))

    def _symbolic_power(self, base: Node, top: Poly, bottom: Poly) -> Ratio:
        """base ** exponent where the exponent is no number: one generator for each of its monomials."""
        monomials = {((f"q:{self._key((top, bottom))}", 1),): Fraction(1)} if bottom != ONE else top
        a, b = self.of(base)
        if b != ONE or len(a) != 1:
            name = f"B:{self._key((a, b))}"
            return self._exponential({name: 1}, monomials), ONE
        [(monomial, coefficient)] = a.items()
        powers: dict[str, int | Fraction] = dict(monomial)
        for part, side in ((coefficient.numerator, 1), (coefficient.denominator, -1)):
            if part < 0:
                powers["minus"] = 1
            for prime, count in factored(abs(part))[0].items():
                powers[f"p:{prime}"] = powers.get(f"p:{prime}", 0) + side * count
        return self._exponential(powers, monomials), ONE

    def _exponential(self, powers: dict, monomials: Poly) -> Poly:
        result = ONE
        for monomial, coefficient in monomials.items():
            for name, count in powers.items():
                exponent = coefficient * count
                if not monomial:
                    part = (
                        self.unity(exponent) if name == "minus" else self.reduced(((name, exponent),), (), Fraction(1))
                    )
                else:
                    inner = ".".join(f"{letter}^{power}" for letter, power in monomial)
                    part = self._exponential_generator(name, inner, exponent)
                result = self.multiply(result, part)
        return result

    def _exponential_generator(self, name: str, inner: str, exponent: Fraction) -> Poly:
        if name == "e" and inner == _I_PI:
            return self.unity(exponent)
        if name == "e" and inner[:2] == "L:" and "." not in inner and inner.endswith("^1"):
            return self.reduced(((f"p:{inner[2:-2]}", exponent),), (), Fraction(1))
        return self.reduced(((f"E:{name}:{inner}", exponent),), (), Fraction(1))
