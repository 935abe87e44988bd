"""Whether a task is a copy of a task that a model will be measured on.

A long evaluation task is found by its five-word sequences with all numbers masked, so that a copy with other numbers, a
part of it, or one with a few words changed is found; sequences that several evaluation tasks share tell nothing and are
left out. One of any length is found where it stands in the task as sentences of its own: word for word, or with other
numbers where no other evaluation task reads the same but for its numbers. A family of tasks that differ in their numbers
alone, such as sums, is thus only matched exactly.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tasks import Task
from tasks.files import BOXED

NGRAM = 5
SHORT = 13  # words; a text of fewer is compared whole
MIN_SHARED = 8  # n-grams in common
MIN_COVERAGE = 0.5  # of the n-grams of the shorter text
NEAR_SHARED = 2  # n-grams in common, with which the words of two texts are compared in any order
NEAR_OVERLAP = 0.78  # of the words of the longer text
MIN_WORDS = 2  # beside numbers, in a short text that is compared with its numbers masked
MAX_FAMILY = 2  # evaluation tasks that may share a masked short text, before it is taken for a family
COMMON_SHARE = 0.01  # of a set's tasks (and at least 3) that share an n-gram, before it tells nothing

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[+*/^=<>!|]|-(?=\s*\d)|[.?!:;](?=\s|$)|\n")
_BREAKS = frozenset(".?!:;\n")
_NUMBER_WORDS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    " twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million once twice thrice half third quarter".split()
)
_MASK = "0"


class Contamination:
    """An index of evaluation tasks."""

    def __init__(self, sets: Mapping[str, Iterable[Task]]):
        self._names: list[str] = []  # of each evaluation task: set and id
        self._ngrams: dict[int, list[int]] = {}  # hash of a masked n-gram -> evaluation tasks
        self._sizes: list[int] = []  # n-grams of each evaluation task that tell something
        self._words: list[Counter[str]] = []  # of each evaluation task, masked
        self._whole: dict[tuple[str, ...], str] = {}  # all words of an evaluation task
        self._masked: dict[tuple[str, ...], str] = {}  # the same with masked numbers, where they tell the task
        self._lengths: set[int] = set()
        self._num_tasks = 0
        for name, tasks in sets.items():
            self._add_set([(f"{name} {task.id}", _words(text_of(task))) for task in tasks])

    def __len__(self) -> int:
        """Evaluation tasks that are looked for."""
        return self._num_tasks

    def match(self, text: str) -> str:
        """The evaluation task (set and id) that a prompt copies; empty where it copies none."""
        words, starts, ends = _tokens(text)
        return self._match_whole(words, starts, ends) or self._match_long(words)

    def _add_set(self, texts: list[tuple[str, list[str]]]) -> None:
        for name, words in texts:
            self._whole[tuple(words)] = name
            self._lengths.add(len(words))
        self._num_tasks += len(texts)
        texts = _without_frame(texts)
        masked = {name: ngrams_of(words) for name, words in texts if len(words) >= SHORT}
        spread = Counter(ngram for ngrams in masked.values() for ngram in ngrams)
        common = max(3, COMMON_SHARE * len(texts))
        for name, ngrams in masked.items():
            telling = [ngram for ngram in ngrams if spread[ngram] <= common]
            for ngram in telling:
                self._ngrams.setdefault(ngram, []).append(len(self._names))
            self._names.append(name)
            self._sizes.append(len(telling))
        self._words += [Counter(_masked(words)) for _, words in texts if len(words) >= SHORT]
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

    def _match_long(self, words: list[str]) -> str:
        if len(words) < SHORT or not self._ngrams:
            return ""
        ngrams = ngrams_of(words)
        shared: Counter[int] = Counter()
        for ngram in ngrams:
            if ngram in self._ngrams:
                shared.update(self._ngrams[ngram])
        bag: Counter[str] = Counter()
        for number, count in shared.most_common(3):
            if count >= MIN_SHARED and count >= MIN_COVERAGE * min(self._sizes[number], len(ngrams)):
                return self._names[number]
            if count >= NEAR_SHARED:
                bag = bag or Counter(_masked(words))
                longer = max(bag.total(), self._words[number].total())
                if (bag & self._words[number]).total() >= NEAR_OVERLAP * longer:
                    return self._names[number]
        return ""


def text_of(task: Task) -> str:
    """The prompt, all messages of it."""
    return "\n".join(message["content"] for message in task.prompt)


def ngrams_of(words: list[str]) -> set[int]:
    """Hashes of the masked n-grams; equal within one process only."""
    masked = _masked(words)
    return {hash(masked[start : start + NGRAM]) for start in range(len(masked) - NGRAM + 1)}


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
    return tuple(_MASK if word[0].isdigit() or word in _NUMBER_WORDS else word for word in words)


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
