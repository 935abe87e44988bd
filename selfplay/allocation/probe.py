"""The rule `probe`: a few samples of each task, and more only of those that the few do not show to be easy."""

import math
from typing import Any

from selfplay.allocation.allocator import Allocator, Extent, TaskState
from selfplay.allocation.settings import Allocation
from verifiers import Outcome


class Probe(Allocator):
    """`probe` samples of each task; where one of them is wrong, `samples_per_task` in all.

    A task stops early only if all of its first samples are correct, so its solve rate is estimated from few samples just where it
    is high. With `token_budget` no further task begins once the samples with a verdict have so many completion tokens; tasks
    that have begun are finished.
    """

    keys = frozenset({"samples_per_task", "probe", "token_budget"})
    bias = "a probe stops where the first samples are correct, which biases pass@k of them; [evaluation] measures it"

    @classmethod
    def mistakes(cls, settings: Allocation) -> list[str]:
        if settings.probe > settings.samples_per_task:
            return [f"probe = {settings.probe} is above samples_per_task = {settings.samples_per_task}"]
        return []

    @classmethod
    def progress(cls, settings: Allocation, extent: Extent) -> float:
        share = super().progress(settings, extent)
        return max(share, min(1.0, extent.num_tokens / settings.token_budget)) if settings.token_budget else share

    @classmethod
    def for_share(cls, settings: Allocation, num_tasks: int, whole: int) -> Allocation:
        return settings.model_copy(update={"token_budget": math.ceil(settings.token_budget * num_tasks / whole)})

    @classmethod
    def most_samples(cls, settings: Allocation, tokens_per_sample: float) -> float:
        if not settings.token_budget or not tokens_per_sample:
            return math.inf
        return settings.token_budget / tokens_per_sample

    def __init__(self, rule: Allocation):
        super().__init__(rule)
        self._tokens = 0

    @property
    def resumes_whole(self) -> bool:
        return super().resumes_whole or self.settings.token_budget > 0

    @property
    def is_satisfied(self) -> bool:
        return super().is_satisfied or 0 < self.settings.token_budget <= self._tokens

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> list[str]:
        self._tokens += tokens
        return super().observe(task_id, index, outcome, tokens)

    def _needed(self, state: TaskState) -> int:
        return self._wanted(state) - state.granted

    def _complete(self, state: TaskState) -> bool:
        return state.granted >= self._wanted(state)

    def _wanted(self, state: TaskState) -> int:
        """All samples if one has failed; else the probe."""
        failed = state.wrong + state.undecided
        return self.settings.samples_per_task if failed else self.settings.probe

    @property
    def rule(self) -> dict[str, Any]:
        return {"rule": "probe", "probe": self.settings.probe, "samples_per_task": self.settings.samples_per_task}
