"""The failure policy of a pass: what is tried again, how the one sample that kills is found, and when a pass stops.

Pure bookkeeping about samples, without input or output and without a clock. The pipeline reports each failure and acts on
the answer:

    a sample or a verification fails    sample or verify it again, MAX_TRIES in all; then it fails for good
    an engine dies                      sample what it held again in groups; `Bisection` finds the sample that kills
    a verifier dies                     verify what it held again; what saw two deaths goes alone (`Suspects`)
    a sample fails for good             hold it back until something else succeeds, else stop (`CircuitBreaker`)
"""

from collections import Counter, deque

from selfplay.records import Sample, SampleKey
from tasks import UserError
from verifiers import Reason, Verdict

MAX_TRIES = 3  # of one sample, of one verification, and deaths of engines that drew one sample
MAX_FAILED = 64  # samples that fail for good without one success between them, before the pass stops
DIVISOR = 16  # of a group that died: five deaths single one sample out of 4,096
GROWTH = 4  # of the next group, after all of one came back

Failed = tuple[Sample, Verdict]


class Recovery:
    """What happened to each sample that is on its way, and what to do about it."""

    def __init__(self) -> None:
        self.bisection = Bisection()  # samples that engines held when they died
        self.suspects = Suspects()  # verifications that verifiers held when they died
        self.breaker = CircuitBreaker()  # samples that failed for good
        self._tries: Counter[SampleKey] = Counter()  # failures of the sample, later of its verification
        self._engine_deaths: Counter[SampleKey] = Counter()

    def may_retry(self, key: SampleKey) -> bool:
        """Count a failure of a sample or of its verification; whether to try it again."""
        self._tries[key] += 1
        return self._tries[key] < MAX_TRIES

    def engine_died(self, keys: list[SampleKey]) -> SampleKey | None:
        """Count the death of an engine that held these samples; the one that killed it and fails for good, if it is known.

        `bisection` gives out the others again.
        """
        self._engine_deaths.update(keys)
        culprit = self.bisection.add(keys)
        if culprit is None or self._engine_deaths[culprit] < MAX_TRIES:
            return None
        self.bisection.drop(culprit)
        return culprit

    def verifier_died(self, keys: list[SampleKey]) -> tuple[list[SampleKey], SampleKey | None]:
        """Count the death of a verifier that held these samples; those to verify again now, and the one that killed it
        and fails for good, if it is known. `suspects` gives out the others, one at a time.
        """
        again, culprit = [], None
        for key in keys:
            self._tries[key] += 1
            if self._tries[key] < MAX_TRIES - 1:
                again.append(key)
            elif self.suspects.is_alone(key):
                culprit = key
                self.suspects.returned(key)
            else:
                self.suspects.add(key)
        return again, culprit

    def sampled(self, key: SampleKey) -> None:
        """An engine has returned the sample: the tries of its verification are counted from zero."""
        self.bisection.returned(key)
        self._tries.pop(key, None)

    def finished(self, key: SampleKey) -> None:
        """The sample has its verdict."""
        self._tries.pop(key, None)
        self._engine_deaths.pop(key, None)


class Bisection:
    """Finds the sample that kills engines, among thousands that die with it.

    Survivors are sampled again in groups, one group at a time. The first group is all of them, for most engines die of
    something else. A group that dies too is divided by DIVISOR, and its parts are the next groups; when all of them have
    come back, the groups grow again. New samples go on meanwhile: those that die too join the survivors.
    """

    def __init__(self) -> None:
        self._waiting: deque[SampleKey] = deque()
        self._out: set[SampleKey] = set()  # the group that is being sampled
        self._size = 1  # of the next group
        self._divided = 0  # survivors, out or first to go, that remain of the last group that died

    def add(self, keys: list[SampleKey]) -> SampleKey | None:
        """Add what an engine held when it died; the culprit, if only one sample of the group was among it."""
        again = [key for key in keys if key in self._out]
        new = [key for key in keys if key not in self._out]
        if again:
            self._divided = len(again)
            self._size = max(1, self._divided // DIVISOR)
        elif not (self._waiting or self._out):
            self._size = max(1, len(new))
        self._out.difference_update(again)
        self._waiting.extendleft(reversed(again))
        self._waiting.extend(new)
        return again[0] if len(again) == 1 else None

    def next(self) -> list[SampleKey]:
        """The next group to sample; empty while one is being sampled."""
        if self._out:
            return []
        limit = min(self._size, self._divided or self._size, len(self._waiting))
        group = [self._waiting.popleft() for _ in range(limit)]
        self._out.update(group)
        return group

    def returned(self, key: SampleKey) -> None:
        """An engine has answered for the sample, or it has failed for good."""
        if key not in self._out:
            return
        self._out.remove(key)
        if self._divided:
            self._divided -= 1
        if not self._divided and not self._out:
            self._size *= GROWTH

    def drop(self, key: SampleKey) -> None:
        """A waiting sample will not be sampled again."""
        self._waiting.remove(key)
        self._divided = max(0, self._divided - 1)


class Suspects:
    """Verifications that may have killed a verifier. They go out one at a time: the one that dies alone is the culprit."""

    def __init__(self) -> None:
        self._waiting: deque[SampleKey] = deque()
        self._out: SampleKey | None = None

    def add(self, key: SampleKey) -> None:
        self._waiting.append(key)

    def next(self) -> SampleKey | None:
        """The next suspect to verify; None while one is out."""
        if self._out is not None or not self._waiting:
            return None
        self._out = self._waiting.popleft()
        return self._out

    def is_alone(self, key: SampleKey) -> bool:
        """Whether this is the suspect that is out."""
        return key == self._out

    def returned(self, key: SampleKey) -> None:
        """The sample has its verdict, or it has failed for good."""
        if key == self._out:
            self._out = None


class CircuitBreaker:
    """Holds back samples that failed for good until something else succeeds: until then engine or verifier may be broken.

    A broken part then stops the pass, and leaves no undecided row of thousands of samples behind. A verification that fails
    while the same verifier accepts an innocent sample (its canary) is such a success: it does not come here.
    """

    def __init__(self) -> None:
        self._failed: list[Failed] = []
        self._num_unexplained = 0

    def __bool__(self) -> bool:
        """Whether any sample is held back."""
        return bool(self._failed)

    def add(self, sample: Sample, verdict: Verdict, is_explained: bool = False) -> None:
        """Hold a sample back. UserError after MAX_FAILED without a success between them.

        `is_explained`: the sample's own prompt is known to fail, which says nothing about the engine.
        """
        self._failed.append((sample, verdict))
        self._num_unexplained += not is_explained
        if self._num_unexplained >= MAX_FAILED:
            self.trip()

    def release(self) -> list[Failed]:
        """Something has succeeded: the samples held back, whose failures are their own."""
        failed, self._failed, self._num_unexplained = self._failed, [], 0
        return failed

    def trip(self) -> None:
        """Stop the pass with a UserError that names the broken part and its last error."""
        last = self._failed[-1][1]
        part = "engine" if last.reason is Reason.SAMPLE_FAILURE else "verifier"
        raise UserError(
            f"the {part} failed again and again on each of {len(self._failed)} samples, and none has succeeded since; the last "
            f"error: {last.answer.rstrip('.')}. Everything acknowledged is on disk; fix the cause and run the same command again"
        )
