"""Generated word problems of one to four steps, for small pretrained models.

One real row: prompt `Lena has 4 marbles. Lena buys 5 more marbles. How many marbles does Lena have now? Answer in one short
sentence.`, reference `9`, difficulty 1 (the number of steps).

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
    """The vocabulary of one split: {n} and {m} are numbers, {who} is a name, {things} are what is counted."""

    names: tuple[str, ...]
    things: tuple[str, ...]
    beginnings: tuple[str, ...]
    groups: tuple[str, ...]  # a beginning and a multiplication in one
    steps: dict[str, tuple[str, ...]]
    shares: tuple[str, ...]  # a division that other steps follow
    questions: tuple[str, ...]
    share_questions: tuple[str, ...]  # after a division


_SPLITS = {
    "train": _Words(
        names=("Mia", "Omar", "Lena", "Jack", "Priya", "Carlos", "Emma", "Noah", "Sara", "Ivan", "Grace", "Leo"),
        things=("marbles", "pencils", "apples", "books", "coins", "stickers", "shells", "cards", "eggs", "buttons"),
        beginnings=(
            "{who} has {n} {things}.",
            "{who} has {n} {things} in a box.",
            "There are {n} {things} on {who}'s table.",
            "In the morning {who} has {n} {things}.",
            "{who} counts {n} {things} at home.",
        ),
        groups=(
            "{who} has {m} bags with {n} {things} in each bag.",
            "{who} buys {m} boxes. Each box has {n} {things}.",
            "There are {n} {things} on each of {who}'s {m} shelves.",
        ),
        steps={
            "add": (
                "{who} buys {n} more {things}.",
                "A friend gives {who} {n} more {things}.",
                "{who} finds {n} more {things}.",
                "Then {who} gets another {n} {things}.",
            ),
            "subtract": (
                "{who} gives away {n} {things}.",
                "{who} loses {n} {things}.",
                "{who} sells {n} of the {things}.",
                "A friend takes {n} {things}.",
            ),
            "multiply": (
                "By the evening {who} has {n} times as many {things}.",
                "The next day {who} has {n} times as many {things}.",
            ),
            "divide": (
                "{who} shares the {things} equally among {n} friends.",
                "{who} puts all {things} into {n} equal piles.",
            ),
        },
        shares=("{who} splits all {things} into {n} equal parts and keeps one part.",),
        questions=(
            "How many {things} does {who} have now?",
            "How many {things} are there now?",
            "How many {things} does {who} have in total?",
        ),
        share_questions=(
            "How many {things} are in each share?",
            "How many {things} are in one pile or share?",
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
        beginnings=("{who} owns {n} {things}.", "{who} starts with {n} {things}.", "On Monday {who} has {n} {things}."),
        groups=(
            "{who} packs {m} baskets with {n} {things} each.",
            "{who} has {m} jars. There are {n} {things} in every jar.",
        ),
        steps={
            "add": (
                "{who}'s mother brings {n} more {things}.",
                "Then {who} picks up {n} extra {things}.",
                "{who} wins {n} more {things}.",
            ),
            "subtract": (
                "Then {who} throws away {n} {things}.",
                "{who}'s brother takes {n} of the {things}.",
                "{who} drops {n} {things} and cannot find them again.",
            ),
            "multiply": ("After a week {who} owns {n} times as many {things}.",),
            "divide": (
                "{who} divides the {things} fairly between {n} children.",
                "{who} lays the {things} into {n} rows of the same length.",
            ),
        },
        shares=("{who} makes {n} equal groups of all {things} and takes one group.",),
        questions=(
            "How many {things} does {who} have at the end?",
            "How many {things} does {who} have after that?",
            "What is the number of {things} in the end?",
        ),
        share_questions=("How many {things} belong to each child or row?",),
    ),
}


def word_problems(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: str = "train",
    seed: int = 0,
    steps: tuple[int, ...] = (1, 2, 3, 4),
    operations: tuple[str, ...] = OPERATIONS,
    largest: Annotated[int, Field(ge=3, le=99)] = 20,
    instruction: str = INSTRUCTION,
) -> Iterator[Task]:
    """Distinct problems, each number of steps as often as the others.

    `steps`: how many steps a problem may have, 1 to 4; `operations`: add, subtract, multiply, divide; `largest`: of the
    numbers that begin a problem or are added; `instruction` closes each prompt.
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
        text, answer = _problem(rng, _SPLITS[split], num_steps, operations, largest)
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


def _problem(
    rng: random.Random, words: _Words, num_steps: int, operations: tuple[str, ...], largest: int
) -> tuple[str, int]:
    """A problem's text and its answer."""
    chain = _chain(rng, num_steps, operations, largest)
    (start, _, _), steps = chain[0], chain[1:]
    named = {"who": rng.choice(words.names), "things": rng.choice(words.things)}
    if steps[0][1] == "multiply":
        sentences = [rng.choice(words.groups).format(n=start, m=steps[0][2], **named)]
    else:
        sentences = [rng.choice(words.beginnings).format(n=start, **named)]
    for place, (_, operation, operand) in enumerate(steps):
        is_last = place == num_steps - 1
        templates = words.shares if operation == "divide" and not is_last else words.steps[operation]
        if place or operation != "multiply":
            sentences.append(rng.choice(templates).format(n=operand, **named))
    questions = words.share_questions if steps[-1][1] == "divide" else words.questions
    return " ".join([*sentences, rng.choice(questions).format(**named)]), steps[-1][0]


def _chain(rng: random.Random, num_steps: int, operations: tuple[str, ...], largest: int) -> list[tuple[int, str, int]]:
    """The numbers of a problem: what there is at first, and after each step, with its operation and its operand."""
    while True:
        chain = [(rng.randrange(2, largest + 1) * (rng.choice((1, 12)) if "divide" in operations else 1), "", 0)]
        for _ in range(num_steps):
            number, operation = chain[-1][0], rng.choice(operations)
            operands = [
                operand
                for operand in range(2, largest + 1 if operation in ("add", "subtract") else 10)
                if _is_possible(operation, number, operand)
            ]
            if not operands:
                break
            operand = rng.choice(operands)
            chain.append((_RESULTS[operation](number, operand), operation, operand))
        if len(chain) == num_steps + 1:
            return chain


_RESULTS: dict[str, Callable[[int, int], int]] = {
    "add": lambda number, operand: number + operand,
    "subtract": lambda number, operand: number - operand,
    "multiply": lambda number, operand: number * operand,
    "divide": lambda number, operand: number // operand,
}


def _is_possible(operation: str, number: int, operand: int) -> bool:
    """Whether a step leads to a whole number from 1 to MOST."""
    if operation == "divide":
        return number % operand == 0
    return 1 <= _RESULTS[operation](number, operand) <= MOST
