"""Generated word problems of one to four steps, for small pretrained models.

One real row: prompt `Mia has 14 marbles. She buys 9 more marbles. How many marbles does Mia have now? Answer in one short
sentence.`, reference `23`, difficulty 1 (the number of steps).

A problem is a beginning, as many steps as asked for, and a question. The splits `train` and `test` share no sentence:
every template of a beginning, of a step and of a question belongs to one of them, and so does every thing and every name.
No number on the way is negative, broken or above 999.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tasks.errors import UserError
from tasks.references import MathReference
from tasks.task import Task

INSTRUCTION = "Answer in one short sentence."
OPERATIONS = ("add", "subtract", "multiply", "divide")
MOST = 999


@dataclass(frozen=True, slots=True)
class _Words:
    """Everything that the problems of one split are written with. {n} is a number, {who} a name, {things} what is counted."""

    names: tuple[str, ...]
    things: tuple[str, ...]
    beginnings: tuple[str, ...]
    steps: dict[str, tuple[str, ...]]
    questions: tuple[str, ...]


_SPLITS = {
    "train": _Words(
        names=("Mia", "Omar", "Lena", "Jack", "Priya", "Carlos", "Emma", "Noah", "Sara", "Ivan", "Grace", "Leo"),
        things=("marbles", "pencils", "apples", "books", "coins", "stickers", "shells", "cards", "eggs", "buttons"),
        beginnings=(
            "{who} has {n} {things}.",
            "There are {n} {things} on {who}'s table.",
            "{who} starts the day with {n} {things}.",
            "A box of {who}'s holds {n} {things}.",
            "{who} counts {n} {things} at home.",
            "In the morning {who} collects {n} {things}.",
        ),
        steps={
            "add": (
                "Then {who} buys {n} more {things}.",
                "A friend gives {who} {n} {things}.",
                "{who} finds {n} more {things}.",
                "Later {who} gets another {n} {things}.",
                "{n} more {things} arrive for {who}.",
            ),
            "subtract": (
                "Then {who} gives away {n} {things}.",
                "{who} loses {n} of the {things}.",
                "{who} sells {n} {things}.",
                "A friend takes {n} of the {things}.",
                "{n} of the {things} get broken.",
            ),
            "multiply": (
                "Then the number of {things} becomes {n} times as large.",
                "{who} works until there are {n} times as many {things}.",
                "By the evening {who} has {n} times as many {things}.",
            ),
            "divide": (
                "Then {who} shares the {things} equally among {n} bags and keeps one bag.",
                "{who} splits the {things} into {n} equal piles and keeps only one pile.",
                "{who} packs the {things} evenly into {n} boxes and keeps one box.",
            ),
        },
        questions=(
            "How many {things} does {who} have now?",
            "How many {things} are left in the end?",
            "What is the number of {things} now?",
            "How many {things} are there at the end?",
        ),
    ),
    "test": _Words(
        names=("Anna", "Ben", "Chloe", "Dmitri", "Fatima", "Hugo", "Kenji", "Nina", "Oscar", "Ruth", "Tom", "Zoe"),
        things=(
            "balloons",
            "stamps",
            "oranges",
            "toys",
            "candles",
            "photos",
            "ribbons",
            "cookies",
            "flowers",
            "stones",
        ),
        beginnings=(
            "{who} owns {n} {things}.",
            "At first {who} keeps {n} {things} in a basket.",
            "On Monday {who} had {n} {things}.",
            "{who}'s bag contains {n} {things}.",
        ),
        steps={
            "add": (
                "{who}'s aunt sends {n} additional {things}.",
                "After that {who} picks up {n} extra {things}.",
                "{who} wins {n} further {things} in a game.",
            ),
            "subtract": (
                "{who} then donates {n} {things}.",
                "After lunch {n} {things} are missing.",
                "{who}'s brother borrows {n} {things}.",
            ),
            "multiply": (
                "A trick makes the {things} {n} times as numerous.",
                "In a week {who}'s {things} grow to {n} times their number.",
            ),
            "divide": (
                "{who} divides the {things} fairly between {n} children, and looks at the share of one child.",
                "The {things} are put on {n} shelves in equal numbers, and {who} takes those of a single shelf.",
            ),
        },
        questions=(
            "Tell how many {things} {who} has after all this.",
            "So how many {things} remain with {who}?",
            "Find the final number of {things}.",
        ),
    ),
}


def word_problems(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: str = "train",
    seed: int = 0,
    steps: tuple[int, ...] = (1, 2, 3, 4),
    operations: tuple[str, ...] = OPERATIONS,
    instruction: str = INSTRUCTION,
) -> Iterator[Task]:
    """Distinct problems, each number of steps as often as the others.

    `steps`: how many steps a problem may have, 1 to 4; `operations`: add, subtract, multiply, divide; `instruction`
    closes each prompt.
    """
    if split not in _SPLITS:
        raise UserError(f'word_problems has no split "{split}"; one of {", ".join(_SPLITS)}')
    if not steps or not all(isinstance(count, int) and 1 <= count <= 4 for count in steps):
        raise UserError(f"word_problems takes 1 to 4 steps, not {steps}")
    if not operations or not set(operations) <= set(OPERATIONS):
        raise UserError(f"word_problems knows the operations {', '.join(OPERATIONS)}, not {operations}")
    rng = random.Random(int.from_bytes(hashlib.sha256(f"word_problems/{split}/{seed}".encode()).digest()[:8]))
    seen: set[str] = set()
    misses = 0
    while len(seen) < num_tasks:
        num_steps = steps[len(seen) % len(steps)]
        text, answer = _problem(rng, _SPLITS[split], num_steps, operations)
        prompt = f"{text} {instruction}".strip()
        if prompt in seen:
            misses += 1
            if misses > 10_000:
                raise UserError(
                    f"word_problems has fewer than {num_tasks} different problems in split {split} with {steps} steps "
                    f"and the operations {operations}: {len(seen)} found; ask for fewer tasks"
                )
            continue
        misses = 0
        seen.add(prompt)
        yield Task.make(
            "word_problems",
            prompt,
            MathReference(str(answer)),
            difficulty=num_steps,
            split=split,
            license="none: generated",
        )


def _problem(rng: random.Random, words: _Words, num_steps: int, operations: tuple[str, ...]) -> tuple[str, int]:
    """A problem's text and its answer."""
    who, things = rng.choice(words.names), rng.choice(words.things)
    number = rng.randrange(2, 50)
    sentences = [rng.choice(words.beginnings).format(n=number, who=who, things=things)]
    while len(sentences) <= num_steps:
        operation = rng.choice(operations)
        drawn = _STEPS[operation](rng, number)
        if drawn is None:  # no such step leads on from here: begin once more
            number = rng.randrange(2, 50) * rng.choice((1, 12))
            sentences = [rng.choice(words.beginnings).format(n=number, who=who, things=things)]
            continue
        number, operand = drawn
        sentences.append(rng.choice(words.steps[operation]).format(n=operand, who=who, things=things))
    return " ".join([*sentences, rng.choice(words.questions).format(who=who, things=things)]), number


def _add(rng: random.Random, number: int) -> tuple[int, int] | None:
    operand = rng.randrange(2, 50)
    return (number + operand, operand) if number + operand <= MOST else None


def _subtract(rng: random.Random, number: int) -> tuple[int, int] | None:
    operand = rng.randrange(2, number) if number > 2 else 0
    return (number - operand, operand) if operand else None


def _multiply(rng: random.Random, number: int) -> tuple[int, int] | None:
    operands = [operand for operand in range(2, 10) if number * operand <= MOST]
    return (number * (operand := rng.choice(operands)), operand) if operands else None


def _divide(rng: random.Random, number: int) -> tuple[int, int] | None:
    operands = [operand for operand in range(2, 10) if number % operand == 0]
    return (number // (operand := rng.choice(operands)), operand) if operands else None


_STEPS: dict[str, Callable[[random.Random, int], tuple[int, int] | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
}
