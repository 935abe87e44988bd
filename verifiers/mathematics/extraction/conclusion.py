"""Derivations inside of an answer: 12 + x = 3x => x = 6, "If x + 1 = 7, then x = 6". The last step states the answer."""

import re

from verifiers.mathematics.extraction.sentences import split_sentences, value_of_sentence

_IMPLIES = re.compile(
    r"\\(?:Rightarrow|implies|Longrightarrow|Leftrightarrow|iff|therefore)(?![A-Za-z])|[⇒⟹∴]"
    r"|\\text\s*\{[^{}]*\b(?:so|thus|hence|therefore|then|giving|gives|we get|yields)\b[^{}]*\}|,\s*(?:so|thus|hence|then)\b"
)
_TENDS = re.compile(r"\\(?:to|rightarrow|longrightarrow)(?![A-Za-z])|→")
_RELATION = re.compile(r"[=<>≤≥]|\\(?:[gl]eq?|neq?|equiv|approx)(?![A-Za-z])")
_TEXT = re.compile(r"\\(?:text|mbox|textrm)\s*\{([^{}]*)\}")
_DERIVING = re.compile(
    r"\\text\s*\{\s*(?:\w+\s+)?(?:given|with|so|thus|hence|then|therefore|from|since|using|by|as|because)\b", re.I
)
_GIVEN = re.compile(r"^\s*given\b", re.I)  # "Given a = 2, ab = 6" states the last
_CONCLUDED = re.compile(r"\s*\\text\s*\{\s*(?:so|thus|hence|therefore)\b", re.I)
_REMARK = re.compile(  # "... = 0 (and x + y is not 0)"
    r"[\s\\]*\(\s*\\text\s*\{\s*(?:and|since|because|where|as|for|with|note)\b[^()]*(?:\([^()]*\)[^()]*)*\)\s*\.?\s*$",
    re.I,
)
_EDGES = " ,;.\\\n\t:"
_MAX = 3_000  # characters


def conclusions(held: str) -> list[str]:
    """What the last step of a derivation states: the step, and in a step said in words also its last side ("so with x = 2,
    x^2 = 4"). Empty for an answer that is no derivation."""
    is_worded = "\\text" in held or "\\mbox" in held
    if len(held) > _MAX or not (is_worded or _IMPLIES.search(held) or (held.count("=") > 1 and _TENDS.search(held))):
        return []
    held = _REMARK.sub("", held)
    last = _conclusion(held)
    last = last and last_equation_of(last)
    side = last.rpartition("=")[2].strip(_EDGES) if last and _DERIVING.search(held) else ""
    return [text for text in (last, side if side != "0" or last.count("=") > 1 else "") if text]


def _conclusion(held: str) -> str | None:
    if not _RELATION.search(held):
        return _worded_value(held) if _CONCLUDED.match(held) else None
    arrows = list(_IMPLIES.finditer(held))
    if not arrows and held.count("=") > 1:
        arrows = [arrow for arrow in _TENDS.finditer(held) if "lim" not in held]
    if arrows:
        before, rest = held[: arrows[-1].start()], held[arrows[-1].end() :].strip(_EDGES)
        is_step = bool(_RELATION.search(rest)) or not re.search(r"[A-Za-z]{3}", rest)
        if rest and is_step and _RELATION.search(before) and rest.count("{") == rest.count("}"):
            return last_equation_of(_worded_value(rest) or rest)
    return _worded_value(held)


def last_equation_of(text: str) -> str:
    """The last of several equations with different left sides: T = 650, k = 13."""
    parts = [part.strip(_EDGES) for part in re.split(r"(?<!\\),(?!\d{3})|\\q?quad(?![A-Za-z])|\\,\\ |;", text)]
    parts = [part for part in parts if part and not re.fullmatch(r"\\?l?dots|\.\.\.", part)]
    names = [part.partition("=")[0].strip() for part in parts if "=" in part]
    return parts[-1] if len(parts) > 1 and len(names) == len(parts) == len(set(names)) else text


def _worded_value(held: str) -> str | None:
    """The value that the last sentence of a text in \\text{...} and formulas states."""
    words = " ".join(_TEXT.findall(held))
    if len(re.findall(r"[A-Za-z]{2,}", words)) < 3 and not _DERIVING.search(held):
        return None
    prose, at = [], 0
    for group in _TEXT.finditer(held):
        prose += [_as_formula(held[at : group.start()]), group[1]]
        at = group.end()
    prose.append(_as_formula(held[at:]))
    sentences = [part for part in split_sentences("".join(prose)) if re.search(r"\w", part)]
    return value_of_sentence(_GIVEN.sub("", sentences[-1], count=1)) if sentences else None


def _as_formula(part: str) -> str:
    """A formula in dollars, one for each sentence that it ends; blanks stay."""
    shown = [piece.strip(" \\,") for piece in re.split(r"\.(?!\d)", part)]
    return ". ".join(f" ${piece}$ " if piece else "" for piece in shown)
