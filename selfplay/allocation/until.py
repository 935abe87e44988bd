"""The rule `until`: sample a task until enough of its samples are correct."""

from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from selfplay.allocation.allocator import Allocator, TaskState
from selfplay.allocation.settings import Allocation
from selfplay.estimators.solve_rates import SolveRates
from selfplay.estimators.stopping import StoppingRule, stopping_point
from verifiers import Outcome

PILOT_TASKS = 256  # tasks to which the boundary of give_up_cost is fitted
PROBATION = 8  # failures before which no task gives up on give_up_cost


class Until(Allocator):
    """Until enough samples of a task are correct, or its cap, or it has given up.

    A task is granted only samples that it needs whatever the verdicts of those in flight are. It thus stops at the same
    sample as if they were sampled one by one, and no sample is wasted.

    With `give_up_cost` the boundary comes from the run's own tasks. The first PILOT_TASKS of the stream are sampled until
    PROBATION failures, and the solve rates of all tasks are fitted to these samples. A task then gives up at the first
    failure that leaves the expected number of samples for one more correct one, 1 / E[p | successes, failures], above
    `give_up_cost`. Every task follows this one boundary, and none gives up before PROBATION failures, so the boundary
    does not depend on when verdicts arrived. Until it is known, tasks at PROBATION failures wait and new ones begin.
    """

    keys = frozenset({"accepted_per_task", "cap", "give_up_failures", "give_up_cost"})

    @classmethod
    def mistakes(cls, settings: Allocation) -> list[str]:
        if settings.cap < settings.accepted_per_task:
            return [f"cap = {settings.cap} is below accepted_per_task = {settings.accepted_per_task}"]
        return []

    @classmethod
    def stopping_rule(cls, record: Mapping[str, Any]) -> StoppingRule:
        return StoppingRule(record["accepted_per_task"], record["cap"], tuple(record["give_up"]))

    @classmethod
    def task_rule(cls, settings: Allocation) -> StoppingRule | None:
        if settings.give_up_cost:  # its boundary is fitted to the run's own tasks
            return None
        return StoppingRule.until(settings.accepted_per_task, settings.cap, settings.give_up_failures)

    def __init__(self, rule: Allocation):
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

    def end(self) -> list[str]:
        return super().end() + self._end_probation()

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> list[str]:
        position = self._state(task_id).position
        complete = super().observe(task_id, index, outcome, tokens)
        if position in self._pilot:
            self._pilot[position][index] = outcome
            complete += self._follow_pilot(position)
        return complete

    def _needed(self, state: TaskState) -> int:
        rule = self._probation if self._on_probation else self._stop
        return rule.sure_draws(state.correct, state.wrong, state.undecided) - state.unknown

    def _complete(self, state: TaskState) -> bool:
        return not self._stop.goes_on(state.correct, state.wrong, state.undecided)

    def _follow_pilot(self, position: int) -> list[str]:
        outcomes = self._pilot[position]
        in_order = (outcomes[index] for index in takewhile(outcomes.__contains__, count()))
        correct, wrong, stopped = stopping_point(self._probation, in_order)
        if not stopped:
            return []
        del self._pilot[position]
        self._pilot_counts.append((correct + wrong, correct))
        return self._end_probation()

    def _end_probation(self) -> list[str]:
        """Compute the boundary once the pilot has ended. Returns the tasks that are then complete."""
        if not self._on_probation or self._pilot or not (self._ended or self._num_added >= PILOT_TASKS):
            return []
        self._on_probation = False
        rates = SolveRates.fit(*zip(*sorted(self._pilot_counts), strict=True)) if self._pilot_counts else None
        self._stop = give_up_above(self.settings.give_up_cost, rates or SolveRates.expected(), self._stop)
        complete = [state.id for state in self._tasks.values() if not state.unknown and self._complete(state)]
        for task_id in complete:
            del self._tasks[task_id]
        for state in self._tasks.values():
            self._ready(state)
        return complete

    @property
    def rule(self) -> dict[str, Any]:
        return {
            "rule": "until",
            "accepted_per_task": self._stop.accepted,
            "cap": self._stop.cap,
            "give_up": list(self._stop.give_up),  # by correct samples so far: failures at which a task gives up
        }


def give_up_above(cost: float, rates: SolveRates, rule: StoppingRule) -> StoppingRule:
    """The rule that also gives up, after PROBATION failures, when a correct sample is expected to cost over `cost` samples."""
    chances = rates.success_chances(rule.accepted - 1, rule.cap)
    limits = []
    for successes, limit in enumerate(rule.give_up):
        too_dear = np.flatnonzero(chances[successes] * cost < 1.0)
        first = int(too_dear[0]) if too_dear.size else rule.cap
        limits.append(min(limit, max(first, PROBATION)))
    return StoppingRule(rule.accepted, rule.cap, tuple(limits))
