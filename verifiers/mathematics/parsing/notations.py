"""Answers with a notation of their own: options, ratios in words, remainders, times of day, feet and inches, arc, letter digits."""

import re
from collections.abc import Callable
from fractions import Fraction
from math import gcd

from verifiers.mathematics.parsing.tree import Node, num, sym
from verifiers.mathematics.parsing.units import named

_OPTION = re.compile(
    r"^\(([A-J])\)\s+(\S.*)$|^([A-J])[.:)]\s+(\S.*)$"
    r"|^\\text(?:bf|it|rm)?\s*\{\s*(?:\(([A-J])\)|([A-J])[.)](?=[\s}]))\s*([^{}]*)\}\s*\\?\s*(.*)$",
    re.S,
)
_LONE_OPTION = re.compile(r"^(?:(?:[Oo]ption|[Cc]hoice)\s*:?\s*\(?([A-J])[.)]?|([A-J])\))$")
_PART = re.compile(r"(?:\\text\s*\{\s*)?(?<![A-Za-z\\^_])\(([a-h])\)(?:\s*\}|(?=\s))\s*")
_AND_AT_END = re.compile(r"[\s,;]*(?:\\text\s*\{\s*)?\band\s*\}?$")
_SAID_TWICE = re.compile(r"^(\d+)\s*\(([a-z][a-z -]*)\)$|^([a-z][a-z -]*)\((\d+)\)$", re.I)  # 8 (eight)
_FIRST_SIGNS = frozenset("-0123456789jfmasondJFMASOND")  # of a literal, a date, a time, an amount
_RATIO = re.compile(r"^(\d+)\s+to\s+(\d+)$")
_REMAINDER = re.compile(r"^(\d+),?\s*(?:with\s+)?(?:a\s+)?(?:[Rr]|[Rr]emainder(?:\s+of)?)\s*(\d+)$")
_CLOCK = re.compile(r"^(\d{1,2})(?::(\d{2}))?\s*([AaPp])\.?\s?[Mm]\.?$")
_NAMED_HOUR = re.compile(r"^(?:12(?::00)?\s*)?(noon|midnight)$", re.I)
_TEXT_GROUP = re.compile(r"\\(?:text|mbox|textrm|mathrm)\s*\{([^{}]*)\}")
_PRIME = re.compile(r"\^\s*(?:\{\s*((?:\\prime\s*|')+)\}|(\\prime)\s*)")
_AMOUNT = r"(\d+(?:\.\d+)?)"
_FEET = re.compile(rf"^{_AMOUNT}\s*'(?:\s*{_AMOUNT}\s*(?:''|\"))?$|^{_AMOUNT}\s*(?:''|\")$")
_ARC = re.compile(rf"^(-?)(\d+)\s*\^\s*(?:\\circ|\{{\s*\\circ\s*\}})\s*{_AMOUNT}\s*'(?:\s*{_AMOUNT}\s*(?:''|\"))?$")
_LITERAL = re.compile(r"^0([xXbBoO])([0-9A-Fa-f_]+)$")
_BASES = {"x": 16, "b": 2, "o": 8}
_ISO_DATE = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$")
_SHORT_DATE = re.compile(r"^(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})$")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (  # in full or short: marbles, novels and apricots are no months
    r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"(?:(?<=jan)uary|(?<=feb)ruary|(?<=mar)ch|(?<=apr)il|(?<=jun)e|(?<=jul)y|(?<=aug)ust|(?<=sep)t(?:ember)?|(?<=oct)ober|(?<=nov)ember|(?<=dec)ember)?(?![a-z])"
)
_DAY_FIRST = re.compile(rf"^(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\.?,?(?:\s+(\d{{4}}))?$", re.I)
_MONTH_FIRST = re.compile(rf"^{_MONTH}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?$", re.I)
_TIME = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2}))?$")
_UNIT_LETTER = re.compile(
    r"^((?:-\s*)?\d+(?:\.\d+)?(?:\s*\\(?:times|cdot)\s*10\s*\^\s*(?:\{-?\d+\}|\d))?|10\s*\^\s*(?:\{-?\d+\}|\d))\s+([smghLNJWVKACTF])$"
)
_LETTER_DIGITS = re.compile(r"^\(?([0-9A-Fa-f]*[A-Fa-f][0-9A-Fa-f]*)\)?_\{?(\d\d)\}?$")


def special(text: str, read: Callable[[str], Node]) -> Node | None:
    """The tree of a text in one of these notations, or None; `read` reads the content of an option."""
    simple = " ".join((_TEXT_GROUP.sub(r" \1 ", text) if "{" in text else text).split()) if len(text) < 60 else ""
    counted = _two_numbers(simple) if simple[:1].isdigit() else None
    if counted:
        return counted
    written = _written_otherwise(simple, read) if simple[:1] in _FIRST_SIGNS else None
    if written:
        return written
    parts = _parts(text, read) if "(b)" in text else None
    if parts:
        return parts
    twice = _SAID_TWICE.match(simple) if simple.endswith(")") else None
    if twice:
        number, word = (twice[1], twice[2]) if twice[1] else (twice[4], twice[3])
        return read(number) if read(number) == read(word) else None
    option = _OPTION.match(text)
    if option:
        letter = option[1] or option[3] or option[5] or option[6]
        content = (option[2] or option[4] or f"{option[7]} {option[8]}").strip()
        return Node("choice", (letter, read(content))) if content else sym(letter)
    lone = _LONE_OPTION.match(simple)
    if lone:
        return sym(lone[1] or lone[2])
    digits = _LETTER_DIGITS.match(text)
    if digits and all(int(digit, 36) < int(digits[2]) for digit in digits[1]):
        return Node("based", (digits[1].upper(), int(digits[2])))
    clock = _time_of_day(simple) if "m" in simple or "M" in simple or "oon" in simple else None
    return clock or (_primed(text) if len(text) < 60 and ("'" in text or '"' in text or "prime" in text) else None)


def _written_otherwise(simple: str, read: Callable[[str], Node]) -> Node | None:
    """Literals of programs, dates, times of day and amounts with a unit of one letter: 0x1f, 2024-01-03, 00:27, 4 s."""
    literal = _LITERAL.match(simple)
    if literal:
        base, digits = _BASES[literal[1].lower()], literal[2].replace("_", "").upper()
        return Node("based", (digits, base)) if all(int(digit, 36) < base for digit in digits) else None
    if not simple[-1:].isalnum():
        return None
    time = _TIME.match(simple)
    if time:
        return _time(int(time[1]), time[1], int(time[2]), int(time[3] or 0))
    amount = _UNIT_LETTER.match(simple)
    if amount:
        return Node("quantity", (read(amount[1]), named(amount[2])))
    return _date(simple)


def _date(simple: str) -> Node | None:
    """A date: (year, month, day), the year 0 if none is written. With slashes the order of day and month is the writer's
    own, so such a date only equals itself."""
    iso, short = _ISO_DATE.match(simple), _SHORT_DATE.match(simple)
    if iso and 1 <= int(iso[2]) <= 12 and 1 <= int(iso[3]) <= 31:
        return Node("date", (int(iso[1]), int(iso[2]), int(iso[3])))
    if short:
        return Node("date", ("short", int(short[1]), int(short[3]), int(short[4]) % 100))
    month_first, day_first = _MONTH_FIRST.match(simple), _DAY_FIRST.match(simple)
    if not month_first and not day_first:
        return None
    month, day, year = month_first.groups() if month_first else (day_first[2], day_first[1], day_first[3])
    return Node("date", (int(year or 0), _MONTHS.index(month[:3].lower()) + 1, int(day)))


def _time(hour: int, written: str, minute: int, second: int) -> Node | None:
    """7:05 and 00:27 are times of day; 7:32 may be a ratio, unless it is not in lowest terms."""
    if hour > 23 or minute > 59 or second > 59:
        return None
    is_ratio = second == 0 and minute > 9 and written[0] != "0" and gcd(hour, minute) == 1
    return None if is_ratio else Node("clock", (hour * 60 + minute + Fraction(second, 60), "AM or PM"))


def _two_numbers(simple: str) -> Node | None:
    """2 to 3 as a ratio, 7 R 3 as a quotient with its remainder."""
    ratio = _RATIO.match(simple)
    if ratio:
        return Node("ratio", (num(int(ratio[1])), num(int(ratio[2]))))
    remainder = _REMAINDER.match(simple)
    return Node("text", (f"{int(remainder[1])} remainder {int(remainder[2])}",)) if remainder else None


def _parts(text: str, read: Callable[[str], Node]) -> Node | None:
    """(a) 3 (b) 5 as values with the names of their parts; None where the letters are no such names."""
    labels = list(_PART.finditer(text))
    if len(labels) < 2 or labels[0].start() or [label[1] for label in labels] != list("abcdefgh"[: len(labels)]):
        return None
    ends = [label.start() for label in labels[1:]] + [len(text)]
    held = [text[label.end() : end].strip(" ,;.\n\t") for label, end in zip(labels, ends, strict=True)]
    values = [read(_AND_AT_END.sub("", part)) for part in held if part]
    if len(values) < len(labels) or any(value.kind in ("unread", "deep") for value in values):
        return None
    names = [sym(f"text part {label[1]}") for label in labels]
    return Node("list", tuple(Node("relation", (("=",), *pair)) for pair in zip(names, values, strict=True)))


def _time_of_day(simple: str) -> Node | None:
    clock = _CLOCK.match(simple)
    if clock and 1 <= int(clock[1]) <= 12 and int(clock[2] or 0) < 60:
        hour = int(clock[1]) % 12 + (12 if clock[3] in "Pp" else 0)
        return Node("clock", (hour * 60 + int(clock[2] or 0),))
    named_hour = _NAMED_HOUR.match(simple)
    return Node("clock", (720 if named_hour[1].lower() == "noon" else 0,)) if named_hour else None


def _primed(text: str) -> Node | None:
    """5'6'' as 5 feet 6 inches; 30 degrees 15' as 30 1/4 degrees."""
    text = _PRIME.sub(lambda signs: "'" * (signs[1] or signs[2]).replace("\\prime", "'").count("'"), text)
    length = _FEET.match(text)
    if length:
        feet, inches, only_inches = (Fraction(part or 0) for part in length.groups())
        if only_inches or length[3]:
            return Node("quantity", (num(only_inches), named("inch")))
        return Node("quantity", (num(feet + inches / 12), named("ft"))) if inches < 12 else None
    arc = _ARC.match(text)
    if arc and Fraction(arc[3]) < 60 and Fraction(arc[4] or 0) < 60:
        size = int(arc[2]) + Fraction(arc[3]) / 60 + Fraction(arc[4] or 0) / 3600
        return Node("degree", (num(-size if arc[1] else size),))
    return None
