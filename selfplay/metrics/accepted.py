"""The rows of a journal, and the accepted rows of a round's shards, as columns: what the ledger and the alarm count."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.journal.samples import Ints, hash_of
from selfplay.records import ACCEPTED
from selfplay.shards.files import read_rows as read_shard_rows


@dataclass(frozen=True)
class Accepted:
    """The accepted traces of a round; entry i of every column is one trace."""

    task_ids: list[str]
    correct: NDArray[np.bool_]
    prompt_tokens: Ints
    completion_tokens: Ints
    logprob: NDArray[np.float64]  # nats; nan where the engine did not tell
    text: NDArray[np.uint64]  # 64 bits of the text's hash
    trace: NDArray[np.uint64]  # of the hash of task and text

    def __len__(self) -> int:
        return len(self.task_ids)


def read_accepted(shards: Path) -> Accepted:
    """The columns of the accepted traces of a folder of shards, in their order; 42 bytes and an id each."""
    ids: list[str] = []
    tokens, logprob, hashes, correct = array("q"), array("d"), array("Q"), bytearray()
    columns = ["task_id", "outcome", "prompt_tokens", "completion_tokens", "cumulative_logprob", "completion"]
    for row in read_shard_rows(shards, ACCEPTED, columns):
        ids.append(row["task_id"])
        correct.append(row["outcome"] == "correct")
        tokens.extend((row["prompt_tokens"], row["completion_tokens"]))
        logprob.append(np.nan if row["cumulative_logprob"] is None else row["cumulative_logprob"])
        hashes.extend((hash_of(row["completion"]), hash_of(row["completion"], row["task_id"])))
    text, trace = np.array(hashes, dtype=np.uint64).reshape(-1, 2).T
    prompt, completion = np.array(tokens, dtype=np.int64).reshape(-1, 2).T
    return Accepted(ids, np.frombuffer(bytes(correct), np.bool_), prompt, completion, np.array(logprob), text, trace)


def accepted_texts(shards: Path) -> Iterator[str]:
    return (row["completion"] for row in read_shard_rows(shards, ACCEPTED, ["completion"]))
