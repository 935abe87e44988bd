"""Sums of digits: procedural tasks whose chain of thought rewrites the sum one step at a time.

One real row: prompt `3+4+5=`, chain of thought `7+5=####12`, reference `12`, difficulty 3 (the number of operands).

The organic corpus is what a person might have written about such sums: the same chains, in which each result is
wrong with a given probability and the rest follows from the mistake. With `redundancy` its reasoning is longer than
it need be: terms are written down again before they are added, `7+5=7+5=####12`, any number of times.
"""

import hashlib
import random
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from tasks.errors import UserError
from tasks.references import MathReference
from tasks.task import Task

DIFFICULTIES = (2, 3, 4, 5)


def arithmetic(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: str = "train",
    seed: int = 0,
    operands: tuple[int, ...] = DIFFICULTIES,
    literal: bool = False,
) -> Iterator[Task]:
    """Distinct tasks, each number of operands as often as the others while its sums last.

    With `literal` the answer counts only written out: 12, and not 7+5.

    The splits `train` and `test` share no task, whatever the seeds: a task's own hash decides its split.
    """
    for number, digits in enumerate(_sums(num_tasks, split, f"arithmetic/{seed}", operands)):
        prompt = "+".join(map(str, digits)) + "="
        yield Task.make(
            "arithmetic",
            prompt,
            MathReference(str(sum(digits)), literal),
            difficulty=len(digits),
            split=split,
            number=number,
            license="none: generated",
        )


def organic_corpus(
    num_rows: int,
    seed: int = 0,
    corruption: float = 0.2,
    redundancy: float = 0.0,
    operands: tuple[int, ...] = DIFFICULTIES,
) -> Iterator[tuple[str, str]]:
    """Pairs of prompt and chain of thought of the train split, as `chain_of_thought` writes them."""
    rng = _rng(f"organic/{seed}")
    for _ in range(num_rows):
        digits = _draw(rng, operands, "train")
        yield "+".join(map(str, digits)) + "=", chain_of_thought(digits, rng, corruption, redundancy)


def chain_of_thought(
    digits: tuple[int, ...], rng: random.Random, corruption: float = 0.0, redundancy: float = 0.0
) -> str:
    """`7+5=####12` for 3, 4, 5: each step adds the first two terms; the last result stands after the marker.

    Each result is wrong with probability `corruption`. Before each step the terms are written down once more with
    probability `redundancy`, and then again with the same probability: redundancy / (1 - redundancy) times on average.
    """
    terms = list(digits)
    chain = ""
    while len(terms) > 1:
        while redundancy and rng.random() < redundancy:
            chain += "+".join(map(str, terms)) + "="
        total = terms[0] + terms[1]
        if rng.random() < corruption:
            total = rng.randrange(9 * len(digits) + 1)
        terms[:2] = [total]
        chain += "+".join(map(str, terms)) + "=" if len(terms) > 1 else f"####{total}"
    return chain


def split_of(digits: tuple[int, ...]) -> str:
    return ("train", "test")[hashlib.sha256(repr(digits).encode()).digest()[0] % 2]


def _sums(num_tasks: int, split: str, name: str, operands: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if split not in ("train", "test"):
        raise UserError(f'arithmetic has no split "{split}"; one of train, test')
    if not operands or not all(isinstance(count, int) and 2 <= count <= 9 for count in operands):
        raise UserError(f"arithmetic takes 2 to 9 operands, not {operands}")
    rng = _rng(f"{name}/{split}")
    seen: set[tuple[int, ...]] = set()
    misses = 0
    while len(seen) < num_tasks:
        digits = _draw(rng, operands, split)
        if digits not in seen:
            misses = 0
            seen.add(digits)
            yield digits
        elif (misses := misses + 1) > 10_000:
            raise UserError(
                f"arithmetic has fewer than {num_tasks} different tasks in split {split} with {operands} operands: "
                f"{len(seen)} found; ask for fewer tasks or more operands"
            )


def _draw(rng: random.Random, operands: tuple[int, ...], split: str) -> tuple[int, ...]:
    count = rng.choice(operands)
    while True:
        digits = tuple(rng.randrange(10) for _ in range(count))
        if split_of(digits) == split:
            return digits


def _rng(name: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
