"""What a pass has done so far, in figures and in words."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from selfplay.allocation.allocator import AllocationRule
from selfplay.progress import duration, quantity
from verifiers import Outcome, Verdict

SILENT_SECONDS = 30.0  # without anything from any engine, before the line says so


@dataclass(slots=True)
class Meter:
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


def share_done(meter: Meter, rule: AllocationRule, num_tasks: int) -> float:
    """How much of a pass is done, from 0 to 1: by tokens under a budget, else by tasks; 0 where it cannot be told.

    The samples of tasks that are not complete count too where the rule fixes how many a task gets.
    """
    if rule.rule == "budget":
        return min(1.0, (meter.num_resumed_tokens + meter.num_tokens) / rule.token_budget)
    if not num_tasks:
        return 0.0
    if rule.rule == "fixed":
        return min(1.0, (meter.num_resumed + meter.num_samples) / (num_tasks * rule.samples_per_task))
    return min(1.0, meter.num_complete_tasks / num_tasks)


def describe(meter: Meter, rule: AllocationRule, num_tasks: int = 0) -> str:
    """One line of progress; `num_tasks` in the whole stream, 0 where nobody knows."""
    elapsed, new = meter.elapsed_seconds, meter.num_samples
    whole = f" of {quantity(num_tasks * rule.samples_per_task)}" if num_tasks and rule.rule == "fixed" else ""
    parts = [f"{quantity(meter.num_resumed + new)}{whole} samples"]
    if meter.num_resumed:
        parts.append(f"{quantity(meter.num_resumed)} of them resumed")
    if meter.num_damaged:
        parts.append(f"{meter.num_damaged} damaged rows drawn again")
    if meter.started:  # until then no task of the journal is read
        parts.append(f"{quantity(meter.num_resumed_correct + meter.outcomes[Outcome.CORRECT])} correct")
        parts.append(
            f"{quantity(meter.num_solved_tasks)}{f' of {quantity(num_tasks)}' if num_tasks else ''} tasks solved"
        )
    if meter.outcomes[Outcome.UNDECIDED]:
        parts.append(f"{quantity(meter.outcomes[Outcome.UNDECIDED])} undecided")
    if meter.num_sandbox_failures:
        parts.append(f"{meter.num_sandbox_failures} sandboxes lost")
    if meter.num_tokens and elapsed:
        parts.append(f"{quantity(meter.num_tokens / elapsed)} tokens/s")
    if elapsed:
        parts.append(f"engines idle {meter.idle_share:.1%}")
    if 0 < meter.num_engines < meter.num_engines_wanted:
        parts.append(f"{meter.num_engines} of {meter.num_engines_wanted} engines at work")
    if not meter.started:
        parts.append("no verifier at work yet" if meter.num_engines else "no engine at work yet")
    if meter.waiting_for:
        parts.append(meter.waiting_for)
    if meter.num_unchecked:
        parts.append(f"{meter.num_unchecked} to check")
    done = share_done(meter, rule, num_tasks)
    if new and 0 < done < 1 and not meter.ended:
        resumed = meter.num_resumed / (meter.num_resumed + new)  # of what is done, the part that cost no time now
        parts.append(f"{duration((1 - done) * elapsed / (done * (1 - resumed)))} left")
    if meter.silent_seconds > SILENT_SECONDS:
        parts.append(f"nothing from the engines for {duration(meter.silent_seconds)}")
    if meter.trouble and not meter.ended:
        parts.append(meter.trouble)
    return ", ".join(parts)
