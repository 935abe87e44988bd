"""Other spellings of mathematics, rewritten as the one that the reader knows; each rewriting keeps the value."""

import re

_MAX_LENGTH = 300  # characters of a text that holds words
_ORDINAL = re.compile(r"(?<![\w.])(\d+)(?:st|nd|rd|th)\b")
_REPEATED = re.compile(r"(?<![\d.])(\d+\.\d{0,12}?)(\d{1,6}?)\2{2,}\s*(?:\.\.\.|\\l?dots\b)")  # 0.1666...
_OLD_FRACTION = re.compile(r"\{([^{}\\]*)\\(over|choose)(?![A-Za-z])([^{}\\]*)\}")  # {n \choose k}
_OLD_WHOLE = re.compile(r"([^{}\\]*)\\(over|choose)(?![A-Za-z])([^{}\\]*)")
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
_LOGARITHM = re.compile(r"(?<![A-Za-z])log(2|10)\s*(?=\()")  # log10(5)
_CHOICES = re.compile(r"(?<![A-Za-z0-9_\\])C\(\s*(\w+)\s*,\s*(\w+)\s*\)")


def respelled(text: str) -> str:
    """The text in the reader's spelling."""
    if text.isdigit():
        return text
    text = _ORDINAL.sub(r"\1", text)
    text = _REPEATED.sub(r"\1\\overline{\2}", text)
    if "\\over" in text or "\\choose" in text:
        whole = _OLD_WHOLE.fullmatch(text)
        text = _new_fraction(whole) if whole else _OLD_FRACTION.sub(_new_fraction, text)
    if "x" in text or "X" in text:
        text = _CROSS.sub(r"\\times ", text)
    if "_" in text:
        text = _TEXT_DIGITS.sub(r"\1", text)
    if "log" in text:
        text = _LOGARITHM.sub(r"\\log_{\1}", text)
    if len(text) > _MAX_LENGTH:
        return text
    if "for " in text and re.search(r"[=<>]|\\[gl]e", text):
        text = _EVERY.sub("", text)
    if "all" in text:
        text = _ALL_BEFORE.sub("", text)
    quotient = _OUT_OF.fullmatch(text.strip())
    return rf"\frac{{{quotient[1]}}}{{{quotient[2]}}}" if quotient else text


def second_spelling(text: str) -> str | None:
    """What else a text may mean: C(10, 3) names a point, or counts choices."""
    counted = _CHOICES.sub(r"\\binom{\1}{\2}", text) if "C(" in text else text
    return counted if counted != text else None


def _new_fraction(old: re.Match[str]) -> str:
    return rf"{{\{'frac' if old[2] == 'over' else 'binom'}{{{old[1].strip()}}}{{{old[3].strip()}}}}}"
