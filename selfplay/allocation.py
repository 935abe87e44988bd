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

from collections import deque
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import numpy as np

from selfplay.priors import SolveRates
from selfplay.stopping import StoppingRule, stopping_point
from verifiers import Outcome

PILOT_TASKS = 256  # tasks that the boundary of give_up_cost is fitted to
PROBATION = 8  # failures before which no task gives up on give_up_cost

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


class Allocator:
    """The part that every rule shares: who is owed a sample, in the order in which tasks were added.

    A rule says in `_owed` how many new samples a task needs now, beyond those drawn, and in `_complete` whether it will
    ever need another.
    """

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
        self._queue.append(state)

    def end(self) -> None:
        """The stream holds no further task."""
        self._ended = True

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

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> bool:
        """Count one verdict of a sample of `tokens` completion tokens; True when the task is now complete for ever."""
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
            return True
        if state.owed_again or self._owed(state) > 0:
            self._queue.append(state)
        return False

    def lost(self, task_id: str, index: int) -> None:
        """A granted sample will get no verdict (its engine died): it is owed again."""
        state = self._state(task_id)
        state.pending.discard(index)
        state.owed_again.add(index)
        self._queue.appendleft(state)

    @property
    def wants_task(self) -> bool:
        """Whether the next task of the stream would be sampled now."""
        return not self._ended and not self._queue

    @property
    def done(self) -> bool:
        return self._ended and not self._tasks

    @property
    def rule(self) -> dict[str, Any]:
        """The stopping rule, for the record: pass@k is estimated under it."""
        raise NotImplementedError

    def _owed(self, state: TaskState) -> int:
        raise NotImplementedError

    def _complete(self, state: TaskState) -> bool:
        raise NotImplementedError

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


class Fixed(Allocator):
    """The same number of samples for each task. An undecided sample is not replaced."""

    def _owed(self, state: TaskState) -> int:
        return self.settings.samples_per_task - state.drawn

    def _complete(self, state: TaskState) -> bool:
        return state.drawn >= self.settings.samples_per_task

    @property
    def rule(self) -> dict[str, Any]:
        return {"rule": "fixed", "samples_per_task": self.settings.samples_per_task}


class Until(Allocator):
    """Until enough samples of a task are correct, or its cap, or it has given up.

    A task is granted only samples that it will need whatever the verdicts of those in flight, so that it stops at the
    same sample as if they were drawn one by one, and no sample is drawn in vain.

    With `give_up_cost` the boundary comes from the run's own tasks: the first PILOT_TASKS of the stream are drawn until
    PROBATION failures, the solve rates of all tasks are fitted to what these showed by then, and a task gives up at
    the first failure that leaves the expected number of samples for one more correct one, 1 / E[p | successes,
    failures], above `give_up_cost`. Every task follows this one boundary, and none gives up before PROBATION failures,
    so that the boundary does not depend on when verdicts arrived. Until it is known, tasks at PROBATION failures wait
    and new ones are begun.
    """

    def __init__(self, rule: AllocationRule):
        super().__init__(rule)
        self._stop = StoppingRule.until(rule.accepted_per_task, rule.cap, rule.give_up_failures)
        self._pilot: dict[int, dict[int, Outcome]] = {}  # position -> index -> outcome, of tasks still on probation
        self._pilot_counts: list[tuple[int, int]] = []  # (samples, correct) at the end of probation
        self._on_probation = rule.give_up_cost > 0
        if self._on_probation:
            limits = tuple(min(limit, PROBATION) for limit in self._stop.give_up)
            self._probation = StoppingRule(rule.accepted_per_task, rule.cap, limits)

    def add(self, task_id: str) -> None:
        super().add(task_id)
        if self._on_probation and self._num_added <= PILOT_TASKS:
            self._pilot[self._num_added - 1] = {}

    def end(self) -> None:
        super().end()
        self._end_probation()

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> bool:
        position = self._state(task_id).position
        complete = super().observe(task_id, index, outcome, tokens)
        if position in self._pilot:
            self._pilot[position][index] = outcome
            self._follow_pilot(position)
        return complete

    def _owed(self, state: TaskState) -> int:
        rule = self._probation if self._on_probation else self._stop
        return rule.sure_draws(state.correct, state.wrong, state.undecided) - state.unknown

    def _complete(self, state: TaskState) -> bool:
        return not self._stop.goes_on(state.correct, state.wrong, state.undecided)

    def _follow_pilot(self, position: int) -> None:
        outcomes = self._pilot[position]
        in_order = (outcomes[index] for index in takewhile(outcomes.__contains__, count()))
        correct, wrong, stopped = stopping_point(self._probation, in_order)
        if stopped:
            del self._pilot[position]
            self._pilot_counts.append((correct + wrong, correct))
            self._end_probation()

    def _end_probation(self) -> None:
        if self._on_probation and not self._pilot and (self._ended or self._num_added >= PILOT_TASKS):
            self._on_probation = False
            rates = SolveRates.fit(*zip(*sorted(self._pilot_counts), strict=True)) if self._pilot_counts else None
            self._stop = give_up_above(self.settings.give_up_cost, rates or SolveRates.expected(), self._stop)
            for state in list(self._tasks.values()):
                if not state.unknown and self._complete(state):
                    del self._tasks[state.id]
                else:
                    self._queue.append(state)

    @property
    def rule(self) -> dict[str, Any]:
        return {
            "rule": "until",
            "accepted_per_task": self._stop.accepted,
            "cap": self._stop.cap,
            "give_up": list(self._stop.give_up),  # by correct samples so far: failures at which a task gives up
        }


def give_up_above(cost: float, rates: SolveRates, rule: StoppingRule) -> StoppingRule:
    """The rule, giving up where a correct sample is expected to cost more than `cost` samples, after PROBATION failures."""
    chances = rates.success_chances(rule.accepted - 1, rule.cap)
    limits = []
    for successes, limit in enumerate(rule.give_up):
        too_dear = np.flatnonzero(chances[successes] * cost < 1.0)
        first = int(too_dear[0]) if too_dear.size else rule.cap
        limits.append(min(limit, max(first, PROBATION)))
    return StoppingRule(rule.accepted, rule.cap, tuple(limits))


def make_allocator(rule: AllocationRule) -> Allocator:
    """The allocator of a recipe's [allocation]."""
    if rule.rule == "fixed":
        return Fixed(rule)
    if rule.rule == "until":
        return Until(rule)
    if rule.rule == "budget":
        from selfplay.budget import Budget  # it builds on this module

        return Budget(rule)
    raise ValueError(f"allocation rule {rule.rule!r} is unknown; one of fixed, until, budget")
