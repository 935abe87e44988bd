"""Kinds for sources that read their own tasks: the proposal is a prompt, and its reference is computed."""

import random
from collections.abc import Sequence

from selfplay.proposals.kind import Kind, Lesson
from selfplay.proposals.proposal import Ask, Proposal, Reading, Trust
from tasks import Task
from tasks.sources.procedures import procedure_of
from tasks.task import Message


class Procedural(Kind):
    """What the kinds of such a source share."""

    def __init__(self, name: str, source: str):
        super().__init__(name, source)
        self._procedure = procedure_of(source)

    def read(self, ask: Ask, text: str) -> Reading:
        task = self._procedure.read(self._whole(ask, text))
        return Reading(task, Trust.PROCEDURE) if task else Reading(fault="no task of the source")

    def form(self, task: Task) -> int:
        return int(task.metadata.get("difficulty", 0))

    def recomputed(self, task: Task) -> Task | None:
        return self._procedure.read(task.prompt[-1]["content"])

    def families(self, task: Task) -> list[str]:
        return list(self._procedure.parts(task.prompt[-1]["content"]))

    def lessons(self, proposal: Proposal, rng: random.Random) -> list[Lesson]:
        return self.lessons_of_seed(proposal.task, rng)

    def lessons_of_seed(self, task: Task, rng: random.Random) -> list[Lesson]:
        prompt, completion = self._procedure.writing_pair(task.prompt[-1]["content"], rng)
        return [(_messages(prompt), completion)]

    def _whole(self, ask: Ask, text: str) -> str:
        """The proposed prompt, of which a completion may be only a part."""
        return text + self._procedure.end


class Begin(Procedural):
    """A task from nothing."""

    num_parents = 0

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        return "", _messages(self._procedure.begin)


class GoOn(Procedural):
    """A parent's prompt without its end: the model goes on with it."""

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        return "lengthen", _messages(self._procedure.go_on + self._open(parents[0]))

    def _whole(self, ask: Ask, text: str) -> str:
        return self._open(ask.parents[0]) + text + self._procedure.end

    def _open(self, parent: Task) -> str:
        return parent.prompt[-1]["content"].removesuffix(self._procedure.end)


class Draw(Procedural):
    """The source's own generator near the frontier: what a proposer can reach at best."""

    num_parents = 0
    needs_model = False

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        return "", ()

    def text(self, ask: Ask, rng: random.Random) -> str:
        difficulty = ask.limit + rng.choice((-1, 0, 1, 2))
        return self._procedure.draw(max(1, min(self._procedure.most, difficulty)), rng)

    def _whole(self, ask: Ask, text: str) -> str:
        return text


def _messages(text: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": text},)
