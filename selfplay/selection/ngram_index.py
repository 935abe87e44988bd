"""An index that finds the texts of a set that another text repeats, whole or in part, by n-grams weighed by rarity.

An n-gram of one text of the set weighs 1, one of all of them 0 (1 - log count / log texts: its information, in units of
the rarest n-gram's), and one of no text weighs 1. What two texts share is set against the lighter of them, so that a part
of a text is found like the whole (containment, Broder 1997), and phrases of many texts do not count.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

NGRAM = 4  # words
MOST = 3  # texts that are reported
COMMON_SHARE = 0.01  # of the texts (and at least 3) that share an n-gram, above which it does not count


@dataclass(frozen=True, slots=True)
class Overlap:
    """N-grams that a text of the set has in common with the one asked about."""

    number: int  # of the text in the set
    weight: float  # of the shared n-grams; 1 is one that no other text of the set has
    of_text: float  # the same as a share of the text in the set
    of_words: float  # and of the one asked about


class NgramIndex:
    """Texts, each a sequence of words, by their n-grams."""

    def __init__(self, texts: Sequence[Sequence[str]]):
        spread = Counter(ngram for words in texts for ngram in ngrams_of(words))
        common = max(3, COMMON_SHARE * len(texts))
        scale = math.log(max(2, len(texts)))
        self._weights = {
            ngram: 1 - math.log(count) / scale if count <= common else 0.0 for ngram, count in spread.items()
        }
        self._texts: dict[int, list[int]] = {}  # n-gram of some weight -> numbers of the texts that have it
        self._totals: list[float] = []  # weight of each text
        for number, words in enumerate(texts):
            total = 0.0
            for ngram in ngrams_of(words):
                if weight := self._weights[ngram]:
                    self._texts.setdefault(ngram, []).append(number)
                    total += weight
            self._totals.append(total)

    def shared(self, ngrams: set[int], least: float) -> list[Overlap]:
        """The overlaps of a text's n-grams with texts of the set, of weight `least` or more, largest first, at most MOST."""
        weights: dict[int, float] = {}
        for ngram in ngrams & self._texts.keys():
            weight = self._weights[ngram]
            for number in self._texts[ngram]:
                weights[number] = weights.get(number, 0.0) + weight
        found = sorted(((weight, -number) for number, weight in weights.items() if weight >= least), reverse=True)[
            :MOST
        ]
        if not found:
            return []
        total = len(ngrams) - sum(1 - self._weights[ngram] for ngram in ngrams & self._weights.keys())
        return [Overlap(-number, weight, weight / self._totals[-number], weight / total) for weight, number in found]


def ngrams_of(words: Sequence[str]) -> set[int]:
    """Hashes of the n-grams; equal within one process only."""
    return set(map(hash, zip(*(words[start:] for start in range(NGRAM)), strict=False)))
