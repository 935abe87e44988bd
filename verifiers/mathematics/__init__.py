"""The math verifier: a completion's final answer against the reference.

extract.py reads the completion, answers.py decides what two answers mean, worker_client.py holds the limits.
"""

import re
import time
from functools import lru_cache

from tasks import MathReference
from verifiers.kinds import Verifier
from verifiers.mathematics.equivalence.conventions import PLAIN, Conventions
from verifiers.mathematics.extraction.boxes import unboxed
from verifiers.mathematics.extraction.conclusion import conclusions
from verifiers.mathematics.extraction.extract import closing_side, committed, extract, final_text, statements
from verifiers.mathematics.literal import is_written_out
from verifiers.mathematics.parsing.damage import repaired
from verifiers.mathematics.parsing.statements import same_text
from verifiers.verdict import Reason, Verdict

VERSION = "math@2"
_INTEGER = re.compile(r"[-+]?\d{1,400}", re.ASCII)
_REMARK = re.compile(
    r"\\text\s*\{([^{}()]*)\((?:not|including|counting|with|without|since|because|as|after|i\.e\.|that is)\b[^{}()]*\)\s*\}\s*$"
)  # 8 \text{ ways (with the empty one)}
_AGREED = re.compile(
    r"\W*(?:text\s*\{\s*)?(yes|no)\b\s*[,.;:](?=\s)(?!.*\b(?:yes|no)\b)", re.I | re.S
)  # "No, it does not exist"
_CHOSEN, _CHOICE = re.compile(r"\(([a-j])\)"), re.compile(r"\(?([A-J])\)?")  # (c) for the option C
_SEVERAL = re.compile(r"[\s,;$]")  # in a reference of several words or formulas
_RIGHT = (Reason.MATCH, Reason.ROUNDED, Reason.WITHIN_TOLERANCE)


def verify_math(reference: MathReference, completion: str) -> Verdict:
    """The verdict of a completion: its final answer is extracted, then compared."""
    start = time.perf_counter()
    answer = extract(completion)
    verdict = _verdict(reference, answer, start) if answer is not None else _of(Reason.NO_ANSWER, "", start)
    if verdict.reason not in _RIGHT and _SEVERAL.search(reference.answer):
        stated = (text for text in statements(completion) if len(text) <= _MOST_SHAPES + 3 * len(reference.answer))
        whole = next((text for text in stated if same_text(reference.answer, text)), None)
        if whole is not None:
            return _of(Reason.MATCH, whole.strip(), start)
    if verdict.reason is Reason.MISMATCH and "=" in answer and (last := closing_side(completion, answer)):
        closing = _verdict(reference, last, start)
        return closing if closing.reason in _RIGHT else verdict
    return verdict


def verify_math_answer(reference: MathReference, answer: str) -> Verdict:
    """The verdict of an answer that is already extracted."""
    start = time.perf_counter()
    if not answer.strip():
        return _of(Reason.NO_ANSWER, "", start)
    return _verdict(reference, answer, start)


def _verdict(reference: MathReference, answer: str, start: float) -> Verdict:
    shown = answer.strip()
    if _INTEGER.fullmatch(shown) and _INTEGER.fullmatch(reference.answer) and not _conventions(reference):
        return _of(Reason.MATCH if int(shown) == int(reference.answer) else Reason.MISMATCH, shown, start)
    from verifiers.mathematics.equivalence.answers import compare

    if not answer.isascii():
        answer = answer.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a journal
    wanted, shown = _settled_reference(reference.answer), _settled(answer)
    given = _conventions(reference)
    conventions = Conventions.of(*given) if given else PLAIN
    chosen = _CHOSEN.fullmatch(shown) if len(wanted) < 4 and len(shown) == 3 else None
    if chosen and (asked := _CHOICE.fullmatch(wanted)):
        return _of(Reason.MATCH if chosen[1].upper() == asked[1] else Reason.MISMATCH, shown, start)
    agreed = _AGREED.match(shown) if wanted.lower() in ("yes", "no") else None
    if agreed:
        return _of(Reason.MATCH if agreed[1].lower() == wanted.lower() else Reason.MISMATCH, shown, start)
    reason = Reason.MATCH if _is_reference(reference, answer) else compare(wanted, shown, conventions=conventions)
    if reason in (Reason.MISMATCH, Reason.UNSUPPORTED):
        for last in conclusions(shown):
            if time.perf_counter() - start > _MOST_SECONDS:
                reason = Reason.CHECKER_TIMEOUT
                break
            concluded = compare(wanted, last, conventions=conventions)
            if concluded in _RIGHT:
                reason = concluded
                break
    if reference.literal and reason in _RIGHT:
        reason = reason if is_written_out(shown) else Reason.MISMATCH
    return _of(reason, shown, start)


def _of(reason: Reason, shown: str, start: float) -> Verdict:
    return Verdict.of(reason, shown[:500], time.perf_counter() - start, VERSION)


def _conventions(reference: MathReference) -> tuple[bool, float, float] | None:
    """What a reference asks for beyond equal values; None for most."""
    found = reference.ordered, reference.tolerance, reference.absolute_tolerance
    return found if any(found) else None


def _is_reference(reference: MathReference, text: str) -> bool:
    """Whether a text of several words or formulas is the reference itself."""
    return len(reference.answer) > _MIN_KEY and same_text(reference.answer, text)


_MOST_SHAPES = 200  # characters of typesetting beside a reference's own
_MOST_SECONDS = 1.0  # by the clock; what is left to compare after it is not begun, and the verdict is open
_MIN_KEY = 12  # characters of a reference that is looked for as text; shorter ones are compared in value


@lru_cache(maxsize=4096)
def _settled(text: str) -> str:
    """An answer without the box or the sentences around it."""
    held = unboxed(final_text(repaired(text))).strip()
    return _REMARK.sub(r"\\text{\1}", held) if "(" in held and "\\text" in held else held


@lru_cache(maxsize=4096)
def _settled_reference(text: str) -> str:
    """A reference without a box around it. It is read whole: no value is taken out of a sentence, unless it stands in a box,
    behind "####" or behind "the answer is"."""
    text = repaired(text)
    return unboxed(committed(text) or text).strip()


class MathVerifier(Verifier):
    """Final answers of mathematics, equal in value."""

    version = VERSION
    ability = "math"
    has_answers = True
    advice = 'an answer that is no mathematics is compared as it is written by kind = "text"'
    canary = (MathReference("\\frac{1}{2}"), "\\boxed{\\sin\\frac{\\pi}{6}}")  # takes the worker process

    def verify(self, reference: MathReference, completion: str) -> Verdict:
        return verify_math(reference, completion)

    def extract(self, completion: str) -> str | None:
        return extract(completion)

    def verify_answer(self, reference: MathReference, answer: str) -> Verdict:
        return verify_math_answer(reference, answer)

    def fault(self, reference: MathReference) -> str:
        from verifiers.mathematics.equivalence.answers import is_read_whole

        if is_read_whole(_settled_reference(reference.answer)):
            return ""
        return f"its answer cannot be read as a whole: {reference.answer!r:.80}; {self.advice}"

    def own_answer(self, reference: MathReference) -> str:
        return reference.answer
