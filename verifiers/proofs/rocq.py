"""Check Rocq scripts: coqc compiles the submission, a judge of our own meets it, coqchk replays it.

1. `coqc` of P.v: each script between our `Proof.` and `Qed.`, in a module whose name nobody can guess.
2. `coqc` of J.v, the judge: it states the goals before it loads P, checks that P's theorems have these types, and prints the
   assumptions of all of them as one term. Its whole output is matched.
3. `coqchk -o -norec` of P: no axiom, type-in-type, unsafe fixpoint or assumed positivity of the submission's own.

Every stage is a confined process with a folder of its own. Scripts of the same imports share the three stages: the start of
a prover and the loading of libraries cost more than most proofs. Where a batch fails, one session of coqtop, which goes on
after an error, finds the scripts at fault.
"""

import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tasks import ProofReference
from verifiers.proofs.extraction import extract_script
from verifiers.proofs.prover import (
    CPU_SECONDS,
    MEMORY_MB,
    WALL_EXTRA_SECONDS,
    WALL_FACTOR,
    BrokenProver,
    Finding,
    Refused,
    Rejected,
)
from verifiers.proofs.rocq_script import Script, read_script
from verifiers.sandbox import tool
from verifiers.sandbox.errors import SandboxError
from verifiers.verdict import Reason

MOST = 300  # scripts in a batch: beyond, the judge's term grows faster than the start is worth
UNSOUND_BEFORE = (9, 3)  # its kernels accept a proof of False by recursion
LANGUAGES = frozenset({"coq", "rocq", "v", "gallina"})  # of a fenced block
_SHARE_SECONDS = 0.5  # of CPU time that a batch gets for each script beside the largest limit
_OPTIONS = ("-q", "-w", "none", "-native-compiler", "no", "-noglob")
_RARELY_COLLECT = (
    "OCAMLRUNPARAM",
    "s=256k,o=4000",
)  # of a batch: a quarter less CPU time; one that grows too large is split
_ERROR = re.compile(r'^File "\./P\.v", line (\d+), characters [\d-]+:\n(?:Error|Anomaly)\b', re.M)
_MEMORY = re.compile(r"Out of memory|out of memory|Stack overflow", re.I)
_SHOWN = 300  # characters of the prover's words in an account


@dataclass(frozen=True, slots=True)
class Submission:
    """One script and what it has to prove."""

    statement: str
    script: Script
    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Context:
    """What the tasks of one batch share."""

    imports: str
    axioms: tuple[str, ...]


class Rocq:
    """One installation, proven by a right and a wrong proof before it is used."""

    CURE = "apt-get install coq, or opam install coq; coqc, coqchk and coqtop must be on PATH"
    WHY_NO_FILES = (
        "whole files are not checked: Rocq before 9.3 accepts a proof of False by recursion (rocq#20455) in its kernel and in "
        'coqchk, and later ones have not been tried; use mode = "script"'
    )
    most_at_once = MOST

    def __init__(self, coqc: str):
        self._programs = {name: str(Path(coqc).resolve().parent / name) for name in ("coqc", "coqchk", "coqtop")}
        self._programs["coqc"] = coqc
        self._sound: dict[tuple[Context, str], tuple[str, float]] = {}
        self._lock = threading.Lock()
        self.name = f"rocq-{self.version}"
        self._test()
        self.title = f"{self.name}+coqchk+{tool.tool_tier().name}"

    @classmethod
    def find(cls) -> "Rocq":
        """The installation on PATH; BrokenProver where there is none or it fails its test."""
        coqc = shutil.which("coqc")
        if coqc is None:
            raise BrokenProver(f"coqc is not installed; {cls.CURE}")
        return cls(coqc)

    @cached_property
    def version(self) -> str:
        told = self._ask("-print-version").split()
        if not told or not re.match(r"\d+\.\d+", told[0]):
            raise BrokenProver(f"{self._programs['coqc']} tells no version")
        return told[0]

    @property
    def remark(self) -> str:
        """What a user of this version should know."""
        old = tuple(map(int, re.match(r"(\d+)\.(\d+)", self.version).groups())) < UNSOUND_BEFORE
        return "older than Rocq 9.3, so recursion by hand is refused" if old else ""

    @cached_property
    def _installation(self) -> tool.Installation:
        config = dict(line.split("=", 1) for line in self._ask("-config").splitlines() if "=" in line)
        library = config.get("COQLIB", "")
        if not Path(library).is_dir():
            raise BrokenProver(f"coqc names no library folder: {library!r}")
        folders = [library, config.get("COQCORELIB", ""), "/etc/ocamlfind.conf"]
        prefix = Path(self._programs["coqc"]).resolve().parent.parent / "lib"
        if str(prefix) not in ("/usr/lib", "/lib"):
            folders.append(str(prefix))
        readable = tuple(str(Path(path).resolve()) for path in folders if path and Path(path).exists())
        executables = tuple(str(Path(path).resolve()) for path in self._programs.values() if Path(path).exists())
        return tool.Installation(executables, readable)

    @cached_property
    def _installation_of_batches(self) -> tool.Installation:
        return replace(self._installation, environment=(_RARELY_COLLECT,))

    def _ask(self, option: str) -> str:
        try:
            done = subprocess.run(
                [self._programs["coqc"], option], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrokenProver(f"coqc {option}: {error}") from None
        return done.stdout

    def _test(self) -> None:
        """A right proof must pass, a wrong one and one by an axiom must not. BrokenProver says which did not do so."""
        plain = Context("", ())
        limits = (60.0, 3 << 30)
        right = Submission("forall p : Prop, p -> p", Script("Proof.", "intros p a. exact a."), *limits)
        wrong = Submission("forall p : Prop, p", Script("Proof.", "intros p. exact I."), *limits)
        reason, account = self._alone(plain, right)
        if reason is not Reason.MATCH:
            raise BrokenProver(f"{self.name} does not accept a right proof: {reason}: {account}")
        reason, account = self._alone(plain, wrong)
        if reason is not Reason.MISMATCH:
            raise BrokenProver(f"{self.name} does not reject a wrong proof: {reason}: {account}")
        with tool.scratch() as folder:
            (folder / "P.v").write_text("Module M. Axiom answer : forall p : Prop, p. End M.\n")
            self._run("coqc", [*_OPTIONS, "-Q", ".", "Sub", "P.v"], folder, *limits)
            compiled = folder / "P.vo"
            if not compiled.exists() or self._assumptions(plain, [wrong], ["M"], compiled) != "more":
                raise BrokenProver(f"{self.name} does not see an axiom")

    def check_many(self, references: Sequence[ProofReference], completions: Sequence[str]) -> list[Finding]:
        """A finding for each completion, in order; equal submissions are checked once."""
        findings: dict[int, Finding] = {}
        waiting: dict[Context, dict[Submission, list[int]]] = {}
        for number, (reference, completion) in enumerate(zip(references, completions, strict=True)):
            read = _read(reference, completion)
            if isinstance(read, Submission):
                context = Context(reference.imports, reference.axioms)
                waiting.setdefault(context, {}).setdefault(read, []).append(number)
            else:
                findings[number] = read
        for context, numbers in waiting.items():
            for found, same in zip(self.check(context, list(numbers)), numbers.values(), strict=True):
                findings |= dict.fromkeys(same, found)
        return [findings[number] for number in range(len(references))]

    # -- batches

    def check(self, context: Context, submissions: Sequence[Submission]) -> list[Finding]:
        """A finding for each submission of one context, in order."""
        findings: list[Finding] = []
        for start in range(0, len(submissions), MOST):
            findings += self._batch(context, list(submissions[start : start + MOST]))
        return findings

    def _batch(self, context: Context, submissions: list[Submission]) -> list[Finding]:
        if len(submissions) < 2:
            return [self._alone(context, submission) for submission in submissions]
        with tool.scratch() as folder:
            names = _write_submission(folder, context, submissions, timeout=True)
            result = self._compile(folder, submissions)
            if result.status == 0 and not result.timed_out and (folder / "P.vo").exists():
                return self._replayed(context, submissions, names, folder / "P.vo")
        return self._sorted_out(context, submissions)

    def _sorted_out(self, context: Context, submissions: list[Submission]) -> list[Finding]:
        """Findings of a batch that does not compile: faults are found in one session, the rest is a smaller batch."""
        screened = self._screen(context, submissions)
        rest = [number for number, found in enumerate(screened) if found == "proven"]
        if len(rest) == len(submissions):  # the session sees no fault: only halves can show it
            half = len(submissions) // 2
            return self._batch(context, submissions[:half]) + self._batch(context, submissions[half:])
        findings: dict[int, Finding] = {}
        findings |= zip(rest, self._batch(context, [submissions[number] for number in rest]), strict=True)
        late = [number for number, found in enumerate(screened) if found == "not reached"]
        findings |= zip(late, self._batch(context, [submissions[number] for number in late]), strict=True)
        faulty = {}
        for number, found in enumerate(screened):
            if found == "unclear":
                findings[number] = self._alone(context, submissions[number])
            elif isinstance(found, tuple):
                faulty[number] = found
        self._probe(context, {submissions[number].statement for number in faulty})
        for number, found in faulty.items():
            findings[number] = self._confirmed(context, submissions[number], found)
        return [findings[number] for number in range(len(submissions))]

    def _screen(self, context: Context, submissions: list[Submission]) -> list[Finding | str]:
        """Each script's finding in one session of coqtop: a fault, `proven` (to be checked), `unclear`, `not reached`."""
        nonce = secrets.token_hex(8)
        names = [f"screen_{nonce}_{number}" for number in range(len(submissions))]
        lines = [context.imports, f"Set Default Timeout {_sentence_seconds(submissions)}."]
        for name, submission in zip(names, submissions, strict=True):
            lines += [f"Theorem {name} : {submission.statement}."]
            lines += [submission.script.opening, submission.script.text, "Qed.", "Abort All."]
        with tool.scratch() as folder:
            limits = _batch_limits(submissions)
            text = "\n".join(lines) + "\n"
            result = self._run("coqtop", ["-q", "-w", "none"], folder, *limits, stdin=text, is_batch=True)
        prompts = re.split(rf"^({'|'.join(names)}) < ", result.stderr, flags=re.M)
        said = dict.fromkeys(names, "")
        for name, text in zip(prompts[1::2], prompts[2::2], strict=True):
            said[name] += text
        reached = [name for name in names if name in set(prompts[1::2])]
        whole = result.status == 0 and not result.timed_out
        findings: list[Finding | str] = []
        for name in names:
            error = re.search(r"^(?:Error|Anomaly)\b.*", said[name], re.M | re.S)
            if name not in reached:  # its statement was not understood, or the session ended before
                findings.append("unclear" if whole else "not reached")
            elif not whole and name == reached[-1]:
                findings.append("unclear")
            elif error is None:
                findings.append("proven")
            elif re.search(r"Timeout!|Stack overflow|Out of memory|Anomaly", said[name]):
                findings.append("unclear")
            else:
                findings.append((Reason.MISMATCH, _shown(error[0])))
        return findings

    def _replayed(
        self, context: Context, submissions: list[Submission], names: list[str], compiled: Path
    ) -> list[Finding]:
        """Findings of a batch that compiled: the judge's, in halves where it finds fault, and coqchk's."""
        judged = self._judged(context, submissions, names, compiled)
        if all(reason is not Reason.MATCH for reason, _ in judged):
            return judged
        faults = self._replay(compiled, names, _batch_limits(submissions))
        if len(names) > 1 and set(faults) == set(names):  # it names none, or failed: halves show whose fault it is
            half = len(submissions) // 2
            return self._batch(context, submissions[:half]) + self._batch(context, submissions[half:])
        return [
            (faults[name] if reason is Reason.MATCH and name in faults else (reason, account))
            for (reason, account), name in zip(judged, names, strict=True)
        ]

    def _judged(
        self, context: Context, submissions: list[Submission], names: list[str], compiled: Path
    ) -> list[Finding]:
        said = self._assumptions(context, submissions, names, compiled)
        if not said:
            return [(Reason.MATCH, "")] * len(submissions)
        if len(submissions) == 1:
            if said == "more":
                return [(Reason.MISMATCH, "the proof assumes more than the task allows")]
            self._probe(context, {submissions[0].statement})
            return [self._confirmed(context, submissions[0], (Reason.CHECKER_FAILURE, f"the judge: {said}"))]
        half = len(submissions) // 2
        return self._judged(context, submissions[:half], names[:half], compiled) + self._judged(
            context, submissions[half:], names[half:], compiled
        )

    def _alone(self, context: Context, submission: Submission) -> Finding:
        """One script through all stages, with its own limits."""
        with tool.scratch() as folder:
            names = _write_submission(folder, context, [submission], timeout=False)
            result = self._compile(folder, [submission])
            if result.status == 0 and not result.timed_out and (folder / "P.vo").exists():
                return self._replayed(context, [submission], names, folder / "P.vo")[0]
        found = _fault(result)
        self._probe(context, {submission.statement})
        return self._confirmed(context, submission, found)

    # -- what a fault means

    def _probe(self, context: Context, statements: set[str]) -> None:
        """See whether the tasks' own statements, imports and axioms compile: where they do not, no script is at fault."""
        with self._lock:
            new = sorted(statement for statement in statements if (context, statement) not in self._sound)
        if not new:
            return
        together = self._compiles(context, new)
        for statement in new:
            found = together if len(new) == 1 or not together[0] else self._compiles(context, [statement])
            with self._lock:
                if len(self._sound) > 10_000:
                    self._sound.clear()
                self._sound[context, statement] = found

    def _compiles(self, context: Context, statements: list[str]) -> tuple[str, float]:
        """What the prover says against statements, empty where it takes them; and the CPU seconds that it took."""
        with tool.scratch() as folder:
            text, _ = _preamble(context, statements)
            (folder / "P.v").write_text(text, encoding="utf-8")
            result = self._run("coqc", [*_OPTIONS, "P.v"], folder, 120.0, 4 << 30)
        if result.status == 0 and not result.timed_out:
            return "", result.cpu_seconds / len(statements)
        return _shown(result.stderr) or result.timed_out or f"exit status {result.status}", result.cpu_seconds

    def _confirmed(self, context: Context, submission: Submission, found: Finding) -> Finding:
        """A fault, once the task is known to be sound and the prover to be quick enough for it."""
        said, seconds = self._sound[context, submission.statement]
        if said:
            return Reason.CHECKER_FAILURE, f"the task's own statement does not compile: {said}"
        if found[0] is Reason.TIMEOUT and seconds > submission.cpu_seconds / 2:
            return Reason.CHECKER_TIMEOUT, f"the statement alone takes {seconds:.1f} s of CPU time"
        return found

    # -- stages

    def _compile(self, folder: Path, submissions: list[Submission]) -> tool.Result:
        options = [*_OPTIONS, "-Q", ".", "Sub", "P.v"]
        return self._run("coqc", options, folder, *_batch_limits(submissions), is_batch=len(submissions) > 1)

    def _assumptions(self, context: Context, submissions: list[Submission], names: list[str], compiled: Path) -> str:
        """Empty where every theorem is its statement and assumes no more than is allowed; `more`, or why it failed."""
        marker = f"marker_{secrets.token_hex(8)}"
        text, stated = _preamble(context, [submission.statement for submission in submissions])
        together = "".join(f"let _ := checked_{number} in\n" for number in range(len(names)))
        text += "Print Assumptions allowed.\n" if context.axioms else ""  # a search of all that is loaded
        text += "Require Sub.P.\n"
        for number, (name, submission) in enumerate(zip(names, submissions, strict=True)):
            text += f"Definition checked_{number} := {stated[submission.statement]} (@Sub.P.{name}.answer).\n"
        text += f"Definition together := {together}I.\nDefinition {marker} := I.\nPrint {marker}.\n"
        text += "Print Assumptions together.\n"
        with tool.scratch() as folder:
            (folder / "J.v").write_text(text, encoding="utf-8")
            shutil.copyfile(compiled, folder / "P.vo")
            options = [*_OPTIONS, "-Q", ".", "Sub", "J.v"]
            result = self._run("coqc", options, folder, *_batch_limits(submissions), is_batch=len(submissions) > 1)
        if result.status or result.timed_out:
            return result.timed_out or _shown(result.stderr) or f"exit status {result.status}"
        before, found, after = result.stdout.partition(f"{marker} = I\n     : True\n")
        allowed = _axioms(before) if context.axioms else set() if not before else None
        assumed = _axioms(after)
        if not found or allowed is None or assumed is None or result.stderr.strip():
            return "more"
        return "" if assumed <= allowed else "more"

    def _replay(self, compiled: Path, names: list[str], limits: tuple[float, int]) -> dict[str, Finding]:
        """What coqchk finds against modules of the submission; against all of them where it names none."""
        with tool.scratch() as folder:
            shutil.copyfile(compiled, folder / "P.vo")
            options = ["-silent", "-o", "-Q", ".", "Sub", "-norec", "Sub.P"]
            result = self._run("coqchk", options, folder, *limits, is_batch=len(names) > 1)
        said = result.stderr + result.stdout
        if result.timed_out or _MEMORY.search(said):
            return dict.fromkeys(names, (Reason.CHECKER_TIMEOUT, "coqchk passed its limits"))
        summary = re.search(r"^CONTEXT SUMMARY\n=+\n(.*)", said, re.M | re.S)
        if result.status or not summary:
            refuses = re.search(r"^(?:Fatal Error|Error|Anomaly)", said, re.M) and len(names) == 1
            reason = Reason.MISMATCH if refuses else Reason.CHECKER_FAILURE
            return dict.fromkeys(names, (reason, f"coqchk: {_shown(said)}"))
        own = re.findall(r"^\s+Sub\.P\.?([\w']*)\S*", summary[1], re.M)
        finding = (Reason.MISMATCH, "coqchk lists an assumption of the proof's own")
        return {name: finding for name in (own if set(own) <= set(names) else names)}

    def _run(
        self,
        program: str,
        options: list[str],
        folder: Path,
        cpu_seconds: float,
        memory_bytes: int,
        stdin: str = "",
        is_batch: bool = False,
    ) -> tool.Result:
        command = [str(Path(self._programs[program]).resolve()), *options]
        wall_seconds = WALL_FACTOR * cpu_seconds + WALL_EXTRA_SECONDS
        installation = self._installation_of_batches if is_batch else self._installation
        try:
            return tool.run(installation, command, folder, cpu_seconds, memory_bytes, wall_seconds, stdin)
        except SandboxError as error:
            raise BrokenProver(str(error)) from error


def _read(reference: ProofReference, completion: str) -> Submission | Finding:
    """What a completion submits, or why it is refused before a prover sees it."""
    if reference.mode == "file":
        return Reason.UNSUPPORTED, Rocq.WHY_NO_FILES
    text = extract_script(completion, LANGUAGES)
    if text is None:
        return Reason.NO_ANSWER, ""
    try:
        script = read_script(text, reference.statement, reference.imports)
    except Refused as error:
        return Reason.REFUSED, str(error)
    except Rejected as error:
        return Reason.MISMATCH, str(error)
    limits = reference.limits
    memory_mb = limits.memory_mb or MEMORY_MB
    return Submission(reference.statement, script, limits.cpu_seconds or CPU_SECONDS, memory_mb << 20)


def _write_submission(folder: Path, context: Context, submissions: list[Submission], timeout: bool) -> list[str]:
    """Write P.v; gives the names of the modules. With `timeout` no sentence may run on: the batch must not."""
    nonce = secrets.token_hex(8)
    names = [f"M{nonce}_{number}" for number in range(len(submissions))]
    lines = [context.imports]
    if timeout:
        lines.append(f"Set Default Timeout {_sentence_seconds(submissions)}.")
    for name, submission in zip(names, submissions, strict=True):
        lines += [f"Module {name}.", f"Theorem answer : {submission.statement}.", submission.script.opening]
        lines += [submission.script.text, "Qed.", f"End {name}."]
    (folder / "P.v").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return names


def _preamble(context: Context, statements: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The judge's part that knows nothing of a submission, and for each statement the function that takes its proofs only."""
    stated = {statement: f"stated_{number}" for number, statement in enumerate(dict.fromkeys(statements))}
    lines = [context.imports, "Set Printing Width 100000."]
    lines += [f"Definition {name} (proof : {statement}\n) := proof." for statement, name in stated.items()]
    lines.append(f"Definition allowed := {''.join(f'let _ := @{axiom} in ' for axiom in context.axioms)}I.\n")
    return "\n".join(lines), stated


def _axioms(text: str) -> set[str] | None:
    """The axioms that `Print Assumptions` lists, each with its type; None for any other text."""
    if text == "Closed under the global context\n":
        return set()
    head, _, body = text.partition("\n")
    if head != "Axioms:" or not body.endswith("\n"):
        return None
    return set(re.split(r"\n(?! )", body[:-1]))


def _batch_limits(submissions: Sequence[Submission]) -> tuple[float, int]:
    """CPU seconds and bytes of memory for a batch."""
    most = max(submission.cpu_seconds for submission in submissions)
    extra = _SHARE_SECONDS * (len(submissions) - 1)
    return most + extra, max(submission.memory_bytes for submission in submissions)


def _sentence_seconds(submissions: Sequence[Submission]) -> int:
    return max(1, round(max(submission.cpu_seconds for submission in submissions)))


def _fault(result: tool.Result) -> Finding:
    """Why a single script does not compile."""
    if result.timed_out == "CPU time":
        return Reason.TIMEOUT, f"{result.cpu_seconds:.1f} s of CPU time"
    if result.timed_out:
        return Reason.CHECKER_TIMEOUT, f"{result.wall_seconds:.0f} s of wall time"
    if _MEMORY.search(result.stderr) or result.status in (-6, -11):
        return Reason.MEMORY, _shown(result.stderr)
    if _ERROR.search(result.stderr):
        return Reason.MISMATCH, _shown(result.stderr)
    return Reason.CHECKER_FAILURE, _shown(result.stderr) or f"exit status {result.status}"


def _shown(text: str) -> str:
    text = re.sub(r'^File "\./\w+\.v", line \d+, characters [\d-]+:\n', "", text.strip())
    text = text.partition("\nToplevel input, ")[0]
    return " ".join(text.split())[:_SHOWN]
