"""One alphabet for mathematics: Unicode signs, digits and letters as the ASCII and LaTeX that the reader knows."""

import re
import unicodedata

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-",
    "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "∗": "*", "÷": r"\div ", "⁄": "/", "∕": "/",
    "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "∞": r"\infty ", "±": r"\pm ", "∓": r"\mp ",
    "≤": r"\le ", "⩽": r"\le ", "≦": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≧": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "≡": r"\equiv ", "∈": r"\in ", "∉": r"\notin ", "∪": r"\cup ", "⋃": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ",
    "∅": r"\emptyset ", "⌀": r"\emptyset ", "∣": "|", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "°": r"^\circ ", "º": r"^\circ ", "˚": r"^\circ ", "′": "'", "″": "''", "…": r"\ldots ",
    "⋯": r"\ldots ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "→": r"\to ", "¢": r"\text{ cents}", "€": r"\euro ", "£": r"\pounds ",
    "¥": r"\yen ", "∧": r"\text{ and }", "∨": r"\text{ or }", "٪": "%", "٫": ".", "٬": ",", "،": ",", "、": ",", "。": ".",
    "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "【": "[", "】": "]", "℃": r"^\circ \text{C}", "℉": r"^\circ \text{F}",
    "‰": r"\times 10^{-3}", "₹": r"\inr ", "∴": r"\therefore ", "⇒": r"\implies ", "⟹": r"\implies ", "«": '"', "»": '"', "’": "'", "‘": "'", "“": '"', "”": '"', "∶": ":", "ℓ": "l", "ı": "i", "ϕ": r"\phi ", "ϵ": r"\epsilon ", "µ": r"\mu ", "‖": r"\| ",
    "\u3000": " ",
}  # fmt: skip
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩς",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
            "sigma",
        ],
        strict=False,
    )
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix", strict=False))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙₓᵢ", "0123456789+-nxi", strict=False))
_SUPERSCRIPT_RUN = re.compile("[" + "".join(_SUPERSCRIPTS) + "]+")
_SUBSCRIPT_RUN = re.compile("[" + "".join(_SUBSCRIPTS) + "]+")
_OVERLINED = re.compile(r"(?:\d\u0305)+")  # 0.3̅
_DOTTED = re.compile(r"\d\u0307")  # 0.3̇
_SMALL_FRACTION = re.compile(r"([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9})[⁄/]([₀₁₂₃₄₅₆₇₈₉]{1,9})")  # ³⁄₄
_EDGES = "".join(map(chr, [*range(0x21), 0x7F]))  # blanks and control characters
_ROOT_OF_BRACKET = re.compile(r"√\s*\(")


def plain(text: str) -> str:
    """The text in ASCII and LaTeX where each sign has such a form; what has none stays, and then does not parse.

    Invisible characters go; control characters at either end too. Inside they stay, and then do not parse: a number with one inside is no number. A combining mark stays: it changes what its digit shows.
    """
    text = text.strip(_EDGES)
    if text.isascii():
        return text
    text = _ROOT_OF_BRACKET.sub(r"\\sqrt(", text)
    text = _OVERLINED.sub(lambda run: rf"\overline{{{run[0].replace(chr(0x305), '')}}}", text)
    text = _DOTTED.sub(lambda run: rf"\dot{{{run[0][0]}}}", text)
    text = _SMALL_FRACTION.sub(_small_fraction, text)
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + "".join(_SUPERSCRIPTS[sign] for sign in run[0]) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda run: "_{" + "".join(_SUBSCRIPTS[sign] for sign in run[0]) + "}", text)
    return "".join(map(_plain_character, text))


def _small_fraction(written: re.Match[str]) -> str:
    top, bottom = ("".join({**_SUPERSCRIPTS, **_SUBSCRIPTS}[sign] for sign in part) for part in written.groups())
    return rf"\frac{{{top}}}{{{bottom}}}"


def _plain_character(sign: str) -> str:
    if sign < "\x80":
        return sign
    if sign in _SIGNS:
        return _SIGNS[sign]
    if sign in _GREEK:
        return "\\" + _GREEK[sign] + " "
    category = unicodedata.category(sign)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.digit(sign))
    if category == "No" and "FRACTION" in unicodedata.name(sign, ""):
        top, _, bottom = unicodedata.normalize("NFKC", sign).partition("⁄")
        return rf"\frac{{{top}}}{{{bottom}}}" if bottom else sign
    folded = unicodedata.normalize("NFKC", sign)
    if folded != sign and folded.isprintable():
        return folded if folded.isascii() else "".join(map(_once, folded))
    return sign


def _once(sign: str) -> str:
    """A folded character, which is not folded again."""
    if sign in _GREEK:
        return "\\" + _GREEK[sign] + " "
    return _SIGNS.get(sign, sign)
