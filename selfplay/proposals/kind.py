"""The contract of kinds of proposals: how a task is asked for, and how the completion is read."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from selfplay.proposals.families import family_of
from selfplay.proposals.proposal import Ask, Proposal, Reading
from tasks import Task
from tasks.task import Message

Lesson = tuple[tuple[Message, ...], str]  # a prompt, and the completion to learn


class Kind(ABC):
    """One way to get tasks. Instances hold no state of a run; `name` is the row in KINDS."""

    num_parents: ClassVar[int] = 1
    needs_model: ClassVar[bool] = True  # False: `text` writes the proposal

    def __init__(self, name: str, source: str):
        self.name = name
        self.source = source  # of the seeds

    @abstractmethod
    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        """The name of the operator that changes the parents (empty: none), and the messages that ask for the task."""

    @abstractmethod
    def read(self, ask: Ask, text: str) -> Reading:
        """The task that a completion proposes. Runs no program: see `settle`."""

    def settle(self, proposal: Proposal) -> Reading:
        """Decide the reference of a proposal that read well, for instance by running its program; by default it stands."""
        return proposal.reading

    def text(self, ask: Ask, rng: random.Random) -> str:
        """A proposal without a model."""
        raise NotImplementedError(f"{self.name} asks a model")

    def form(self, task: Task) -> int:
        """How long a task is, in the unit of its kind: words by default."""
        return sum(len(message["content"].split()) for message in task.prompt)

    def recomputed(self, task: Task) -> Task | None:
        """The task with the reference that its prompt must have; None if nothing but a solution tells."""
        return None

    def families(self, task: Task) -> list[str]:
        """The names of what the task is made of, for the figure of diversity: by default its sentence without numbers."""
        return [" ".join(family_of("\n".join(message["content"] for message in task.prompt)))]

    def lessons_of_seed(self, task: Task, rng: random.Random) -> list[Lesson]:
        """What teaches a model to write this seed, which nobody was asked for; by default nothing."""
        return []

    def lessons(self, proposal: Proposal, rng: random.Random) -> list[Lesson]:
        """What teaches a model to write such a task."""
        return [(proposal.ask.prompt, proposal.text)]
