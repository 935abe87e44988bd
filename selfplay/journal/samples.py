"""Samples as columns: one table for the rows of a journal, of shards or of a file of verdicts.

All figures over samples are counted from it: pass@k, votes, the ledger, the collapse alarm, the report.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from selfplay.journal.journal import read_lines, read_rows, row_facts
from selfplay.records import CORRECT, OUTCOME_CODES, OUTCOMES, UNDECIDED, normalised
from tasks import UserError
from verifiers import Outcome
from verifiers.kinds import has_answers

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Row = Mapping[str, Any]

NO_VOTE = -1  # an answer that cannot be compared with others; no hash has this value


def unread() -> NDArray[Any]:
    """A column that was not asked for: empty, so that choosing samples of it is an IndexError."""
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Coded:
    """A column with few distinct texts: entry i is names[codes[i]]."""

    names: list[str]
    codes: Ints

    def counts(self, chosen: Bools | slice = slice(None)) -> dict[str, int]:
        """How often each text occurs among the chosen samples, the most frequent first; ties in order of appearance."""
        counts = np.bincount(self.codes[chosen], minlength=len(self.names)).tolist()
        order = sorted(range(len(counts)), key=lambda place: -counts[place])
        return {self.names[place]: counts[place] for place in order if counts[place]}


NO_NAMES = Coded([], unread())
Column = Literal[
    "prompt_tokens", "cached_tokens", "text", "answer", "logprob", "seconds", "reason", "verifier", "model", "finish_reason"
]  # fmt: skip


@dataclass(frozen=True)
class SampleTable:
    """Entry i of every column is one sample. The samples of a task stand together, in the order of their index.

    A sample takes 9 bytes, and 4 to 8 more for each further column that is asked for (1 for a coded one).
    """

    task_ids: list[str]  # the tasks, in the order in which they appeared
    task: Ints  # place of the sample's task in task_ids
    outcome: Ints  # code, as in records.OUTCOMES
    completion_tokens: Ints
    prompt_tokens: Ints = field(default_factory=unread)
    cached_tokens: Ints = field(default_factory=unread)
    text: Ints = field(default_factory=unread)  # 64 bits of the text's hash, see hash_of
    answer: Ints = field(
        default_factory=unread
    )  # 64 bits of the final answer's hash; 0: no answer; NO_VOTE: it cannot be compared
    logprob: Floats = field(default_factory=unread)  # cumulative, nats; nan where the engine gave none
    seconds: Floats = field(default_factory=unread)  # of verifying, to seven digits
    reason: Coded = field(default_factory=lambda: NO_NAMES)  # of the verdict
    verifier: Coded = field(default_factory=lambda: NO_NAMES)
    model: Coded = field(default_factory=lambda: NO_NAMES)
    finish_reason: Coded = field(default_factory=lambda: NO_NAMES)

    def __len__(self) -> int:
        return len(self.task)

    @property
    def num_tasks(self) -> int:
        return len(self.task_ids)

    @cached_property
    def decided(self) -> Bools:
        """Whether a sample's verdict is correct or wrong."""
        return self.outcome != UNDECIDED

    @cached_property
    def correct(self) -> Bools:
        return self.outcome == CORRECT

    @cached_property
    def num_decided(self) -> NDArray[np.int64]:
        """Decided samples of each task, shape [tasks]."""
        return self.count(self.decided)

    @cached_property
    def num_correct(self) -> NDArray[np.int64]:
        """Correct samples of each task, shape [tasks]."""
        return self.count(self.correct)

    @cached_property
    def num_undecided(self) -> NDArray[np.int64]:
        """Undecided samples of each task, shape [tasks]."""
        return self.count(~self.decided)

    @cached_property
    def places(self) -> dict[str, int]:
        """Place of each task in task_ids."""
        return {task_id: place for place, task_id in enumerate(self.task_ids)}

    def count(self, chosen: Bools) -> NDArray[np.int64]:
        """How many of the chosen samples each task has, shape [tasks]."""
        return np.bincount(self.task[chosen], minlength=self.num_tasks)

    def by_task(self, column: NDArray[Any], chosen: Bools | None = None) -> list[NDArray[Any]]:
        """The values of a column over the chosen samples, one array a task."""
        chosen = np.ones(len(self), bool) if chosen is None else chosen
        ends = np.cumsum(self.count(chosen))
        return np.split(column[chosen], ends[:-1]) if len(ends) else []

    def runs(self) -> list[list[Outcome]]:
        """The outcomes of each task in the order of index."""
        return [[OUTCOMES[code] for code in run.tolist()] for run in self.by_task(self.outcome)]

    def votes(self) -> Iterator[tuple[Ints, Bools]]:
        """The answers (0: none) of each task's decided samples, and which are correct; empty where they cannot be compared."""
        answers, correct = self.by_task(self.answer, self.decided), self.by_task(self.correct, self.decided)
        for of_task, right in zip(answers, correct, strict=True):
            comparable = slice(0, 0 if (of_task == NO_VOTE).any() else None)
            yield of_task[comparable], right[comparable]

    def scores(self) -> Iterator[tuple[Bools, Floats]]:
        """Which of each task's decided samples are correct, and their log-probabilities; empty where one lacks its own."""
        logprobs, correct = self.by_task(self.logprob, self.decided), self.by_task(self.correct, self.decided)
        for of_task, right in zip(logprobs, correct, strict=True):
            known = slice(0, 0 if np.isnan(of_task).any() else None)
            yield right[known], of_task[known]


# column -> typecode of its array, and its value in a row that holds a sample and its verdict
_NUMBERS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "prompt_tokens": ("i", lambda row: row["prompt_tokens"]),
    "cached_tokens": ("i", lambda row: row["cached_tokens"]),
    "text": ("Q", lambda row: hash_of(row["text"])),
    "answer": ("q", lambda row: _vote(row)),
    "logprob": ("d", lambda row: np.nan if (value := row.get("cumulative_logprob")) is None else value),
    "seconds": ("f", lambda row: row["seconds"]),
}
_NAMES = ("reason", "verifier", "model", "finish_reason")


class TableBuilder:
    """Takes samples in any order, and makes the table of them."""

    def __init__(self, columns: Collection[Column] = ()):
        self._tasks: dict[str, int] = {}
        self._task, self._index, self._tokens, self._outcomes = array("i"), array("i"), array("i"), bytearray()
        self._numbers = [
            (name, array(code), value_of) for name, (code, value_of) in _NUMBERS.items() if name in columns
        ]
        self._names: list[tuple[str, array[int], dict[str, int]]] = [
            (name, array("H"), {}) for name in _NAMES if name in columns
        ]

    def add(self, task_id: str, index: int, outcome: str, completion_tokens: int, row: Row | None = None) -> None:
        """One sample; `row` holds the further columns, under the names that a journal has for them."""
        self._task.append(self._tasks.setdefault(task_id, len(self._tasks)))
        self._index.append(index)
        self._outcomes.append(OUTCOME_CODES[outcome])
        self._tokens.append(completion_tokens)
        if row is not None:
            for _, values, value_of in self._numbers:
                values.append(value_of(row))
            for name, codes, names in self._names:
                codes.append(names.setdefault(row[name], len(names)))

    def finish(self) -> SampleTable:
        task = np.array(self._task)
        order = np.lexsort((np.array(self._index), task))
        columns: dict[str, Any] = {name: np.array(values)[order] for name, values, _ in self._numbers}
        for name, codes, names in self._names:
            kind = np.uint8 if len(names) <= 256 else np.uint16
            columns[name] = Coded(list(names), np.array(codes, kind)[order])
        outcome = np.frombuffer(bytes(self._outcomes), np.uint8)[order]
        return SampleTable(list(self._tasks), task[order], outcome, np.array(self._tokens)[order], **columns)


def read_samples(journal: Path, columns: Collection[Column] = ()) -> SampleTable:
    """The samples of a journal. Without further columns no row is parsed whole, which is some three times as fast."""
    builder = TableBuilder(columns)
    if columns:
        for row in read_rows(journal, token_ids=False):
            sample, verdict = row["sample"], row["verdict"]
            tokens = sample["completion_tokens"]
            builder.add(sample["task_id"], sample["index"], verdict["outcome"], tokens, sample | verdict)
    else:
        for _, line in read_lines(journal):
            task_id, index, tokens, outcome = row_facts(line)
            builder.add(task_id.decode(), index, outcome.decode(), tokens)
    return builder.finish()


def read_verdicts(path: Path, with_logprobs: bool) -> SampleTable:
    """The rows that `selfplay verify` wrote, with their answers. Rows of the same task_id, or else the same id, are of one task.

    UserError where a row is no such object, or lacks the log-probability that is asked for. Tokens are 0: no row has them.
    """
    columns: list[Column] = ["answer", "logprob"] if with_logprobs else ["answer"]
    builder, is_empty = TableBuilder(columns), True
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            is_empty = False
            try:
                row = json.loads(line)
                outcome = Outcome(row["outcome"])
                task_id = str(row["task_id"] if "task_id" in row else row["id"])
            except (json.JSONDecodeError, KeyError, TypeError, ValueError):
                raise UserError(
                    f"{path}, line {number}: a JSON object with an outcome ({', '.join(OUTCOMES)}) and a task_id is needed"
                ) from None
            if with_logprobs and not isinstance(row.get("cumulative_logprob"), int | float):
                raise UserError(f"{path}, line {number}: best-of-k needs a number cumulative_logprob in every row")
            builder.add(task_id, number, outcome, 0, row)
    if is_empty:
        raise UserError(
            f"{path} holds no row; give the file that `selfplay verify --out` wrote, or the folder of a run"
        )
    return builder.finish()


def hash_of(text: str, task_id: str = "") -> int:
    """64 bits that depend on the text, but for its white space, and on the task where one is given."""
    content = f"{task_id}\n{normalised(text)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def _vote(row: Row) -> int:
    """The hash of the final answer; NO_VOTE if the verifier extracts none, and gives an account of what happened instead."""
    return hash(str(row.get("answer") or "")) if has_answers(str(row.get("verifier", ""))) else NO_VOTE
