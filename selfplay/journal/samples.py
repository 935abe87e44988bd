"""The samples of a pass or of a file of verdicts, as columns: what figures over choices of k samples are counted from."""

import hashlib
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.journal.journal import read_lines, read_rows, row_facts
from selfplay.records import normalised
from tasks import UserError
from verifiers import Outcome
from verifiers.kinds import has_answers

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


def read_pass(journal: Path) -> Pass:
    """The columns of a journal; 34 bytes a sample."""
    numbers: dict[str, int] = {}
    tokens = array("q")
    outcomes = bytearray()
    texts = array("Q")
    for row in read_rows(journal, token_ids=False):
        sample = row["sample"]
        number = numbers.setdefault(sample["task_id"], len(numbers))
        tokens.extend((number, sample["prompt_tokens"], sample["cached_tokens"], sample["completion_tokens"]))
        outcomes.append(("undecided", "wrong", "correct").index(row["verdict"]["outcome"]))
        texts.append(hash_of(sample["text"]))
    table = np.array(tokens, dtype=np.int64).reshape(-1, 4)
    outcome = np.frombuffer(bytes(outcomes), np.uint8)
    return Pass(list(numbers), *table.T, outcome == 2, outcome > 0, np.array(texts, dtype=np.uint64))


def hash_of(text: str, task_id: str = "") -> int:
    """64 bits that depend on the text, but for its white space, and on the task where one is given."""
    content = f"{task_id}\n{normalised(text)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


NO_VOTE = -1  # no hash is
_CODES = {Outcome.UNDECIDED: 0, Outcome.WRONG: 1, Outcome.CORRECT: 2}
_OUTCOMES = list(_CODES)


@dataclass(frozen=True)
class Drawn:
    """Entry i of every column is one sample; those of a task stand together, in index order. 25 bytes a sample."""

    task: Ints
    outcome: NDArray[np.uint8]  # 0 undecided, 1 wrong, 2 correct
    answer: Ints  # hash of the final answer; 0: none, or it was not read; NO_VOTE where answers cannot be compared
    logprob: NDArray[np.float64]  # nats; nan where the engine did not tell, or it was not read

    @cached_property
    def decided(self) -> Ints:
        """Decided samples of each task, shape [tasks]."""
        return self._count(self.outcome > 0)

    @cached_property
    def correct(self) -> Ints:
        return self._count(self.outcome == 2)

    @cached_property
    def undecided(self) -> Ints:
        return self._count(self.outcome == 0)

    @property
    def num_undecided(self) -> int:
        return int(self.undecided.sum())

    def runs(self) -> list[list[Outcome]]:
        """The outcomes of each task in index order."""
        return [[_OUTCOMES[code] for code in run.tolist()] for run in self._by_task(self.outcome, self.outcome >= 0)]

    def votes(self) -> Iterator[tuple[Ints, NDArray[np.bool_]]]:
        """Of each task the answers of its decided samples, 0 for none, and which are correct; tasks that cannot vote are empty."""
        decided = self.outcome > 0
        for answers, outcomes in zip(
            self._by_task(self.answer, decided), self._by_task(self.outcome, decided), strict=True
        ):
            able = slice(0, 0 if (answers == NO_VOTE).any() else None)
            yield answers[able], outcomes[able] == 2

    def scores(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
        """Of each task which of its decided samples are correct, and their log-probabilities; tasks that lack one are empty."""
        decided = self.outcome > 0
        for scores, outcomes in zip(
            self._by_task(self.logprob, decided), self._by_task(self.outcome, decided), strict=True
        ):
            told = slice(0, 0 if np.isnan(scores).any() else None)
            yield outcomes[told] == 2, scores[told]

    def _count(self, chosen: NDArray[np.bool_]) -> Ints:
        return np.bincount(self.task[chosen], minlength=int(self.task.max(initial=-1)) + 1)

    def _by_task(self, column: NDArray, chosen: NDArray[np.bool_]) -> list[NDArray]:
        ends = np.cumsum(self._count(chosen))
        return np.split(column[chosen], ends[:-1]) if len(ends) else []


class _Columns:
    """Takes samples in any order."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._places, self._outcomes, self._logprobs = array("q"), bytearray(), array("d")

    def add(
        self, task_id: bytes, index: int, outcome: int, answer: str | None = "", logprob: float | None = None
    ) -> None:
        self._places.extend(
            (self._numbers.setdefault(task_id, len(self._numbers)), index, NO_VOTE if answer is None else hash(answer))
        )
        self._outcomes.append(outcome)
        self._logprobs.append(np.nan if logprob is None else logprob)

    def finish(self) -> Drawn:
        task, index, answer = np.array(self._places, np.int64).reshape(-1, 3).T
        order = np.lexsort((index, task))
        outcome, logprob = np.frombuffer(bytes(self._outcomes), np.uint8), np.array(self._logprobs)
        return Drawn(task[order], outcome[order], answer[order], logprob[order])


def read_journal(folder: Path, with_answers: bool) -> Drawn:
    """The samples of a journal; answers and log-probabilities, for which each row is parsed whole, only where asked for."""
    columns = _Columns()
    codes = {name.value.encode(): code for name, code in _CODES.items()}
    if with_answers:
        for row in read_rows(folder, token_ids=False):
            sample, verdict = row["sample"], row["verdict"]
            columns.add(
                sample["task_id"].encode(),
                sample["index"],
                _CODES[verdict["outcome"]],
                _answer(verdict),
                sample["cumulative_logprob"],
            )
    else:
        for _, line in read_lines(folder):
            task_id, index, _, outcome = row_facts(line)
            columns.add(task_id, index, codes[outcome])
    return columns.finish()


def read_file(path: Path, with_logprobs: bool) -> Drawn:
    """Rows as `selfplay verify` writes them; rows with the same task_id, or else the same id, are samples of one task."""
    columns, is_empty = _Columns(), True
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            is_empty = False
            try:
                row = json.loads(line)
                outcome, task_id = (
                    _CODES[Outcome(row["outcome"])],
                    str(row["task_id"] if "task_id" in row else row["id"]),
                )
            except (json.JSONDecodeError, KeyError, TypeError, ValueError):
                outcomes = ", ".join(_OUTCOMES)
                raise UserError(
                    f"{path}, line {number}: a JSON object with an outcome ({outcomes}) and a task_id is needed"
                ) from None
            if with_logprobs and not isinstance(row.get("cumulative_logprob"), int | float):
                raise UserError(f"{path}, line {number}: best-of-k needs a number cumulative_logprob in every row")
            columns.add(task_id.encode(), number, outcome, _answer(row), row.get("cumulative_logprob"))
    if is_empty:
        raise UserError(
            f"{path} holds no row; give the file that `selfplay verify --out` wrote, or the folder of a run"
        )
    return columns.finish()


def _answer(verdict: dict[str, Any]) -> str | None:
    """The final answer; None if its verifier extracts none, and gives an account of what happened instead."""
    return str(verdict.get("answer") or "") if has_answers(str(verdict.get("verifier", ""))) else None
