"""Prompts as they are compared: their problem, its tokens, its tokens without the numbers."""

import math
import re
import unicodedata
from collections import Counter

from tasks import Task
from tasks.sources.datasets import BOXED

_BOX = BOXED.format(problem="")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s.,;:!?\"'`]")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def problem_of(task: Task) -> str:
    """The problem of a task, all messages of its prompt, without the sentence that asks for a box."""
    text = "\n".join(message["content"] for message in task.prompt)
    return text.removesuffix(_BOX).strip() if task.prompt else ""


def tokens_of(text: str) -> tuple[str, ...]:
    """The words, numbers and signs of a text; neither case, blanks nor punctuation count."""
    return tuple(_TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def family_of(text: str) -> tuple[str, ...]:
    """The tokens of a text without its numbers: tasks that are made by one sentence share it."""
    return tokens_of(_DIGITS.sub("0", text))


def effective_number(counts: Counter[str]) -> float:
    """How many equally frequent names have the same entropy as these (Hill number of order 1); 0 for none."""
    total = counts.total()
    return math.exp(-sum(n / total * math.log(n / total) for n in counts.values())) if total else 0.0
