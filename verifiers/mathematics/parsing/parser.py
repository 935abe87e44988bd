"""Reading expressions: a recursive-descent parser from tokens to the value tree, bounded in depth.

From loose to tight: relation, union, ratio, sum, product (written or implied), power, atom. answers.py reads what
stands around an expression: lists, units, words.
"""

import re
from itertools import pairwise

from verifiers.mathematics.parsing.tokens import Token, TooDeep, Unreadable, limits
from verifiers.mathematics.parsing.tree import (
    MINUS_ONE,
    ONE,
    UNWRITTEN_BASE,
    E,
    I,
    Node,
    call,
    contains,
    div,
    letters,
    neg,
    num,
    plus,
    root,
    substituted,
    sym,
    times,
)
from verifiers.mathematics.parsing.units import currency, named
from verifiers.mathematics.parsing.vocabulary import (
    BASE_WORDS,
    CLOSING,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    INVERSE,
    MATRICES,
    OPENING,
    RELATIONS,
    SET_OPERATIONS,
    UNKNOWN_FUNCTIONS,
    are_letters,
    is_math_word,
    is_unit,
)

_SET_KINDS = frozenset(["set", "builder", "region", "union", "minus", "meet"])
_VALUES_OF_FUNCTIONS = frozenset(
    ["u", "v", "y", "r", "s", "w", "z", "p", "q"]
)  # letters that often depend on another one: v(t)
_CONDITION_WORDS = frozenset(["if", "for", "when", "where"])


class Parser:
    """A recursive-descent parser: the tokens of a text, the position in them, and the brackets open there."""

    def __init__(self, found: list[Token]):
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.bars = 0  # open |...|
        self.row_ends: list[int] = []  # of the bracket that was read last
        self.builder = 0  # open { ... | ... }: there a bar or a colon separates

    @property
    def value(self) -> str:
        return self.tokens[self.at].value

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def take(self, *values: str) -> bool:
        token = self.tokens[self.at]
        if token.value in values and token.kind in ("sign", "command"):
            self.at += 1
            return True
        return False

    def expect(self, *values: str) -> str:
        value = self.value
        if not self.take(*values):
            raise Unreadable(f"{value or 'the end'!r} where {' or '.join(values)} should stand")
        return value

    # -- relations, sets, ratios

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
        if len(terms) == 1:
            return terms[0]
        if terms[0].kind in _SET_KINDS:
            return _without(terms)
        return plus(tuple(terms))

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
            return not token.in_text and (is_math_word(token.value)) and not (is_unit(token.value) and _is_amount(left))
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

    # -- atoms and functions

    def argument(self) -> Node:
        """An argument of \\frac or \\binom: a group, or one digit, letter or command."""
        token = self.tokens[self.at]
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            rest = token.value[1:]
            self.tokens[self.at] = Token("number", rest, num(int(rest[:4000])).args[0])
            return num(int(token.value[0]))
        if (
            token.kind == "word"
            and len(token.value) > 1
            and not token.in_text
            and token.value not in FUNCTIONS
            and token.value not in CONSTANTS
        ):
            self.tokens[self.at] = Token("word", token.value[1:])
            return sym(token.value[0]) if token.value[0] not in "ie" else (I if token.value[0] == "i" else E)
        return self.atom()

    def atom(self) -> Node:
        self.depth += 1
        if self.depth > limits.depth:
            raise TooDeep(f"nested deeper than {limits.depth}")
        token = self.tokens[self.at]
        if token.kind == "number":
            self.at += 1
            node = self._based(token) if self.value == "_" else num(token.number)
        elif token.kind == "word":
            node = self._word(token)
        elif token.value in OPENING and token.kind in ("sign", "command"):
            node = self._bracketed(token.value)
        elif token.value == "|" and token.kind == "sign":
            node = self._absolute()
        elif token.kind == "command":
            node = self._command(token.value)
        else:
            raise Unreadable(f"{token.value or 'the end'!r} where a value should stand")
        self.depth -= 1
        return node

    def _based(self, token: Token) -> Node:
        self.at += 1
        group = self.take("{")
        while self.kind == "word" and self.value == "base":
            self.at += 1
        base = self.tokens[self.at]
        value = BASE_WORDS.get(base.value.lower()) if base.kind == "word" else base.number
        if value is None or value.denominator != 1 or not 2 <= value <= 36:
            raise Unreadable("an index of a number that is no base")
        self.at += 1
        if group:
            self.expect("}")
        digits = re.sub(r"[^0-9.]", "", token.value)
        if "." in digits or any(int(digit) >= value for digit in digits):
            raise Unreadable(f"a digit that base {value} does not have")
        return Node("based", (digits, int(value)))

    def _word(self, token: Token) -> Node:
        word = token.value
        self.at += 1
        if word in FUNCTIONS and (not token.in_text or self.value in ("(", "_")):
            return self._function(word)
        if word in CONSTANTS:
            return CONSTANTS[word]
        if len(word) == 1:
            return self._letter(word)
        if word in GREEK:
            return self._symbol(word)
        if token.in_text or not (is_math_word(word) or (are_letters(word) and self._is_among_signs())):
            raise Unreadable(f"the word {word!r}")
        if word.isupper():
            return self._symbol(word)
        letters = [self._letter(letter) for letter in word[:-1]]
        last = self._letter(word[-1])
        if self.value == "^" and self.kind == "sign":
            self.at += 1
            last = self._raised(last)
        return Node("mul", (*letters, last))

    def _is_among_signs(self) -> bool:
        """Whether the word before the position stands between signs of mathematics."""
        before, behind = self.tokens[self.at - 2] if self.at > 1 else None, self.tokens[self.at]
        signs = ("+", "-", "*", "/", "^", "{", "}", "=")
        return (before is not None and before.kind == "sign" and before.value in signs) or (
            behind.kind == "sign" and behind.value in signs
        )

    def _letter(self, letter: str) -> Node:
        if letter == "i":
            return I
        if letter == "e" and self.value != "_":
            return E
        return self._symbol(letter)

    def _symbol(self, name: str) -> Node:
        if self.take("_"):
            return self._indexed(name)
        primes = ""
        while self.take("'"):
            primes += "'"
        if self.value == "(" and (
            name in UNKNOWN_FUNCTIONS or primes or self._defines_a_function() or self._is_applied(name)
        ):
            inner = self._bracketed("(", keep=True)
            return Node("apply", (name + primes, *inner.args[2:]))
        return sym(name + primes)

    def _is_applied(self, name: str) -> bool:
        """Whether the bracket behind a letter holds the argument of a function, and no factor: N(0), T(2), I(x), v(t)."""
        bracket, inside, closing = (self.tokens[min(self.at + step, len(self.tokens) - 1)] for step in range(3))
        if bracket.spaced or closing.value != ")" or closing.kind != "sign":
            return False
        if inside.kind == "number":
            return True
        return inside.kind == "word" and len(inside.value) == 1 and (name[0].isupper() or name in _VALUES_OF_FUNCTIONS)

    def _defines_a_function(self) -> bool:
        """Whether the answer begins with T(n) = : there any letter names a function."""
        return (
            self.at == 1
            and [token.value for token in self.tokens[1:5:2]] == ["(", ")"]
            and self.tokens[4].value == "="
            and self.tokens[2].kind == "word"
        )

    def _indexed(self, name: str) -> Node:
        index = self.atom() if self.value != "{" else self._group_or_words()
        if index.kind == "num" or index.kind == "sym":
            name = f"{name}_{index.args[0]}"
        else:
            return Node("sub", (name, index))
        if name[0] in UNKNOWN_FUNCTIONS and self.value == "(":
            inner = self._bracketed("(", keep=True)
            return Node("apply", (name, *inner.args[2:]))
        return sym(name)

    def _group_or_words(self) -> Node:
        """A group that may hold words: x_{\\text{max}}, S_{MBCN}."""
        end = self.at + 1
        while self.tokens[end].kind in ("word", "number"):
            end += 1
        if self.tokens[end].value == "}" and any(
            token.kind == "word" and len(token.value) > 1 for token in self.tokens[self.at + 1 : end]
        ):
            name = "".join(token.value for token in self.tokens[self.at + 1 : end])
            self.at = end + 1
            return sym(name)
        return self._bracketed("{")

    def _command(self, name: str) -> Node:
        self.at += 1
        if name == "frac":
            top = self.argument()
            return div(top, self.argument())
        if name == "sqrt":
            return self._root()
        if name == "binom":
            top = self.argument()
            return call("binom", top, self.argument())
        if (name in FUNCTIONS and name != "Gamma") or (name == "Gamma" and self.value == "("):
            return self._function(name)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in GREEK:
            return self._symbol(name)
        if name == "mathbb":
            return self._blackboard()
        if name == "emptyset":
            return Node("empty", ())
        if name == "ldots":
            return Node("dots", ())
        if name == "begin":
            return self._environment()
        if name in ("sum", "prod"):
            return self._series(name)
        if name == "lim":
            return self._limit()
        if name == "int":
            return self._integral()
        if name == "overline":
            held = self.atom()
            if contains(held, frozenset(["const"])) and not letters(held):
                return substituted(held, I, neg(I))  # the conjugate of a number
            return sym("overline " + repr(held))
        if name in ("usd", "eur", "gbp", "jpy", "inr"):
            amount = neg(self.mixed_number()) if self.take("-") else self.mixed_number()
            return Node("quantity", (amount, currency(name)))
        raise Unreadable(f"the command \\{name}")

    def _blackboard(self) -> Node:
        braced = self.take("{")
        letter = self.value
        if self.kind != "word" or letter[:1] not in "RZNQC":
            raise Unreadable("a set of numbers of unknown name")
        if len(letter) > 1:
            self.tokens[self.at] = Token("word", letter[1:])
        else:
            self.at += 1
        if braced:
            self.expect("}")
        return Node("region", (letter[0],))

    def _root(self) -> Node:
        degree = num(2)
        if self.take("["):
            degree = self.sum()
            self.expect("]")
        if self.take("^"):
            raise Unreadable("a power of a root sign")
        if self.value in ("{", "("):
            return root(self.atom(), degree)
        if self.kind == "word" and len(self.value) > 1 and self.value not in FUNCTIONS and self.value not in CONSTANTS:
            return root(self.argument(), degree)
        return root(self.atom(), degree)

    def _function(self, written: str) -> Node:
        name = FUNCTIONS[written]
        if name in ("sqrt", "cbrt"):
            return root(self.atom(), num(2 if name == "sqrt" else 3))
        base = power = None
        if self.take("_"):
            base = self.atom() if self.kind != "number" else self._first_digits()
        if self.take("^"):
            power = self.exponent()
        if self.take("_"):
            base = self.atom()
        if power == MINUS_ONE and name in INVERSE:
            name, power = INVERSE[name], None
        arguments = self._arguments()
        if name == "log":
            arguments = (base if base is not None else UNWRITTEN_BASE, *arguments)
        elif base is not None:
            raise Unreadable(f"an index of {written}")
        if name == "ln":
            name, arguments = "log", (E, *arguments)
        elif name == "lg":
            name, arguments = "log", (num(10), *arguments)
        elif name in ("exp", "cis"):
            value = Node("pow", (E, arguments[0] if name == "exp" else times(I, arguments[0])))
            return value if power is None else Node("pow", (value, power))
        if name in ("max", "min", "gcd", "lcm"):
            if len(arguments) == 1 and arguments[0].kind in ("set", "list"):
                arguments = arguments[0].args
        elif len(arguments) != (2 if name in ("log", "binom") else 1):
            raise Unreadable(f"{len(arguments)} arguments of {written}")
        value = call(name, *arguments)
        return value if power is None else Node("pow", (value, power))

    def _first_digits(self) -> Node:
        """The base of \\log_28: one digit, unless the number stands alone."""
        token = self.tokens[self.at]
        following = self.tokens[self.at + 1]
        if len(token.value) > 1 and (following.kind == "end" or following.value in (")", "}", "+", "-", ",")):
            return self.argument()
        self.at += 1
        return num(token.number)

    def _arguments(self) -> tuple[Node, ...]:
        """What a function applies to: a bracket, or the factors up to the next sign or function."""
        if self.value in ("(", "[") and self.kind == "sign":
            held = self._bracketed(self.value, keep=True)
            return held.args[2:]
        if self.value == "{" and self.kind == "sign":
            held = self.atom()
            return (held,)
        if self.take("-"):
            return (neg(self._arguments()[0]),)
        argument = self.mixed_number()
        while self.starts_factor(argument) and not self._starts_function():
            argument = times(argument, self.power())
        if (
            self.value == "/"
            and self.kind == "sign"
            and argument.kind in ("sym", "const", "num", "mul")
            and self.tokens[self.at + 1].kind == "number"
        ):
            self.at += 1
            argument = div(argument, self.power())
        return (argument,)

    def _starts_function(self) -> bool:
        return self.value in FUNCTIONS or (self.value in ("(", "[") and self.kind == "sign")

    # -- brackets, environments, series

    def _bracketed(self, opening: str, keep: bool = False) -> Node:
        """What stands in brackets; with `keep`, always a bracket node, its contents from the third argument on."""
        self.at += 1
        saved, self.bars = self.bars, 0
        builder, self.builder = self.builder, opening == "lset"
        if self.kind in ("sign", "command") and self.value in CLOSING:
            items: list[Node] = []
            self.row_ends = []
        else:
            items = self.items()
        if opening == "lset" and (self.take("|") or self.take(":")):
            conditions = self.items()
            self.bars, self.builder = saved, builder
            self.expect("rset")
            return Node("builder", (items[0] if len(items) == 1 else Node("list", tuple(items)), *conditions))
        self.bars, self.builder = saved, builder
        closing = self.value
        if self.kind not in ("sign", "command") or closing not in CLOSING:
            raise Unreadable(f"{closing or 'the end'!r} where a bracket should close")
        if closing != OPENING[opening] and {opening, closing} - {"(", ")", "[", "]"}:
            raise Unreadable(f"{opening} closed by {closing}")
        self.at += 1
        if opening == "langle":
            opening, closing = "(", ")"
        if opening == "[" and closing == "]" and items and self.row_ends and not keep:
            ends = [0, *self.row_ends, len(items)]
            rows = tuple(tuple(items[start:end]) for start, end in pairwise(ends))
            if len({len(row) for row in rows}) == 1 and (len(rows[0]) > 1 or len(rows) > 2):
                return Node("matrix", rows)  # [1, -2; 0, 1]
        return self._closed(opening, closing, items, keep)

    def _closed(self, opening: str, closing: str, items: list[Node], keep: bool) -> Node:
        if opening == "lset":
            return Node("set", tuple(items)) if items else Node("empty", ())
        if opening in ("lfloor", "lceil"):
            if len(items) != 1:
                raise Unreadable("a list between floor signs")
            return call("floor" if opening == "lfloor" else "ceil", items[0])
        if opening == "{":
            if len(items) == 1:
                return items[0]
            if not items:
                raise Unreadable("an empty group")
            return Node("list", tuple(items))
        if not items and not keep:
            raise Unreadable("an empty bracket")
        if keep or len(items) > 1 or opening == "[" or closing == "]":
            if not keep and len(items) == 1 and (opening, closing) == ("[", "]"):
                return items[0]
            return Node("bracket", (opening, closing, *items))
        held = items[0]
        return self._based_group(held) if self.value == "_" and held.kind == "num" else held

    def _based_group(self, held: Node) -> Node:
        return self._based(Token("number", str(held.args[0])))

    def items(self) -> list[Node]:
        """Items with commas between, inside of brackets; `row_ends` says how many stand before each semicolon."""
        found = [self.relation()]
        row_ends: list[int] = []
        while self.take(",", ";") or self.connector():
            if self.tokens[self.at - 1].value == ";":
                row_ends.append(len(found))
            self.connector()
            found.append(self.relation())
        self.row_ends = row_ends
        return found

    def connector(self) -> bool:
        """Moves past "and" or "or" between items."""
        found = self.kind in ("word", "command") and self.value in ("and", "or", "OR", "AND", "Or")
        self.at += found
        return found

    def _absolute(self) -> Node:
        self.at += 1
        self.bars += 1
        held = self.sum()
        self.bars -= 1
        self.expect("|")
        return call("abs", held)

    def _environment(self) -> Node:
        self.expect("{")
        name = self.value
        self.at += 1
        if self.take("}") and name == "cases":
            return self._cases()
        if self.tokens[self.at - 1].value != "}" or name not in MATRICES:
            raise Unreadable(f"the environment {name!r}")
        if name == "array" and self.take("{"):
            while not self.take("}"):
                if self.kind == "end":
                    raise Unreadable("an array without an end")
                self.at += 1
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        while not self.take("end"):
            if self.take("newline"):
                rows, cells = [*rows, tuple(cells)] if cells else rows, []
            elif self.take("&"):
                continue
            else:
                cells.append(self.sum())
        rows += [tuple(cells)] if cells else []
        self.expect("{")
        if self.value != name:
            raise Unreadable(f"{name} closed by {self.value}")
        self.at += 1
        self.expect("}")
        if not rows or len({len(row) for row in rows}) != 1:
            raise Unreadable("rows of unequal length")
        return call("det", Node("matrix", tuple(rows))) if name == "vmatrix" else Node("matrix", tuple(rows))

    def _cases(self) -> Node:
        """Rows of value & condition, or a system: its rows as a list."""
        rows: list[list[Node]] = [[]]
        while not self.take("end"):
            if self.take("newline"):
                rows.append([])
                continue
            while self.take(",", "&", ".", ";") or (self.kind == "word" and self.value in _CONDITION_WORDS):
                self.at += self.kind == "word" and self.value in _CONDITION_WORDS
            if self.value not in ("newline", "end"):
                rows[-1].append(self._otherwise() or self.relation())
        self.expect("{")
        if self.value != "cases":
            raise Unreadable(f"cases closed by {self.value}")
        self.at += 1
        self.expect("}")
        rows = [row for row in rows if row]
        if rows and all(len(row) == 1 for row in rows):
            return Node("list", tuple(row[0] for row in rows))
        if not rows or any(len(row) != 2 for row in rows):
            raise Unreadable("cases of another form than value and condition")
        return Node("cases", tuple(Node("list", tuple(row)) for row in rows))

    def _otherwise(self) -> Node | None:
        if self.kind == "word" and self.value in ("otherwise", "else"):
            self.at += 1
            return Node("text", ("otherwise",))
        return None

    def _integral(self) -> Node:
        """\\int_a^b body dx: the body ends in the letter d and the letter of integration."""
        self.expect("_")
        low = neg(self.atom()) if self.take("-") else self.atom()
        self.expect("^")
        high = self.exponent()
        factors = _factors(self.sum())
        if len(factors) < 2 or factors[-2] != sym("d") or factors[-1].kind != "sym":
            raise Unreadable("an integral without dx")
        body = ONE
        for factor in factors[:-2]:
            body = times(body, factor)
        return Node("integral", (factors[-1], low, high, body))

    def _limit(self) -> Node:
        """\\lim_{x \\to a^+} body: the body is a product; the side is "+", "-" or "+-"."""
        self.expect("_")
        self.expect("{")
        variable = self.atom()
        self.expect("to")
        side = self._side()
        point = self.sum()
        self.expect("}")
        if variable.kind != "sym":
            raise Unreadable("a limit over something that is no letter")
        return Node("limit", (variable, point, self.product(), side))

    def _side(self) -> str:
        """The side that a limit comes from, its sign taken out of the tokens: a^+, a^{-}."""
        end, depth = self.at, 0
        while depth >= 0:
            if self.tokens[end].kind == "end":
                raise Unreadable("a limit without an end")
            depth += {"{": 1, "}": -1}.get(self.tokens[end].value, 0)
            end += 1
        end -= 1  # the brace that closes the limit's index
        for length in (2, 4):
            signs = [token.value for token in self.tokens[end - length : end]]
            if signs in (["^", "+"], ["^", "-"], ["^", "{", "+", "}"], ["^", "{", "-", "}"]):
                del self.tokens[end - length : end]
                return signs[-1] if length == 2 else signs[2]
        return "+-"

    def _series(self, name: str) -> Node:
        """\\sum_{k=1}^{n} body: the body is a product."""
        self.expect("_")
        self.expect("{")
        variable = self.atom()
        self.expect("=")
        low = self.sum()
        self.expect("}")
        self.expect("^")
        high = self.exponent()
        if variable.kind not in ("sym", "const"):
            raise Unreadable("a sum over something that is no letter")
        body = self.product()
        if variable == I:  # here the letter i counts, and is no imaginary unit
            index = sym("index i")
            variable, body = index, substituted(body, I, index)
        if contains(body, frozenset(["list", "bracket"])):
            raise Unreadable("a sum of lists")
        return Node(name, (variable, low, high, body))


def _without(terms: list[Node]) -> Node:
    """A - B of sets."""
    left = terms[0]
    for term in terms[1:]:
        if (
            term.kind != "mul"
            or len(term.args) != 2
            or term.args[0] != MINUS_ONE
            or term.args[1].kind not in _SET_KINDS
        ):
            raise Unreadable("a sum of a set and something else")
        left = Node("minus", (left, term.args[1]))
    return left


def _factors(node: Node) -> list[Node]:
    return [part for factor in node.args for part in _factors(factor)] if node.kind == "mul" else [node]


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
