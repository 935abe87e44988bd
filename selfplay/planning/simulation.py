"""A rule of allocation without a closed form, played by its real allocator on simulated tasks."""

import numpy as np

from selfplay.allocation import RULES, Allocation, make_allocator
from selfplay.estimators.expected_outcome import Outcome, Spread
from verifiers import Outcome as Verdict

NUM_TASKS = 1000
NUM_SPREADS = 16  # draws of the spread that are played; the others repeat them
IN_FLIGHT = 64


def simulated_outcome(
    allocation: Allocation, spread: Spread, num_tasks: int, tokens: tuple[float, float], most_kept: int = 0
) -> Outcome:
    """Means a task as expected_outcome gives them, from at most NUM_TASKS simulated tasks a draw.

    tokens: completion tokens of a correct and of a wrong sample. most_kept: correct traces kept of a task; 0: all.
    """
    rng = np.random.default_rng(3)
    number = min(num_tasks, NUM_TASKS)
    share = RULES[allocation.rule].for_share(allocation, number, num_tasks)
    rows = []
    for place in range(NUM_SPREADS):
        rates = rng.choice(spread.rates, number, p=spread.weights[place] / spread.weights[place].sum())
        rows.append(play_tasks(share, rates, tokens, most_kept, rng))
    means = np.array(rows)[np.arange(len(spread.weights)) % NUM_SPREADS].T
    return Outcome(*means)


def play_tasks(
    allocation: Allocation, rates: np.ndarray, tokens: tuple[float, float], most_kept: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Correct, wrong, kept and solved a task, of one pass in which verdicts come in the order of the requests."""
    allocator = make_allocator(allocation)
    correct, wrong = np.zeros(len(rates), int), np.zeros(len(rates), int)
    added = 0
    while not allocator.done:
        while not (grants := allocator.next(IN_FLIGHT)) and allocator.wants_task:
            if added < len(rates):
                allocator.add(str(added))
                added += 1
            else:
                allocator.end()
        if not grants and not allocator.done and not allocator.wants_task:
            break
        for name, indices in grants:
            task = int(name)
            for index in indices:
                is_right = rng.random() < rates[task]
                (correct if is_right else wrong)[task] += 1
                outcome = Verdict.CORRECT if is_right else Verdict.WRONG
                allocator.observe(name, index, outcome, round(tokens[not is_right]))
    kept = np.minimum(correct, most_kept) if most_kept else correct
    return correct.mean(), wrong.mean(), kept.mean(), (correct > 0).mean()
