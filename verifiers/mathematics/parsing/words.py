"""Answers in words: normalised text, number words, and words for sets."""

import re
from fractions import Fraction

from verifiers.mathematics.parsing.tree import INFINITY, Node, num
from verifiers.mathematics.parsing.units import singular

_WRAPPERS = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|mathit|textsf|operatorname)\b\s*|[$]|\\[,;:! ]|\\(?:left|right|displaystyle)\b|\\[()\[\]]"
)
_ARTICLES = frozenset(["a", "an", "the", "on"])
_EVERYTHING = frozenset(
    [
        "all real number",
        "all real",
        "real number",
        "set of all real number",
        "set of real number",
        "any real number",
        "all number",
    ]
)
_SAME_WORDS = {
    "infinitely many": "infinite", "infinite number": "infinite", "infinitely many solution": "infinite", "infinite solution": "infinite",
    "infinite number of solution": "infinite", "dne": "doe not exist", "limit doe not exist": "doe not exist",
}  # fmt: skip
_KINDS_OF_NUMBER = frozenset(
    ["odd", "even", "prime", "composite", "positive", "negative", "rational", "irrational", "real"]
)
_NOTHING = frozenset(["no solution", "none", "empty set", "no such number", "no value"])
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = {
    word: 10 * place
    for place, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_NUMBER_WORDS = {**{word: value for value, word in enumerate(_ONES)}, **_TENS}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
          "tenth": 10, "eleventh": 11, "twelfth": 12, "twentieth": 20, "hundredth": 100}  # fmt: skip
_COUNTS = frozenset(
    ["hundred", "thousand", "million", "billion", "dozen", "half", "third", "quarter", "fifth", "tenth"]
)
_THOUSANDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def words(text: str) -> Node:
    """The text as normalised words; the words for all real numbers and for nothing are read as those sets."""
    bare = re.sub(r"[{}~\\]", " ", _WRAPPERS.sub(" ", text))
    if re.search(r"[\d=+^_<>*/]", bare):
        return Node("unread", (" ".join(bare.split()),))
    found = [
        word if len(word) == 1 else singular(word.lower())
        for word in re.findall(r"[^\s.,;:!?\"'()]+|[.,;:!?\"'()](?=\S)", bare)
    ]
    if len(found) > 1 and found[0] == "a" and found[1] in _COUNTS:
        found[0] = "one"  # a hundred, a dozen
    found = [word for word in found if word not in _ARTICLES and not re.fullmatch(r"[.,;:!?\"'()]", word)]
    if (
        len(found) == 2
        and found[0] in _KINDS_OF_NUMBER
        and found[1] in ("number", "integer")
        and " ".join(found) not in _EVERYTHING
    ):
        found = found[:1]  # odd numbers
    joined = " ".join(found)
    joined = _SAME_WORDS.get(joined, joined)
    if joined in _EVERYTHING:
        return Node("region", ("R",))
    if joined in _NOTHING:
        return Node("empty", ())
    if joined == "infinity":
        return INFINITY
    value = _spelled_number(found)
    return num(value) if value is not None else Node("text", (joined,))


def _spelled_number(found: list[str]) -> Fraction | None:
    """The value of a number in words: seventeen, two hundred and five, three tenths, two and a half."""
    parts = [part for word in found for part in word.split("-") if part]
    if not parts or len(parts) > 12:
        return None
    ending = "half" if parts[-1] in ("half", "halve") else parts[-1]
    if ending not in _PARTS:
        return _spelled_whole(parts)
    before = parts[:-1]
    if not before:
        return Fraction(1, 2) if ending == "half" else None
    if "and" in before:
        split = len(before) - before[::-1].index("and") - 1
        whole, top = _spelled_whole(before[:split]), _spelled_whole(before[split + 1 :] or ["one"])
        return None if whole is None or top is None else whole + top / _PARTS[ending]
    top = _spelled_whole(before)
    return None if top is None else top / _PARTS[ending]


def _spelled_whole(parts: list[str]) -> Fraction | None:
    """A whole number in words: groups of hundreds with their thousands and millions, each smaller than the one before."""
    total, group, smallest, room = 0, 0, 10**12, 1000
    for position, part in enumerate(parts):
        value = _NUMBER_WORDS.get(part if part in _NUMBER_WORDS else part + "s")
        if part == "and" and 0 < position < len(parts) - 1 and room == 100:
            continue
        if value is not None and (value or len(parts) == 1) and value < room:
            group += value
            room = 10 if value in _TENS.values() else 1
        elif part == "hundred" and 0 < group < 10 and room == 1:
            group, room = 100 * group, 100
        elif part == "dozen" and position == len(parts) - 1 and 0 < group < 100:
            group *= 12
        elif part in _THOUSANDS and group > 0 and _THOUSANDS[part] < smallest:
            smallest = _THOUSANDS[part]
            total, group, room = total + group * smallest, 0, 1000
        else:
            return None
    return Fraction(total + group)
