"""The record of a proposed task, from the request for it to the solve rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tasks import Task
from tasks.task import Message

ADMITTED = "admitted"


class Trust(StrEnum):
    """Where a reference comes from, the most trusted first."""

    PROCEDURE = "procedure"  # computed from the prompt by a source of ours: right by construction
    TEMPLATE = "template"  # an instance of a program that reproduces a seed's own answer
    TESTS = "tests"  # a program's tests, which kill its mutants
    PROGRAM = "program"  # printed by a program that the model wrote with the problem
    OWN = "own"  # one answer of the model, unchecked


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for one proposal."""

    number: int  # in its round, from 0
    kind: str
    operator: str  # how a parent is to be changed; empty: it is not
    parents: tuple[Task, ...]
    prompt: tuple[Message, ...]
    limit: int = 0  # largest form wanted, by a kind that needs no model


@dataclass(frozen=True, slots=True)
class Reading:
    """What a completion proposes: a task, or the reason why it proposes none."""

    task: Task | None = None
    trust: str = ""  # of the task's reference
    fault: str = ""
    program: str = ""  # source that computes the reference, for a kind that has one


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed task. `reason` is `admitted`, or the check that refused it."""

    ask: Ask
    text: str  # as the model wrote it
    model: str
    seed: int
    tokens: int  # of the text
    reading: Reading
    reason: str = ""
    detail: str = ""

    @property
    def task(self) -> Task:
        """The proposed task; only of a proposal that reads as one."""
        if self.reading.task is None:
            raise ValueError(f"proposal {self.ask.number} holds no task: {self.reading.fault}")
        return self.reading.task

    def to_dict(self, round: int, model_digest: str) -> dict[str, Any]:
        """The row of `proposals.jsonl`."""
        task = self.reading.task
        return {
            "number": self.ask.number,
            "round": round,
            "kind": self.ask.kind,
            "operator": self.ask.operator,
            "parents": [parent.id for parent in self.ask.parents],
            "prompt": [dict(message) for message in self.ask.prompt],
            "text": self.text,
            "model": self.model,
            "model_digest": model_digest,
            "seed": self.seed,
            "tokens": self.tokens,
            "trust": self.reading.trust,
            "reason": self.reason,
            "detail": self.detail,
            "task": task.to_dict() if task else None,
        }


def admitted_tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """The tasks of rows of `proposals.jsonl` that passed the gate, in order."""
    return [Task.from_dict(row["task"]) for row in rows if row["reason"] == ADMITTED]
