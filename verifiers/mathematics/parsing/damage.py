"""Text that a wrong escape or a careless edit has damaged, as it was meant.

A JSON or Python string whose backslashes were not doubled turns \\frac into a form feed and "rac", \\text into a tab and "ext".
Markdown escapes signs that need none. Repaired is only what can have been nothing else.
"""

import re

_ESCAPES = {"\f": "f", "\t": "t", "\b": "b", "\v": "v", "\a": "a", "\r": "r"}
_COMMANDS = [
    "frac",
    "forall",
    "tfrac",
    "text",
    "textbf",
    "textit",
    "textrm",
    "times",
    "theta",
    "tan",
    "tanh",
    "triangle",
    "top",
    "to",
    "tau",
    "beta",
    "binom",
    "begin",
    "bmod",
    "bar",
    "boxed",
    "bf",
    "big",
    "bigl",
    "bigr",
    "bigg",
    "bullet",
    "vec",
    "varphi",
    "varepsilon",
    "vee",
    "vmatrix",
    "alpha",
    "approx",
    "arctan",
    "arcsin",
    "arccos",
    "angle",
    "ast",
    "rho",
    "right",
    "rangle",
    "rfloor",
    "rceil",
    "rightarrow",
]
_DAMAGED = re.compile(
    "|".join(
        f"{re.escape(sign)}(?={'|'.join(sorted((name[1:] for name in _COMMANDS if name[0] == letter), key=len, reverse=True))})"
        for sign, letter in _ESCAPES.items()
    )
)
_CONTROL = re.compile("[\f\t\b\v\a\r]")
_MATRIX = re.compile(r"(\\begin\{[a-z]?matrix\})(.*?)(\\end\{[a-z]?matrix\})", re.S)
_LOST_ROW = re.compile(r"(?<!\\)\\(?=\s*-?\d)")
_MARKDOWN = re.compile(r"\\([*+<>=])")
_ESCAPED_GROUP = re.compile(r"(?:frac|sqrt|boxed|text|mathrm|[\^_])\\\{")
_STOP_INSIDE = re.compile(r"(?<=[\d}])\.(?=\s*[\])}])")  # [1, 2.]
_LOST_DEGREE = re.compile(r"(?<=\d)\^\s*\$?\s*$")  # 90^


def repaired(text: str) -> str:
    """The text without such damage."""
    if not text.isprintable() and _CONTROL.search(text):
        text = _DAMAGED.sub(lambda sign: "\\" + _ESCAPES[sign[0]], text)
    if "\\" in text:
        if "matrix" in text:
            text = _MATRIX.sub(lambda held: held[1] + _LOST_ROW.sub(r"\\\\", held[2]) + held[3], text)
        if _ESCAPED_GROUP.search(text):
            text = text.replace("\\{", "{").replace("\\}", "}")
        text = _MARKDOWN.sub(r"\1", text)
    if "." in text:
        text = _STOP_INSIDE.sub("", text)
    return _LOST_DEGREE.sub(r"^\\circ", text) if "^" in text else text
