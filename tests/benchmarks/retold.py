"""Traces in any number for benchmarks: real completions of word problems, retold with other names, words and numbers.

The stored model solutions of GSM8K's test problems (1,319 problems, four solutions each) are the stories. A task is one of
them with a seed of its own: each number is another one, annotations are reckoned again (a wrong one stays wrong), and a
third of the longer words are others, so that two tellings of one story are no copies of each other.
"""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks import MathReference, Task

SAMPLES = 4
_NAMES = [
    "Ann",
    "Bo",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gus",
    "Hana",
    "Ivo",
    "Jun",
    "Kim",
    "Lea",
    "Max",
    "Nia",
    "Omar",
    "Pia",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
    "Uma",
    "Vito",
    "Wanda",
    "Yara",
    "Zoe",
]
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ANNOTATION = re.compile(r"<<([-+*/().\d ]+)=([^<>]*)>>")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_WORD = re.compile(r"\b[a-z]{5,}\b")
_SHARE_OF_WORDS = 0.35


@dataclass(frozen=True, slots=True)
class Story:
    question: str
    solutions: list[tuple[str, bool]]  # text, and whether it is right


@dataclass(slots=True)
class Telling:
    """What one telling of a story calls its numbers and words."""

    rng: random.Random
    vocabulary: list[str]
    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def tell(self, text: str) -> str:
        """The text with the numbers and words of this telling; the results of its annotations are reckoned again."""
        pieces, at = [], 0
        known = dict(self.numbers)
        for match in _ANNOTATION.finditer(text):
            pieces.append(self._with_numbers(text[at : match.start()], known))
            expression = self._with_numbers(match[1], known)
            result = _value(expression)
            told = f"{result:g}" if abs(result) < 1e6 else match[2]
            if _value(match[1]) != _value(match[2]):
                told = match[2]  # the slip stays one
            known[match[2].strip()] = told
            pieces.append(f"<<{expression}={told}>>")
            at = match.end()
        pieces.append(self._with_numbers(text[at:], known))
        return _WORD.sub(self._word, _NAME.sub(self._name, "".join(pieces)))

    def _with_numbers(self, text: str, known: dict[str, str]) -> str:
        return _NUMBER.sub(lambda number: known.get(number[0]) or self._fresh(number[0], known), text)

    def _fresh(self, number: str, known: dict[str, str]) -> str:
        size = len(number)
        keep = "." in number or number in ("0", "1", "2", "100") or size > 4
        known[number] = self.numbers[number] = (
            number if keep else str(self.rng.randrange(2 if size == 1 else 10 ** (size - 1), 10**size))
        )
        return known[number]

    def _name(self, match: re.Match[str]) -> str:
        return self.words.setdefault(match[0], self.rng.choice(_NAMES))

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word not in self.words:
            self.words[word] = self.rng.choice(self.vocabulary) if self.rng.random() < _SHARE_OF_WORDS else word
        return self.words[word]


def stories(folder: Path) -> list[Story]:
    """Those of the folder of real data."""
    found = []
    for line in (folder / "data" / "gsm8k_model_solutions.jsonl").open():
        row = json.loads(line)
        found.append(
            Story(
                row["question"],
                [(value["solution"], value["is_correct"]) for value in row.values() if isinstance(value, dict)],
            )
        )
    return found


def retold(told: list[Story], num_tasks: int) -> Iterator[tuple[Task, list[tuple[str, bool]]]]:
    """Tasks with SAMPLES completions each and whether each is right; the same for each call."""
    vocabulary = sorted({word for story in told for word in _WORD.findall(story.question)})
    for number in range(num_tasks):
        story = told[number % len(told)]
        telling = Telling(random.Random(number), vocabulary)
        question = telling.tell(story.question)
        opening = question.partition(". ")[0]
        texts = []
        for text, right in story.solutions[:SAMPLES]:
            body, _, answer = telling.tell(text).rpartition("\nA: ")
            texts.append((f"{opening}.\n{body}\n#### {answer}", right))
        answer = next((text for text, right in texts if right), texts[0][0]).rpartition("#### ")[2]
        yield Task.make("retold", question, MathReference(answer), license="MIT"), texts


def _value(expression: str) -> float:
    """What a calculator annotation comes to; nan where it is no arithmetic."""
    if not re.fullmatch(r"[-+*/(). \d]+", expression) or re.search(r"\*\*|[\d)] *\(|\) *\d", expression):
        return float("nan")
    try:
        return float(eval(re.sub(r"\b0+(?=\d)", "", expression), {"__builtins__": {}}))
    except (SyntaxError, ZeroDivisionError, TypeError, OverflowError):
        return float("nan")
