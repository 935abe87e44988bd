"""Checks of the steps in a chain of thought: every equation between numbers, and every calculator annotation.

    "He has 16 - 3 = <<16-3=13>>13 left"      two equations, both right
    "3+4+5=7+5=####12"                        a chain, each side equal to the next
    "20 - 5 = 15 - 3 = 12"                    running on from the last result: taken as 20 - 5 = 15 and 15 - 3 = 12

Only what can be decided is decided: an equation with a variable, a unit that changes, a modulus, or an operand that is
cut off is none of ours. A decimal result may be rounded or cut at its last digit; an integer may not.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from selfplay.selection.exact_arithmetic import MAX_TOKENS, Number, Reading, Token, readings

_ANNOTATION = re.compile(r"<<([^<>\n]{1,200}?)=([^<>=\n]{0,80})>>")
_MARKER = re.compile(r"(?<==)\s*(?:####\s*|\\boxed\s*\{([^{}\n]*)\})")  # an answer that ends an equation: "=####12"
_FRAC = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_POWER = re.compile(r"\^\s*\{([^{}]*)\}")
_LATEX = {
    r"\times": "*", r"\cdot": "*", r"\div": "/", r"\left": "", r"\right": "", r"\%": "%", r"\$": "$", r"\,": "", r"\!": "",
    r"\ ": " ", r"\;": " ", r"\:": " ", r"\(": " ", r"\)": " ", r"\[": " ", r"\]": " ", r"\\": "\n", "{,}": ",",
}  # fmt: skip
_LATEX_WORD = re.compile(r"\\(?:times|cdot|div|left|right)(?![A-Za-z])|\\[%$,!;: ()\[\]\\]|\{,\}")
_TIMES = re.compile(r"(?<=[\d)])(?<!\b0)(\s*)[xX](\s*)(?=[\d(.$])")  # "3 x 4"
_BOLD = re.compile(r"(?<![\w)])\*\*(?=\S)([^*\n]+)\*\*")
_IMPLIED = re.compile(r"(?<=[\d)])\((?=[\d(.-])")  # "2(3)"
_SIGNS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "＝": "=", "\u00a0": " ", "\u202f": " "}
    | {"½": "(1/2)", "⅓": "(1/3)", "⅔": "(2/3)", "¼": "(1/4)", "¾": "(3/4)"}
)
_TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)|(?P<operator>\*\*|[-+*/^])|(?P<open>\()|(?P<close>\))"
    r"|(?P<equals>=)|(?P<percent>%)|(?P<word>[^\W\d_]+(?:'[a-z]+)?)|(?P<dollar>\$)|(?P<stop>[.,;:?](?=\s|$)|[\"“”*_~`]{1,3}(?=\s|$))"
    r"|(?P<space>[ \t]+)|(?P<other>.)"
)
_CONTINUED = re.compile(r"[ \t]*\n[ \t]*=")
_MAY_END = re.compile(r".*[\d)%](?:\s*\$|\s+[^\W\d_]{3,}){0,2}\s*$", re.S).match  # a number, with its unit perhaps
_MAY_START = re.compile(r"\s*[\d(.$+-]").match
_NOT_EXACT = re.compile(r"[≡≈~]|mod\b").search
_FLOAT_DECIMALS = 9
_OPEN_SUM = re.compile(r"\s*[\d ()+*/.-]+=\s*").fullmatch
_LEFT, _RIGHT = 48, 32  # characters on each side of "=" that are read first
# Words that change what the number next to them means.
_SCALES = frozenset([
    "dozen", "hundred", "thousand", "million", "billion", "trillion", "percent", "cent", "cents", "hour", "hours",
    "minute", "minutes", "second", "seconds", "day", "days", "week", "weeks", "month", "months", "year", "years",
    "inch", "inches", "foot", "feet", "yard", "yards", "mod", "modulo", "base", "degrees", "remainder", "r",
    "squared", "cubed", "times", "plus", "minus", "divided", "over",
])  # fmt: skip
_BEFORE = _SCALES | frozenset(
    [
        "of",
        "by",
        "per",
        "multiplied",
        "half",
        "twice",
        "double",
        "triple",
        "root",
        "sqrt",
        "log",
        "sin",
        "cos",
        "tan",
        "approximately",
        "about",
        "around",
        "roughly",
        "almost",
    ]
)


@dataclass(frozen=True, slots=True)
class Equation:
    """One equation that could be decided."""

    text: str
    right: bool
    annotation: bool  # from a calculator annotation <<...>>


def equations(completion: str, prompt: str = "") -> Iterator[Equation]:
    """The decidable equations of a completion; a prompt that is "3+4+5=" and nothing else begins the first one."""
    text = completion
    if "<<" in text:
        for expression, result in _ANNOTATION.findall(completion):
            right = _annotation_right(expression, result)
            if right is not None:
                yield Equation(f"{expression}={result}", right, True)
        text = _ANNOTATION.sub("", completion)
    if prompt and _OPEN_SUM(prompt):
        text = prompt.strip() + text
    if "=" not in text:
        return
    for line in _plain(text).split("\n"):
        if "=" in line and not _NOT_EXACT(line):
            yield from _equations_of_line(line)


def wrong_steps(completion: str, prompt: str = "") -> list[str]:
    """The equations that do not hold."""
    return [equation.text for equation in equations(completion, prompt) if not equation.right]


def _plain(text: str) -> str:
    """Operators as Python writes them; an equation that goes on in the next line stands in one."""
    if "=#" in text or "\\" in text or "= #" in text:
        text = _MARKER.sub(lambda match: match[1] or "", text)
    if "(" in text:
        text = _IMPLIED.sub("*(", text)
    if not text.isascii():
        text = text.translate(_SIGNS)
    if "\\" in text or "{" in text:
        text = _LATEX_WORD.sub(lambda match: _LATEX[match[0]], text).replace("&", " ")
        for _ in range(3):
            text, count = _FRAC.subn(r"((\1)/(\2))", text)
            if not count:
                break
        text = _POWER.sub(r"^(\1)", text)
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    if "x" in text or "X" in text:
        text = _TIMES.sub(r"\1*\2", text)
    return _CONTINUED.sub(" =", text)


@lru_cache(1 << 16)
def _annotation_right(expression: str, result: str) -> bool | None:
    """Whether a calculator annotation holds; None if it is no arithmetic."""
    sides = []
    for part in (*expression.split("="), result):
        tokens = _tokens(_TIMES.sub("*", _IMPLIED.sub("*(", part).translate(_SIGNS)))
        sides.append(readings([token for token in tokens if token[0] not in ("dollar", "space", "stop")]))
    if not all(sides):
        return None
    return all(_equal(left, right) for left, right in itertools.pairwise(sides))


def _tokens(text: str) -> list[Token]:
    return [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]


@lru_cache(1 << 14)
def _equations_of_line(line: str) -> tuple[Equation, ...]:
    """The decidable equations of a line; samples of one task share many of their lines."""
    found = []
    sides = line.split("=")
    for before, after in itertools.pairwise(sides):
        if not _MAY_END(before[-40:]) or not _MAY_START(after):
            continue
        right = _start_of(after)
        left = _end_of(before) if right else []
        if not left or not (_has_operator(left) or _has_operator(right)):
            continue
        left_values, right_values = readings(left), readings(right)
        if left[0] == ("operator", "-") and before.lstrip().startswith("- "):
            left_values += readings(left[1:])  # "- 3 + 4 = 7" in a list: the sign is a bullet
        if left_values and right_values:
            holds = _equal(left_values, right_values) or _runs_on(left_values, right)
            found.append(Equation(f"{_shown(left)}={_shown(right)}", holds, False))
    return tuple(found)


_ARITHMETIC = {"number", "operator", "open", "close", "percent"}


def _end_of(side: str) -> list[Token]:
    """The arithmetic at the end of the text before "=", or nothing if it depends on the words before it."""
    window = side[-_LEFT:].partition(" ")[2] if len(side) > _LEFT else ""
    tokens = _without_trailing_unit(_without_dollars(_tokens(window or side)))
    if tokens is None:
        return []
    if window and all(kind in _ARITHMETIC | {"space"} for kind, _ in tokens):  # it may begin before the window
        tokens = _without_trailing_unit(_without_dollars(_tokens(side))) or []
    start = len(tokens)
    while start and tokens[start - 1][0] in _ARITHMETIC | {"space"}:
        start -= 1
    found = tokens[start:]
    if start and tokens[start - 1][0] == "word" and tokens[start - 1][1].lower() in _BEFORE:
        return []
    if start and not (found and found[0][0] == "space") and tokens[start - 1][0] not in ("stop", "other"):
        return []  # glued to a name
    if start and tokens[start - 1][0] == "other" and tokens[start - 1][1] not in "<>:→⇒•#|{[":
        return []
    return _arithmetic(found, opened=start > 0)


def _start_of(side: str) -> list[Token]:
    """The arithmetic at the start of the text after "=", or nothing if it continues in another form."""
    window = side[:_RIGHT].rpartition(" ")[0] if len(side) > _RIGHT else ""
    tokens = _without_dollars(_tokens(window or side))
    if window and all(kind in _ARITHMETIC | {"space"} for kind, _ in tokens):
        tokens = _without_dollars(_tokens(side))
    end = depth = 0
    while end < len(tokens) and tokens[end][0] in _ARITHMETIC | {"space"} and (tokens[end][0] != "close" or depth):
        depth += (tokens[end][0] == "open") - (tokens[end][0] == "close")
        end += 1
    while end and (tokens[end - 1][0] == "space" or _is_dash(tokens, end - 1)):
        end -= 1
    found, rest = tokens[:end], tokens[end:]
    if rest and rest[0][0] not in ("space", "stop", "close", "other"):
        return []  # "7x": a variable
    if rest and rest[0][0] == "other" and rest[0][1] not in "]}>,;|":
        return []
    words = [value.lower() for kind, value in rest[:6] if kind == "word"]
    if words and (words[0] in _SCALES or (len(words[0]) == 1 and words[0] not in "aiAI")):
        return []
    return _arithmetic(found, opened=False)


def _is_dash(tokens: list[Token], at: int) -> bool:
    """Whether a minus sign joins sentences: "= 13 - so she has"."""
    after = tokens[at + 1 : at + 3]
    return (
        tokens[at] == ("operator", "-")
        and len(after) == 2
        and after[0][0] == "space"
        and after[1][0] == "word"
        and len(after[1][1]) > 1
    )


def _without_dollars(side: list[Token]) -> list[Token]:
    return [token for token in side if token[0] != "dollar"]


def _without_trailing_unit(tokens: list[Token]) -> list[Token] | None:
    """The tokens without up to two words after a number, such as "apples"; None if such a word changes the number."""
    end = len(tokens)
    words = 0
    while end and tokens[end - 1][0] in ("word", "space"):
        end -= 1
        words += tokens[end][0] == "word"
    if not words:
        return tokens
    glued = end and tokens[end][0] == "word"
    if not end or words > 2 or glued or tokens[end - 1][0] not in ("number", "close"):
        return None
    if any(kind == "word" and (len(value) < 3 or value.lower() in _SCALES) for kind, value in tokens[end:]):
        return None
    return tokens[:end]


def _arithmetic(tokens: list[Token], opened: bool) -> list[Token]:
    """Tokens without spaces, and without a bracket at the front that never closes; nothing where an operand is missing."""
    found = [token for token in tokens if token[0] != "space"]
    if len(found) > MAX_TOKENS:
        return []
    while found and found[0][0] == "open" and _depth(found) > 0:
        found = found[1:]
    if not found or found[-1][0] in ("operator", "open") or _depth(found):
        return []
    if found[0][0] == "operator" and (opened or found[0][1] != "-"):
        return []
    return found


def _depth(tokens: list[Token]) -> int:
    return sum((kind == "open") - (kind == "close") for kind, _ in tokens)


def _has_operator(tokens: list[Token]) -> bool:
    return any(kind == "operator" for kind, _ in tokens[1:])


def _shown(tokens: list[Token]) -> str:
    return "".join(value for _, value in tokens)


def _equal(left: tuple[Reading, ...], right: tuple[Reading, ...]) -> bool:
    return any(_same(a, b) for a in left for b in right)


def _same(a: Reading, b: Reading) -> bool:
    """Equal, or one is a decimal literal that the other rounds to, or is cut to."""
    if a.value == b.value:
        return True
    one, two = abs(Fraction(a.value)), abs(Fraction(b.value))
    error = abs(Fraction(a.value) - Fraction(b.value))
    if max(a.decimals, b.decimals) >= _FLOAT_DECIMALS and 10**9 * error <= max(Fraction(1), one):
        return True  # floating point, as a calculator writes it
    for decimals, literal, other in ((a.decimals, one, two), (b.decimals, two, one)):
        if decimals:
            unit = Fraction(1, 10**decimals)
            if error <= unit / 2 or (error < unit and literal < other):
                return True
    return False


def _runs_on(left: tuple[Reading, ...], right: list[Token]) -> bool:
    """Whether the right side only begins with the result of the left one and goes on from there."""
    first = right[:1] if right[0][0] == "number" else []
    return len(right) > 1 and bool(first) and right[1][1] in "+-*/" and _equal(left, readings(first))


# numbers that a text may use without having them from its task: of units, percentages and halves
_CONSTANTS = frozenset({1, 2, 7, 10, 12, 24, 60, 100, 365, 1000})
_NUMBER_WORDS = {
    "half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4), "twice": 2, "double": 2, "triple": 3, "dozen": 12,
    "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "nine": 9, "eleven": 11, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip


def values_of(expression: str) -> set[Number]:
    """The values that arithmetic can be read as; empty for anything else."""
    tokens = [token for token in _tokens(_plain(expression).strip(" $.")) if token[0] != "space"]
    return {reading.value for reading in readings(tokens)}


def results(completion: str, prompt: str) -> set[Number]:
    """The numbers that the steps of a completion lead to: results of right equations between numbers of the prompt, results
    before them, and constants such as 60 and 100. A number that comes from nowhere leads to nothing; that two numbers of the
    prompt happen to give a third one is not seen."""
    words = {word.strip(".,?!") for word in prompt.lower().replace("-", " ").split()}
    given = _CONSTANTS | _numbers(prompt) | {value for word, value in _NUMBER_WORDS.items() if word in words}
    found: set[Number] = set()
    for equation in equations(completion, prompt):
        sides = equation.text.split("=")
        if not equation.right or len(sides) != 2:
            continue
        for computed, result in (sides, sides[::-1]):
            values = values_of(computed)
            follows = _numbers(computed) <= given | found or bool(values & found)
            if follows and _has_operator(_tokens(computed)):
                found |= values | values_of(result)
    return found


def _numbers(text: str) -> set[Number]:
    return {
        reading.value
        for kind, value in _tokens(_plain(text))
        if kind == "number"
        for reading in readings([(kind, value)])
    }
