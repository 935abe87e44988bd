"""Samples that were given up: left undecided once something else succeeds, for until then the failure may not be their own."""

from selfplay.records import Sample
from tasks import UserError
from verifiers import Reason, Verdict

MAX_WITHHELD = 64  # samples given up without one success between them, before the pass stops

GivenUp = tuple[Sample, Verdict]


class Withheld:
    def __init__(self) -> None:
        self._samples: list[GivenUp] = []

    def __bool__(self) -> bool:
        return bool(self._samples)

    def add(self, sample: Sample, verdict: Verdict, is_known: bool) -> None:
        """UserError where too many fail in a row; `is_known`: the sample's own prompt is, so that it proves nothing of others."""
        self._samples.append((sample, verdict))
        if len(self._samples) >= MAX_WITHHELD and not is_known:
            self.stop()

    def release(self) -> list[GivenUp]:
        samples, self._samples = self._samples, []
        return samples

    def stop(self) -> None:
        last = self._samples[-1][1]
        part = "engine" if last.reason is Reason.SAMPLE_FAILURE else "verifier"
        raise UserError(
            f"the {part} failed again and again on each of {len(self._samples)} samples, and none has succeeded since; the last "
            f"error: {last.answer.rstrip('.')}. Everything acknowledged is on disk; mend the cause and run the same command again"
        )
