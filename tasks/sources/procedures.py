"""Sources that can read their own tasks: from a text to a task whose reference follows from it."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tasks.errors import UserError
from tasks.sources.operators import BEGIN, GO_ON, MAX_DEPTH, draw, read, writing_pair
from tasks.task import Task


@dataclass(frozen=True, slots=True)
class Procedure:
    """What a source offers to those who write tasks for it."""

    read: Callable[[str], Task | None]  # the task of a prompt, its reference computed; None if the prompt is no task
    draw: Callable[[int, random.Random], str]  # a prompt of the split `train` and of this difficulty
    writing_pair: Callable[
        [str, random.Random], tuple[str, str]
    ]  # a request for a prompt, and the text that answers it, both without `end`
    begin: str  # the request for a new prompt
    go_on: str  # stands before a prompt whose end is asked for
    parts: Callable[[str], str]  # what a prompt is made of, one character each
    end: str  # how every prompt ends
    most: int  # largest difficulty


PROCEDURES = {
    "operators": Procedure(
        read,
        lambda difficulty, rng: draw(difficulty, rng, "train"),
        writing_pair,
        BEGIN,
        GO_ON,
        lambda prompt: prompt[1:-1],
        "=",
        MAX_DEPTH,
    ),
}


def procedure_of(source: str) -> Procedure:
    """UserError if the source reads no tasks."""
    if source not in PROCEDURES:
        raise UserError(f'the source "{source}" reads no tasks of its own; these do: {", ".join(PROCEDURES)}')
    return PROCEDURES[source]
