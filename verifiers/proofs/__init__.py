"""The proof verifier: does the script in a completion prove the task's statement?

The statement, the imports and the axioms that may be assumed are the task's; a completion gives a script only. A verdict
names the prover, its version, the second checker and the tier of the sandbox: proof@1+rocq-8.16.1+coqchk+bubblewrap.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from tasks import ProofReference, Task
from verifiers.kinds import Part, Verifier
from verifiers.proofs.lean import Lean
from verifiers.proofs.prover import BrokenProver, Finding
from verifiers.proofs.rocq import Rocq
from verifiers.sandbox.errors import SandboxUnavailable
from verifiers.verdict import Outcome, Reason, Verdict

VERSION = "proof@1"
_TRY_AGAIN_SECONDS = 60.0  # before a prover that failed its test is tested again
_NUM_TRIES = 3
_PAUSE_SECONDS = 0.5
_PROVERS = {"rocq": Rocq, "lean4": Lean}


class Prover(Protocol):
    """A proof assistant that has passed its self-test on this machine."""

    most_at_once: int  # completions that it checks in one go
    title: str  # prover, version, second checker and tier, as a verdict names them: rocq-8.16.1+coqchk+bubblewrap

    def check_many(self, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Finding]:
        """Why each completion is right or wrong, in order; BrokenProver where the prover itself fails."""


class ProofVerifier(Verifier):
    """Proofs in Rocq and Lean 4."""

    version = VERSION
    ability = "proof"
    is_prose = False
    most_at_once = 300
    canary = (ProofReference("rocq", "True"), "trivial.")

    def verify(self, reference: ProofReference, completion: str) -> Verdict:
        return self.verify_many([reference], [completion])[0]

    def verify_many(self, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Verdict]:
        """Verdicts in order. Scripts of the same system, imports and axioms share the start of the prover."""
        verdicts: dict[int, Verdict] = {}
        for system in dict.fromkeys(reference.system for reference in references):
            rows = [number for number, reference in enumerate(references) if reference.system == system]
            asked = [references[number] for number in rows]
            verdicts |= zip(rows, _verdicts(system, asked, [completions[number] for number in rows]), strict=True)
        return [verdicts[number] for number in range(len(references))]

    def innocent(self, reference: ProofReference) -> tuple[ProofReference, str]:
        """A proof that asks the same prover; Lean's needs no library."""
        if reference.system == "lean4":
            return ProofReference("lean4", "∀ (p : Prop), p → p", "prelude"), "fun _ h => h"
        return self.canary

    def own_solution(self, task: Task) -> str | None:
        solution = super().own_solution(task)
        language = {"rocq": "coq", "lean4": "lean"}[task.reference.system]
        return f"```{language}\n{solution}\n```" if solution else None

    def ground_truth(self, reference: ProofReference) -> str:
        return reference.statement

    def obstacles(self, references: Sequence[Any], unsafe: bool = False) -> Iterator[str]:
        for system in dict.fromkeys(reference.system for reference in references):
            try:
                prover(system)
            except (BrokenProver, SandboxUnavailable) as error:
                yield f"{error}; `selfplay doctor` says more"
        if any(reference.mode == "file" for reference in references):
            yield Rocq.WHY_NO_FILES

    def parts(self) -> Iterator[Part]:
        for system, kind in _PROVERS.items():
            try:
                found = prover(system)
            except (BrokenProver, SandboxUnavailable) as error:
                yield Part(f"prover {system}", False, str(error), kind.CURE)
            else:
                yield Part(f"prover {system}", True, f"{found.title}; {found.remark}" if found.remark else found.title)


def _verdicts(system: str, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Verdict]:
    start = time.perf_counter()
    title = "none"
    try:
        found = prover(system)
        title = found.title
        findings = _try_often(found, references, completions)
    except SandboxUnavailable as error:
        findings = [(Reason.UNSUPPORTED, str(error))] * len(references)
    except BrokenProver as error:
        reason = Reason.UNSUPPORTED if title == "none" else Reason.CHECKER_FAILURE
        findings = [(reason, str(error))] * len(references)
    seconds = (time.perf_counter() - start) / len(references)
    verdicts = [Verdict.of(reason, account, seconds, f"{VERSION}+{title}") for reason, account in findings]
    return [
        replace(verdict, answer=_writable(text if verdict.outcome is Outcome.CORRECT else verdict.answer))
        for verdict, text in zip(verdicts, completions, strict=True)
    ]


def _try_often(found: Prover, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Finding]:
    for trial in range(_NUM_TRIES):
        try:
            return found.check_many(references, completions)
        except BrokenProver as error:
            failure = error
            time.sleep(_PAUSE_SECONDS * trial)
    raise failure


def _writable(text: str) -> str:
    """A lone surrogate cannot be written to a journal."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_lock = threading.Lock()
_found: dict[str, tuple[float, Prover | BrokenProver | SandboxUnavailable]] = {}  # with the time of the test


def prover(system: str) -> Any:
    """The prover of a system, tested on the first call; BrokenProver or SandboxUnavailable where there is none."""
    with _lock:
        then, found = _found.get(system, (0.0, None))
        if found is None or (isinstance(found, Exception) and time.monotonic() > then + _TRY_AGAIN_SECONDS):
            try:
                found = _PROVERS[system].find()
            except (BrokenProver, SandboxUnavailable) as error:
                found = error
            _found[system] = time.monotonic(), found
    if isinstance(found, Exception):
        raise found
    return found


def forget() -> None:
    """Test provers again when they are next asked for."""
    with _lock:
        _found.clear()
