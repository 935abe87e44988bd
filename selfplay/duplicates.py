"""Texts that say the same thing: equal ones, and near ones by MinHash (Broder 1997) over five-word sequences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

NUM_HASHES = 128  # the estimate of a similarity of 0.8 errs by 0.035 (one standard deviation)
SHINGLE = 5  # words
MIN_WORDS = 20  # a shorter text is near to no other: it is equal or different


def normalised(text: str) -> str:
    """A text whose white space does not count."""
    return " ".join(text.split())


def signature(text: str) -> NDArray[np.uint32] | None:
    """The MinHash of a text, shape [NUM_HASHES]; None for a text of fewer than MIN_WORDS words."""
    words = text.split()
    if len(words) < MIN_WORDS:
        return None
    sketch = RMinHash(NUM_HASHES, 1)
    sketch.update([" ".join(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)])
    return np.array(sketch.digest(), np.uint32)


def similarities(one: NDArray[np.uint32], others: Sequence[NDArray[np.uint32]]) -> NDArray[np.float64]:
    """Estimated Jaccard similarities of a signature to others, shape [len(others)]."""
    return (np.stack(others) == one).mean(axis=1) if others else np.empty(0)
