"""Check Lean 4 proofs by command, in three files, each a confined process with a folder of its own.

1. Statement.lean states the goal, before anything of the submission is loaded.
2. Solution.lean: `theorem answer : STATEMENT := PROOF`. Its exit status and its messages count: Lean says of a theorem that
   failed to elaborate that it "does not depend on any axioms".
3. Judge.lean loads both, gives `answer` the stated type, and prints its axioms. Its whole output is matched.

The tier is `words`: the judge loads what the submission compiled to, whose metaprograms would run there, so lean_script
refuses every word by which a script could leave one. Which Lean: the words of $SELFPLAY_LEAN (default `lean`);
$SELFPLAY_LEAN_PROJECT is a Lake project whose packages can be imported, such as Mathlib's; $SELFPLAY_LEAN_READS lists more
folders that it reads.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from tasks import ProofReference
from verifiers.proofs.extraction import extract_script
from verifiers.proofs.lean_script import read_script
from verifiers.proofs.prover import (
    CPU_SECONDS,
    WALL_EXTRA_SECONDS,
    WALL_FACTOR,
    BrokenProver,
    Finding,
    Refused,
    Rejected,
)
from verifiers.sandbox import launch, tool
from verifiers.sandbox.errors import SandboxError
from verifiers.verdict import Reason

LANGUAGES = frozenset({"lean", "lean4"})
MEMORY_MB = 16_384  # of address space: Lean maps all that it imports
_KEPT = 256  # compiled statements in memory
_SHOWN = 300
_NONE = re.compile(r"'checked' does not depend on any axioms\Z")
_SOME = re.compile(r"'checked' depends on axioms: \[([^\[\]]*)\]\Z")


class Lean:
    """One installation, proven by right and wrong proofs before it is used."""

    CURE = "install Lean 4 with elan (https://lean-lang.org), or set SELFPLAY_LEAN to the command that starts it"
    most_at_once = 1
    remark = "tier words: banned words, exit status, messages and axioms; Lean FRO's Comparator is not run"

    def __init__(self, command: Sequence[str], lean_path: str = "", reads: Sequence[str] = ()):
        self._command = list(command)
        program = os.path.realpath(self._command[0])
        self._command[0] = program
        version = self._ask("--version")
        found = re.search(r"version ([\w.-]+)", version)
        if not found:
            raise BrokenProver(f"{' '.join(command)} --version tells no version: {version:.100}")
        environment = [("LEAN_PATH", os.pathsep.join(filter(None, [".", lean_path])))]
        readable = {*reads, *filter(None, lean_path.split(os.pathsep)), *_folders_of(self._command)}
        prefix = self._ask("--print-prefix").strip()
        if prefix and Path(prefix).is_dir() and prefix != "/":
            readable.add(prefix)
        self._installation = tool.Installation((program,), tuple(sorted(readable)), tuple(environment))
        self._stated: OrderedDict[tuple[str, str], bytes | str] = OrderedDict()
        self._lock = threading.Lock()
        self.name = f"lean-{found[1].rstrip(',')}"
        self._test()
        self.title = f"{self.name}+words+{tool.tool_tier().name}"

    @classmethod
    def find(cls) -> "Lean":
        """The installation that the environment names; BrokenProver where there is none or it fails its test."""
        words = shlex.split(os.environ.get("SELFPLAY_LEAN", "lean"))
        program = shutil.which(words[0]) if words else None
        if program is None:
            raise BrokenProver(f"Lean is not installed; {cls.CURE}")
        project, lean_path = os.environ.get("SELFPLAY_LEAN_PROJECT", ""), ""
        if project:
            lean_path = _output(["lake", "env", "printenv", "LEAN_PATH"], project).strip()
            inner = _output(["lake", "env", "lean", "--print-prefix"], project).strip()
            if Path(inner, "bin", "lean").is_file() and "SELFPLAY_LEAN" not in os.environ:
                program = str(Path(inner, "bin", "lean"))
        reads = [path for path in os.environ.get("SELFPLAY_LEAN_READS", "").split(os.pathsep) if path]
        return cls([program, *words[1:]], lean_path, reads)

    def _ask(self, option: str) -> str:
        return _output([*self._command, option], None)

    def _test(self) -> None:
        """A right proof must pass, a wrong one and one by an axiom must not; without Lean's library, which may be absent."""
        right = ProofReference("lean4", "∀ (p : Prop), p → p", "prelude")
        false = ProofReference("lean4", "∀ (p : Prop), p", "prelude")
        reason, account = self._check(right, "fun _ h => h")
        if reason is not Reason.MATCH:
            raise BrokenProver(f"{self.name} does not accept a right proof: {reason}: {account}")
        reason, account = self._check(false, "fun p => p")
        if reason is not Reason.MISMATCH:
            raise BrokenProver(f"{self.name} does not reject a wrong proof: {reason}: {account}")
        reason, account = self._check(false, "fun p => cheat p", "axiom cheat : ∀ (p : Prop), p\n")
        if reason is not Reason.MISMATCH or "assumes" not in account:
            raise BrokenProver(f"{self.name} does not see an axiom: {reason}: {account}")

    def check_many(self, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Finding]:
        """A finding for each completion, in order."""
        return [self._read_and_check(*pair) for pair in zip(references, completions, strict=True)]

    def _read_and_check(self, reference: ProofReference, completion: str) -> Finding:
        if reference.mode == "file":
            return Reason.UNSUPPORTED, 'whole files of Lean are not checked; use mode = "script"'
        text = extract_script(completion, LANGUAGES)
        if text is None:
            return Reason.NO_ANSWER, ""
        try:
            proof = read_script(text, reference.statement, reference.imports)
        except Refused as error:
            return Reason.REFUSED, str(error)
        except Rejected as error:
            return Reason.MISMATCH, str(error)
        return self._check(reference, proof)

    def _check(self, reference: ProofReference, proof: str, before: str = "") -> Finding:
        stated = self._statement(reference)
        if isinstance(stated, str):
            return Reason.CHECKER_FAILURE, f"the task's own statement does not compile: {stated}"
        text = f"{reference.imports}\n{before}theorem answer : {reference.statement} :=\n  {proof}\n"
        with tool.scratch() as folder:
            result, errors = self._compile(folder, "Solution", text, reference)
            if result.timed_out == "CPU time":
                return Reason.TIMEOUT, f"{result.cpu_seconds:.1f} s of CPU time"
            if result.timed_out:
                return Reason.CHECKER_TIMEOUT, f"{result.wall_seconds:.0f} s of wall time"
            olean = folder / "Solution.olean"
            if result.status or errors or not olean.is_file():
                if re.search(r"out of memory|excessive memory|stack overflow", result.stderr + " ".join(errors), re.I):
                    return Reason.MEMORY, _shown(errors or [result.stderr])
                if errors:
                    return Reason.MISMATCH, _shown(errors)
                return Reason.CHECKER_FAILURE, _shown([result.stderr or f"exit status {result.status}"])
            solution = olean.read_bytes()
        return self._judge(reference, stated, solution)

    def _judge(self, reference: ProofReference, stated: bytes, solution: bytes) -> Finding:
        imports = _imports_only(reference.imports)
        text = f"{imports}\nimport Statement\nimport Solution\ntheorem checked : Stated := @answer\n#print axioms checked\n"
        with tool.scratch() as folder:
            (folder / "Statement.olean").write_bytes(stated)
            (folder / "Solution.olean").write_bytes(solution)
            result, errors = self._compile(folder, "Judge", text, reference)
            messages = _messages(result.stdout)
        if result.timed_out:
            return Reason.CHECKER_TIMEOUT, f"the judge: {result.timed_out}"
        if errors:
            return Reason.MISMATCH, f"the judge: {_shown(errors)}"
        if result.status:
            return Reason.CHECKER_FAILURE, _shown([result.stderr or f"exit status {result.status}"])
        if messages is None or len(messages) != 1 or messages[0].get("severity") != "information":
            return Reason.MISMATCH, "the judge says more than it was asked"
        said = str(messages[0].get("data", "")).strip()
        if _NONE.match(said):
            return Reason.MATCH, ""
        some = _SOME.match(said)
        assumed = {name.strip() for name in some[1].split(",")} if some else {said}
        more = assumed - set(reference.axioms)
        return (Reason.MISMATCH, f"the proof assumes {', '.join(sorted(more)):.200}") if more else (Reason.MATCH, "")

    def _statement(self, reference: ProofReference) -> bytes | str:
        """The compiled statement; where Lean does not take it, its words."""
        key = reference.imports, reference.statement
        with self._lock:
            if key in self._stated:
                self._stated.move_to_end(key)
                return self._stated[key]
        text = f"{reference.imports}\ndef Stated : Prop :=\n  {reference.statement}\n"
        with tool.scratch() as folder:
            result, errors = self._compile(folder, "Statement", text, reference)
            olean = folder / "Statement.olean"
            if result.timed_out:
                raise BrokenProver(f"the statement alone takes {result.cpu_seconds:.0f} s: {result.timed_out}")
            if result.status or errors or not olean.is_file():
                found: bytes | str = _shown(errors or [result.stderr or f"exit status {result.status}"])
            else:
                found = olean.read_bytes()
        with self._lock:
            self._stated[key] = found
            if len(self._stated) > _KEPT:
                self._stated.popitem(last=False)
        return found

    def _compile(self, folder: Path, name: str, text: str, reference: ProofReference) -> tuple[tool.Result, list[str]]:
        """Compile a file; the result, and the messages that are errors or tell of a hole in a proof."""
        (folder / f"{name}.lean").write_text(text, encoding="utf-8")
        cpu_seconds = reference.limits.cpu_seconds or CPU_SECONDS
        memory_mb = reference.limits.memory_mb or MEMORY_MB
        command = [*self._command, "--json", "-j", "1", "-o", f"{name}.olean", f"{name}.lean"]
        wall_seconds = WALL_FACTOR * cpu_seconds + WALL_EXTRA_SECONDS
        try:
            result = tool.run(self._installation, command, folder, cpu_seconds, memory_mb << 20, wall_seconds)
        except SandboxError as error:
            raise BrokenProver(str(error)) from error
        messages = _messages(result.stdout) or []
        errors = [
            str(message.get("data", ""))
            for message in messages
            if message.get("severity") == "error" or "sorry" in str(message.get("data", ""))
        ]
        return result, errors


def _messages(text: str) -> list[dict] | None:
    """Lean's messages, one JSON object a line; None for any other text."""
    try:
        messages = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None
    return messages if all(isinstance(message, dict) for message in messages) else None


def _imports_only(imports: str) -> str:
    """The lines of the task's imports that load files: no more is needed where nothing is parsed but a name."""
    kept = [line for line in imports.splitlines() if re.match(r"\s*(?:public\s+)?(?:prelude|import)\b", line)]
    return "\n".join(kept)


def _folders_of(command: Sequence[str]) -> set[str]:
    """What an interpreter needs for a command whose program is none of Lean's: its library, and the script's folder."""
    scripts = {str(Path(word).resolve().parent) for word in command[1:] if Path(word).is_file()}
    if command[0] == launch.interpreter():
        scripts.add(os.path.join(sys.base_prefix, "lib"))
    return scripts


def _output(command: Sequence[str], folder: str | None) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokenProver(f"{' '.join(command)}: {error}") from None
    return done.stdout


def _shown(texts: Sequence[str]) -> str:
    return " ".join(" ".join(texts).split())[:_SHOWN]
