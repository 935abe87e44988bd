"""The rule `fixed`: the same number of samples for each task."""

from typing import Any

from selfplay.allocation.allocator import Allocator, TaskState


class Fixed(Allocator):
    """The same number of samples for each task. An undecided sample is not replaced."""

    def _owed(self, state: TaskState) -> int:
        return self.settings.samples_per_task - state.drawn

    def _complete(self, state: TaskState) -> bool:
        return state.drawn >= self.settings.samples_per_task

    @property
    def rule(self) -> dict[str, Any]:
        return {"rule": "fixed", "samples_per_task": self.settings.samples_per_task}
