"""Answers in words: normalised text, number words, and words for sets."""

import re

from verifiers.tree import INFINITY, Node, num
from verifiers.units import singular

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
_NOTHING = frozenset(["no solution", "none", "empty set", "no such number", "no value"])
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = {
    word: 10 * place for place, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_NUMBER_WORDS = {**{word: value for value, word in enumerate(_ONES)}, **_TENS}


def words(text: str) -> Node:
    """The text as normalised words; the words for all real numbers and for nothing are read as those sets."""
    bare = re.sub(r"[{}~\\]", " ", _WRAPPERS.sub(" ", text))
    if re.search(r"[\d=+^_<>*/]", bare):
        return Node("text", (" ".join(bare.split()),))
    found = [
        word if len(word) == 1 else singular(word.lower())
        for word in re.findall(r"[^\s.,;:!?\"'()]+|[.,;:!?\"'()](?=\S)", bare)
    ]
    found = [word for word in found if word not in _ARTICLES and not re.fullmatch(r"[.,;:!?\"'()]", word)]
    joined = " ".join(found)
    if joined in _EVERYTHING:
        return Node("region", ("R",))
    if joined in _NOTHING:
        return Node("empty", ())
    if joined == "infinity":
        return INFINITY
    value = _spelled_number(found)
    return num(value) if value is not None else Node("text", (joined,))


def _spelled_number(found: list[str]) -> int | None:
    found = [part for word in found for part in word.split("-") if part]
    values = [_NUMBER_WORDS.get(word if word in _NUMBER_WORDS else word + "s") for word in found]
    if len(values) == 1 and values[0] is not None:
        return values[0]
    if len(values) == 2 and None not in values and values[0] in _TENS.values() and 0 < values[1] < 10:
        return values[0] + values[1]
    return None
