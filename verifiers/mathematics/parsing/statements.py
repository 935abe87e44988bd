"""Answers that are sentences: what qualifies a value, which value a name has, and when two texts are the same.

A sentence that none of these forms fits is compared as text, and nothing in it is taken for a value.
"""

import re
from functools import lru_cache

_SHAPES = re.compile(
    r"\\(?:left|right|displaystyle|limits|bigl?|bigr?|Bigl?|Bigr?|[,;:! ]|q?quad(?![A-Za-z]))|[\s$~]+|\\[()\[\]]"
)
_TEXT_GROUP = re.compile(r"\\(?:text|mbox|textrm|mathrm|textbf|operatorname)\s*\{([^{}]*)\}")
_LOOSE_BLANK = re.compile(
    r"(?<!\w)\s+|\s+(?!\w)|(?<=[A-Za-z]) +(?=\d)|(?<=\d) +(?=[A-Za-z])"
)  # a blank that keeps nothing apart
_MIN_SENTENCE = 20  # characters
_STATING = re.compile(
    r"[A-Za-z]{2,}.*\b(?:is|are|was|has|wins?|lies?)\b|\b(?:is|are|was|has|wins?|lies?)\b.*[A-Za-z]{2,}"
)
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{2,}")
_KEPT = "1=2+03456789"  # signs that typesetting never adds nor takes
_LARGE = re.compile(r"\\[dt]frac")
_QUALIFIER = re.compile(
    r"[,;.]?\s*(?:\\q?quad\s*|\\[,;: ]\s*|\\text\s*\{\s*|\$\s*|\(\s*)*"
    r"(?:(?<![A-Za-z])(?:for (?:all|every|any|each|some|integers?|real|positive|natural|constants?|arbitrary)\b|where\b|with (?:any|some|arbitrary)\b"
    r"|(?:is|are) (?:an? )?(?:arbitrary|constants?)\b|for (?:\}\s*)?\$?\s*[kmnjt]\s*(?:>=?|\\geq?)\s*[01]\b)|\\forall)(?![A-Za-z])(.*)$",
    re.S,
)
_EQUIVALENT = re.compile(r"\s*(?:,|\(|\\text\s*\{)*\s*or\s*(?:\}\s*\\text\s*\{\s*)?(?:an\s+)?equivalent\b.*$", re.I)
_MEMBERSHIP = re.compile(
    r"^(.*[^,;\s])[,;]\s*(?:\\q?quad\s*|\\[,;: ]\s*)*\(?\s*((?:[A-Za-z](?:_\{?\w\}?)?\s*,\s*)*[A-Za-z](?:_\{?\w\}?)?\s*\\in\s*\\mathbb\s*\{?[RQZNC]\}?[^,;]*)\)?$",
    re.S,
)
_CONDITION = re.compile(r"\d+(?:\.\d+)?|[<>=]|\\(?:[gl]eq?|neq?)(?![a-z])|\b(?:odd|even|prime|except)\b")
_CLAUSES = re.compile(r"\s*(?:,\s*and\b|;|,|\band\b|\n)\s*", re.I)
_LABELLED = re.compile(
    r"(?:\\text\s*\{)?\s*((?:[A-Za-z][A-Za-z'-]*\s+){0,6}[A-Za-z][A-Za-z'-]*)\s*(?:\}\s*)?"
    r"(?::\s*\}?|=|\b(?:is|are|was|equals|at|on|when)(?:\s*\})?(?=[\s$\d\\(\[-]))\s*\$?\s*([^\s$A-Za-z].*?|[A-Za-z]\s*=\s*[^\s].*?|\\.*?)\s*\$?\.?",
    re.S,
)
_WHOLE_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_THERE_ARE = re.compile(r"[Tt]here (?:is|are|were|will be) (?:exactly |only )?\$?(\d[\d,]*)\$?((?: [a-z]+){1,5})\.?")
_WHEN = re.compile(r"\s+(?:when|at)\s+\$?\s*\w+\s*=[^=]*$")
_DROPPED_WORDS = frozenset(
    ["the", "a", "an", "of", "value", "values", "answer", "is", "are", "its", "their", "total", "number", "final"]
)
_DENYING = re.compile(
    r"\b(?:not|no|never|cannot|impossible|least|most|than|up to|between|if|or|unless|such|except|neither|nor|over|under|about|wrong|false|incorrect|could|might|may|maybe|perhaps|probably|guess|without|excluding|let|suppose|assume|consider|try|when|should)\b|n't\b",
    re.I,
)


@lru_cache(maxsize=1024)
def text_key(text: str) -> str:
    """The text without what typesets it: equal keys are the same answer, however little of it can be read."""
    if text.isalnum():
        return text
    if "\\" in text:
        text = _TEXT_GROUP.sub(r" \1 ", _LARGE.sub(r"\\frac", text))
    text = _LOOSE_BLANK.sub("", _SHAPES.sub(" ", text).strip().rstrip(".").strip())
    return text.casefold() if len(_WORD.findall(text)) > 2 else text


def same_text(reference: str, answer: str) -> bool:
    """Whether an answer is the reference itself, perhaps with its clauses in another order."""
    for sign in _KEPT:
        if reference.count(sign) != answer.count(sign):
            return False
    key = text_key(reference)
    if not key:
        return reference.strip() == answer.strip()
    if key == text_key(answer):
        return True
    return len(key) > _MIN_SENTENCE and bool(_STATING.search(reference)) and clauses(reference) == clauses(answer)


def unqualified(text: str) -> tuple[str, tuple[str, ...]] | None:
    """(what is stated, the conditions named) of "f(x) = ax, where a is a constant"; None for a text without such words."""
    found = _QUALIFIER.search(text)
    if found and found.start() > 0:
        return text[: found.start()].rstrip(" ,;.$"), tuple(sorted(_CONDITION.findall(found[1])))
    member = _MEMBERSHIP.match(text) if "\\in" in text else None
    return (member[1], ()) if member else None


def without_equivalent(text: str) -> str:
    """x^2 + 1 "or equivalent" without these words."""
    return _EQUIVALENT.sub("", text) or text


def labelled(text: str) -> list[tuple[str, str]] | None:
    """[(label, value), ...] of "the minimum is 3 and the maximum is 5", of "Minimum: 3, Maximum: 5"; None for other texts."""
    whole = _WHOLE_TEXT.fullmatch(text.strip())
    text = _WHEN.sub("", whole[1] if whole else text)
    if _DENYING.search(text) or len(text) > 300:
        return None
    counted = _THERE_ARE.fullmatch(text.strip())
    if counted:
        return [(_label("there " + counted[2]), counted[1])]
    pairs = []
    for clause in _split_clauses(text):
        match = _LABELLED.fullmatch(clause.strip())
        if not match:
            return None
        value = match[2]
        if re.search(r"(?<![\\A-Za-z])[A-Za-z]{3,}", re.sub(_TEXT_GROUP, " ", value)):
            return None
        pairs.append((_label(match[1]), value))
    return pairs or None


def clauses(text: str) -> frozenset[str]:
    """The clauses of a sentence in any order, as text: "B is a knave and A is a knight"."""
    return frozenset(filter(None, (text_key(part) for part in _split_clauses(text))))


def _split_clauses(text: str) -> list[str]:
    """The text cut at commas and "and" that stand outside of all brackets and formulas."""
    parts, start, depth, in_formula = [], 0, 0, False
    marks = {match.start(): match for match in _CLAUSES.finditer(text)}
    for place, sign in enumerate(text):
        if place in marks and depth == 0 and not in_formula and place >= start:
            parts.append(text[start:place])
            start = marks[place].end()
        depth += (sign in "([{") - (sign in ")]}")
        in_formula ^= sign == "$"
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _label(words: str) -> str:
    found = [word.lower() for word in words.split() if word.lower() not in _DROPPED_WORDS]
    return " ".join(found or words.lower().split()[-1:])


def last_equation(text: str) -> tuple[str, list[str]] | None:
    """(left side, the other sides) of a chain of equations, cut at the equals signs outside of all brackets."""
    sides, start, depth = [], 0, 0
    for place, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "=" and depth == 0 and text[place - 1 : place] not in ("<", ">", "!", "\\"):
            sides.append(text[start:place])
            start = place + 1
        elif sign in ",;" and depth == 0 and text[place - 1 : place] != "\\":
            return None
    sides.append(text[start:])
    sides = [side.strip() for side in sides]
    if len(sides) < 2 or not all(sides) or not re.search(r"[A-Za-z]", sides[0]) or _DENYING.search(sides[0]):
        return None
    return sides[0], sides[1:]
