"""Allocation on simulated tasks, with the real allocators: samples, accepted traces and calls a second.

    python -m tests.benchmarks.allocation [--tasks 7500]

Solve rates come from Beta(0.40, 1.34), which reproduces an 8B model on MATH; 4 traces are wanted of each task, 256
samples are in flight and finish in random order.
"""

import argparse
import random
import time
from dataclasses import dataclass

import numpy as np

from selfplay.allocation import Allocation, make_allocator
from verifiers import Outcome

WANTED, CAP = 4, 32


@dataclass
class Played:
    samples: int
    tokens: int
    correct: np.ndarray  # by task
    drawn: np.ndarray  # by task
    calls: int
    seconds: float  # in the allocator

    @property
    def accepted(self) -> int:
        return int(np.minimum(self.correct, WANTED).sum())

    @property
    def complete(self) -> int:
        return int((self.correct >= WANTED).sum())

    @property
    def solved(self) -> int:
        return int((self.correct > 0).sum())


def play(rule: Allocation, rates: np.ndarray, lengths: np.ndarray, in_flight: int, seed: int) -> Played:
    """One round; sample i of a task has the same outcome and length under every rule."""
    allocator, order = make_allocator(rule), random.Random(seed)
    correct, drawn, flying = np.zeros(len(rates), int), np.zeros(len(rates), int), []
    samples = tokens = calls = added = 0
    seconds = 0.0
    while True:
        began = time.perf_counter()
        while (free := in_flight - len(flying)) > 0:
            grants = allocator.next(free)
            calls += 1
            for task, indices in grants:
                flying += [(int(task), index) for index in indices]
            if not grants:
                if not allocator.wants_task:
                    break
                calls += 1
                if added == len(rates):
                    allocator.end()
                    continue
                allocator.add(str(added))
                added += 1
        seconds += time.perf_counter() - began
        if not flying:
            assert allocator.done
            return Played(samples, tokens, correct, drawn, calls, seconds)
        pick = order.randrange(len(flying))
        flying[pick], flying[-1] = flying[-1], flying[pick]
        task, index = flying.pop()
        draw = random.Random(task * 1_000_003 + index * 7919 + seed)
        outcome = Outcome.CORRECT if draw.random() < rates[task] else Outcome.WRONG
        length = max(1, int(lengths[task] * draw.lognormvariate(-0.045, 0.3)))
        correct[task] += outcome is Outcome.CORRECT
        drawn[task] += 1
        samples += 1
        tokens += length
        began = time.perf_counter()
        allocator.observe(str(task), index, outcome, length)
        calls += 1
        seconds += time.perf_counter() - began


def show(name: str, played: Played) -> None:
    print(
        f"{name:34} {played.samples:8} {played.tokens / 1e6:8.2f} {played.complete:9} {played.solved:7} "
        f"{played.accepted:9} {1000 * played.accepted / played.tokens:8.3f} {played.calls / played.seconds:10.0f}"
    )


def compare(rates: np.ndarray, lengths: np.ndarray, seed: int) -> None:
    print(
        f"{'rule':34} {'samples':>8} {'Mtokens':>8} {'with all4':>9} {'solved':>7} {'accepted':>9} {'acc/ktok':>8} {'calls/s':>10}"
    )
    fixed = play(Allocation(rule="fixed", samples_per_task=CAP), rates, lengths, 256, seed)
    show("fixed 32", fixed)
    ideal = play(Allocation(rule="until", accepted_per_task=WANTED, cap=CAP), rates, lengths, 1, seed)
    show("until 4, cap 32, one at a time", ideal)
    until = play(Allocation(rule="until", accepted_per_task=WANTED, cap=CAP), rates, lengths, 256, seed)
    show("until 4, cap 32", until)
    given_up = play(
        Allocation(rule="until", accepted_per_task=WANTED, cap=128, give_up_cost=32.0), rates, lengths, 256, seed
    )
    show("until 4, cap 128, give up above 32", given_up)
    shared = dict(accepted_per_task=WANTED, token_budget=until.tokens, cap=256)
    linear = play(Allocation(rule="budget", **shared), rates, lengths, 256, seed)
    show("budget, gain linear up to 4", linear)
    first = play(Allocation(rule="budget", gains=[8.0, 1.0, 1.0, 1.0], **shared), rates, lengths, 256, seed)
    show("budget, gain 8, 1, 1, 1", first)
    print(f"until / ideal sequential samples          {until.samples / ideal.samples:.4f}   (bar: at most 1.03)")
    print(f"budget / until, tasks with all 4          {linear.complete / until.complete:.3f}    (bar: at least 1.20)")
    print(f"budget / until, accepted traces           {linear.accepted / until.accepted:.3f}    (bar: at least 1.04)")
    ratio = linear.accepted / linear.tokens / (fixed.accepted / fixed.tokens)
    print(f"budget / fixed 32, accepted a token       {ratio:.3f}    (bar: at least 1.5)")
    print(f"first solutions / until, tasks solved     {first.solved / until.solved:.3f}    (bar: at least 1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=7500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random_numbers = np.random.default_rng(options.seed)
    rates = random_numbers.beta(0.40, 1.34, options.tasks)
    print("tasks alike in length")
    compare(rates, np.full(options.tasks, 500.0), options.seed)
    print("\nharder tasks longer, and tasks unlike")
    lengths = 500.0 * np.exp(0.5 * (1.0 - 2.0 * rates) + 0.4 * random_numbers.standard_normal(options.tasks))
    compare(rates, lengths, options.seed)


if __name__ == "__main__":
    main()
