"""The rule `fixed`: the same number of samples for each task."""

from typing import Any

from selfplay.allocation.allocator import Allocator, TaskState
from selfplay.allocation.settings import Allocation
from selfplay.estimators.stopping import StoppingRule


class Fixed(Allocator):
    """The same number of samples for each task. An undecided sample is not replaced."""

    keys = frozenset({"samples_per_task"})

    @classmethod
    def num_samples(cls, settings: Allocation, num_tasks: int) -> int:
        return num_tasks * settings.samples_per_task

    @classmethod
    def task_rule(cls, settings: Allocation) -> StoppingRule:
        return StoppingRule.fixed(settings.samples_per_task)

    def _needed(self, state: TaskState) -> int:
        return self.settings.samples_per_task - state.granted

    def _complete(self, state: TaskState) -> bool:
        return state.granted >= self.settings.samples_per_task

    @property
    def rule(self) -> dict[str, Any]:
        return {"rule": "fixed", "samples_per_task": self.settings.samples_per_task}
