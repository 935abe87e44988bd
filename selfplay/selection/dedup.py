"""Duplicate texts: equal ones, and near duplicates by MinHash (Broder 1997) over five-word sequences."""

import hashlib
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from selfplay.records import normalised

NUM_HASHES = 128  # the estimate of a similarity of 0.8 errs by 0.035 (one standard deviation)
SHINGLE = 5  # words
MIN_WORDS = 20  # a shorter text has no near duplicates, only equal texts
# Prompts of a similarity of 0.8 share a whole band with a chance of 0.91, those of 0.15 with one of 0.0001.
BANDS, BAND = 8, 6  # and hashes of a band


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


class KeptTraces:
    """The traces kept so far, found by tasks whose prompts are nearly the same.

    About 1 kB a task and 128 bytes a trace: of each hash, one byte is held.
    """

    def __init__(self, similarity: float):
        self._similarity = similarity  # above which texts are the same
        self._prompts: list[bytes] = []  # of each task
        self._traces: list[bytes] = []  # of each task, joined
        self._latest: dict[bytes, int] = {}  # a band of a prompt -> the latest task that has it
        self._before = array("i")  # for each task and band, the task before it that has the same; -1: none

    def of_like_tasks(self, prompt: str) -> NDArray[np.uint8]:
        """The sketches of the traces kept of tasks whose prompts are nearly this one, shape [traces, NUM_HASHES]."""
        sketch = sketch_of(prompt)
        like = set()
        for band, key in enumerate(_bands(sketch)):
            number = self._latest.get(key, -1)
            while number >= 0:
                if number not in like and (_unpacked(self._prompts[number]) == sketch).mean() >= self._similarity:
                    like.add(number)
                number = self._before[number * BANDS + band]
        return _unpacked(b"".join(self._traces[number] for number in sorted(like)))

    def add(self, prompt: str, sketches: Sequence[NDArray[np.uint8]]) -> None:
        """Add the traces kept for a task."""
        sketch = sketch_of(prompt)
        for key in _bands(sketch):
            self._before.append(self._latest.get(key, -1))
            self._latest[key] = len(self._prompts)
        self._prompts.append(sketch.tobytes())
        self._traces.append(b"".join(trace.tobytes() for trace in sketches))


def sketch_of(text: str) -> NDArray[np.uint8]:
    """One byte of each MinHash of a text, shape [NUM_HASHES]; of a short text, bytes that only an equal one has."""
    hashes = signature(text)
    if hashes is None:
        digest = hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass")).digest()
        return np.frombuffer(digest * (NUM_HASHES // len(digest)), np.uint8)
    return (hashes & 0xFF).astype(np.uint8)


def _bands(sketch: NDArray[np.uint8]) -> list[bytes]:
    packed = sketch.tobytes()
    return [bytes((band,)) + packed[band * BAND : (band + 1) * BAND] for band in range(BANDS)]


def _unpacked(packed: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(packed, np.uint8).reshape(-1, NUM_HASHES)
