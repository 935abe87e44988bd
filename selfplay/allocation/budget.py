"""The rule `budget`: spend a budget of tokens on the samples with the highest expected gain for a token."""

import heapq
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

from selfplay.allocation.allocator import Allocator, Extent, Grant, TaskState
from selfplay.allocation.settings import Allocation
from selfplay.estimators.solve_rates import SolveRates
from verifiers import Outcome

FIRST_FIT = 256  # verdicts after which solve rates are fitted to the run, and again at every fourfold number
SHARED_SAMPLES = 4.0  # a task's tokens a sample are estimated as if it had so many samples of the run's average


def worth_of_next(rates: SolveRates, gains: tuple[float, ...], cap: int) -> list[list[float]]:
    """Expected gain of the next sample after s correct and f wrong ones: gains[s] * E[p | s, f], by s and then f."""
    return (rates.success_chances(len(gains) - 1, cap) * np.array(gains)[:, None]).tolist()


class Budget(Allocator):
    """Spend `token_budget` completion tokens on the tasks that promise most.

    A sample in flight counts as a failure until its verdict comes, and as tokens of the task's average, so that a task
    is not granted more samples than it would get one by one. A new task is read from the stream when no task at hand is
    worth as much as a new one. Solve rates are fitted to the counts of the whole run, rarely.

    The verdicts so far decide the next grant, so a run resumes with all its tasks at once.
    """

    keys = frozenset({"accepted_per_task", "cap", "token_budget", "gains"})
    bias = (
        "a budget goes where the samples are right, which biases pass@k of them; [evaluation] measures it, "
        "--forecast estimates it"
    )

    @classmethod
    def mistakes(cls, settings: Allocation) -> list[str]:
        texts, gains = [], settings.gains
        if not settings.token_budget:
            texts.append('rule = "budget" needs token_budget')
        if gains and (min(gains) <= 0 or any(later > earlier for earlier, later in pairwise(gains))):
            texts.append(f"gains = {gains} must be above 0 and never rise, so that more of one task pays less")
        return texts

    @classmethod
    def progress(cls, settings: Allocation, extent: Extent) -> float:
        return min(1.0, extent.num_tokens / settings.token_budget)

    @classmethod
    def for_share(cls, settings: Allocation, num_tasks: int, whole: int) -> Allocation:
        return settings.model_copy(update={"token_budget": max(1, settings.token_budget * num_tasks // whole)})

    @classmethod
    def most_samples(cls, settings: Allocation, tokens_per_sample: float) -> float:
        return settings.token_budget / tokens_per_sample if tokens_per_sample else math.inf

    def __init__(self, rule: Allocation):
        super().__init__(rule)
        self._gains = tuple(rule.gains) or (1.0,) * rule.accepted_per_task
        self._rates = SolveRates.expected()
        self._worth = worth_of_next(self._rates, self._gains, rule.cap)
        self._heap: list[tuple[float, int, int, TaskState]] = []  # (-score, position, entry, task)
        self._entry: dict[
            str, int
        ] = {}  # task id -> its entry that counts; older entries are dropped when they come up
        self._num_entries = 0
        self._counts: Counter[tuple[int, int]] = Counter()  # tasks by (correct, wrong)
        self._num_verdicts = self._num_pending = self._tokens = 0
        self._next_fit = FIRST_FIT
        self._last_score = 0.0

    @property
    def resumes_whole(self) -> bool:
        return True

    def add(self, task_id: str) -> None:
        super().add(task_id)
        self._counts[0, 0] += 1

    def next(self, limit: int) -> list[Grant]:
        granted: dict[str, tuple[int, ...]] = {}
        while limit > 0 and self._affordable and not self.wants_task and (state := self._best()):
            self._last_score = self._score(state)
            granted[state.id] = granted.get(state.id, ()) + self._grant(state, 1)
            self._num_pending += 1
            limit -= 1
            self._ready(state)
        return list(granted.items())

    def observe(self, task_id: str, index: int, outcome: Outcome, tokens: int) -> list[str]:
        state = self._state(task_id)
        self._num_pending -= index in state.pending
        self._tokens += tokens
        self._num_verdicts += 1
        self._counts[state.correct, state.wrong] -= 1
        self._entry.pop(task_id, None)
        complete = super().observe(task_id, index, outcome, tokens)
        self._counts[state.correct, state.wrong] += 1
        if self._num_verdicts >= self._next_fit:
            self._fit()
        return complete

    def lost(self, task_id: str, index: int) -> None:
        self._num_pending -= index in self._state(task_id).pending
        super().lost(task_id, index)

    @property
    def wants_task(self) -> bool:
        if self._ended or not self._affordable:
            return False
        fresh = self._worth[0][0] / self._average_tokens  # the score of a new task
        while (best := self._best()) and (score := self._score(best)) < fresh:
            if -self._heap[0][0] <= score:
                return True
            self._push(best)  # its place is of a time when samples were shorter: others may be worth more
        return best is None

    @property
    def done(self) -> bool:
        return self._num_pending == 0 and (not self._affordable or (self._ended and self._best() is None))

    @property
    def rule(self) -> dict[str, Any]:
        return {
            "rule": "budget",
            "token_budget": self.settings.token_budget,
            "tokens": self._tokens,
            "cap": self.settings.cap,
            "gains": list(self._gains),
            "rates": list(self._rates.parameters),  # log tail, log top, log shape: see estimators/solve_rates.py
            "gain_per_token": self._last_score,  # of the last sample granted: what a token was worth
        }

    @property
    def _average_tokens(self) -> float:
        return max(1.0, self._tokens / self._num_verdicts) if self._num_verdicts else 1.0

    @property
    def _affordable(self) -> bool:
        if self.is_satisfied:
            return False
        return self._tokens + (self._num_pending + 1) * self._average_tokens <= self.settings.token_budget

    def _needed(self, state: TaskState) -> int:
        return int(self._score(state) > 0.0)

    def _complete(self, state: TaskState) -> bool:
        return state.correct >= len(self._gains) or state.granted >= self.settings.cap

    def _score(self, state: TaskState) -> float:
        """Expected gain for a token of the task's next sample, counting samples in flight as wrong."""
        if state.lost:
            return float("inf")  # granted once already
        waiting = len(state.pending)
        if state.correct + waiting >= len(self._gains) or state.granted >= self.settings.cap:
            return 0.0
        verdicts = state.correct + state.wrong + state.undecided
        tokens = (state.tokens + SHARED_SAMPLES * self._average_tokens) / (verdicts + SHARED_SAMPLES)
        return self._worth[state.correct][state.wrong + waiting] / tokens

    def _ready(self, state: TaskState, first: bool = False) -> None:
        if len(self._heap) > 2 * len(self._tasks) + 1000:
            self._rebuild()
        self._push(state)

    def _push(self, state: TaskState) -> None:
        self._num_entries += 1
        self._entry[state.id] = self._num_entries
        score = self._score(state)
        if score > 0.0:
            heapq.heappush(self._heap, (-score, state.position, self._num_entries, state))

    def _best(self) -> TaskState | None:
        """The task to sample next; outdated entries are dropped."""
        while self._heap and self._entry.get(self._heap[0][3].id) != self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][3] if self._heap else None

    def _rebuild(self) -> None:
        self._heap = []
        for state in self._tasks.values():
            self._push(state)

    def _fit(self) -> None:
        seen = [(s + f, s, num) for (s, f), num in self._counts.items() if s + f and num]
        samples, correct, num_tasks = map(np.array, zip(*seen, strict=True))
        self._rates = SolveRates.fit(np.repeat(samples, num_tasks), np.repeat(correct, num_tasks))
        self._worth = worth_of_next(self._rates, self._gains, self.settings.cap)
        self._next_fit = 4 * self._num_verdicts
        self._rebuild()
