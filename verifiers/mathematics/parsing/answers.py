"""Reading an answer: its value tree, or its normalised words where it is no mathematics.

parser.py reads values; here stands what goes around them: lists, units, words, options, times of day.
"""

import re
from functools import lru_cache

from verifiers.mathematics.parsing.characters import plain
from verifiers.mathematics.parsing.damage import repaired
from verifiers.mathematics.parsing.notations import special
from verifiers.mathematics.parsing.parser import Parser
from verifiers.mathematics.parsing.spellings import respelled, second_spelling, trimmed
from verifiers.mathematics.parsing.statements import labelled, last_equation, unqualified, without_equivalent
from verifiers.mathematics.parsing.tokens import TooDeep, Unreadable, limits, tokens
from verifiers.mathematics.parsing.tree import Node, num, sym, times
from verifiers.mathematics.parsing.units import MAGNITUDES, SYMBOL_UNITS, unit_of
from verifiers.mathematics.parsing.vocabulary import FUNCTIONS, are_letters, is_math_word
from verifiers.mathematics.parsing.words import words

_OPERATORS = ("+", "-", "*", "/", "^")
_MAX_ITEMS = 300
_MAX_SENTENCE = 1_000  # characters
_COMMA_NUMBER = re.compile(r"\d,\d{3}(?!\d)")
_ZERO_GROUP = re.compile(r"\d,0\d\d(?!\d)")  # 1,000: no list holds the number 000
_NESTED_GROUPS = re.compile(
    r",\s|\\frac|\\sqrt|\\text"
)  # signs that a bracket may hold grouped numbers, not only a list
_LEADING = frozenset(
    ["the", "year", "answer", "is", "exactly", "only", "just", "value", "equals", "approximately", "total", "number"]
)
_NAMELESS = frozenset(  # words that give no value a name
    [
        "let",
        "if",
        "suppose",
        "assume",
        "when",
        "consider",
        "try",
        "not",
        "no",
        "never",
        "cannot",
        "or",
        "without",
        "except",
        "excluding",
        "than",
        "least",
        "most",
    ]
)
_ALTERING = frozenset(  # words behind a number that make it another number, or none
    [
        "base",
        "at",
        "least",
        "most",
        "more",
        "less",
        "fewer",
        "than",
        "greater",
        "smaller",
        "off",
        "squared",
        "cubed",
        "factorial",
        "half",
        "halves",
        "third",
        "quarter",
        "point",
        "plus",
        "minus",
        "not",
        "without",
        "to",
        "between",
        "over",
        "under",
        "above",
        "below",
        "up",
        "down",
        "root",
        "power",
        "mod",
        "modulo",
        "if",
        "when",
        "except",
        "is",
        "are",
        "was",
        "wrong",
        "incorrect",
        "false",
        "impossible",
        "maybe",
        "perhaps",
        "ish",
        "fold",
    ]
)


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Node, ...]:
    """What a text may mean, the likeliest first; more than one only where commas may group digits or part a list.

    A text that is no mathematics has one reading, its normalised words: nothing in it is taken for a value. A text that
    holds signs of mathematics and is none has the kind "unread".
    """
    cleaned = respelled(trimmed(plain(repaired(text))))
    if "quivalent" in cleaned:
        cleaned = without_equivalent(cleaned)
    noted = special(cleaned, lambda content: readings(content)[0])
    if noted is not None:
        return (noted,)
    if " and " in cleaned and not re.search(r"[\d\\]", cleaned) and words(cleaned).kind == "num":
        return (words(cleaned),)  # one hundred and one
    if len(cleaned) > 4 * limits.depth and _depth(cleaned) > 4 * limits.depth:
        return (Node("deep", (cleaned,)),)
    try:
        found = _parsed(cleaned)
    except TooDeep:
        return (Node("deep", (cleaned,)),)
    other = second_spelling(cleaned)
    if other is not None:
        found += readings(other)
    if found and not (found[0].kind == "list" and any(item.kind == "text" for item in found[0].args)):
        return tuple(found)
    return (*_sentence(cleaned), *found) or (_counted(words(cleaned)),)


def _parsed(cleaned: str) -> list[Node]:
    """The readings of a text as mathematics, none if it is something else."""
    found: list[Node] = []
    grouped = _COMMA_NUMBER.search(cleaned)
    several = (
        ("outside", "never", "always")
        if grouped and _NESTED_GROUPS.search(cleaned)
        else ("outside", "never")
        if grouped
        else ("never",)
    )
    if grouped and _ZERO_GROUP.search(cleaned):
        several = tuple(commas for commas in several if commas != "never")
    for commas in several:
        try:
            node = _Answers(tokens(cleaned, commas)).whole()
        except TooDeep:
            raise
        except (Unreadable, ZeroDivisionError):
            continue
        node = _counted(node)
        if node not in found and node.kind != "unread":
            found.append(node)
    return found


def _sentence(cleaned: str) -> tuple[Node, ...]:
    """The readings of a text that is no mathematics as a whole: a value with its qualifiers, or values with names."""
    if len(cleaned) > _MAX_SENTENCE:
        return ()
    qualified = unqualified(cleaned)
    if qualified:
        core, conditions = qualified
        held = [node for node in readings(core) if node.kind not in ("text", "deep", "unread")]
        if held:
            return tuple(Node("where", (node, conditions)) for node in held)
    pairs = labelled(cleaned)
    if pairs:
        values = [readings(value)[0] for _, value in pairs]
        if all(value.kind not in ("text", "deep", "unread") for value in values):
            named = [
                Node("relation", (("=",), sym("text " + label), value))
                for (label, _), value in zip(pairs, values, strict=True)
            ]
            return (_list(named),)
    equation = last_equation(cleaned)
    if equation:
        name, sides = equation
        values = [readings(side)[0] for side in sides]
        if all(value.kind not in ("text", "deep", "relation", "unread", "list", "where") for value in values):
            return (Node("relation", (("=",) * len(values), sym("text " + name), *values)),)
    return ()


def _counted(read: Node) -> Node:
    """Words that are a number with a noun behind it as that amount: ten dollars."""
    number, _, noun = read.args[0].rpartition(" ") if read.kind == "text" else ("", "", "")
    if not number or not noun.isalpha() or words(noun).kind != "text":
        return read
    amount = words(number)
    try:
        return _with_unit(amount, [noun]) if amount.kind == "num" else read
    except Unreadable:
        return read


def _depth(text: str) -> int:
    """How deep the brackets of a text nest."""
    deepest = depth = 0
    for bracket in re.findall(r"[({\[\])}]", text):
        depth += 1 if bracket in "({[" else -1
        deepest = max(deepest, depth)
    return deepest


class _Answers(Parser):
    """The grammar of whole answers."""

    only_or = True  # no comma and no "and" parts the items

    def whole(self) -> Node:
        if self.kind == "end":
            raise Unreadable("nothing")
        groups: list[list[Node]] = [[]]
        while True:
            groups[-1].append(self._item())
            if len(groups) + len(groups[-1]) > _MAX_ITEMS:
                raise Unreadable(f"a list of more than {_MAX_ITEMS} items")
            if self.take(";", "newline"):
                groups.append([])
            elif not self._comma():
                break
            if self.kind == "end":
                break
        if self.kind != "end":
            raise Unreadable(f"{self.value!r} behind a value")
        if self.only_or and len(groups) == 1 and len(groups[0]) > 1:
            return Node("either", tuple(groups[0]))
        groups = [group for group in groups if group]
        if len(groups) > 1 and any(len(group) > 1 for group in groups):
            return Node("list", tuple(_list(group) for group in groups))
        return _list([item for group in groups for item in group])

    def _comma(self) -> bool:
        """Moves past what parts the items of a list: a comma, "and", "or"."""
        start = self.at
        while self.take(",", "&") or self.connector():
            if self.tokens[self.at - 1].value.lower() != "or":
                self.only_or = False
        return self.at > start

    def _item(self) -> Node:
        start = self.at
        while self.kind == "word" and self.value.lower() in _LEADING and len(self.value) > 1:
            self.at += 1
        if self.at > start and self.kind != "number":
            self.at = start
        token = self.tokens[self.at]
        applied = token.value in FUNCTIONS and self.tokens[self.at + 1].value in ("(", "_")
        if (
            token.kind == "word"
            and not applied
            and ((token.in_text and len(token.value) > 1) or not is_math_word(token.value))
            and not (are_letters(token.value) and not token.in_text and self.tokens[self.at + 1].value in _OPERATORS)
        ):
            return self._text_item()
        value = self.relation()
        unit = self._unit(value)
        if self.kind == "number" and unit.kind == "quantity" and self.tokens[self.at].spaced:
            unit = self._compound(unit)
        elif unit.kind == "quantity" and self.value == "and" and self.tokens[self.at + 1].kind == "number":
            unit = self._smaller_part(unit)
        return _rounded(unit)

    def _compound(self, first: Node) -> Node:
        """5 feet 6 inches: quantities of one dimension add up."""
        second = self._unit(self.relation())
        if second.kind != "quantity" or second.args[1][0] != first.args[1][0]:
            raise Unreadable("quantities of two kinds side by side")
        ratio = num(second.args[1][1] / first.args[1][1])
        return Node("quantity", (Node("add", (first.args[0], Node("mul", (ratio, second.args[0])))), first.args[1]))

    def _smaller_part(self, first: Node) -> Node:
        """1 hour and 30 minutes is one amount; 5 m and 3 m are two."""
        start = self.at
        self.at += 1
        second = self._unit(self.relation())
        if second.kind == "quantity" and second.args[1][0] == first.args[1][0] and second.args[1][1] < first.args[1][1]:
            self.at = start + 1
            return self._compound(first)
        self.at = start
        return first

    def _text_item(self) -> Node:
        start = self.at
        while self.kind == "word" or self.value in ("-", "'", "."):
            if self._is_connector():
                break
            self.at += 1
        spoken = {token.value.lower() for token in self.tokens[start : self.at]}
        if self.value == "=" and self.kind == "sign" and not spoken & _NAMELESS:  # Area = 24: words that name a value
            name = sym("text " + " ".join(token.value for token in self.tokens[start : self.at]))
            self.at += 1
            value = self._item()
            return value if value.kind == "relation" else Node("relation", (("=",), name, value))
        if self.kind not in ("end",) and self.value not in (",", ";", "and", "or") and not self._is_connector():
            raise Unreadable(f"{self.value!r} behind words")
        return words(" ".join(token.value for token in self.tokens[start : self.at]))

    def _is_connector(self) -> bool:
        return self.kind == "word" and self.value in ("and", "or", "OR", "AND", "Or")

    def _unit(self, value: Node) -> Node:
        """The value with the unit that stands behind it."""
        parts: list[str] = []
        start = self.at
        while True:
            token = self.tokens[self.at]
            if token.kind == "word" and not self._is_connector():
                parts.append(token.value)
            elif token.value == "/" and self.tokens[self.at + 1].kind == "word":
                parts.append("/")
            elif token.value == "^" and parts and parts[-1] != "/":
                self.at += 1
                exponent = self.exponent()
                if exponent.kind != "num" or exponent.args[0].denominator != 1:
                    raise Unreadable("a unit with an odd power")
                parts += ["^", str(exponent.args[0])]
                continue
            elif token.value in ("cdot", "times") and parts and self.tokens[self.at + 1].kind == "word":
                parts.append("*")
            elif token.value == "%" and not parts:
                parts.append("percent")
            elif token.value == "." and parts:
                pass
            else:
                break
            self.at += 1
        if self.at == start:
            return value
        return _with_unit(value, parts)


def _list(items: list[Node]) -> Node:
    return items[0] if len(items) == 1 else Node("list", tuple(items))


def _with_unit(value: Node, parts: list[str]) -> Node:
    if value.kind == "relation":
        if value.args[0][-1] == "in":
            raise Unreadable("words behind a set")
        if value.args[0][-1] != "=":
            return Node("relation", (*value.args[:-1], _with_unit(value.args[-1], parts)))
        return Node("relation", (*value.args[:-1], _with_unit(value.args[-1], parts)))
    if value.kind in ("bracket", "set", "list", "region", "union", "matrix", "text", "builder"):
        raise Unreadable("words behind something that is no amount")
    if parts[0].lower() in ("percent", "percentage", "pct", "percents") or parts[:2] == ["per", "cent"]:
        return Node("percent", (value,))
    if not parts[0].isascii() and parts[0][0] in MAGNITUDES and len(parts[0]) > 1:
        parts = [parts[0][0], parts[0][1:], *parts[1:]]
    if parts[0].lower() in MAGNITUDES:
        value = times(num(MAGNITUDES[parts[0].lower()]), num(1) if value == sym("a") else value)
        return _with_unit(value, parts[1:]) if len(parts) > 1 else value
    letters = [
        part
        for part in parts
        if len(part) == 1 and part.isascii() and part.isalpha() and part not in SYMBOL_UNITS and part != "a"
    ]
    if len(parts) > 8 or letters or any(part.lower() in _ALTERING for part in parts):
        raise Unreadable("words that are no unit")
    if value.kind in ("quantity", "degree"):
        if value.kind == "degree" and parts[0] in ("C", "F", "Celsius", "Fahrenheit", "celsius", "fahrenheit"):
            return Node("quantity", (value.args[0], unit_of(["celsius" if parts[0][0] in "Cc" else "fahrenheit"])))
        inner, unit = (value.args[0], value.args[1]) if value.kind == "quantity" else (value.args[0], unit_of(["deg"]))
        added = unit_of(parts)
        if added is None or added == unit:
            return value
        if parts[0] in ("/", "per"):
            dimensions = tuple(sorted((*unit[0], *added[0]), key=str))
            return Node("quantity", (inner, (dimensions, unit[1] * added[1])))
        raise Unreadable("two units")
    if len(parts) == 2 and parts[0].startswith("degree") and parts[1][0] in "CFcf":
        return Node("quantity", (value, unit_of(["celsius" if parts[1][0] in "Cc" else "fahrenheit"])))
    unit = unit_of(parts)
    return value if unit is None else Node("quantity", (value, unit))


def _rounded(value: Node) -> Node:
    """E ~ d, also x = E ~ d: what stands before the last sign, with the decimal that it states."""
    if value.kind == "relation" and value.args[0][-1] == "~":
        operators, sides = value.args[0], value.args[1:]
        exact = sides[0] if len(sides) == 2 else Node("relation", (operators[:-1], *sides[:-1]))
        return Node("approx", (exact, sides[-1]))
    return value
