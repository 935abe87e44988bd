"""The contract of allocation rules, and the bookkeeping that they share. No clock, no input or output.

A driver adds tasks as it reads them, asks `next` which samples to request now, and passes every verdict to `observe`:

    while not allocator.done:
        while free and not (grants := allocator.next(free)) and allocator.wants_task:
            allocator.add(task.id) for the next task of the stream, or allocator.end() when there is none
        ... send the grants, subtract them from free; for each verdict: allocator.observe(...)

With `total_accepted`, the driver ends the stream itself, by `end`, once `is_satisfied`: tasks that have begun are finished,
so each has all the samples that its rule gives it.

A run resumes by the same calls: add the tasks in their order and `observe` the rows of the journal. An index that was
never granted then counts as granted, and lower indices without a verdict are granted again. The samples that a task
still needs depend on its verdicts only as a set of indices, not on the order in which they arrive.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from selfplay.allocation.settings import Allocation
from selfplay.estimators.stopping import StoppingRule
from verifiers import Outcome

Grant = tuple[str, tuple[int, ...]]  # a task's id and the indices of its new samples


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a pass has come, resumed samples included."""

    num_tasks: int  # of the whole stream; 0: unknown
    num_complete_tasks: int
    num_samples: int  # with a verdict
    num_tokens: int  # completion tokens of these


@dataclass(slots=True)
class TaskState:
    """Counts of one task that is not complete."""

    id: str
    position: int  # in the stream
    granted: int = 0  # indices 0 to granted - 1 were granted
    pending: set[int] = field(default_factory=set)  # granted, no verdict yet
    lost: set[int] = field(default_factory=set)  # granted, and their engine died; to be granted again
    correct: int = 0
    wrong: int = 0
    undecided: int = 0
    tokens: int = 0  # completion tokens of the samples with a verdict

    @property
    def unknown(self) -> int:
        """Samples granted without a verdict."""
        return len(self.pending) + len(self.lost)


class Allocator(ABC):
    """A rule at work. This part grants samples in the order in which tasks were added; each rule adds how many.

    Class attributes and class methods are facts that others need about a rule before or after its pass.
    """

    keys: ClassVar[frozenset[str]]  # of [allocation] that the rule reads, besides `rule` and total_accepted
    bias: ClassVar[str] = ""  # why pass@k of the rule's samples has no unbiased estimate; "": it has one

    @classmethod
    def mistakes(cls, settings: Allocation) -> list[str]:
        """What is impossible in a section whose every key is valid by itself."""
        return []

    @classmethod
    def num_samples(cls, settings: Allocation, num_tasks: int) -> int:
        """Samples of so many tasks, if the rule fixes their number; 0 if verdicts decide."""
        return 0

    @classmethod
    def task_rule(cls, settings: Allocation) -> StoppingRule | None:
        """When each task stops by its own verdicts, if the section alone says so; None if other tasks matter too."""
        return None

    @classmethod
    def progress(cls, settings: Allocation, extent: Extent) -> float:
        """The share of a pass that is done, from 0 to 1; 0 if it cannot be known."""
        if whole := cls.num_samples(settings, extent.num_tasks):
            return min(1.0, extent.num_samples / whole)
        return min(1.0, extent.num_complete_tasks / extent.num_tasks) if extent.num_tasks else 0.0

    @classmethod
    def for_share(cls, settings: Allocation, num_tasks: int, whole: int) -> Allocation:
        """The section for a trial with `num_tasks` of a round's `whole` tasks."""
        return settings

    @classmethod
    def most_samples(cls, settings: Allocation, tokens_per_sample: float) -> float:
        """An upper bound on a round's samples, if each has so many completion tokens."""
        return math.inf

    @classmethod
    def stopping_rule(cls, record: Mapping[str, Any]) -> StoppingRule | None:
        """When a task stopped by its own verdicts, from `rule` as it was recorded; None if verdicts stop no task."""
        return None

    def __init__(self, settings: Allocation):
        if mistakes := self.mistakes(settings):
            raise ValueError("; ".join(mistakes))
        self.settings = settings
        self._tasks: dict[str, TaskState] = {}  # complete tasks are dropped
        self._queue: deque[TaskState] = deque()  # tasks that may need samples
        self._num_added = 0
        self._num_correct = 0
        self._ended = False

    @property
    def resumes_whole(self) -> bool:
        """Whether all tasks of the journal must be added, with their verdicts, before `next`."""
        return self.settings.total_accepted > 0

    @property
    def is_satisfied(self) -> bool:
        """Whether total_accepted is reached, so that no further task begins."""
        return 0 < self.settings.total_accepted <= self._num_correct

    def add(self, task_id: str) -> None:
        """The next task of the stream."""
        if task_id in self._tasks:
            raise ValueError(f"task {task_id} was added already; a stream gives each task once")
        state = TaskState(task_id, self._num_added)
        self._num_added += 1
        self._tasks[task_id] = state
        self._ready(state)

    def end(self) -> list[str]:
        """The stream holds no further task. Returns the tasks that are now complete for ever."""
        self._ended = True
        return []

    def next(self, limit: int) -> list[Grant]:
        """Up to `limit` samples to request now, one grant a task; empty if all wait for verdicts."""
        grants: list[Grant] = []
        while limit > 0 and self._queue:
            state = self._queue[0]
            indices = self._grant(state, min(limit, len(state.lost) + self._needed(state)))
            if indices:
                grants.append((state.id, indices))
                limit -= len(indices)
            if not state.lost and self._needed(state) <= 0:
                self._queue.popleft()
        return grants

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> list[str]:
        """Count the verdict of a sample with `tokens` completion tokens. Returns the tasks that are now complete for ever."""
        state = self._state(task_id)
        self._mark_granted(state, index)
        state.tokens += tokens
        if outcome is Outcome.CORRECT:
            state.correct += 1
            self._num_correct += 1
        elif outcome is Outcome.WRONG:
            state.wrong += 1
        else:
            state.undecided += 1
        if not state.unknown and self._complete(state):
            del self._tasks[task_id]
            return [task_id]
        if state.lost or self._needed(state) > 0:
            self._ready(state)
        return []

    def lost(self, task_id: str, index: int) -> None:
        """Report a granted sample as lost (its engine died). It will be granted again."""
        state = self._state(task_id)
        state.pending.discard(index)
        state.lost.add(index)
        self._ready(state, first=True)

    @property
    def wants_task(self) -> bool:
        """Whether the next task of the stream would be sampled now."""
        return not self._ended and not self._queue

    @property
    def done(self) -> bool:
        return self._ended and not self._tasks

    @property
    @abstractmethod
    def rule(self) -> dict[str, Any]:
        """The stopping rule, for the record: pass@k is estimated under it."""

    @abstractmethod
    def _needed(self, state: TaskState) -> int:
        """How many new samples a task needs now, beyond those granted already."""

    @abstractmethod
    def _complete(self, state: TaskState) -> bool:
        """Whether a task will never need another sample."""

    def _ready(self, state: TaskState, first: bool = False) -> None:
        """Put a task that may need samples where `next` finds it."""
        if first:
            self._queue.appendleft(state)
        else:
            self._queue.append(state)

    def _state(self, task_id: str) -> TaskState:
        if task_id not in self._tasks:
            raise ValueError(f"task {task_id} is unknown or complete; add it before its verdicts")
        return self._tasks[task_id]

    def _grant(self, state: TaskState, count: int) -> tuple[int, ...]:
        again = sorted(state.lost)[:count]
        state.lost.difference_update(again)
        new = range(state.granted, state.granted + count - len(again))
        state.granted += len(new)
        indices = (*again, *new)
        state.pending.update(indices)
        return indices

    def _mark_granted(self, state: TaskState, index: int) -> None:
        if index >= state.granted:  # a row of the journal: the allocator that granted it is gone
            state.lost.update(range(state.granted, index))
            state.granted = index + 1
        elif index in state.pending:
            state.pending.remove(index)
        elif index in state.lost:
            state.lost.remove(index)
        else:
            raise ValueError(f"sample {index} of task {state.id} has two verdicts; the journal keeps one")
