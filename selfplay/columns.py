"""The rows of a journal, and the accepted rows of a round's shards, as columns: what the ledger and the alarm count."""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.duplicates import normalised
from selfplay.journal import read_rows as read_journal_rows
from selfplay.selection import ACCEPTED
from selfplay.shards import read_rows as read_shard_rows

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pass:
    """The samples of a journal; entry i of every column is one sample."""

    task_ids: list[str]  # the tasks, in the order in which they came
    task: Ints  # number of the sample's task in task_ids
    prompt_tokens: Ints
    cached_tokens: Ints
    completion_tokens: Ints
    correct: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    text: NDArray[np.uint64]  # 64 bits of the text's hash

    @cached_property
    def counts(self) -> tuple[Ints, Ints]:
        """Decided samples and correct ones of each task, shape [tasks]."""
        num = len(self.task_ids)
        return np.bincount(self.task[self.decided], minlength=num), np.bincount(self.task[self.correct], minlength=num)


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


def read_pass(journal: Path) -> Pass:
    """The columns of a journal; 34 bytes a sample."""
    numbers: dict[str, int] = {}
    tokens = array("q")
    outcomes = bytearray()
    texts = array("Q")
    for row in read_journal_rows(journal, token_ids=False):
        sample = row["sample"]
        number = numbers.setdefault(sample["task_id"], len(numbers))
        tokens.extend((number, sample["prompt_tokens"], sample["cached_tokens"], sample["completion_tokens"]))
        outcomes.append(("undecided", "wrong", "correct").index(row["verdict"]["outcome"]))
        texts.append(hash_of(sample["text"]))
    table = np.array(tokens, dtype=np.int64).reshape(-1, 4)
    outcome = np.frombuffer(bytes(outcomes), np.uint8)
    return Pass(list(numbers), *table.T, outcome == 2, outcome > 0, np.array(texts, dtype=np.uint64))


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


def hash_of(text: str, task_id: str = "") -> int:
    """64 bits that depend on the text, but for its white space, and on the task where one is given."""
    content = f"{task_id}\n{normalised(text)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
