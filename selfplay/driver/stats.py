"""Counters of a sampling pass."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from selfplay.records import Sample
from verifiers import Outcome, Reason, Verdict


@dataclass(slots=True)
class PassStats:
    """Counters of one pass, updated while it runs. Samples are those of this process, unless resumed ones are named."""

    started: float = 0.0  # monotonic clock, when the first engine was ready; 0: not yet
    ended: float = 0.0  # monotonic clock; 0: not yet
    last_result: float = 0.0  # monotonic clock, when an engine last returned a sample or a failure
    num_in_flight: int = 0  # samples that the engines are working on now
    num_engines: int = 0  # at work now
    num_engines_wanted: int = 0
    waiting_for: str = ""  # what a worker that has not started waits for
    engine_idle_seconds: float = 0.0  # without any request, summed over engines
    engine_checking_seconds: float = 0.0  # the part of it in which samples waited for their verdict
    engine_loading_seconds: float = 0.0  # not at work yet, or not again, summed over engines
    pass_seconds: float = 0.0  # of the whole pass, the start of the engines included
    num_tasks: int = 0  # read from the stream
    num_complete_tasks: int = 0  # that get no further sample
    num_solved_tasks: int = 0  # with a correct sample, resumed ones included
    num_duplicate_tasks: int = 0  # tasks that the stream repeated; they are sampled once
    num_resumed: int = 0  # samples that the journal held already
    num_resumed_correct: int = 0
    num_resumed_tokens: int = 0  # completion tokens
    num_damaged: int = 0  # rows of the journal with a wrong checksum; these samples are missing
    num_samples: int = 0  # with a verdict
    num_tokens: int = 0  # completion tokens of the engines' samples
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0  # prompt tokens that the engine did not compute again
    verifier_seconds: float = 0.0  # summed over verdicts
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    num_retries: int = 0  # of samples and verifications that failed
    num_sandbox_failures: int = 0  # fork servers that died or did not start; their programs ran again
    num_acknowledged: int = 0  # rows of this process that are on disk
    num_unverified: int = 0  # samples that wait for their verdict now
    rule: dict[str, Any] = field(
        default_factory=dict
    )  # the stopping rule that was applied, by which pass@k is estimated
    trouble: str = ""  # the latest failure that was not the model's

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the first engine was ready, up to the end of the pass."""
        return (self.ended or time.monotonic()) - self.started if self.started else 0.0

    @property
    def silent_seconds(self) -> float:
        """Seconds since an engine last returned something; 0 if no sample is requested."""
        is_waiting = self.started and self.num_in_flight and not self.ended
        return time.monotonic() - max(self.started, self.last_result) if is_waiting else 0.0

    @property
    def idle_share(self) -> float:
        """The share of the engines' time in which they had no request, from 0 to 1."""
        seconds = self.num_engines * self.elapsed_seconds
        return min(1.0, self.engine_idle_seconds / seconds) if seconds else 0.0

    def count_sample(self, sample: Sample) -> None:
        """Count the tokens of a sample that an engine has returned."""
        self.num_tokens += sample.completion_tokens
        self.num_prompt_tokens += sample.prompt_tokens
        self.num_cached_tokens += sample.cached_tokens

    def count_verdict(self, verdict: Verdict) -> None:
        """Count a sample that has its verdict."""
        self.num_samples += 1
        self.outcomes[verdict.outcome] += 1
        self.reasons[verdict.reason] += 1
