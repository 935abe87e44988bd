"""How much information a round's accepted traces carry, and how much of it the check put there."""

import zlib
from collections.abc import Iterable
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MOST_COMPRESSED = 64 << 20  # characters of a round's text that are compressed; the rest would say the same


def check_bits(num_samples: ArrayLike, num_correct: ArrayLike) -> Floats:
    """Bits that the check added to a correct trace of each task: minus log2 of the task's solve rate p; shape [tasks].

    The verifier turns the model's distribution over traces into the same one given that the trace is correct, and the
    divergence between the two is -log2 p. It is estimated from the other samples of the task, without the trace itself:

        -ln p = sum over k >= 1 of (1 - p)^k / k,    (1 - p)^k = 1 - pass@k

    with the unbiased pass@k of n - 1 samples, c - 1 of them correct, for each k up to n - 1. The sum is then
    1/c + 1/(c + 1) + ... + 1/(n - 1). It is finite, needs no prior, and in the mean is too small by the terms from
    k = n on: what so few samples cannot show. Where sampling stopped at the c-th success it is exact in the mean
    (Haldane 1945; van Opheusden, Acerbi and Ma 2020). nan for a task without a correct sample.
    """
    n, c = np.asarray(num_samples, dtype=np.int64), np.asarray(num_correct, dtype=np.int64)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, max(int(n.max(initial=1)), 2)))])  # H_0 to H_(n-1)
    bits = (harmonic[np.maximum(n, 1) - 1] - harmonic[np.maximum(c, 1) - 1]) / log(2)
    return np.where(c > 0, bits, np.nan)


def surprisal(logprob: Floats, num_tokens: ArrayLike) -> float | None:
    """Bits a token of traces under the model that sampled them, from their log-probabilities in nats.

    Traces without one (nan) are left out; None where none has one.
    """
    known = ~np.isnan(logprob)
    tokens = float(np.asarray(num_tokens)[known].sum())
    return float(-logprob[known].sum() / tokens / log(2)) if tokens else None


def compressed_size(texts: Iterable[str]) -> float | None:
    """Bytes of zlib a character over all texts together; None if there is no text."""
    squeeze = zlib.compressobj()
    num_characters = num_bytes = 0
    for text in texts:
        num_characters += len(text) + 1
        num_bytes += len(squeeze.compress(f"{text}\n".encode("utf-8", "replace")))
        if num_characters >= MOST_COMPRESSED:
            break
    return (num_bytes + len(squeeze.flush())) / num_characters if num_characters else None


def repeats(present: NDArray[np.uint64], earlier: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of hashes, in order: whether each occurred before among them, and whether it is among the earlier ones."""
    first = np.zeros(len(present), bool)
    first[np.unique(present, return_index=True)[1]] = True
    return ~first, np.isin(present, earlier)
