"""Finds tasks that copy an evaluation task, and completions that quote one.

An evaluation task of some length is found by its four-word sequences with all numbers masked, weighed by rarity
(ngram_index.py), so that a copy with other numbers, a part of it, or one with a few words changed is found. One of any length
is found if it appears in the task as whole sentences: word for word, or with other numbers if no other evaluation task
reads the same but for its numbers. A family of tasks that differ in their numbers alone, such as sums, is thus only
matched exactly.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from selfplay.selection.ngram_index import NgramIndex, ngrams_of
from tasks import Task
from tasks.sources.datasets import BOXED

SHORT = 9  # words; an evaluation task of fewer is compared whole
MIN_SHARED = 3.0  # weight of the n-grams in common
MIN_COVERAGE = 0.65  # of the evaluation task's n-grams
PART_SHARED = 4.0  # weight of the n-grams in common,
PART_COVERAGE = 0.75  # and their share of the given task's, which is then a part of the evaluation task
MIN_QUOTED = 5.0  # as MIN_SHARED, in a completion
QUOTED_COVERAGE = 0.6  # of the evaluation task's n-grams, in a completion
NEAR_SHARED = 2.0  # weight in common, with which the words of two texts are compared in any order
NEAR_OVERLAP = 0.78  # of the words of the longer text
MIN_WORDS = 2  # beside numbers, in a short text that is compared with its numbers masked
MAX_FAMILY = 2  # evaluation tasks that may share a masked short text, before it is taken for a family

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[+*/^=<>!|]|-(?=\s*\d)|[.?!:;](?=\s|$)|\n")
_BREAKS = frozenset(".?!:;\n")
_NUMBER_WORDS = frozenset([
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty",
    "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "once", "twice", "thrice", "half",
    "third", "quarter",
])  # fmt: skip
_MASK = "0"


class Contamination:
    """An index of evaluation tasks."""

    def __init__(self, sets: Mapping[str, Iterable[Task]]):
        self._whole: dict[tuple[str, ...], str] = {}  # all words of an evaluation task -> its set and id
        self._masked: dict[tuple[str, ...], str] = {}  # the same with masked numbers, if they identify the task
        self._lengths: set[int] = set()
        self._long: list[_LongTasks] = []  # of each set
        self._num_tasks = 0
        for name, tasks in sets.items():
            self._add_set([(f"{name} {task.id}", _words(text_of(task))) for task in tasks])

    def __len__(self) -> int:
        """Evaluation tasks that are looked for."""
        return self._num_tasks

    def match(self, text: str) -> str:
        """The evaluation task (set and id) that a prompt copies; empty if it copies none."""
        words, starts, ends = _tokens(text)
        if found := self._match_whole(words, starts, ends):
            return found
        masked = _masked(words)
        ngrams = ngrams_of(masked)
        return next(filter(None, (tasks.copied(masked, ngrams) for tasks in self._long)), "")

    def quoted(self, text: str) -> str:
        """The evaluation task of some length that a completion quotes for the most part; empty if it quotes none."""
        words = [token for token in _TOKEN.findall(text.replace("{,}", "").lower()) if token not in _BREAKS]
        ngrams = ngrams_of(_masked(words))
        return next(filter(None, (tasks.quoted(ngrams) for tasks in self._long)), "")

    def _add_set(self, texts: list[tuple[str, list[str]]]) -> None:
        for name, words in texts:
            self._whole[tuple(words)] = name
            self._lengths.add(len(words))
        self._num_tasks += len(texts)
        texts = _without_frame(texts)
        self._long.append(_LongTasks([(name, _masked(words)) for name, words in texts if len(words) >= SHORT]))
        families = Counter(_masked(words) for _, words in texts)
        for name, words in texts:
            self._whole[tuple(words)] = name
            self._lengths.add(len(words))
            skeleton = _masked(words)
            if families[skeleton] <= MAX_FAMILY and sum(word.isalpha() for word in skeleton) >= MIN_WORDS:
                self._masked[skeleton] = name

    def _match_whole(self, words: list[str], starts: list[int], ends: list[int]) -> str:
        for start in starts:
            for end in ends:
                if end > start and end - start in self._lengths:
                    piece = tuple(words[start:end])
                    found = self._whole.get(piece) or self._masked.get(_masked(piece))
                    if found:
                        return found
        return ""


class _LongTasks:
    """The longer evaluation tasks of a set, found by parts of their masked words."""

    def __init__(self, tasks: list[tuple[str, tuple[str, ...]]]):
        self._names = [name for name, _ in tasks]
        self._index = NgramIndex([words for _, words in tasks])
        self._bags = [Counter(words) for _, words in tasks]

    def copied(self, words: tuple[str, ...], ngrams: set[int]) -> str:
        bag: Counter[str] = Counter()
        for overlap in self._index.shared(ngrams, NEAR_SHARED):
            whole = overlap.weight >= MIN_SHARED and overlap.of_text >= MIN_COVERAGE
            if whole or (overlap.weight >= PART_SHARED and overlap.of_words >= PART_COVERAGE):
                return self._names[overlap.number]
            bag = bag or Counter(words)
            other = self._bags[overlap.number]
            if (bag & other).total() >= NEAR_OVERLAP * max(bag.total(), other.total()):
                return self._names[overlap.number]
        return ""

    def quoted(self, ngrams: set[int]) -> str:
        for overlap in self._index.shared(ngrams, MIN_QUOTED):
            if overlap.of_text >= QUOTED_COVERAGE:
                return self._names[overlap.number]
        return ""


def text_of(task: Task) -> str:
    """The prompt, all messages of it."""
    return "\n".join(message["content"] for message in task.prompt)


def _words(text: str) -> list[str]:
    return _tokens(text)[0]


def _tokens(text: str) -> tuple[list[str], list[int], list[int]]:
    """The words of a text in lower case, and where among them sentences and lines start and end."""
    words: list[str] = []
    starts, ends = {0}, set()
    for token in _TOKEN.findall(text.replace("{,}", "").lower()):
        if token in _BREAKS:
            ends.add(len(words))
            starts.add(len(words))
        else:
            words.append(token)
    ends.add(len(words))
    size = len(words)
    if words[size - len(_FRAME) :] == _FRAME:  # the instruction that the sources here add
        words = words[: size - len(_FRAME)]
        starts, ends = {at for at in starts if at < len(words)}, {at for at in ends if at <= len(words)} | {len(words)}
    return words, sorted(starts), sorted(ends)


def _masked(words: Iterable[str]) -> tuple[str, ...]:
    return tuple([_MASK if word in _NUMBER_WORDS or word[0].isdigit() else word for word in words])


def _without_frame(texts: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """The texts without the words that all of a set begin or end with: its template."""
    if len(texts) < 2:
        return texts
    front = _common([words for _, words in texts])
    back = _common([words[front:][::-1] for _, words in texts])
    return [(name, words[front : len(words) - back]) for name, words in texts]


def _common(lists: list[list[str]]) -> int:
    """How many words all lists begin with, at most all but one of the shortest."""
    shortest = min(map(len, lists))
    length = 0
    while length < shortest - 1 and all(words[length] == lists[0][length] for words in lists):
        length += 1
    return length


_FRAME: list[str] = []
_FRAME = _words(BOXED.format(problem=""))
