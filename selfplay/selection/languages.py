"""Which script and language a text is written in, as far as its letters and most frequent words show."""

import re
from collections import Counter
from functools import lru_cache

MIN_LETTERS = 20  # of another script, before a text counts as written in it
MIN_SIGNAL = 4  # different frequent words that identify a language
MIN_CHARACTERS = 100  # of a completion, before its words are compared with those of languages

SCRIPTS = {
    "han": re.compile(r"[\u3400-\u9fff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul": re.compile(r"[\uac00-\ud7af]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "hebrew": re.compile(r"[\u0590-\u05ff]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
    "thai": re.compile(r"[\u0e00-\u0e7f]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
}
FREQUENT = {  # words that no text of the language does without, and that the others do not have
    "english": frozenset([
        "the", "and", "of", "is", "are", "that", "with", "this", "from", "have", "has", "she", "they", "was", "then",
        "which", "there",
    ]),
    "french": frozenset([
        "les", "des", "une", "est", "dans", "pour", "que", "qui", "sur", "avec", "elle", "donc", "nous", "sont",
        "chaque", "cette",
    ]),
    "german": frozenset([
        "der", "das", "und", "ist", "ein", "eine", "nicht", "mit", "von", "sie", "wir", "auf", "dann", "also",
        "jeder", "wie",
    ]),
    "spanish": frozenset([
        "los", "las", "una", "por", "para", "con", "del", "como", "cada", "entonces", "tiene", "pero", "son", "más",
        "cuántos",
    ]),
    "italian": frozenset([
        "gli", "della", "che", "sono", "una", "nel", "più", "con", "quindi", "ogni", "dei", "alla", "questo", "ha",
    ]),
    "portuguese": frozenset([
        "uma", "não", "para", "com", "dos", "das", "são", "cada", "então", "mais", "tem", "por", "ele", "ela",
        "isso",
    ]),
}  # fmt: skip


def differs_in_language(text: str, prompt: str) -> bool:
    """Whether a completion is written in another script or language than its prompt."""
    if not text.isascii() or not prompt.isascii():
        present = _script(prompt)
        if present and (other := _script(text)) and other != present:
            return True
        if present == "latin" and any(
            len(letters) >= MIN_LETTERS
            for name, script in SCRIPTS.items()
            if name != "latin" and (letters := script.findall(text))
        ):
            return True
    if len(text) < MIN_CHARACTERS:
        return False
    expected = _language(prompt)
    if not expected:
        return False
    words = set(text.lower().split())
    return len(words & FREQUENT[expected]) < MIN_SIGNAL and _leading(words) not in ("", expected)


def _script(text: str) -> str:
    """The script of most letters; empty if there are few."""
    counts = Counter({name: len(script.findall(text)) for name, script in SCRIPTS.items()})
    counts["han"] += counts.pop("kana")  # Japanese mixes both
    name, count = counts.most_common(1)[0]
    return name if count >= MIN_LETTERS else ""


@lru_cache(1 << 12)
def _language(text: str) -> str:
    return _leading(set(text.lower().split())) if SCRIPTS["latin"].search(text) else ""


def _leading(words: set[str]) -> str:
    """The language whose frequent words clearly lead; empty if none does."""
    counts = Counter({name: len(words & known) for name, known in FREQUENT.items()})
    (first, most), (_, second) = counts.most_common(2)
    return first if most >= MIN_SIGNAL and most >= 3 * second else ""
