"""Reading atoms: numbers, letters, words, commands and functions with what they apply to."""

import re

from verifiers.brackets import Brackets
from verifiers.latex import Token, TooDeep, Unreadable, limits
from verifiers.tree import MINUS_ONE, E, I, Node, call, contains, div, letters, neg, num, root, substituted, sym, times
from verifiers.units import currency
from verifiers.vocabulary import (
    BASE_WORDS,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    INVERSE,
    OPENING,
    UNKNOWN_FUNCTIONS,
    is_math_word,
)


class Atoms(Brackets):
    """The smallest values, and functions."""

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
        if token.in_text or not is_math_word(word):
            raise Unreadable(f"the word {word!r}")
        if word.isupper():
            return self._symbol(word)
        letters = [self._letter(letter) for letter in word[:-1]]
        last = self._letter(word[-1])
        if self.value == "^" and self.kind == "sign":
            self.at += 1
            last = self._raised(last)
        return Node("mul", (*letters, last))

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
        if (name in UNKNOWN_FUNCTIONS or primes or self._defines_a_function()) and self.value == "(":
            inner = self._bracketed("(", keep=True)
            return Node("apply", (name + primes, *inner.args[2:]))
        return sym(name + primes)

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
            arguments = (base if base is not None else num(10), *arguments)
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
