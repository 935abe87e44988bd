"""Exact sums of monomials over generators: the arithmetic below the normal form.

A polynomial maps monomials to rational coefficients; a monomial is a sorted tuple of (generator, exponent), the exponent
an int or a Fraction. Generators are strings:

    x:name  a symbol        p:7   the prime 7 under a root      i, pi, e     constants
    U       exp(i pi), so that U^(1/3) is a root of unity        L:7          ln 7
    |x:name the absolute value of a symbol                       r:key        a polynomial under a root (kept in `bases`)
    E:b:key the base b raised to the monomial `key`              F:...        any other function, equal only to itself

Two different polynomials in symbols, radicals of primes, i and one transcendental constant are different numbers (radicals
of distinct primes are linearly independent over Q: Besicovitch 1940), so for those the normal form also disproves.
"""

from fractions import Fraction
from math import floor, isqrt

Exponent = int | Fraction
Monomial = tuple[tuple[str, Exponent], ...]
Poly = dict[Monomial, Fraction]
Ratio = tuple[Poly, Poly]  # numerator and denominator

MAX_TERMS = 1_500
_MAX_STEPS = 10_000  # products of two monomials in one comparison, about 0.1 s
MAX_BITS = 40_000  # larger powers of a prime stay symbolic
_HALF = Fraction(1, 2)
ONE: Poly = {(): Fraction(1)}


class TooBig(Exception):
    """An expression whose expansion or value would be larger than the limits allow."""


class Undefined(Exception):
    """An expression without a value, such as 1/0 or inf - inf."""


def constant(value: int | Fraction) -> Poly:
    return {(): Fraction(value)} if value else {}


def generator(name: str, exponent: Exponent = 1) -> Poly:
    return {((name, exponent),): Fraction(1)}


def rational_value(poly: Poly) -> Fraction | None:
    if not poly:
        return Fraction(0)
    return poly[()] if len(poly) == 1 and () in poly else None


def add(left: Poly, right: Poly) -> Poly:
    total = dict(left)
    for monomial, coefficient in right.items():
        value = total.get(monomial, 0) + coefficient
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def scale(poly: Poly, factor: Fraction) -> Poly:
    return {monomial: coefficient * factor for monomial, coefficient in poly.items()} if factor else {}


def key(poly: Poly) -> str:
    """A text that is the same for equal polynomials."""
    parts = []
    for monomial in sorted(poly, key=repr):
        coefficient = poly[monomial]
        size = f"{coefficient.numerator:x}/{coefficient.denominator:x}"  # hexadecimal has no limit of digits
        parts.append(f"{size}*" + ".".join(f"{name}^{exponent}" for name, exponent in monomial))
    return "+".join(parts)


class Ring:
    """Multiplication, with what generators reduce to: squares of roots, powers of i, roots of unity."""

    def __init__(self) -> None:
        self.bases: dict[str, Poly] = {}  # polynomials under a root, by generator
        self.steps = 0
        self.num_terms = 0  # of all sums over a range that were written out

    def root_generator(self, base: Poly) -> str:
        name = "r:" + key(base)
        self.bases[name] = base
        return name

    def multiply(self, left: Poly, right: Poly) -> Poly:
        if len(left) * len(right) > MAX_TERMS * 4:
            raise TooBig(f"a product of {len(left)} and {len(right)} terms")
        if right == ONE:
            return left
        if left == ONE:
            return right
        self.steps += len(left) * len(right)
        if self.steps > _MAX_STEPS:
            raise TooBig("an expansion beyond the limit")
        total: Poly = {}
        for first, a in left.items():
            for second, b in right.items():
                product = self.reduced(first, second, a * b) if first and second else {first or second: a * b}
                for monomial, coefficient in product.items():
                    value = total.get(monomial, 0) + coefficient
                    if value:
                        total[monomial] = value
                    else:
                        del total[monomial]
        if len(total) > MAX_TERMS:
            raise TooBig("an expansion beyond the limit")
        return total

    def power(self, poly: Poly, exponent: int) -> Poly:
        """poly ** exponent for exponent >= 0."""
        if len(poly) > 1 and exponent > 40:
            raise TooBig(f"a sum to the power {exponent}")
        if len(poly) == 1:
            [(monomial, coefficient)] = poly.items()
            return self.reduced(
                tuple((name, power * exponent) for name, power in monomial), (), bounded_power(coefficient, exponent)
            )
        result = ONE
        while exponent:
            if exponent & 1:
                result = self.multiply(result, poly)
            exponent >>= 1
            if exponent:
                poly = self.multiply(poly, poly)
        return result

    def reduced(self, first: Monomial, second: Monomial, coefficient: Fraction) -> Poly:
        """The product of two monomials, with everything folded that folds."""
        exponents = dict(first)
        for name, exponent in second:
            exponents[name] = exponents.get(name, 0) + exponent
        extra: list[Poly] = []
        for name, exponent in list(exponents.items()):
            if not exponent:
                del exponents[name]
                continue
            head = name[:2]
            if head == "p:":
                coefficient, exponents[name] = _folded_prime(int(name[2:]), exponent, coefficient)
            elif name == "i":
                turn = exponent % 4
                exponents[name] = turn % 2
                coefficient = -coefficient if turn >= 2 else coefficient
            elif name == "U":
                turn = Fraction(exponent) % 2
                if 12 % turn.denominator:
                    coefficient, exponents[name] = (-coefficient if turn >= 1 else coefficient), turn % _HALF
                    if turn % 1 >= _HALF:
                        extra.append({(("i", 1),): Fraction(1)})
                else:
                    del exponents[name]
                    extra.append(self.unity(turn))
            elif head == "r:" and exponent >= 1:
                whole = floor(exponent)
                exponents[name] = exponent - whole
                extra.append(self.power(self.bases[name], whole))
            elif head[0] == "|":
                even = 2 * floor(Fraction(exponent) / 2)
                exponents[name] = exponent - even
                if even:
                    exponents[name[1:]] = exponents.get(name[1:], 0) + even
        monomial = tuple(sorted((name, _plain(exponent)) for name, exponent in exponents.items() if exponent))
        result: Poly = {monomial: coefficient} if coefficient else {}
        for poly in extra:
            result = self.multiply(result, poly)
        return result

    def unity(self, turn: Fraction) -> Poly:
        """exp(i pi turn): in radicals where the angle is a multiple of 15 degrees, else a generator."""
        turn %= 2
        sign = Fraction(-1 if turn >= 1 else 1)
        turn %= 1
        if 12 % turn.denominator:
            return {(("U", turn),): sign} if turn else constant(sign)
        twelfths = int(turn * 12)
        value = constant(sign)
        thirds, quarters = {0: (0, 0), 1: (1, -1), 2: (2, -2), 3: (0, 1), 4: (1, 0), 5: (2, -1), 6: (0, 2), 7: (1, 1), 8: (2, 0), 9: (0, 3),
                            10: (1, 2), 11: (2, 1)}[twelfths]  # fmt: skip
        if thirds:
            value = self.multiply(value, {(): Fraction(1 if thirds == 1 else -1, 2), (("i", 1), ("p:3", _HALF)): _HALF})
        if quarters % 2:
            side = Fraction(1 if quarters in (1, -1) else -1, 2)
            tilt = Fraction(-1 if quarters < 0 else 1, 2)
            value = self.multiply(value, {(("p:2", _HALF),): side, (("i", 1), ("p:2", _HALF)): tilt})
        elif quarters:
            value = self.multiply(value, {(("i", 1),): Fraction(1 if quarters == 2 else -1)})
        return value


def bounded_power(value: Fraction, exponent: int) -> Fraction:
    """value ** exponent, or TooBig where it would not fit."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if value not in (0, 1, -1) and bits * abs(exponent) > 2 * MAX_BITS:
        raise TooBig(f"a power with {bits * abs(exponent)} bits")
    if value == 0 and exponent < 0:
        raise Undefined("division by zero")
    return value**exponent


def factored(number: int) -> tuple[dict[int, int], bool]:
    """A positive integer as primes to powers, and whether every factor is certainly prime; trial division to 2000."""
    factors: dict[int, int] = {}
    if number.bit_length() > 2 * MAX_BITS:
        raise TooBig("a number too large to factor")
    divisor = 2
    while divisor * divisor <= number and divisor < 2_000:
        while number % divisor == 0:
            factors[divisor] = factors.get(divisor, 0) + 1
            number //= divisor
        divisor += 1 if divisor == 2 else 2
    certain = number < 4_000_000
    if number.bit_length() > 4_000:
        raise TooBig("a number too large to factor")
    if number > 1:
        square = isqrt(number)
        if square * square == number:
            factors[square] = factors.get(square, 0) + 2
            return factors, square < 4_000_000
        factors[number] = factors.get(number, 0) + 1
    return factors, certain


def _folded_prime(prime: int, exponent: Exponent, coefficient: Fraction) -> tuple[Fraction, Exponent]:
    """The whole part of a prime's exponent goes to the coefficient, unless it is too large: then all stays with the prime."""
    whole = floor(exponent)
    if abs(whole) * prime.bit_length() <= MAX_BITS:
        return coefficient * Fraction(prime) ** whole, exponent - whole
    top, bottom = coefficient.numerator, coefficient.denominator
    while top % prime == 0:
        top, exponent = top // prime, exponent + 1
    while bottom % prime == 0:
        bottom, exponent = bottom // prime, exponent - 1
    return Fraction(top, bottom), exponent


def _plain(exponent: Exponent) -> Exponent:
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return int(exponent)
    return exponent
