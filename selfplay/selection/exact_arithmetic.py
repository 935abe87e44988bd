"""The value of arithmetic between numbers, exactly."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Number = int | Fraction
Token = tuple[str, str]  # kind (number, operator, open, close, percent, word) and text
MAX_TOKENS = 200
MAX_POWER = 64
MAX_DIGITS = 400


@dataclass(frozen=True, slots=True)
class Reading:
    """One value that an expression can have."""

    value: Number
    decimals: int  # digits after the point if the expression is one decimal number, else 0


def readings(tokens: Iterable[Token]) -> tuple[Reading, ...]:
    """The values that tokens can be read as: none where they are no arithmetic, two where a percent sign leaves it open.

    "75%" is 3/4, and also the 75 of "3/4 * 100 = 75%".
    """
    return _readings(tuple(tokens))


@lru_cache(1 << 16)
def _readings(tokens: tuple[Token, ...]) -> tuple[Reading, ...]:
    if not tokens or len(tokens) > MAX_TOKENS or any(len(value) > MAX_DIGITS for _, value in tokens):
        return ()
    found = []
    for percent in (Fraction(1, 100), 1) if ("percent", "%") in tokens else (1,):
        try:
            value, end = _sum(tokens, 0, percent)
        except (ZeroDivisionError, _NoArithmetic):
            continue
        if end == len(tokens):
            found.append(Reading(value, _decimals(tokens)))
    return tuple(found)


class _NoArithmetic(Exception):
    pass


def _decimals(tokens: tuple[Token, ...]) -> int:
    plain = [value for kind, value in tokens if kind == "number"]
    lone = len(plain) == 1 and all(kind != "operator" or value == "-" for kind, value in tokens)
    return len(plain[0].partition(".")[2]) if lone else 0


def _sum(tokens: tuple[Token, ...], at: int, percent: Number) -> tuple[Number, int]:
    value, at = _product(tokens, at, percent)
    while at < len(tokens) and tokens[at][1] in ("+", "-"):
        term, end = _product(tokens, at + 1, percent)
        value = value + term if tokens[at][1] == "+" else value - term
        at = end
    return value, at


def _product(tokens: tuple[Token, ...], at: int, percent: Number) -> tuple[Number, int]:
    value, at = _power(tokens, at, percent)
    while at < len(tokens) and tokens[at][1] in ("*", "/"):
        factor, end = _power(tokens, at + 1, percent)
        value = value * factor if tokens[at][1] == "*" else Fraction(value, factor)
        at = end
    return value, at


def _power(tokens: tuple[Token, ...], at: int, percent: Number) -> tuple[Number, int]:
    if at < len(tokens) and tokens[at][1] in ("-", "+"):
        value, end = _power(tokens, at + 1, percent)
        return (-value if tokens[at][1] == "-" else value), end
    value, at = _operand(tokens, at, percent)
    if at < len(tokens) and tokens[at][1] in ("^", "**"):
        exponent, at = _power(tokens, at + 1, percent)
        if (
            exponent.denominator != 1
            or abs(Fraction(exponent)) > MAX_POWER
            or value.numerator.bit_length() > 256
            or value.denominator.bit_length() > 256
        ):
            raise _NoArithmetic
        value = Fraction(Fraction(value) ** int(exponent))
    return value, at


def _operand(tokens: tuple[Token, ...], at: int, percent: Number) -> tuple[Number, int]:
    if at >= len(tokens):
        raise _NoArithmetic
    kind, text = tokens[at]
    if kind == "number":
        value, at = _literal(text), at + 1
    elif kind == "open":
        value, at = _sum(tokens, at + 1, percent)
        if at >= len(tokens) or tokens[at][0] != "close":
            raise _NoArithmetic
        at += 1
    else:
        raise _NoArithmetic
    while at < len(tokens) and tokens[at][0] == "percent":
        value, at = value * percent, at + 1
    return value, at


def _literal(text: str) -> Number:
    """The value of digits, with commas between thousands and a point before decimals."""
    whole, point, decimals = text.replace(",", "").partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals)) if point else int(whole)
