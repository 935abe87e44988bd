"""The text verifier: a final answer against a reference, as both are written.

For answers whose writing is their meaning: names, dates, times, identifiers, sentences. Equal are texts with the same letters;
these do not count: blanks, marks around the whole answer (a box, `\\text{}`, Markdown, quotes, a full stop at its end), invisible
characters, and which of several code points stands for one sign (full-width forms, ligatures, curly quotes, kinds of hyphen).
Superscripts and fractions stay what they are: x² is not x2.
"""

import re
import unicodedata
from functools import lru_cache

from tasks import TextReference
from verifiers.answers import AnswerVerifier
from verifiers.mathematics.extraction.visible import visible
from verifiers.verdict import Reason

_SIGNS = str.maketrans("‘’‚‛ʼ“”„‟‐‑‒–−", "'''''\"\"\"\"-----")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufe0e\ufe0f]"
)
_OTHER_FORMS = (
    "<wide>",
    "<narrow>",
    "<compat>",
    "<noBreak>",
    "<initial>",
    "<medial>",
    "<final>",
    "<isolated>",
    "<vertical>",
)
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textit|textrm|texttt|mathrm|mathbf|mathit|boxed|fbox)\s*\{(?P<latex>[^{}]*)\}"
    r"|\$\$?(?P<math>[^$]+)\$\$?|\\\((?P<inline>.+)\\\)|\\\[(?P<display>.+)\\\]"
    r"|(?P<mark>\*\*|\*|__|`|\"|')(?P<marked>.+)(?P=mark)",
    re.DOTALL,
)
_STATED = re.compile(r"\banswer(?:\*\*)?\s{0,4}(?:is\b|:)(?:\*\*)?[:\s]{0,8}", re.I)
_MARKED = re.compile(r"\\f?boxed|</|####")  # an answer that is told apart from the words around it
_SENTENCE_END = re.compile(r"(?<=[^\s.]{2})(?<!\b(?:Dr|Mr|Ms|St|Mt|Jr|Sr|No))[.!?]\s+(?=[A-Z])")
_ESCAPED = re.compile(r"\\([_%&#${} ])")
_LONGEST = 100_000  # characters that are compared
_SHORT = 1000  # characters that are remembered


class TextVerifier(AnswerVerifier):
    """Final answers, equal as text."""

    version = "text@1"
    canary = (TextReference("a word"), "\\boxed{a word}")

    def extract(self, completion: str) -> str | None:
        """The answer as in mathematics, but a sentence behind "the answer is" counts whole, with all its clauses."""
        answer, text = super().extract(completion), visible(completion)
        if answer is None or text is None:
            return answer
        ends = [stated.end() for stated in _STATED.finditer(text)]
        rest = text[ends[-1] :] if ends else ""
        clause = rest.partition("\n")[0]
        if answer not in clause or _MARKED.search(rest):
            return answer
        return _SENTENCE_END.split(clause, maxsplit=1)[0].strip()

    def compare(self, reference: TextReference, answer: str) -> bool | Reason:
        wanted = normalised(reference.answer, reference.case_sensitive)
        if not wanted:
            return Reason.UNSUPPORTED  # there is nothing to compare with
        if len(answer) > _LONGEST:
            return False
        return normalised(answer, reference.case_sensitive) == wanted

    def own_answer(self, reference: TextReference) -> str:
        return reference.answer


def normalised(text: str, case_sensitive: bool = False) -> str:
    """The text without what does not count."""
    return (_remembered if len(text) <= _SHORT else _normalised)(text, case_sensitive)


def _normalised(text: str, case_sensitive: bool) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", "".join(map(_usual_form, _INVISIBLE.sub("", text)))).translate(_SIGNS)
    text = " ".join(text.split())
    while match := _WRAPPED.fullmatch(text.removesuffix(".").rstrip() or text):
        text = next(match[name] for name in ("latex", "math", "inline", "display", "marked") if match[name] is not None)
        text = text.strip()
    text = _ESCAPED.sub(r"\1", text)
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip() or text
    return text if case_sensitive else unicodedata.normalize("NFC", text.lower())


_remembered = lru_cache(maxsize=4096)(_normalised)  # samples of a task share their reference, and often their answer


def _usual_form(sign: str) -> str:
    """The plain form of a sign that is another form of it, such as a full-width letter or a ligature."""
    if sign.isascii() or not unicodedata.decomposition(sign).startswith(_OTHER_FORMS):
        return sign
    return unicodedata.normalize("NFKC", sign)
