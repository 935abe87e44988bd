"""The normal form of an expression: a quotient of polynomials over exact generators.

Equal forms prove equality. Different forms disprove it where all generators are independent (polynomials.py); else
numeric.py decides. Symbols are real; an even root of an even power is an absolute value; an odd root of a negative
number is real.
"""

from fractions import Fraction
from math import comb, factorial, gcd, lcm

from verifiers.mathematics.equivalence.polynomials import (
    MAX_BITS,
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
from verifiers.mathematics.parsing.tree import Node, call, div, neg, num, rational, substituted

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


_I_PI = "i^1.pi^1"
_NEVER_ZERO = frozenset(["x:", "p:", "E:", "i", "pi", "e", "U"])  # heads of generators: a product of these is not zero


class Forms(Ring):
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

    # -- functions

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
