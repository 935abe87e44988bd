"""A request for a proposal as a task of the driver: sampled, journaled and verified like every other.

Its reference names what was asked for, and its verifier says whether the completion reads as a task. The gate comes later, when
all proposals of a wave are there: what it admits depends on their order.
"""

from dataclasses import field
from functools import cache
from typing import Literal

from pydantic.dataclasses import dataclass

from selfplay.proposals.kind import Kind
from selfplay.proposals.kinds import make_kind
from selfplay.proposals.proposal import Ask
from tasks import Task, TextReference
from tasks.references import STRICT
from verifiers import Reason, Verdict, Verifier

NAME: Literal["selfplay.proposals.request:Reads"] = "selfplay.proposals.request:Reads"


@dataclass(frozen=True, slots=True, config=STRICT)
class Request:
    """What was asked for."""

    number: int  # in its round; makes requests with the same prompt different tasks
    asked: str  # name of a kind of proposal
    source: str  # of the seeds
    parents: tuple[str, ...] = ()  # their prompts
    kind: Literal["selfplay.proposals.request:Reads"] = field(default=NAME, kw_only=True)


class Reads(Verifier):
    """Correct is a completion that reads as a task."""

    version = f"{NAME}@1"
    reference = Request
    is_prose = False

    def verify(self, reference: Request, completion: str) -> Verdict:
        parents = tuple(Task.make("parent", text, TextReference("")) for text in reference.parents)
        ask = Ask(reference.number, reference.asked, "", parents, ())
        reading = _kind(reference.asked, reference.source).read(ask, completion)
        return self.verdict(Reason.MATCH if reading.task else Reason.NO_ANSWER, reading.fault)


def request_of(ask: Ask, source: str) -> Task:
    """The task that asks for a proposal."""
    parents = tuple(parent.prompt[-1]["content"] for parent in ask.parents)
    return Task.make("proposals", list(ask.prompt), Request(ask.number, ask.kind, source, parents))  # type: ignore[arg-type]  # a kind from outside the union


@cache
def _kind(name: str, source: str) -> Kind:
    return make_kind(name, source)
