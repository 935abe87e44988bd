"""Other spellings of mathematics, rewritten as the one that the reader knows.

Each rewriting keeps the value: what surrounds a formula goes, words and old TeX become signs.
"""

import re

_LEADING_SIGNS = re.compile(
    r"^(?:\\approx\b|≈|=>|=|\\implies\b|\\Rightarrow\b|\\therefore\b|US(?=\s*\\?\$)"
    r"|\\(?:display|text)style(?![A-Za-z])|(?:\\text\s*\{\s*)?(?:(?:[Ff]inal )?[Aa]ns(?:wer)?\s*(?:[:=]|\.(?=\s))|[Ff]inal\s*:)\s*\}?|No\.\s*(?=\d)|\\?\#(?=\d))\s*"
)
_CURRENCY = re.compile(r"^(?:(USD)|(EUR)|(GBP)|(INR|Rs\.?))\s*(?=\d)")
_CURRENCIES = ("usd", "eur", "gbp", "inr")
_QUOTES = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
)
_QUOTE_STARTS = frozenset("$\\*_`\"'")
_LONE_STOP = re.compile(r"\\(?:text|mathrm|mbox)\s*\{\s*([.,;]?)\s*\}")  # \text{.}
_ROWS = re.compile(r"\\(?:begin|end)\s*\{(?:aligned|align|split|gathered|gather|equation|eqnarray|multline)\*?\}")
_NEXT_ROW = re.compile(r"\\\\\s*(?==|\\approx|[<>])")  # a row that goes on with the chain before it
_ROW_SPACE = re.compile(r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]")  # \\[4pt]
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:[dt]?frac|sqrt|text|left|right|pi|cdot|times|infty|begin|boxed|le|ge|cup|in|pm|circ|mathrm|mathbb)(?![A-Za-z])|[{}])"
)
_SINGLE = re.compile(r"(?<!\\)(?:\\\\)*\\(?!\\)")
_UNIT_QUOTIENT = re.compile(
    r"\\[dt]?frac\s*\{\s*\\(?:text|mathrm|mbox|textrm)\s*\{\s*([A-Za-z]+)\s*\}\s*\}"
    r"\s*\{\s*\\(?:text|mathrm|mbox|textrm)\s*\{\s*([A-Za-z]+)\s*\}\s*(\^\s*\{?\d\}?)?\s*\}"
)  # 60 \frac{\text{km}}{\text{h}}
_HOURS = re.compile(r"^(\d+)\s*h\.?\s*(\d+)\s*m(?:in)?s?\.?$")  # 1 h 30 min
_BASE = re.compile(
    r"^\(?([\dA-Fa-f]+)\)?\s*(?:_\s*\{\s*\(\s*(\d+)\s*\)\s*\}|(?:\\text\s*\{)?[\s(,~]*(?:in )?base[\s~-]*\}?\s*(\d+|[a-z]+)\s*\)?\s*\}?)$"
)
_EXCEPT = re.compile(  # all real numbers except 3 and 4
    r"^(?:\\text\s*\{\s*)?(?:[Aa]ll|[Aa]ny) real (?:numbers|values)(?: of)?(?: [a-z])?(?: except| other than)(?: for)?\s*\}?[\s$]*"
    r"(?:[a-z]\s*=\s*)?([^={}$]{1,60})\$?$"
)
_OPEN_BUILDER = re.compile(
    r"^([a-z])\s*(?:\||\\mid(?![a-z])|:)(?=.*(?<![a-z])\1(?![a-z]))([^|:]*(?:[<>=]|\\(?:[gl]eq?|[gl]t|neq?|in)(?![a-z]))[^|:]*)$"
)  # x | x > 2
_REVERSED_PIECE = r"(?:\\left)?\s*([\[\]])([^\[\](),;]*)[,;]([^\[\](),;]*?)(?:\\right)?\s*([\[\]])"
_REVERSED = re.compile(rf"^(?:[a-z]\s*\\in\s*)?{_REVERSED_PIECE}(?:\s*\\cup\s*{_REVERSED_PIECE})*$")
_OPENING_WRAP = re.compile(r"\\(?:mathbf|mathrm|boldsymbol|bm|mathit|mathsf)\s*\{|\{|(?:\\left)?\(")
_CLOSES = {"{": "}", "(": ")"}
_MAX_OLD_FRACTIONS = 20
_MAX_LENGTH = 300  # characters of a text that holds words
_RAISED_ORDINAL = re.compile(
    r"(?<=\d)\s*\^?\s*\{?\s*\\(?:text|mathrm|textsuperscript|rm)\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?(?![A-Za-z])"
)
_ORDINAL = re.compile(r"(?<![\w.])(\d+)(?:st|nd|rd|th)\b")
_REPEATED = re.compile(r"(?<![\d.])(\d+\.\d{0,12}?)(\d{1,6}?)\2{2,}\s*(?:\.\.\.|\\l?dots\b)")  # 0.1666...
_OLD_FRACTION = re.compile(r"\\(over|choose)(?![A-Za-z])")  # {n \choose k}
_GROUP_EDGE = re.compile(r"\\(left|right)(?![A-Za-z])\s*(?:\\[{}]|.)|\\.|([{}])", re.S)
_CROSS = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))")  # 3.2 x 10^-4
_OUT_OF = re.compile(
    r"(\d+)(?:\s|\\text\s*\{)*\s*(?:out of|in|over)(?:\s|\})+(\d+)"
)  # 1 out of 4, 1 in 4, 5 over 8: one quotient
_TEXT_DIGITS = re.compile(r"\\(?:text|mathrm|mathtt)\s*\{([0-9A-F]+)\}(?=_)")  # \text{2A}_{16}
_EVERY = re.compile(  # "for all real x": says of a letter what it says without
    r",?[\s\\,;~]*(?:\\q?quad)?\s*(?:\\text\s*\{\s*)?\(?\bfor (?:all|every|each|any) "
    r"(?:(?:real|rational|complex|positive|natural|whole|integers?|numbers?|values? of) ?)*\}?[\s~$]*[a-z]?[$]?\s*"
    r"(?:\\in\s*\\mathbb\s*\{?[RQZNC]\}?)?\)?\}?$"
)
_ALL_BEFORE = re.compile(  # "all n >= 2"
    r"^(?:\\text\s*\{\s*(?:for )?all\s*\}|(?:for )?all\s)[\s~$]*(?=[a-z]\s*(?:[<>=]|\\(?:g|l)e|\\(?:ne|in|g|l)))"
)
_MICRO = re.compile(r"\\mu\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z]{1,3})\s*\}")  # \mu\mathrm{F}
_DERIVATIVE = re.compile(r"^\\d?frac\{d[a-z]?\}\{dx\}\s*=\s*")  # dy/dx = ...
_DECIMAL_COMMA = re.compile(r"(?<=\d)\{,\}(?=\d)(?!\d{3}(?!\d))")  # 0{,}5, but not 1{,}234
_LOGARITHM = re.compile(r"(?<![A-Za-z])log(2|10)\s*(?=\()")  # log10(5)
_CHOICES = re.compile(r"(?<![A-Za-z0-9_\\])C\(\s*(\w+)\s*,\s*(\w+)\s*\)")


def trimmed(text: str) -> str:
    """The text without what surrounds a formula: dollars, \\[ \\], stops at its end."""
    text = text.strip()
    if "\\text{" in text or "\\m" in text:
        text = _LONE_STOP.sub(r"\1", text)
    for _ in range(4):
        before = text
        text = text.rstrip(" \t\n,;") if not text.endswith("\\,") and not text.endswith("\\;") else text[:-2].rstrip()
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1]
        if text.endswith("\\") and not text.endswith("\\\\"):
            text = text[:-1]
        text = _LEADING_SIGNS.sub("", text)
        for opening, closing in _QUOTES if text[:1] in _QUOTE_STARTS else ():
            if (
                len(text) >= len(opening) + len(closing)
                and text.startswith(opening)
                and text.endswith(closing)
                and not text.endswith("\\$")
            ):
                inner = text[len(opening) : -len(closing)]
                if opening not in inner:
                    text = inner.strip()
        text = _without_wrapping(text)
        if text == before:
            break
    return re.sub(r"\\\(|\\\)|(?<!\\)\\\[|(?<!\\)\\\](?!\d)", " ", text) if "\\(" in text or "\\[" in text else text


def _without_wrapping(text: str) -> str:
    """The text without one pair of brackets around all of it that part no list, such as {5} or \\mathbf{5}."""
    opening = _OPENING_WRAP.match(text)
    if not opening or text[-1] not in "})":
        return text
    depth = 0
    for bracket in re.finditer(r"\\?[{}()\[\]]|[,;]", text):
        sign = bracket[0][-1]
        if bracket[0] in ",;" and depth == 1 and text[opening.end() - 1] == "(":
            return text
        depth += (sign in "({[") - (sign in ")}]")
        if depth == 0 and bracket.end() < len(text):
            return text
    inner = text[opening.end() : -1].removesuffix("\\right")
    return text if depth or _CLOSES[text[opening.end() - 1]] != text[-1] or inner.endswith("\\") else inner.strip()


def respelled(text: str) -> str:
    """The text in the reader's spelling."""
    if text.isdigit():
        return text
    text = _ORDINAL.sub(r"\1", text)
    if ".." in text or "dots" in text:
        text = _REPEATED.sub(r"\1\\overline{\2}", text)
    if "\\\\" in text or "\\begin" in text:
        text = _one_row(text)
    if "!=" in text and not re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", text)):
        text = re.sub(r"(?<=\d)!=", "! =", text)  # 5!=120: a number is no letter that another could differ from
    if "th}" in text or "st}" in text or "nd}" in text or "rd}" in text:
        text = _RAISED_ORDINAL.sub("", text)
    if "\\over" in text or "\\choose" in text:
        text = _new_fractions(text)
    if "x" in text or "X" in text:
        text = _CROSS.sub(r"\\times ", text)
    if text.startswith(("\\frac{d", "\\dfrac{d")):
        text = _DERIVATIVE.sub("f'(x) = ", text, count=1)
    if "{,}" in text:
        text = _DECIMAL_COMMA.sub(".", text)
    if "_" in text:
        text = _TEXT_DIGITS.sub(r"\1", text)
    if "log" in text:
        text = _LOGARITHM.sub(r"\\log_{\1}", text)
    return text if len(text) > _MAX_LENGTH else _worded(text)


def _worded(text: str) -> str:
    """A short text with what it says in words or by a rarer sign in the usual signs; a rule runs only where its sign stands."""
    if "frac" in text:
        text = _UNIT_QUOTIENT.sub(r"\\text{ \1}/\\text{\2}\3", text)
    if "\\mu" in text:
        text = _MICRO.sub(r"\\text{u\1}", text)
    if "base" in text or "_{" in text:
        text = _BASE.sub(lambda number: f"{number[1]}_{{{number[2] or number[3]}}}", text)
    if "[" in text or "]" in text:
        text = _outward_brackets(text)
    if " real " in text:
        text = _EXCEPT.sub(r"\\mathbb{R} \\setminus \\{\1\\}", text)
    if "|" in text or "mid" in text or ":" in text:
        text = _OPEN_BUILDER.sub(r"\\{\1 \\mid \2\\}", text)
    if "h" in text:
        text = _HOURS.sub(r"\1 hours \2 minutes", text)
    if "+" in text and "/" in text:
        text = re.sub(r"\+\s*/\s*-", r"\\pm ", text)
    if text[:1] in "UEGIR":
        text = _CURRENCY.sub(lambda sign: f"\\{_CURRENCIES[sign.lastindex - 1]} ", text)
    if "for " in text and re.search(r"[=<>]|\\[gl]e", text):
        text = _EVERY.sub("", text)
    if "all" in text:
        text = _ALL_BEFORE.sub("", text)
    quotient = _OUT_OF.fullmatch(text.strip())
    return rf"\frac{{{quotient[1]}}}{{{quotient[2]}}}" if quotient else text


def _one_row(text: str) -> str:
    """Rows of a calculation as one chain; a text whose backslashes were all written twice with single ones."""
    text = _ROW_SPACE.sub(r"\\\\", text)
    if _DOUBLED.search(text) and not _SINGLE.search(text):
        text = text.replace("\\\\", "\\")
    if not _ROWS.search(text) or len(re.findall(r"\\begin(?![a-z])", text)) != len(re.findall(r"\\end(?![a-z])", text)):
        return text
    text = _ROWS.sub(" ", text)
    return _NEXT_ROW.sub(" ", text if "\\begin" in text else text.replace("&", " "))


def _outward_brackets(text: str) -> str:
    """Intervals with brackets turned outward where an end is left out: ]1, 2[ as (1, 2), [1, 2[ as [1, 2)."""
    if not _REVERSED.match(text):
        return text
    return re.sub(
        _REVERSED_PIECE,
        lambda piece: f"{'[' if piece[1] == '[' else '('}{piece[2]},{piece[3]}{']' if piece[4] == ']' else ')'}",
        text,
    )


def second_spelling(text: str) -> str | None:
    """What else a text may mean: C(10, 3) names a point, or counts choices."""
    counted = _CHOICES.sub(r"\\binom{\1}{\2}", text) if "C(" in text else text
    return counted if counted != text else None


def _new_fractions(text: str) -> str:
    """{a \\over b} as \\frac{a}{b}: each command takes all of its group, which braces or \\left and \\right bound."""
    for _ in range(_MAX_OLD_FRACTIONS):
        old = _OLD_FRACTION.search(text)
        if not old:
            break
        opened, start, end = [0], None, len(text)
        for edge in _GROUP_EDGE.finditer(text):
            if edge.start() > old.start() and start is None:
                start, depth = opened[-1], len(opened)
            if edge[1] == "left" or edge[2] == "{":
                opened.append(edge.end())
            elif edge[1] == "right" or edge[2] == "}":
                if start is not None and len(opened) == depth:
                    end = edge.start()
                    break
                if len(opened) > 1:
                    opened.pop()
        start = opened[-1] if start is None else start
        bare = (
            text[start - 1 : start] == "{" and text[end : end + 1] == "}" and re.search(r"\d\s*$", text[: start - 1])
        )  # 1 {4 \over 5}
        name = "frac" if old[1] == "over" else "binom"
        text = f"{text[: start - bool(bare)]}\\{name}{{{text[start : old.start()].strip()}}}{{{text[old.end() : end].strip()}}}{text[end + bool(bare) :]}"
    return text
