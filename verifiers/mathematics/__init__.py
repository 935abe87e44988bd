"""The math verifier: a completion's final answer against the reference.

extract.py reads the completion, answers.py decides what two answers mean, worker_client.py holds the limits.
"""

import re
import time
from functools import lru_cache

from tasks import MathReference
from verifiers.kinds import Verifier
from verifiers.mathematics.extraction.boxes import unboxed
from verifiers.mathematics.extraction.extract import extract, final_text
from verifiers.verdict import Reason, Verdict

VERSION = "math@1"
_INTEGER = re.compile(r"[-+]?\d{1,400}", re.ASCII)


def verify_math(reference: MathReference, completion: str) -> Verdict:
    """The verdict of a completion: its final answer is extracted, then compared."""
    start = time.perf_counter()
    answer = extract(completion)
    if answer is None:
        return Verdict.of(Reason.NO_ANSWER, "", time.perf_counter() - start, VERSION)
    return _verdict(reference, answer, start)


def verify_math_answer(reference: MathReference, answer: str) -> Verdict:
    """The verdict of an answer that is already extracted."""
    start = time.perf_counter()
    if not answer.strip():
        return Verdict.of(Reason.NO_ANSWER, "", time.perf_counter() - start, VERSION)
    return _verdict(reference, answer, start)


def _verdict(reference: MathReference, answer: str, start: float) -> Verdict:
    shown = answer.strip()
    if _INTEGER.fullmatch(shown) and _INTEGER.fullmatch(reference.answer):
        reason = Reason.MATCH if int(shown) == int(reference.answer) else Reason.MISMATCH
    else:
        from verifiers.mathematics.equivalence.answers import compare

        if not shown.isascii():
            shown = shown.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a journal
        shown = _settled(shown)
        reason = compare(_settled(reference.answer), shown)
        if reference.literal and reason in (Reason.MATCH, Reason.ROUNDED):
            from verifiers.mathematics.literal import is_written_out

            reason = reason if is_written_out(shown) else Reason.MISMATCH
    return Verdict.of(reason, shown[:500], time.perf_counter() - start, VERSION)


@lru_cache(maxsize=4096)
def _settled(text: str) -> str:
    """What an answer or a reference comes down to: both are read alike, so that either may hold a box or a sentence."""
    return unboxed(final_text(text)).strip()


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

    def own_answer(self, reference: MathReference) -> str:
        return reference.answer
