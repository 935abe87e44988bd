"""Reading expressions: a recursive-descent parser from tokens to the value tree, bounded in depth.

From loose to tight: relation, union, ratio, sum, product (written or implied), power, atom. answers.py reads what
stands around an expression: lists, units, words.
"""

from verifiers.atoms import Atoms
from verifiers.latex import Unreadable
from verifiers.tree import MINUS_ONE, Node, call, contains, div, neg, num, plus, sym, times
from verifiers.units import named
from verifiers.vocabulary import FUNCTIONS, GREEK, RELATIONS, SET_OPERATIONS, UNKNOWN_FUNCTIONS, is_math_word, is_unit


class Expressions(Atoms):
    """The grammar of expressions, from relations down to powers."""

    def relation(self) -> Node:
        sides, operators = [self.region()], []
        while self.kind in ("sign", "command") and self.value in RELATIONS:
            operators.append(RELATIONS[self.value])
            self.at += 1
            if operators[-1] in ("<", ">") and self.take("="):
                operators[-1] += "="
            sides.append(self.region())
        if self.take("pmod") or (self.value == "(" and self.tokens[self.at + 1].value in ("mod", "bmod")):
            sides[-1] = self._modulus(sides[-1])
        return Node("relation", (tuple(operators), *sides)) if operators else sides[0]

    def _modulus(self, value: Node) -> Node:
        """a \\pmod{m}, also written a (mod m)."""
        if self.take("("):
            self.at += 1
            modulus = self.sum()
            self.expect(")")
        else:
            modulus = self.argument() if self.value != "(" else self.atom()
        return call("mod", value, modulus)

    def region(self) -> Node:
        left = self.ratio()
        while self.kind == "command" and self.value in SET_OPERATIONS:
            kind = SET_OPERATIONS[self.value]
            self.at += 1
            left = Node(kind, (left, self.ratio()))
        return left

    def ratio(self) -> Node:
        parts = [self.sum()]
        while not self.builder and self.value == ":" and self.kind == "sign":
            self.at += 1
            parts.append(self.sum())
        return Node("ratio", tuple(parts)) if len(parts) > 1 else parts[0]

    # -- sums and products

    def sum(self) -> Node:
        terms = [self.signed_product()]
        while self.kind in ("sign", "command") and self.value in ("+", "-", "pm", "mp"):
            terms.append(self.signed_product())
        return terms[0] if len(terms) == 1 else plus(tuple(terms))

    def signed_product(self) -> Node:
        sign, both = 1, 0
        while True:
            if self.take("-"):
                sign = -sign
            elif self.take("pm"):
                both = 1
            elif self.take("mp"):
                both = -1
            elif not self.take("+"):
                break
        product = self.product()
        product = neg(product) if sign < 0 else product
        return Node("pm", (product, both)) if both else product

    def product(self) -> Node:
        left = self.mixed_number()
        while True:
            if self.take("*", "cdot", "times"):
                left = times(left, self.signed_factor())
            elif self.value == "/" and self.kind == "sign" and not self._is_unit_ahead(1):
                self.at += 1
                left = div(left, self.signed_factor())
            elif self.take("div"):
                left = div(left, self.signed_factor())
            elif self.take("bmod", "mod"):
                left = call("mod", left, self.signed_factor())
            elif self.kind == "word" and self.value == "mod" and self.at:
                self.at += 1
                left = call("mod", left, self.signed_factor())
            elif self.starts_factor(left):
                right = self.power()
                left = Node("apply", (left.args[0], *right.args[2:])) if _is_point(left, right) else times(left, right)
            else:
                return left

    def signed_factor(self) -> Node:
        if self.take("-"):
            return neg(self.signed_factor())
        if self.take("+"):
            return self.signed_factor()
        return self.mixed_number()

    def starts_factor(self, left: Node) -> bool:
        """Whether the next token continues a product without a sign between."""
        token = self.tokens[self.at]
        if token.kind == "number":
            return left.kind not in ("num", "percent", "based") and not token.in_text
        if token.kind == "word":
            return not token.in_text and is_math_word(token.value) and not (is_unit(token.value) and _is_amount(left))
        if token.value == "|":
            return not self.bars and not self.builder
        if token.kind == "sign":
            return (
                token.value in ("(", "{", "[")
                and self.tokens[self.at + 1].value not in ("mod", "bmod")
                and not (token.value == "[" and left.kind == "num")
            )
        if token.kind == "command":
            return self.is_atom_command(token.value)
        return False

    def _is_unit_ahead(self, offset: int) -> bool:
        token = self.tokens[min(self.at + offset, len(self.tokens) - 1)]
        return token.kind == "word" and (token.in_text or (len(token.value) > 1 and is_unit(token.value)))

    @staticmethod
    def is_atom_command(name: str) -> bool:
        return (
            name
            in (
                "frac",
                "sqrt",
                "binom",
                "lset",
                "langle",
                "lfloor",
                "lceil",
                "begin",
                "sum",
                "prod",
                "int",
                "mathbb",
                "emptyset",
                "overline",
                "ldots",
                "lim",
                "infty",
                "pi",
            )
            or name in FUNCTIONS
            or name in GREEK
        )

    def mixed_number(self) -> Node:
        """A power, or a whole number with a proper fraction behind it: 1 1/2."""
        whole = self.tokens[self.at]
        start = self.at
        if whole.kind == "number" and whole.value.isdigit():
            following = self.tokens[self.at + 1]
            if following.kind == "command" and following.value == "frac":
                self.at += 1
                part = self.atom()
                if _is_proper(part) and (self.value not in ("^", "_") or self._is_degree_ahead()):
                    return self._followed(Node("add", (num(whole.number), part)))
                self.at = start
            elif following.kind == "number" and following.spaced and following.value.isdigit():
                slash, bottom = (
                    self.tokens[self.at + 2 : self.at + 4] if self.at + 3 < len(self.tokens) else (following, following)
                )
                if (
                    slash.value == "/"
                    and bottom.kind == "number"
                    and bottom.value.isdigit()
                    and 0 < following.number < bottom.number
                ):
                    self.at += 4
                    return Node("add", (num(whole.number), num(following.number / bottom.number)))
        return self.power()

    # -- powers and what follows a value

    def power(self) -> Node:
        return self._followed(self.atom())

    def _is_degree_ahead(self) -> bool:
        ahead = [token.value for token in self.tokens[self.at + 1 : self.at + 3]]
        return self.value == "^" and (ahead[0] == "circ" or ahead == ["{", "circ"])

    def _followed(self, base: Node) -> Node:
        """A value with its powers, factorial signs, percent and degree signs."""
        while True:
            if self.take("^"):
                base = self._raised(base)
            elif self.take("!"):
                double = self.take("!")
                base = call("factorial2" if double else "factorial", base)
            elif self.value == "%" and self.kind == "sign":
                self.at += 1
                base = Node("percent", (base,))
            elif base.kind == "sym" and self.take("'"):
                base = sym(base.args[0] + "'")
            elif self.take("degree"):
                base = self._temperature(base)
            elif (self.value == "_" and base.kind in ("num", "matrix", "list")) or (
                self.value == "_" and base.kind == "mul"
            ):
                raise Unreadable("an index behind a value")
            else:
                return base

    def _raised(self, base: Node) -> Node:
        start = self.at
        braced = self.take("{")
        if self.take("circ", "degree"):
            if braced:
                self.expect("}")
            return self._temperature(base)
        if base.kind == "sym" and self.take("'"):
            self.at = start + 1 + bool(braced)
            return sym(base.args[0] + "'")
        if base.kind == "num" and not braced and self.kind == "word" and self.value == "o":
            self.at += 1
            return self._temperature(base)  # 45^o
        if braced:
            self.at = start
        exponent = self.exponent()
        if base.kind == "sym" and base.args[0] in UNKNOWN_FUNCTIONS and exponent == MINUS_ONE and self.value == "(":
            return Node("apply", (base.args[0] + "^-1", *self._bracketed("(", keep=True).args[2:]))
        if base.kind == "region":
            return Node("region", (f"{base.args[0]}^{exponent!r}",))
        return Node("pow", (base, exponent))

    def _temperature(self, base: Node) -> Node:
        """Degrees of an angle, or of the scale whose letter follows."""
        if self.kind == "word" and self.value in ("C", "F"):
            self.at += 1
            return Node("quantity", (base, named("celsius" if self.tokens[self.at - 1].value == "C" else "fahrenheit")))
        return Node("degree", (base,))

    def exponent(self) -> Node:
        if self.take("-"):
            return neg(self.exponent())
        if self.take("+"):
            return self.exponent()
        exponent = self.atom()
        if self.take("^"):
            exponent = self._raised(exponent)
        return exponent


def _is_point(left: Node, right: Node) -> bool:
    """Whether a capital letter names the tuple behind it: A(1, 2)."""
    return (
        left.kind == "sym"
        and left.args[0][0].isupper()
        and right.kind == "bracket"
        and right.args[:2] == ("(", ")")
        and len(right.args) > 3
    )


def _is_proper(part: Node) -> bool:
    """Whether a fraction is one of whole numbers, top below bottom."""
    if part.kind != "mul" or part.args[0].kind != "num" or part.args[1].kind != "pow":
        return False
    top, bottom = part.args[0].args[0], part.args[1].args[0]
    return bottom.kind == "num" and 0 < top < bottom.args[0]


def _is_amount(node: Node) -> bool:
    """Whether a value is a number, so that a unit may follow."""
    return not contains(node, frozenset(["sym", "apply", "sub"]))
