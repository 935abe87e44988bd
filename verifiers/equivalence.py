"""What answers mean: whether two of them are equal in value."""

import re
from fractions import Fraction

from verifiers.verdict import Reason

_NOISE = re.compile(r"\\[,!;: ]|\\left|\\right|\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\?\$|[\s{}]|,(?=\d{3}(?!\d))")
_FRACTION = re.compile(r"(-?)\\[dt]?frac(?:\{(-?\d+)\}\{(-?\d+)\}|(\d)(\d))")
_PLAIN = re.compile(r"(-?\d+(?:\.\d*)?|-?\.\d+)(?:/(\d+))?(%)?")


def compare(reference: str, answer: str) -> Reason:
    left, right = _number(reference), _number(answer)
    if left is None or right is None:
        return Reason.MATCH if left is right and reference.split() == answer.split() else Reason.MISMATCH
    return Reason.MATCH if left == right else Reason.MISMATCH


def _number(text: str) -> Fraction | None:
    fraction = _FRACTION.fullmatch(text.strip().strip("$").strip().rstrip("."))
    if fraction:
        top, bottom = int(fraction[2] or fraction[4]), int(fraction[3] or fraction[5])
        return Fraction(-top if fraction[1] else top, bottom) if bottom else None
    plain = _PLAIN.fullmatch(_NOISE.sub("", text).rstrip(".").replace("\\", ""))
    if not plain or plain[2] and not int(plain[2]):
        return None
    return Fraction(plain[1]) / int(plain[2] or 1) / (100 if plain[3] else 1)
