"""The math verifier: a completion's final answer against the reference.

extract.py reads the completion, equivalence.py decides what two answers mean, guard.py holds the limits.
"""

import re
import time

from tasks import MathReference
from verifiers.extract import extract, final_text, unboxed
from verifiers.verdict import Reason, Verdict

VERSION = "math@1"
_INTEGER = re.compile(r"[-+]?\d{1,400}", re.ASCII)


def verify_math(reference: MathReference, completion: str) -> Verdict:
    """The verdict of a completion: its final answer is extracted, then compared."""
    start = time.perf_counter()
    answer = extract(completion)
    if answer is None:
        return Verdict.of(Reason.NO_ANSWER, "", time.perf_counter() - start, VERSION)
    return _verdict(reference.answer, answer, start)


def verify_math_answer(reference: MathReference, answer: str) -> Verdict:
    """The verdict of an answer that is already extracted."""
    start = time.perf_counter()
    if not answer.strip():
        return Verdict.of(Reason.NO_ANSWER, "", time.perf_counter() - start, VERSION)
    return _verdict(reference.answer, final_text(answer), start)


def _verdict(reference: str, answer: str, start: float) -> Verdict:
    shown = answer.strip()
    if not shown.isascii():
        shown = shown.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a journal
    if _INTEGER.fullmatch(shown) and _INTEGER.fullmatch(reference):
        reason = Reason.MATCH if int(shown) == int(reference) else Reason.MISMATCH
    else:
        from verifiers.equivalence import compare

        reason = compare(unboxed(reference), unboxed(shown))
    return Verdict.of(reason, shown[:500], time.perf_counter() - start, VERSION)
