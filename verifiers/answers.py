"""Verifiers of final answers: the answer is extracted from the completion, then compared with the reference."""

from abc import abstractmethod
from typing import Any

from verifiers.kinds import Verifier
from verifiers.mathematics.extraction.extract import extract
from verifiers.verdict import Reason, Verdict


class AnswerVerifier(Verifier):
    """A verifier that needs no more than a comparison: `compare` has no default."""

    has_answers = True

    @abstractmethod
    def compare(self, reference: Any, answer: str) -> bool | Reason:
        """Whether an answer is right; or a reason, such as UNSUPPORTED if this reference cannot be checked."""

    def extract(self, completion: str) -> str | None:
        """The final answer of a completion; None if it states none.

        By default as in mathematics: the last box, `#### answer`, `<answer>`, "the answer is ...".
        """
        return extract(completion)

    def verify(self, reference: Any, completion: str) -> Verdict:
        answer = self.extract(completion)
        return self.verdict(Reason.NO_ANSWER) if answer is None else self.verify_answer(reference, answer)

    def verify_answer(self, reference: Any, answer: str) -> Verdict:
        if not answer.strip():
            return self.verdict(Reason.NO_ANSWER)
        found = self.compare(reference, answer)
        if isinstance(found, bool):
            found = Reason.MATCH if found else Reason.MISMATCH
        return self.verdict(found, _writable(answer.strip())[:500])


def _writable(text: str) -> str:
    """A lone surrogate cannot be written to a journal."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
