"""Counters of a sampling pass."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from verifiers import Verdict


@dataclass(slots=True)
class PassStats:
    """Figures of one pass. Those of samples are of this process, unless they say that they count resumed ones too."""

    started: float = 0.0  # monotonic clock, when the first engine was ready
    ended: float = 0.0
    heard: float = 0.0  # when an engine last gave something
    num_in_flight: int = 0  # samples asked of the engines now
    num_engines: int = 0  # at work now
    num_engines_wanted: int = 0
    waiting_for: str = ""  # of an engine that is not at work yet: what it lacks
    engine_idle_seconds: float = 0.0  # summed over engines
    num_tasks: int = 0  # read from the stream
    num_complete_tasks: int = 0  # that are owed nothing more
    num_solved_tasks: int = 0  # with a correct sample, resumed ones too
    num_duplicate_tasks: int = 0
    num_resumed: int = 0  # samples that the journal held already
    num_resumed_correct: int = 0
    num_resumed_tokens: int = 0
    num_damaged: int = 0  # rows of the journal that failed their checksum; they are owed again
    num_samples: int = 0  # that got a verdict
    num_tokens: int = 0  # completion tokens sampled
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    verifier_seconds: float = 0.0
    outcomes: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    num_retries: int = 0  # of samples and checks that failed
    num_sandbox_failures: int = 0  # fork-servers lost or not to be had; their programs were tried again
    num_acknowledged: int = 0
    num_unchecked: int = 0  # samples that wait for their verdict now
    rule: dict[str, Any] = field(default_factory=dict)  # of allocation, as it was applied: pass@k is estimated under it
    trouble: str = ""  # the latest failure that was not the model's

    @property
    def elapsed_seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started if self.started else 0.0

    @property
    def silent_seconds(self) -> float:
        """Since an engine last gave something, while they are asked for something."""
        asked = self.started and self.num_in_flight and not self.ended
        return time.monotonic() - max(self.started, self.heard) if asked else 0.0

    @property
    def idle_share(self) -> float:
        """Of the engines' time, the part without anything to do."""
        seconds = self.num_engines * self.elapsed_seconds
        return min(1.0, self.engine_idle_seconds / seconds) if seconds else 0.0

    def count(self, verdict: Verdict) -> None:
        self.num_samples += 1
        self.outcomes[verdict.outcome] += 1
        self.reasons[verdict.reason] += 1
