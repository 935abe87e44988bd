"""Chains of operators on a digit: procedural tasks of any depth, whose chain of thought is local.

One real row: prompt `7abn=`, chain of thought `a8b0n2####02`, reference `02`, difficulty 3 (the number of operators). An
operator is a letter that stands for a permutation of the digits; a task names each at most once. A step names its operator
and the value after it; the answer is the last two values.

A model that solves depths 1 to 4 can write deeper ones itself: that is what the family is for. `read` makes a task of a text,
with the reference that follows from it, so a model's own tasks have references that nobody needs to trust.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated

from pydantic import Field

from tasks.errors import UserError
from tasks.references import TextReference
from tasks.task import Task

DEPTHS = (1, 2, 3, 4)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MAX_DEPTH = 24
HELD_OUT = 0.02  # share of the tasks of depth 3 and above that belong to the split `test`
MARK = "####"
BEGIN, GO_ON = "!", "?"  # of a proposer's prompt: write a task; go on with this one

_TEXT = re.compile(rf"[0-9][a-z]{{1,{MAX_DEPTH}}}=")
_SIMPLE = (
    lambda x: (x + 1) % 10, lambda x: (x + 2) % 10, lambda x: (x + 3) % 10, lambda x: (x + 5) % 10, lambda x: (x - 1) % 10,
    lambda x: (x - 3) % 10, lambda x: x * 3 % 10, lambda x: x * 7 % 10, lambda x: -x % 10, lambda x: 9 - x,
    lambda x: x ^ 1,
)  # fmt: skip


def operators(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: str = "train",
    seed: int = 0,
    depths: tuple[int, ...] = DEPTHS,
) -> Iterator[Task]:
    """Distinct tasks, of each depth as many as of the others while they last; of depths that have run out no more.

    The splits `train` and `test` share no task, whatever the seeds: a task's own hash decides its split. Depths 1 and 2 have
    so few tasks that both splits hold all of them.
    """
    if split not in ("train", "test"):
        raise UserError(f'operators has no split "{split}"; one of train, test')
    if not depths or not all(isinstance(depth, int) and 1 <= depth <= MAX_DEPTH for depth in depths):
        raise UserError(f"operators takes depths of 1 to {MAX_DEPTH}, not {depths}")
    rng = _rng(f"operators/{seed}/{split}")
    seen: set[str] = set()
    misses = 0
    while len(seen) < num_tasks:
        text = draw(depths[len(seen) % len(depths)] if not misses else rng.choice(depths), rng, split)
        if text not in seen:
            misses = 0
            seen.add(text)
            yield task_of(text, split=split)
        elif (misses := misses + 1) > 10_000:
            raise UserError(
                f"operators has fewer than {num_tasks} different tasks of the depths {depths} in split {split}: "
                f"{len(seen)} found; ask for fewer tasks or more depths"
            )


def read(text: str) -> Task | None:
    """The task of a text, with the reference computed from it; None if the text is no task."""
    return task_of(text) if is_task(text) else None


def is_task(text: str) -> bool:
    """Whether a text is a digit, different letters and an equals sign."""
    return _TEXT.fullmatch(text) is not None and len(set(text[1:-1])) == len(text) - 2


def task_of(text: str, **metadata: str) -> Task:
    """The task of a text that is one."""
    values = values_of(text)
    reference = TextReference(f"{values[-2]}{values[-1]}")
    return Task.make(
        "operators", text, reference, difficulty=len(text) - 2, solution=chain_of_thought(text), license="none: generated", **metadata
    )  # fmt: skip


def values_of(text: str) -> list[int]:
    """The digit and the value after each operator, shape [depth + 1]."""
    values = [int(text[0])]
    for letter in text[1:-1]:
        values.append(tables()[letter][values[-1]])
    return values


def chain_of_thought(text: str, rng: random.Random | None = None, corruption: float = 0.0) -> str:
    """`a8b0n2####02` for `7abn=`. Each value is a random digit with probability `corruption`, and the rest follows from it."""
    values, steps = [int(text[0])], ""
    for letter in text[1:-1]:
        wrong = rng is not None and rng.random() < corruption
        values.append(rng.randrange(10) if rng is not None and wrong else tables()[letter][values[-1]])
        steps += f"{letter}{values[-1]}"
    return f"{steps}{MARK}{values[-2]}{values[-1]}"


def organic_corpus(
    num_rows: int, seed: int = 0, corruption: float = 0.1, depths: tuple[int, ...] = DEPTHS, proposals: float = 0.35
) -> Iterator[tuple[str, str]]:
    """Pairs of prompt and text as somebody might have left them: solutions that are often wrong, and with the share
    `proposals` how tasks are written and how they go on.
    """
    rng = _rng(f"organic/operators/{seed}")
    for _ in range(num_rows):
        text = draw(rng.choice(depths), rng, "train")
        if rng.random() >= proposals:
            yield text, chain_of_thought(text, rng, corruption)
        else:
            yield writing_pair(text, rng)


def writing_pair(text: str, rng: random.Random) -> tuple[str, str]:
    """A prompt that asks for this task, and the text that answers it: written from nothing, or the end of one begun.

    Neither has the equals sign: a task that goes on always grows, since its end is not the model's to write.
    """
    if len(text) < 4 or rng.random() < 0.5:
        return BEGIN, text[:-1]
    cut = rng.randint(max(2, len(text) - 3), len(text) - 2)
    return GO_ON + text[:cut], text[cut:-1]


def draw(depth: int, rng: random.Random, split: str) -> str:
    """A task of this depth in a split."""
    while True:
        text = str(rng.randrange(10)) + "".join(rng.sample(LETTERS, depth)) + "="
        if depth < 3 or split_of(text) == split:
            return text


def split_of(text: str) -> str:
    """The split of a task of depth 3 or more."""
    return "test" if hashlib.sha256(text.encode()).digest()[0] < 256 * HELD_OUT else "train"


@cache
def tables() -> dict[str, list[int]]:
    """The value of each operator for each digit."""
    found = {letter: [rule(digit) for digit in range(10)] for letter, rule in zip(LETTERS, _SIMPLE, strict=False)}
    for letter in LETTERS[len(_SIMPLE) :]:
        digits = list(range(10))
        _rng(f"operator/{letter}").shuffle(digits)
        found[letter] = digits
    return found


def _rng(name: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
