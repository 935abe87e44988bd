"""A verdict: what a verifier says of one completion."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    CORRECT = "correct"
    WRONG = "wrong"
    UNDECIDED = "undecided"  # the checker failed, not the model: retried, never trained on, never counted as wrong


class Reason(StrEnum):
    MATCH = "match"
    ROUNDED = "rounded"  # correct: the reference is a rounded decimal, and the answer rounds to it
    WITHIN_TOLERANCE = "within_tolerance"  # correct: as near to the reference as it allows
    MISMATCH = "mismatch"
    NO_ANSWER = "no_answer"
    EXCEPTION = "exception"  # the program raised
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT_LIMIT = "output_limit"
    REFUSED = "refused"  # the sandbox stopped it
    CHECKER_TIMEOUT = "checker_timeout"
    CHECKER_FAILURE = "checker_failure"
    UNSUPPORTED = "unsupported"
    SAMPLE_FAILURE = "sample_failure"  # the engine could not draw the sample, so there was nothing to check


_OUTCOMES = {
    Reason.MATCH: Outcome.CORRECT,
    Reason.ROUNDED: Outcome.CORRECT,
    Reason.WITHIN_TOLERANCE: Outcome.CORRECT,
    Reason.CHECKER_TIMEOUT: Outcome.UNDECIDED,
    Reason.CHECKER_FAILURE: Outcome.UNDECIDED,
    Reason.UNSUPPORTED: Outcome.UNDECIDED,
    Reason.SAMPLE_FAILURE: Outcome.UNDECIDED,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reason: Reason
    answer: str  # what was extracted, or a short account of what failed; empty when there is nothing to show
    seconds: float  # wall time that the check took
    verifier: str  # name@version

    @classmethod
    def of(cls, reason: Reason, answer: str, seconds: float, verifier: str) -> "Verdict":
        """The verdict of a reason; the reason implies the outcome."""
        return cls(_OUTCOMES.get(reason, Outcome.WRONG), reason, answer, seconds, verifier)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Verdict":
        return cls(Outcome(row["outcome"]), Reason(row["reason"]), row["answer"], row["seconds"], row["verifier"])
