"""Countdown and 24: does the expression in a completion use the given numbers and come to the target?

The expression is read by a reader of its own, never by Python: ASCII, ×, ÷, LaTeX, brackets of all kinds, a trailing `= 24`.
Values are exact fractions. Only integers, + - * / and brackets count: no sign, no power, no digits put together, no decimal.
"""

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from tasks import CountdownReference, Task
from verifiers.answers import AnswerVerifier
from verifiers.thinking import spoken_part
from verifiers.verdict import Reason

MOST_CHARACTERS = 2000  # of an expression: 32 numbers, and LaTeX around them
_DEEPEST = 64  # brackets in brackets
_FRACTION_SIGN = "\x01"  # stands for \\frac among the tokens
_TOKEN = re.compile(r"\s*(?:([0-9]+)|([-+*/()\[\]{}=])|(.))", re.S)
_SPELLINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|bigg?[lr]?|Bigg?[lr]?)(?![A-Za-z])\s*", " "),
        (r"\\(?:times|cdot|ast)(?![A-Za-z])|[×·⋅∗✕✖]", "*"),
        (r"\\div(?![A-Za-z])|[÷∕⁄]", "/"),
        (r"[−–－]", "-"),
        (r"[＋]", "+"),
        (r"\\[,;:!> ]|~|\\q?quad(?![A-Za-z])|\u00a0|\u2009|\u202f", " "),
        (r"(?<=[\d)\]}\s])[xX](?=[\d(\[{\s\\])", "*"),
        (r"\\[dt]?frac(?![A-Za-z])", f" {_FRACTION_SIGN} "),
        (r"\\[\[\]()]|\$+", " "),
        (r"\\(?=[{}])", ""),
        (r"\\lbrack(?![A-Za-z])", "["),
        (r"\\rbrack(?![A-Za-z])", "]"),
    )
]

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ANNOUNCED = re.compile(r".*\b(?:answer|solution|expression)\s*(?:is|:|=)\s*:?(.+)", re.I)
_MARKUP = re.compile(r"\*\*|[`]+|^\$+|\$+\.?$")


class NoExpression(Exception):
    """The text is no expression of integers."""


class CountdownVerifier(AnswerVerifier):
    """Expressions that use given numbers, each once, to reach a target."""

    version = "countdown@1"
    ability = "math"
    is_prose = False
    canary = (CountdownReference((1, 2), 3), "\\boxed{1 + 2}")

    def compare(self, reference: CountdownReference, answer: str) -> Reason:
        return (
            Reason.MATCH if holds(answer, reference.numbers, reference.target, reference.use_all) else Reason.MISMATCH
        )

    def extract(self, completion: str) -> str | None:
        return final_expression(completion)

    def own_solution(self, task: Task) -> str | None:
        solution = super().own_solution(task)
        return f"<answer>{solution}</answer>" if solution else None


def final_expression(completion: str) -> str | None:
    """The text of the final answer: the last <answer>, box, or `####`, else what follows "answer is", else the last line."""
    text = spoken_part(completion) or ""
    lower = text.lower()
    if "<answer>" in lower:
        start = lower.rindex("<answer>") + len("<answer>")
        end = lower.find("</answer>", start)
        text = text[start : end if end >= 0 else len(text)]
    if place := max(text.rfind("\\boxed{"), text.rfind("\\fbox{")) + 1:
        text = _braced(text, text.index("{", place - 1))
    elif "####" in text:
        text = text.rpartition("####")[2].partition("\n")[0]
    else:
        lines = [line for line in text.splitlines() if line.strip()]
        text = lines[-1] if lines else ""
        if match := _ANNOUNCED.search(text):
            text = match[1]
    text = _MARKUP.sub("", text).strip()
    return text or None


def _braced(text: str, start: int) -> str:
    """What stands between a brace and the one that closes it; up to the end where none does."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return text[start + 1 : position]
    return text[start + 1 :]


def holds(answer: str, numbers: tuple[int, ...], target: int, use_all: bool = True) -> bool:
    """Whether an answer is an expression of the numbers, each at most (or exactly) once, that comes to the target."""
    try:
        value, used = evaluate(answer, target)
    except NoExpression:
        return False
    if value != target:
        return False
    if use_all:
        return sorted(used) == sorted(numbers)
    have, want = Counter(numbers), Counter(used)
    return all(count <= have[number] for number, count in want.items())


def evaluate(text: str, target: int | None = None) -> tuple[Fraction, list[int]]:
    """The value of an expression and the integers in it, in order. NoExpression for any other text, or a division by zero.

    `= target` may stand on either side of it; no other equation is read.
    """
    if len(text) > MOST_CHARACTERS:
        raise NoExpression(f"longer than {MOST_CHARACTERS} characters")
    tokens = _tokens(text)
    if tokens.count("=") == 1:
        tokens = _one_side(tokens, target)
    reader = _Reader(tokens)
    value = reader.sum()
    if reader.token:
        raise NoExpression(f"{reader.token!r} behind the expression")
    return Fraction(*value), reader.used


def _one_side(tokens: list[str], target: int | None) -> list[str]:
    """The side of an equation that is no bare result; NoExpression if the other side is not the target."""
    place = tokens.index("=")
    left, right = tokens[:place], tokens[place + 1 :]
    result = ["-", str(-target)] if target is not None and target < 0 else [str(target)]
    for expression, other in ((left, right), (right, left)):
        if other == result:
            return expression
    raise NoExpression("an equation with another result")


def _tokens(text: str) -> list[str]:
    text = text.strip()
    if not _is_plain(text):
        for pattern, replacement in _SPELLINGS:
            text = pattern.sub(replacement, text)
        text = text.strip()
    text = text.removesuffix(".")
    return [match[1] or match[2] or match[3] for match in _TOKEN.finditer(text.strip())]


_is_plain = re.compile(r"[0-9+\-*/()= ]*\Z").match
_FRACTION = tuple[int, int]  # numerator and denominator, not reduced: gcd on small numbers costs more than it saves


class _Reader:
    """Recursive descent over tokens; values are pairs of integers, so that no step rounds."""

    def __init__(self, tokens: list[str]):
        self._rest: Iterator[str] = iter(tokens)
        self.used: list[int] = []
        self._depth = 0
        self.token = ""
        self.next()

    def next(self) -> None:
        self.token = next(self._rest, "")

    def sum(self) -> _FRACTION:
        top, bottom = self._product()
        while (sign := self.token) == "+" or sign == "-":
            self.next()
            other, under = self._product()
            top = top * under + (other * bottom if sign == "+" else -other * bottom)
            bottom *= under
        return top, bottom

    def _product(self) -> _FRACTION:
        top, bottom = self._atom()
        divided = False
        while (sign := self.token) == "*" or sign == "/" or (sign in _CLOSING and not divided):
            if sign in "*/":  # 2(3+4) is a product, but 8/2(3+4) might be either
                self.next()
            other, under = self._atom()
            if sign != "/":
                top, bottom = top * other, bottom * under
            elif not other:
                raise NoExpression("a division by zero")
            else:
                top, bottom, divided = top * under, bottom * other, True
        return top, bottom

    def _atom(self) -> _FRACTION:
        token = self.token
        if token in _CLOSING:
            return self._bracket(_CLOSING[token])
        if token == _FRACTION_SIGN:
            self.next()
            top, bottom = self._argument()
            other, under = self._argument()
            if not other:
                raise NoExpression("a division by zero")
            return top * under, bottom * other
        return self._number(), 1

    def _bracket(self, closing: str) -> _FRACTION:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NoExpression("too many brackets")
        self.next()
        value = self.sum()
        if self.token != closing:
            raise NoExpression(f"{self.token!r} for a closing bracket")
        self._depth -= 1
        self.next()
        return value

    def _argument(self) -> _FRACTION:
        if self.token != "{":
            raise NoExpression("a fraction without braces")
        return self._bracket("}")

    def _number(self) -> int:
        token = self.token
        if not (token.isascii() and token.isdecimal()) or len(token) > 18 or (token[0] == "0" and token.strip("0")):
            raise NoExpression(f"{token!r} for a number")
        value = int(token)
        self.used.append(value)
        self.next()
        return value
