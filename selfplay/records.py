"""The records that travel: a request for samples, a sample, a trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks import Task
from tasks.task import Message
from verifiers import Outcome, Verdict

SampleKey = tuple[str, int]  # a task's id and a sample's index


def normalised(text: str) -> str:
    """A text whose white space does not count."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Request:
    """A request for samples of one task, in one piece, so that an engine computes the prompt once."""

    task_id: str
    prompt: tuple[Message, ...]  # chat messages
    indices: tuple[int, ...]  # which samples of the task
    seeds: tuple[int, ...]  # one a sample, below 2**63


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion drawn from a model; with vLLM's names of fields."""

    task_id: str
    index: int  # which sample of its task, from 0
    text: str
    finish_reason: str  # "stop" or "length"
    prompt_tokens: int
    cached_tokens: int  # of the prompt's tokens, those that the engine did not compute again
    completion_tokens: int
    token_ids: tuple[int, ...]  # of the completion; empty where the engine does not tell
    cumulative_logprob: float | None  # nats, under the distribution sampled from; None where the engine does not tell
    seed: int
    model: str  # name or path of the model that was sampled

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Sample":
        return cls(**{**row, "token_ids": tuple(row["token_ids"])})


@dataclass(frozen=True, slots=True)
class SampleFailure:
    """One sample that an engine failed to make. The others of its request are unharmed, and it is requested again."""

    task_id: str
    index: int
    error: str
    is_final: bool = False  # another try would fail alike, such as a prompt that a server refuses


@dataclass(frozen=True, slots=True)
class Trace:
    """Task, sample and verdict: one row of a shard."""

    task: Task
    sample: Sample
    verdict: Verdict
    round: int


ACCEPTED = "accepted"

UNDECIDED, WRONG, CORRECT = range(3)  # the code of an outcome in columns
OUTCOMES = (Outcome.UNDECIDED, Outcome.WRONG, Outcome.CORRECT)  # by code
OUTCOME_CODES: dict[str, int] = {outcome.value: code for code, outcome in enumerate(OUTCOMES)}
