"""Kinds of references and the verifiers that check them: one row a kind, loaded when it is first asked for.

To add a kind, touch three files:

1. `tasks/references.py`: a dataclass with its `kind`, and its name in the union `Reference`
2. a module or folder of its own here, with a subclass of `Verifier`
3. a row in VERIFIERS

Nobody else asks what kind a reference is: what others need to know is an attribute or method of its verifier. A kind that
lives outside this project needs no row: its references name the verifier, `"kind": "package.module:Class"`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from tasks import Reference, Task, UserError, reference_to_dict
from tasks.imports import is_named, load_named
from verifiers.verdict import Reason, Verdict

VERIFIERS = {
    "math": "verifiers.mathematics:MathVerifier",
    "text": "verifiers.text:TextVerifier",
    "function_tests": "verifiers.programs:ProgramVerifier",
    "stdio_tests": "verifiers.programs:ProgramVerifier",
    "assert_tests": "verifiers.programs:ProgramVerifier",
    "proof": "verifiers.proofs:ProofVerifier",
    "countdown": "verifiers.games.countdown:CountdownVerifier",
    "chess": "verifiers.games.chess:ChessVerifier",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Something beside this package that a verifier needs, such as a prover, and whether it works on this machine."""

    name: str
    works: bool
    evidence: str
    cure: str = ""  # what to do where it does not work


class Verifier(ABC):
    """Checks completions against references of one kind, or of several; holds no state of a run.

    Only `version` and `verify` have no default; `verifiers.answers.AnswerVerifier` gives `verify` too. Methods may be called
    from several threads at once. What `verify` and `verify_answer` raise becomes a verdict `undecided` with the reason
    `checker_failure`.
    """

    # name@number, as each verdict carries it; a verdict that can differ raises the number
    version: ClassVar[str]
    # verl's word for such tasks, such as "math" or "code"
    ability: ClassVar[str] = "reasoning"
    # completions are sentences: the filters of repetition and of steps read them
    is_prose: ClassVar[bool] = True
    # a verdict's `answer` is the final answer as extracted: samples can vote by it, and `verify_answer` takes one alone;
    # False: it is the verifier's account of what happened
    has_answers: ClassVar[bool] = False
    # a reference and a completion that are accepted unless the machine is at fault: after a checker_failure this tells whose
    # failure it was. None: no failure counts as the sample's own
    canary: ClassVar[tuple[Any, str] | None] = None
    # what to do about a reference that it leaves undecided as unsupported, such as to name another kind
    advice: ClassVar[str] = ""
    # only for a kind from outside: the dataclass of its references
    reference: ClassVar[type | None] = None
    # completions that `verify_many` checks better together than one by one
    most_at_once: ClassVar[int] = 1

    @abstractmethod
    def verify(self, reference: Any, completion: str) -> Verdict:
        """The verdict of all that a model wrote: find the answer in it and check that."""

    def extract(self, completion: str) -> str | None:
        """The final answer of a completion; None if it states none. Asked for only with `has_answers`."""
        raise NotImplementedError(f"{self.version} extracts no answer")

    def verify_answer(self, reference: Any, answer: str) -> Verdict:
        """The verdict of an answer that is already extracted; asked for only with `has_answers`."""
        raise NotImplementedError(f"{self.version} extracts no answer")

    def verify_many(self, references: Sequence[Any], completions: Sequence[str]) -> list[Verdict]:
        """Verdicts of many completions, in order; asked for only with `most_at_once` above 1."""
        return [self.verify(*pair) for pair in zip(references, completions, strict=True)]

    def own_solution(self, task: Task) -> str | None:
        """A completion that this verifier must accept, from the task itself; None if the task holds none."""
        return task.metadata.get("solution") or None

    def wrong_solutions(self, task: Task) -> Iterable[str]:
        """Completions that this verifier must not accept, as far as the task gives some."""
        return task.metadata.get("wrong_solutions") or ()

    def own_answer(self, reference: Any) -> str | None:
        """An answer that this verifier must accept, from the reference itself; None if it tells none."""
        return None

    def innocent(self, reference: Any) -> tuple[Any, str] | None:
        """A reference and a completion that are accepted unless the machine is at fault; None if it knows none.

        By default the canary, else the reference's own answer in a box: if even that fails, the failure is not the sample's.
        """
        if self.canary is None and self.has_answers and (answer := self.own_answer(reference)):
            return reference, f"\\boxed{{{answer}}}"
        return self.canary

    def false_claims(self, reference: Any, completion: str) -> list[str]:
        """Claims of a completion that do not hold by the task's own rules, whatever its answer; for the filter `false_claim`."""
        return []

    def fault(self, reference: Any) -> str:
        """Why a reference cannot decide answers, so that no task should have it; empty for one that can."""
        return ""

    def ground_truth(self, reference: Any) -> str:
        """The reference as text, for people and for verl's `ground_truth`: its own answer, or else all of it as JSON."""
        answer = self.own_answer(reference)
        return json.dumps(reference_to_dict(reference), ensure_ascii=False) if answer is None else answer

    def obstacles(self, references: Sequence[Any], unsafe: bool = False) -> Iterator[str]:
        """What keeps this verifier from checking such references on this machine, each with its cure; none if it can.

        `references` may be empty, which asks about the verifier itself. `unsafe`: programs may run without a sandbox.
        """
        yield from ()

    def parts(self) -> Iterator[Part]:
        """What it needs beside this package, for `selfplay doctor`; nothing by default."""
        yield from ()

    def verdict(self, reason: Reason, answer: str = "") -> Verdict:
        """A verdict of this verifier; `verify` and `verify_answer` of the package fill in its seconds."""
        return Verdict.of(reason, answer, 0.0, self.version)


def verifier_of(reference: Reference) -> Verifier:
    """The verifier that checks a reference."""
    return verifier_of_kind(reference.kind)


@cache
def verifier_of_kind(kind: str) -> Verifier:
    """The verifier of a kind; UserError if there is none, or if it is no `Verifier` of that kind."""
    if kind not in VERIFIERS and not is_named(kind):
        raise UserError(
            f"reference kind {kind!r} is unknown; one of {', '.join(VERIFIERS)}, or package.module:Class of your own"
        )
    place = f'the reference kind "{kind}"'
    found = load_named(VERIFIERS.get(kind, kind), place)
    if not (isinstance(found, type) and issubclass(found, Verifier)):
        raise UserError(f"{place} is {found!r:.80}, not a subclass of verifiers.kinds.Verifier")
    if is_named(kind) and not getattr(found, "version", "").startswith(f"{kind}@"):
        raise UserError(f'{place}: its class needs version = "{kind}@1", so that each verdict tells where it came from')
    return _instance(found)


@cache
def _instance(verifier: type[Verifier]) -> Verifier:
    return verifier()


@cache
def has_answers(verifier: str) -> bool:
    """Whether a verdict's `answer` is a final answer, by the verdict's `verifier` (name@number, perhaps with +tier).

    True for a name that nobody here knows: the rows may come from another grader.
    """
    name = verifier.partition("@")[0]
    if is_named(name):
        try:
            return verifier_of_kind(name).has_answers
        except UserError:  # its module is not here, or the name is none of ours
            return True
    ours = map(verifier_of_kind, VERIFIERS)
    return all(one.has_answers for one in ours if one.version.partition("@")[0] == name)
