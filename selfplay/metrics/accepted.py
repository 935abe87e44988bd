"""The accepted rows of a round's shards as a table of samples: what the ledger counts information from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.journal.samples import SampleTable, TableBuilder
from selfplay.records import ACCEPTED
from selfplay.shards.files import read_rows

_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses no bit


def read_accepted(shards: Path) -> SampleTable:
    """The accepted traces of a folder of shards: tokens, log-probabilities and the hashes of their texts."""
    builder = TableBuilder(("prompt_tokens", "logprob", "text"))
    columns = ["task_id", "sample_index", "outcome", "prompt_tokens", "completion_tokens", "cumulative_logprob", "completion"]  # fmt: skip
    for row in read_rows(shards, ACCEPTED, columns):
        tokens = row["completion_tokens"]
        builder.add(row["task_id"], row["sample_index"], row["outcome"], tokens, row | {"text": row["completion"]})
    return builder.finish()


def trace_hashes(samples: SampleTable) -> NDArray[np.uint64]:
    """64 bits of each sample's task and text, shape [samples]: the same wherever the same text was sampled of the task."""
    tasks = [hashlib.blake2b(task_id.encode(), digest_size=8).digest() for task_id in samples.task_ids]
    numbers = np.array([int.from_bytes(digest) for digest in tasks], np.uint64)
    return numbers[samples.task] * _MIX + samples.text.astype(np.uint64, copy=False)


def accepted_texts(shards: Path) -> Iterator[str]:
    """The completions of the accepted traces, in their order."""
    return (row["completion"] for row in read_rows(shards, ACCEPTED, ["completion"]))
