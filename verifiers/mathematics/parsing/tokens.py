"""Tokens of an answer: LaTeX in its wild forms, plain ASCII, and words, as one list of small tokens."""

import re
from fractions import Fraction
from typing import NamedTuple

MAX_LENGTH = 30_000  # characters of one answer
_MAX_SHIFT = 20_000  # largest power of ten in a number such as 1e20000


class Unreadable(ValueError):
    """The text is no mathematics that this reader knows; it is then compared as text."""


class limits:
    """What this process reads; a worker, which can be killed, raises both."""

    depth = 50  # brackets, fractions and roots inside of each other
    tokens = 4_000  # of one answer


class TooDeep(Unreadable):
    """The text nests deeper than this process reads; a worker (worker_client.py) reads deeper."""


class Token(NamedTuple):
    kind: str  # "number", "word", "command", "sign", "end"
    value: str  # the word, the command's name, the sign; a number as written
    number: Fraction | None = None  # value of a number
    in_text: bool = False  # stands inside of \text{...}
    spaced: bool = False  # space before it


_SEPARATOR = r"(?:(?:\\!)?,\\!\s*|\{,\}\s?|\\[,;!: ]|[ ~_'](?=\d{3}(?!\d)))"
_GROUPED = rf"\d{{1,3}}(?:{_SEPARATOR}\d{{3}})+(?!\d)"
_COMMA_GROUPED = (
    rf"(?:\d{{1,3}}(?:(?:,|{_SEPARATOR})\d{{3}})+|\d{{1,2}}(?:,\d{{2}})+,\d{{3}})(?!\d)"  # 1,234,567 and 12,34,567
)
_REPEATING = r"(?:\\overline\s*\{\s*\d+\s*\}|\\dot\s*\{?\d\}?(?:\d*\\dot\s*\{?\d\}?)?|\\bar\s*\{\s*\d+\s*\})"
_REPEATING_PART = re.compile(rf"{_REPEATING}|\(\d+\)")
_TAIL = rf"(?:\.\d*{_REPEATING}|\.\d*\(\d+\)(?![\d(])|\.\d+|\.(?![\d.]))?(?:[eE][+-]?\d{{1,9}}(?![\d.]))?"


def _pattern(grouped: str) -> re.Pattern[str]:
    return re.compile(
        rf"""(?P<space>[\s~]+|\\[,;:!>\ ]|\\(?:q?quad|thinspace|enspace|hspace\*?\{{[^{{}}]*\}}|hfill|noindent)(?![A-Za-z]))
        |(?P<number>(?:{grouped}|\d+){_TAIL}|\.\d*{_REPEATING}|\.\d+(?:[eE][+-]?\d{{1,9}})?)
        |\\(?P<command>[A-Za-z]+\*?)
        |(?P<escaped>\\[{{}}$%&\#_|\\])
        |(?P<word>[A-Za-z]+)
        |(?P<sign><=|>=|!=|==|=>|\*\*|\.\.\.+|[-+*/^_=<>!(){{}}\[\]|,;:&%'.$?])
        |(?P<letters>[^\W\d_]+)
        |(?P<other>.)""",
        re.X | re.S,
    )


_TOKEN = {True: _pattern(_COMMA_GROUPED), False: _pattern(_GROUPED)}
_GROUP = re.compile(r"\s*\{")
_UNIT_LETTER = re.compile(r"\s*\{(?=\s*(?:[msghLNJWVKACTF]|[A-Za-z]{2,4})\s*\})")  # behind a number or another unit
_WHOLE_GROUP = re.compile(r"\s*\{[^{}]*\}")
_UNIT_GROUP = re.compile(r"\s*\{\s*(?:~|\\[,;: ]|\s(?=\s*[A-Za-z]))")  # \mathrm{~cm} is set as text is
_WORD_GROUP = re.compile(r"\s*\{\s*([A-Za-z]{2,})\s*\}")  # \mathrm{cm} is one word
_DROPPED = frozenset(
    [
        "left",
        "right",
        "big",
        "Big",
        "bigg",
        "Bigg",
        "bigl",
        "bigr",
        "Bigl",
        "Bigr",
        "biggl",
        "biggr",
        "Biggl",
        "Biggr",
        "displaystyle",
        "textstyle",
        "scriptstyle",
        "limits",
        "nolimits",
        "mathstrut",
        "strut",
        "middle",
        "normalsize",
        "small",
        "large",
        "Large",
        "it",
        "rm",
        "bf",
        "em",
        "cal",
        "sf",
        "tt",
        "ensuremath",
        "allowbreak",
        "nobreak",
        "mathopen",
        "mathclose",
        "mathrel",
        "mathord",
        "mathbin",
        "protect",
        "qquad",
    ]
)
_TRANSPARENT = frozenset(
    [
        "mathrm",
        "mathbf",
        "boldsymbol",
        "mathit",
        "mathsf",
        "mathtt",
        "bm",
        "pmb",
        "mathnormal",
        "symbf",
        "symrm",
        "mathcal",
        "mathscr",
        "emph",
        "underline",
        "operatorname",
        "operatorname*",
        "boxed",
        "fbox",
        "mathop",
        "vec",
        "hat",
        "tilde",
        "widehat",
        "overrightarrow",
    ]
)
_UNSEEN = frozenset(
    ["color", "textcolor", "phantom", "hphantom", "vphantom", "tag", "label", "hskip"]
)  # dropped with the group behind them
_TEXT = frozenset(
    ["text", "mbox", "textbf", "textit", "textrm", "textsf", "texttt", "textsc", "hbox", "textnormal", "textup"]
)
_SPELLED = {
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "neq": "ne", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac",
    "sfrac": "frac", "nicefrac": "frac",
    "dbinom": "binom", "tbinom": "binom", "dots": "ldots", "cdots": "ldots", "dotsc": "ldots", "dotsb": "ldots", "lbrace": "{",
    "rbrace": "}", "lt": "<", "gt": ">", "colon": ":", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lparen": "(", "rparen": ")",
    "lbrack": "[", "rbrack": "]", "backslash": "setminus", "smallsetminus": "setminus", "varnothing": "emptyset", "ast": "*",
    "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "degrees": "degree", "arctg": "arctan", "tg": "tan", "ctg": "cot",
    "land": "and", "wedge": "and", "lor": "or", "vee": "or", "rightarrow": "to", "sim": "approx", "simeq": "approx", "iff": "and",
    "percent": "%", "slash": "/", "bar": "overline", "cr": "newline", "bigcup": "cup", "bigcap": "cap", "implies": "to", "Rightarrow": "to", "lnot": "neg",
    "dollar": "usd", "textdollar": "usd", "euro": "eur", "pounds": "gbp", "yen": "jpy", "textdegree": "degree", "prime": "'",
}  # fmt: skip
_SIGNS = frozenset("{}|<>()[]:*/%'")
_LETTERS = {"top": "T", "intercal": "T", "imath": "i", "jmath": "j"}
_SAME_SIGN = {"**": "^", "==": "="}
_OPPOSITE = {
    "=": "ne",
    "<": "ge",
    ">": "le",
    r"\in": "notin",
    r"\le": ">",
    r"\leq": ">",
    r"\ge": "<",
    r"\geq": "<",
    r"\lt": "ge",
    r"\gt": "le",
}
_DENIED = re.compile(r"\s*([=<>]|\\(?:in|[gl]eq?|[gl]t)(?![A-Za-z]))")  # \not<


def tokens(text: str, commas: str) -> list[Token]:
    """The tokens of a text, closed by an "end".

    `commas` tells where 1,234 is one number: "outside" of brackets (inside, commas part a list), "never" or "always".
    Raises Unreadable for a text that is too long or holds signs that mean nothing here.
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable(f"an answer of {len(text)} characters")
    found: list[Token] = []
    position, spaced, depth = 0, False, 0
    text_ends: list[int] = []  # depths at which an open \\text{...} ends
    while position < len(text):
        match = _TOKEN[commas == "always" or (commas == "outside" and depth == 0)].match(text, position)
        position = match.end()
        kind = match.lastgroup
        value = match[kind]
        if kind == "space":
            spaced = True
            continue
        in_text = bool(text_ends)
        if kind == "number":
            found.append(Token("number", value, number_value(value), in_text, spaced))
        elif kind in ("word", "letters"):
            found.append(Token("word", value, None, in_text, spaced))
        elif kind == "command":
            brace = _GROUP.match(text, position) if value in _TEXT else None
            if value == "mathrm" or value == "rm":
                brace = _UNIT_GROUP.match(text, position) or (
                    _UNIT_LETTER.match(text, position) if found and _is_amount_before(found) else None
                )
            if brace:
                position, spaced = brace.end(), True
                text_ends.append(depth)
                depth += 1
                if value not in _TEXT:
                    continue
            token, position = _command(value, text, position, in_text, spaced)
            if token is None:
                continue
            found.append(token)
        elif kind == "escaped":
            found.append(_escaped(value, spaced))
            depth += (value == r"\{") - (value == r"\}")
        elif kind == "sign":
            if value == "$":
                continue
            depth += (value in "([{") - (value in ")]}") if len(value) == 1 else 0
            if text_ends and value == "}" and depth == text_ends[-1]:
                text_ends.pop()
                spaced = True
                continue
            found.append(
                Token("command", "ldots")
                if value[:2] == ".."
                else Token("sign", _SAME_SIGN.get(value, value), None, in_text, spaced)
            )
        else:
            raise Unreadable(f"the sign {value!r}")
        spaced = False
        if len(found) > limits.tokens:
            raise Unreadable(f"an answer of more than {limits.tokens} tokens")
    found.append(Token("end", ""))
    return found


def _is_amount_before(found: list[Token]) -> bool:
    """Whether a unit may follow: a number, a closing brace or another unit stands last."""
    last = found[-1]
    if last.value in ("/", "cdot") and len(found) > 1:
        return found[-2].in_text
    return (
        last.kind == "number"
        or last.in_text
        or last.value in ("circ", "degree")
        or (last.value == "}" and last.kind == "sign")
    )


def _command(name: str, text: str, position: int, in_text: bool, spaced: bool) -> tuple[Token | None, int]:
    """The token of a command, None for one that shows nothing, and the position behind both."""
    if name in _TEXT:
        return None, position
    if name in _DROPPED:
        return None, position + (name in ("left", "right") and text[position : position + 1] == ".")
    if name in _UNSEEN:
        group = _WHOLE_GROUP.match(text, position)
        return None, group.end() if group else position
    if name in _TRANSPARENT:
        word = _WORD_GROUP.match(text, position)
        return (Token("word", word[1], None, in_text, spaced), word.end()) if word else (None, position)
    if name == "not":
        denied = _DENIED.match(text, position)
        if denied:
            return Token("command", _OPPOSITE[denied[1]], None, in_text, spaced), denied.end()
    if name in _LETTERS:
        return Token("word", _LETTERS[name], None, in_text, spaced), position
    name = _SPELLED.get(name, name)
    return Token("sign" if name in _SIGNS else "command", name, None, in_text, spaced), position


def _escaped(value: str, spaced: bool) -> Token:
    sign = value[1]
    if sign == "{" or sign == "}":
        return Token("command", "lset" if sign == "{" else "rset", None, False, spaced)
    if sign == "$":
        return Token("command", "usd", None, False, spaced)
    if sign == "\\":
        return Token("command", "newline", None, False, spaced)
    return Token("sign", sign, None, False, spaced)


def number_value(written: str) -> Fraction:
    """The exact value of a number as written: groups, a decimal point, a repeating part, a power of ten."""
    if len(written) < 300 and written.isdigit() and written.isascii():
        return Fraction(int(written))
    repeating = _REPEATING_PART.search(written)
    digits = re.sub(r"\\overline|\\dot|\\bar|[{}()\s]", "", repeating[0]) if repeating else ""
    if repeating and "dot" in repeating[0]:
        digits = re.sub(r"\D", "", repeating[0])
    head = re.sub(r"\\.|[^\d.eE+-]", "", written[: repeating.start()] if repeating else written)
    mantissa, _, exponent = head.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    if len((whole + decimals).lstrip("0")) > 4000 or len(digits) > 4000:
        raise Unreadable("a number of more than 4000 digits")
    value = Fraction(int((whole + decimals).lstrip("0") or "0"), 10 ** len(decimals))
    if digits:
        value += Fraction(int(digits), 10 ** len(decimals) * (10 ** len(digits) - 1))
    if exponent:
        if abs(int(exponent)) > _MAX_SHIFT:
            raise Unreadable(f"the power of ten {exponent}")
        value *= Fraction(10) ** int(exponent)
    return value
