"""Allocation: how many samples each task gets, decided from the verdicts so far. No clock, no input or output.

A driver adds tasks as it reads them, asks `next` what to sample now, and tells every verdict to `observe`:

    while not allocator.done:
        while free and not (grants := allocator.next(free)) and allocator.wants_task:
            allocator.add(task.id) for the next task of the stream, or allocator.end() when there is none
        ... send the grants, subtract them from free; for each verdict: allocator.observe(...)

A run resumes by the same calls: add the tasks in their order and `observe` the rows of the journal (an index that was
never granted counts as drawn, those below it that never came back are owed again). What a task is owed depends on its
own verdicts only as a set of indices, not on the order in which they arrive.
"""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from verifiers import Outcome

Grant = tuple[str, tuple[int, ...]]  # a task's id and the indices of its new samples


@dataclass(frozen=True, slots=True)
class AllocationRule:
    """What a recipe says of allocation."""

    rule: str = "fixed"  # "fixed", "until" or "budget"
    samples_per_task: int = 4  # fixed: samples of each task
    accepted_per_task: int = 4  # until, budget: correct traces wanted of each task
    cap: int = 32  # until, budget: most samples of a task
    give_up_failures: int = 0  # until: stop after so many failures without a success; 0 never
    give_up_cost: float = 0.0  # until: stop when an accepted trace is expected to cost more samples than this; 0 never
    token_budget: int = 0  # budget: completion tokens of the round
    gains: tuple[float, ...] = ()  # budget: worth of a task's first, second, ... trace; empty: 1 each


@dataclass(slots=True)
class TaskState:
    """Counts of one task that is not complete."""

    id: str
    position: int  # in the stream
    drawn: int = 0  # samples granted so far: indices 0 to drawn - 1
    pending: set[int] = field(default_factory=set)  # granted, no verdict yet
    owed_again: set[int] = field(default_factory=set)  # granted once and lost
    correct: int = 0
    wrong: int = 0
    undecided: int = 0
    tokens: int = 0  # completion tokens of the samples with a verdict

    @property
    def unknown(self) -> int:
        """Samples drawn whose verdict may still come."""
        return len(self.pending) + len(self.owed_again)


class Allocator(ABC):
    """The part that every rule shares: who is owed a sample, in the order in which tasks were added."""

    resumes_whole = (
        False  # whether all tasks of the journal must be added, with their verdicts, before the first `next`
    )

    def __init__(self, rule: AllocationRule):
        self.settings = rule
        self._tasks: dict[str, TaskState] = {}  # complete tasks are dropped
        self._queue: deque[TaskState] = deque()  # tasks that may be owed samples
        self._num_added = 0
        self._ended = False

    def add(self, task_id: str) -> None:
        """The next task of the stream."""
        if task_id in self._tasks:
            raise ValueError(f"task {task_id} was added already; a stream gives each task once")
        state = TaskState(task_id, self._num_added)
        self._num_added += 1
        self._tasks[task_id] = state
        self._ready(state)

    def end(self) -> list[str]:
        """The stream holds no further task. Gives the tasks that are now complete for ever."""
        self._ended = True
        return []

    def next(self, limit: int) -> list[Grant]:
        """Up to `limit` samples to request now, one grant a task; empty when nothing is owed before a verdict comes."""
        grants: list[Grant] = []
        while limit > 0 and self._queue:
            state = self._queue[0]
            indices = self._grant(state, min(limit, len(state.owed_again) + self._owed(state)))
            if indices:
                grants.append((state.id, indices))
                limit -= len(indices)
            if not state.owed_again and self._owed(state) <= 0:
                self._queue.popleft()
        return grants

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> list[str]:
        """Count one verdict of a sample of `tokens` completion tokens; gives the tasks that are now complete for ever."""
        state = self._state(task_id)
        self._mark_drawn(state, index)
        state.tokens += tokens
        if outcome is Outcome.CORRECT:
            state.correct += 1
        elif outcome is Outcome.WRONG:
            state.wrong += 1
        else:
            state.undecided += 1
        if not state.unknown and self._complete(state):
            del self._tasks[task_id]
            return [task_id]
        if state.owed_again or self._owed(state) > 0:
            self._ready(state)
        return []

    def lost(self, task_id: str, index: int) -> None:
        """A granted sample will get no verdict (its engine died): it is owed again."""
        state = self._state(task_id)
        state.pending.discard(index)
        state.owed_again.add(index)
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
    def _owed(self, state: TaskState) -> int:
        """How many new samples a task needs now, beyond those drawn."""

    @abstractmethod
    def _complete(self, state: TaskState) -> bool:
        """Whether a task will never need another sample."""

    def _ready(self, state: TaskState, first: bool = False) -> None:
        """Put a task that may be owed samples where `next` finds it."""
        if first:
            self._queue.appendleft(state)
        else:
            self._queue.append(state)

    def _state(self, task_id: str) -> TaskState:
        if task_id not in self._tasks:
            raise ValueError(f"task {task_id} is unknown or complete; add it before its verdicts")
        return self._tasks[task_id]

    def _grant(self, state: TaskState, count: int) -> tuple[int, ...]:
        again = sorted(state.owed_again)[:count]
        state.owed_again.difference_update(again)
        new = range(state.drawn, state.drawn + count - len(again))
        state.drawn += len(new)
        indices = (*again, *new)
        state.pending.update(indices)
        return indices

    def _mark_drawn(self, state: TaskState, index: int) -> None:
        if index >= state.drawn:  # a row of the journal: the allocator that granted it is gone
            state.owed_again.update(range(state.drawn, index))
            state.drawn = index + 1
        elif index in state.pending:
            state.pending.remove(index)
        elif index in state.owed_again:
            state.owed_again.remove(index)
        else:
            raise ValueError(f"sample {index} of task {state.id} has two verdicts; the journal keeps one")
