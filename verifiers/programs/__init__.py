"""The program verifier: does the program in a completion do what its reference asks?

The program runs in a sandbox (verifiers/sandbox) and only data comes back; every comparison happens here.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from tasks import AssertTests, FunctionTests, Limits, StdioTests, Task, UserError
from verifiers.kinds import Verifier
from verifiers.programs import cpp
from verifiers.programs.assertions import simple_calls
from verifiers.programs.checkers import check_answers
from verifiers.programs.comparison import (
    equal,
    equal_unordered,
    expected_from_json,
    expected_from_value,
    python_equal,
    value_from_json,
    with_whole_floats_as_ints,
)
from verifiers.programs.extraction import closed, completed, extract_program, is_body
from verifiers.programs.output import same_output
from verifiers.sandbox import pool, tiers, tool
from verifiers.sandbox.controller import Ended, ForkServer
from verifiers.sandbox.errors import SandboxError, SandboxUnavailable
from verifiers.sandbox.inside import wire
from verifiers.sandbox.packages import MissingPackage, granted, resolve
from verifiers.verdict import Reason, Verdict

VERSION = "programs@2"
CPU_SECONDS = 4.0  # where the reference sets no limit
MEMORY_MB = 1024  # beyond what the interpreter itself maps
_WALL_FACTOR, _WALL_EXTRA_SECONDS = 6.0, 5.0  # wall time is a backstop: a busy machine changes no verdict
_NUM_TRIES = 3
_PAUSE_SECONDS = 0.5
_LONG_TEXT = 2**16  # characters of an answer that is read whatever is wanted
_LONGEST_SCALAR = 64  # characters that a number or letter takes at most, with what encloses it
_SHOWN = 200  # characters of a returned value in an account

Finding = tuple[Reason | None, str]  # the reason, and a short account; None: the kernel killed the program


@dataclass(frozen=True, slots=True)
class _Check:
    """One program on its way through the sandbox."""

    program: str
    cpu_seconds: float
    memory_bytes: int

    @property
    def wall_seconds(self) -> float:
        return _WALL_FACTOR * self.cpu_seconds + _WALL_EXTRA_SECONDS


def verify_program(reference: FunctionTests | StdioTests | AssertTests, completion: str) -> Verdict:
    """The verdict of the program in a completion.

    A sandbox that fails is tried again; after that the verdict is `undecided`, never `wrong`.
    """
    start = time.perf_counter()
    if getattr(reference, "language", "python") != "python":
        return _verify_other_language(reference, completion, start)
    program = program_for(reference, completion)
    try:
        version = f"{VERSION}+{pool.pool().tier().name}"
    except SandboxUnavailable as error:
        return Verdict.of(Reason.UNSUPPORTED, str(error), time.perf_counter() - start, f"{VERSION}+none")
    if program is None:
        return Verdict.of(Reason.NO_ANSWER, "", time.perf_counter() - start, version)
    names = granted(reference.packages, program, reference.prelude, getattr(reference, "code", ""))
    try:
        version += "".join(f"+{one}" for one in resolve(names).versions if names != ("numpy",))
    except MissingPackage as error:
        return Verdict.of(Reason.UNSUPPORTED, missing_package(str(error)), time.perf_counter() - start, version)
    reason, account = _try_often(reference, program, names)
    answer = (
        program if reason is Reason.MATCH else account.encode(errors="replace").decode()
    )  # a lone surrogate fits no file
    return Verdict.of(reason, answer, time.perf_counter() - start, version)


def _verify_other_language(reference: StdioTests, completion: str, start: float) -> Verdict:
    """The verdict of a program in C++; of any other language it is `unsupported`, by name."""
    version, answer = VERSION, ""
    try:
        if reference.language != "cpp":
            raise cpp.NoCompiler(f"programs in {reference.language!r} are not run here; python and cpp are")
        version = f"{VERSION}+{tool.tool_tier().name}+{cpp.version()}"
        program = extract_program(completion, "", "cpp")
        reason = Reason.NO_ANSWER
        if program is not None:
            reason, account = _judge_cpp(reference, f"{reference.prelude}\n{program}" if reference.prelude else program)
            answer = program if reason is Reason.MATCH else account
    except (cpp.NoCompiler, SandboxUnavailable) as error:
        reason, answer = Reason.UNSUPPORTED, str(error)
    except SandboxError as error:
        reason, answer = Reason.CHECKER_FAILURE, str(error)
        if "killed" in answer and _innocent_lives_now():
            reason, answer = Reason.REFUSED, "killed by the kernel, by its own doing: another program lives on"
    return Verdict.of(reason, answer.encode(errors="replace").decode(), time.perf_counter() - start, version)


def _judge_cpp(reference: StdioTests, program: str) -> tuple[Reason, str]:
    limits = reference.limits
    check = _Check(program, limits.cpu_seconds or CPU_SECONDS, (limits.memory_mb or MEMORY_MB) << 20)
    remaining, printed = check.cpu_seconds, []
    with cpp.compiled(program) as (binary, fault):
        if binary is None:
            return fault
        for number, case in enumerate(reference.cases):
            where = f"case {number + 1} of {len(reference.cases)}: "
            allowed = max(min(remaining, limits.case_cpu_seconds or remaining), 0.01)
            done = cpp.run(binary, case["stdin"], allowed, check.memory_bytes, check.wall_seconds)
            remaining -= done.cpu_seconds
            if done.timed_out or done.cpu_seconds > allowed:
                return (
                    Reason.TIMEOUT,
                    f"{where}{done.cpu_seconds:.2f} s of CPU time, {done.wall_seconds:.1f} s of wall time",
                )
            if done.status:
                memory = "bad_alloc" in done.stderr
                return Reason.MEMORY if memory else Reason.EXCEPTION, f"{where}ended with status {done.status}"
            if len(done.stdout) >= tool.OUTPUT_BYTES:
                return Reason.OUTPUT_LIMIT, where
            if reference.checker:
                printed.append((case["stdin"], wire.encode(done.stdout), case["stdout"]))
            elif not same_output(done.stdout.encode(), case["stdout"].encode(), reference.tolerance, reference.compare):
                return Reason.MISMATCH, f"{where}printed {done.stdout[:_SHOWN]!r}"
    if reference.checker:
        with pool.pool().lend() as server:
            return check_answers(server, reference.checker, printed, check.memory_bytes)
    return Reason.MATCH, ""


def program_for(reference, completion: str) -> str | None:
    """The whole program that a completion gives for a reference, the reference's own prelude before it."""
    prelude = reference.prelude
    if prelude and is_body(completion):  # of the function that the prelude begins
        return prelude.rstrip() + "\n" + completion
    program = extract_program(completion, getattr(reference, "entry_point", ""))
    if program is None or not prelude:
        return program
    return completed(prelude, program, getattr(reference, "entry_point", ""))


def missing_package(name: str) -> str:
    return f"the package {name}, which the reference grants, is not installed here: pip install {name}, or a package of its name"


def _try_often(reference, program: str, packages: tuple[str, ...]) -> Finding:
    limits: Limits = reference.limits
    check = _Check(program, limits.cpu_seconds or CPU_SECONDS, (limits.memory_mb or MEMORY_MB) << 20)
    num_kills = 0
    for trial in range(_NUM_TRIES):
        try:
            with pool.pool().lend(packages) as server:
                reason, account = _judge(server, reference, check)
                if reason is not None:
                    return reason, account
                num_kills, failure = num_kills + 1, account
                if num_kills > 1 and _innocent_lives(server):
                    return Reason.REFUSED, "killed by the kernel each time, by its own doing: another program lives on"
        except SandboxError as error:
            failure = str(error)
            time.sleep(_PAUSE_SECONDS * trial)
    return Reason.CHECKER_FAILURE, failure


def _innocent_lives(server: ForkServer) -> bool:
    """Whether a small program that does no harm runs to its end now: then the machine is not at fault."""
    job = wire.pack_job({"program": "x = bytearray(1 << 20)", "calls": []})
    ended = server.wait(server.start("calls", job, CPU_SECONDS, MEMORY_MB << 20, 60.0))
    return ended.status == 0


def _innocent_lives_now() -> bool:
    try:
        with pool.pool().lend() as server:
            return _innocent_lives(server)
    except SandboxError:
        return False


def _judge(server: ForkServer, reference, check: _Check) -> Finding:
    if isinstance(reference, StdioTests):
        return _judge_stdio(server, reference, check)
    if isinstance(reference, FunctionTests):
        return _judge_function(server, reference, check)
    simple = _as_data(reference.code, reference.entry_point)
    if simple:
        *simple, places = simple
        return _judge_calls(server, check, *simple, python_equal, places)
    return _judge_tests(server, reference, check)


def _judge_function(server: ForkServer, reference: FunctionTests, check: _Check) -> Finding:
    """Calls with expected values, or with a checker for those that the program returns."""
    calls = [
        wire.pack_call(reference.entry_point, value_from_json(case["args"]), value_from_json(case.get("kwargs", {})))
        for case in reference.cases
    ]
    if reference.checker:
        return _judge_checked(server, reference, check, calls)
    same = _unordered if reference.unordered else equal
    if reference.int_is_float:
        same = partial(_whole, same)
    expected = [expected_from_json(case["expected"]) for case in reference.cases]
    after = [expected_from_json(case["after"]) if "after" in case else None for case in reference.cases]
    tolerances = [reference.tolerance] * len(expected)

    def given(number: int) -> Any:
        return wire.decode_forms(wire.encode(value_from_json(reference.cases[number]["args"][0])))

    return _judge_calls(
        server, check, calls, expected, tolerances, same, after=after if any(after) else None, given=given
    )


def _unordered(wanted: Any, got: Any, tolerance: float) -> bool:
    return equal_unordered(wanted, got, tolerance)


def _whole(same, wanted: Any, got: Any, tolerance: float) -> bool:
    return same(with_whole_floats_as_ints(wanted), with_whole_floats_as_ints(got), tolerance)


def _judge_checked(server: ForkServer, reference: FunctionTests, check: _Check, calls: list) -> Finding:
    job = wire.pack_job({"program": check.program, "calls": calls})
    ended = server.wait(server.start("calls", job, check.cpu_seconds, check.memory_bytes, check.wall_seconds))
    stopped = _stopped(ended, check)
    if stopped:
        return stopped
    answers = _answers(ended, len(calls) + 1)
    cases = []
    for number, case in enumerate(reference.cases):
        where = f"case {number + 1} of {len(calls)}: "
        kind, *parts = answers[number] if number < len(answers) else ("none",)
        if kind == "raised":
            return _raised(parts, where)
        if kind == "large":
            return Reason.OUTPUT_LIMIT, where + _shown(parts)
        if kind != "value":
            return Reason.MISMATCH, where + "no value was returned"
        cases.append((value_from_json(case["args"]), parts[0], value_from_json(case["expected"])))
    if len(answers) != len(calls):
        return Reason.MISMATCH, "more answers than cases"
    return check_answers(server, reference.checker, cases, check.memory_bytes)


@lru_cache(maxsize=64)  # many programs in a row are put to the same tests
def _as_data(code: str, entry_point: str) -> tuple[list, list, list, list] | None:
    """The calls, expected values, margins and places of simple test code; None for code that has to run itself."""
    simple = simple_calls(code, entry_point)
    try:
        calls = [wire.pack_call(call.name, call.args, call.kwargs) for call in simple or ()]
        expected = [expected_from_value(call.expected) for call in simple or ()]
    except wire.NotPlain:  # a literal such as `...`
        return None
    if not simple:
        return None
    return calls, expected, [call.margin for call in simple], [f"line {call.line}" for call in simple]


def _judge_calls(
    server, check: _Check, calls: list, expected: list, tolerances: list[float], same, places: list[str] | None = None,
    after: list | None = None,
    given: Callable[[int], Any] | None = None,
) -> Finding:  # fmt: skip
    """All calls in one process; every case needs its own well-formed answer that is the expected value.

    `after` holds the expected arguments after each call, None where they do not matter; `given` the first
    argument of each before it.
    """
    job = {"program": check.program, "calls": calls, "in_place": same is not python_equal, "after": after is not None}
    packed = wire.pack_job(job)
    ended = server.wait(server.start("calls", packed, check.cpu_seconds, check.memory_bytes, check.wall_seconds))
    stopped = _stopped(ended, check)
    if stopped:
        return stopped
    answers, in_place = _answers(ended, len(expected) + 1), []
    for number, wanted in enumerate(expected):
        where = f"case {number + 1} of {len(expected)}{f' ({places[number]})' if places else ''}: "
        if number >= len(answers):
            return Reason.EXCEPTION, where + "the program ended without an answer"
        kind, *parts = answers[number]
        if kind == "raised":
            return _raised(parts, where)
        if kind == "large":
            return Reason.OUTPUT_LIMIT, where + _shown(parts)
        got = _value(parts, wanted) if kind == "value" else _MALFORMED
        if after is not None and after[number] is not None:
            then = _value(parts[1:], after[number])
            if then is _MALFORMED or not _agrees(same, after[number], then, tolerances[number]):
                return Reason.MISMATCH, where + "left its arguments as " + _shown(parts[1:])
        elif (
            got is None and wanted is not None and len(parts) > 1 and after is None
        ):  # it changed its first argument instead
            got = _value(parts[1:], wanted)
            in_place.append(number)
        if got is _MALFORMED or not _agrees(same, wanted, got, tolerances[number]):
            return Reason.MISMATCH, where + "returned " + _shown(parts)
    if len(answers) != len(expected):
        return Reason.MISMATCH, "more answers than cases"
    if in_place and given and all(_agrees(same, expected[number], given(number), 0.0) for number in in_place):
        return Reason.MISMATCH, "returned nothing, and changed nothing"
    return Reason.MATCH, ""


def _judge_stdio(server: ForkServer, reference: StdioTests, check: _Check) -> Finding:
    """A process a case; the CPU limit holds for all of them together, and one for each case where the reference sets it."""
    job = wire.pack_job({"program": check.program})
    remaining, printed = check.cpu_seconds, []
    for number, case in enumerate(reference.cases):
        part = replace(check, cpu_seconds=max(min(remaining, reference.limits.case_cpu_seconds or remaining), 0.01))
        stdin = case["stdin"].encode(errors="surrogatepass")
        child = server.start("stdio", job, part.cpu_seconds, part.memory_bytes, check.wall_seconds, stdin)
        ended = server.wait(child)
        remaining -= ended.cpu_seconds
        stopped = _stopped(ended, part)
        if stopped:
            return stopped
        where = f"case {number + 1} of {len(reference.cases)}: "
        answers = _answers(ended)
        if answers and answers[0][0] == "raised":
            return _raised(answers[0][1:], where)
        if os.WEXITSTATUS(ended.status):
            return Reason.EXCEPTION, f"{where}ended with status {os.WEXITSTATUS(ended.status)}"
        if reference.checker:
            text = wire.encode(ended.stdout.decode(errors="replace"))
            printed.append((case["stdin"], text, case["stdout"]))
        elif not same_output(
            ended.stdout, case["stdout"].encode(errors="surrogatepass"), reference.tolerance, reference.compare
        ):
            shown = ended.stdout[:_SHOWN].decode(errors="replace")
            return Reason.MISMATCH, f"{where}printed {shown!r}"
    if reference.checker:
        return check_answers(server, reference.checker, printed, check.memory_bytes)
    return Reason.MATCH, ""


def _judge_tests(server: ForkServer, reference: AssertTests, check: _Check) -> Finding:
    """Test code in a process of its own, the program in another, calls between them as data.

    Tests that rest on a `==` of the program's own run again with one of its objects made otherwise, which it must notice.
    """
    finding, probes = _run_tests(server, reference, check)
    for probe in probes:
        again, blind = _run_tests(server, reference, check, probe)
        if blind is None:
            return Reason.MISMATCH, "a == of the program's own holds of another object too"
        if again[0] is None:
            return again
    return finding


def _run_tests(
    server: ForkServer, reference: AssertTests, check: _Check, probe: list[int] | None = None
) -> tuple[Finding, list | None]:
    """The finding of one run, and the probes that it asks for; None for these where a probe found the program blind."""
    limits = check.cpu_seconds, check.memory_bytes, check.wall_seconds
    one, other = socket.socketpair()
    with one, other:
        program = server.start("serve", wire.pack_job({"program": check.program}), *limits, channel=one.fileno())
        job = {"tests": reference.code, "entry_point": reference.entry_point, "prelude": closed(reference.prelude)}
        packed = wire.pack_job(job if probe is None else job | {"probe": probe})
        tests = server.start("tests", packed, *limits, channel=other.fileno())
    tests_ended = server.wait(tests)
    program_ended = server.wait(program)
    told = _answers(program_ended)
    if told and told[0][0] == "raised":  # before it could be called
        return _stopped(program_ended, check) or _raised(told[0][1:], ""), []
    stopped = _stopped(program_ended, check)
    if stopped:
        return stopped, []
    answers = _answers(tests_ended)
    if probe is not None and answers and answers[0][0] in ("blind", "seen"):
        return (Reason.MISMATCH, ""), None if answers[0][0] == "blind" else []
    large = bool(answers) and answers[0] == ["large"]
    answers = [one for one in answers if one != ["large"]]
    stopped = _stopped(tests_ended, check)
    if stopped:
        if stopped[0] is Reason.TIMEOUT and (large or 4 * program_ended.cpu_seconds > tests_ended.cpu_seconds):
            return (Reason.TIMEOUT, "the program kept the tests busy"), []  # an answer without end, say
        if stopped[0] is None:
            return stopped, []
        reason = Reason.CHECKER_TIMEOUT if stopped[0] is Reason.TIMEOUT else Reason.CHECKER_FAILURE
        return (reason, f"the test code: {stopped[1] or stopped[0]}"), []
    if len(answers) != 1:
        return (Reason.CHECKER_FAILURE, "the test code left no account"), []
    kind, *parts = answers[0]
    return _told(kind, parts), json.loads(parts[0]) if kind == "passed" else []


def _told(kind: str, parts: list[str]) -> Finding:
    """The finding that an answer of the tests' process is."""
    if kind == "passed":
        return Reason.MATCH, ""
    if kind == "failed":
        return Reason.MISMATCH, str(parts[0])[: 2 * _SHOWN]
    if kind == "raised":
        return _raised(parts, "")
    if kind == "unfit":
        return Reason.UNSUPPORTED, str(parts[0])[:_SHOWN]
    account = f"the program defines no {parts[0]}" if kind == "missing" else "the program ended during the tests"
    return Reason.EXCEPTION, account


def _answers(ended: Ended, most: int = 3) -> list[list]:
    """The first `most` answer lines, up to the first that is not well formed: a program may have written millions."""
    found = []
    for line in ended.answers.split(b"\n", most)[:-1]:
        try:
            parts = json.loads(line)
        except (ValueError, RecursionError):
            break
        if type(parts) is not list or not parts or not all(type(part) is str for part in parts):
            break
        found.append(parts)
    return found


def _agrees(same, wanted: Any, got: Any, tolerance: float) -> bool:
    """Whether a returned value is the wanted one. One that cannot even be compared is another: a signalling nan, an int past
    every float, nesting past the stack.
    """
    try:
        return same(wanted, got, tolerance)
    except (ArithmeticError, ValueError, RecursionError):
        return False


_MALFORMED = object()


def _value(parts: list[str], wanted: Any) -> Any:
    """The value of an answer. What is far longer than any writing of the wanted value is not read: a program could have the
    judge build hundreds of megabytes of it.
    """
    try:
        if len(parts[0]) > _LONG_TEXT and len(parts[0]) > _LONGEST_SCALAR * _num_scalars(wanted):
            return _MALFORMED
        return wire.decode_forms(parts[0])
    except (ValueError, RecursionError, IndexError):
        return _MALFORMED


def _num_scalars(value: Any) -> int:
    """How many numbers and letters a value is made of, with its containers."""
    if isinstance(value, list):  # and no Form, which is a tuple
        return 1 + sum(map(_num_scalars, value))
    if isinstance(value, wire.Form):
        return 1 + _num_scalars(value.body)
    return 1 + (len(value) if isinstance(value, (str, bytes)) else value.bit_length() if isinstance(value, int) else 0)


def _stopped(ended: Ended, check: _Check) -> Finding | None:
    """Why a program was ended before its own end; None where it was not."""
    used = f"{ended.cpu_seconds:.2f} s of CPU time, {ended.wall_seconds:.1f} s of wall time"
    if ended.killed == "threads":
        return Reason.REFUSED, "too many threads"
    if ended.killed or ended.cpu_seconds > check.cpu_seconds:
        return Reason.TIMEOUT, used
    if ended.overflowed:
        return Reason.OUTPUT_LIMIT, ""
    if not os.WIFSIGNALED(ended.status):
        return None
    number = os.WTERMSIG(ended.status)
    if number == signal.SIGKILL:
        return None, "the machine killed a program; it may be out of memory"
    if number == signal.SIGSYS:
        return Reason.REFUSED, "a forbidden system call"
    return Reason.EXCEPTION, f"ended by {signal.Signals(number).name}"


def _raised(parts: list[str], where: str) -> Finding:
    name, text = [*parts, "", ""][:2]
    memory = name.endswith("MemoryError")  # numpy has one of its own
    reason = Reason.MEMORY if memory else Reason.REFUSED if name == "PermissionError" else Reason.EXCEPTION
    return reason, f"{where}{name}: {text}"[: 2 * _SHOWN]


def _shown(parts: list[str]) -> str:
    return parts[0][:_SHOWN] if parts else ""


def configure(unsafe: bool = False, tier: str | None = None) -> None:
    """Say how this process holds programs: `unsafe` runs them where no sandbox holds, `tier` insists on one."""
    pool.configure(unsafe, tier)


class ProgramVerifier(Verifier):
    """Programs, run against tests in the sandbox."""

    version = VERSION  # verdicts add the sandbox's tier: programs@2+bubblewrap
    ability = "code"
    is_prose = False
    canary = (FunctionTests("f", ({"args": [1], "expected": 2},)), "```python\ndef f(x):\n    return x + 1\n```")

    def verify(self, reference: FunctionTests | StdioTests | AssertTests, completion: str) -> Verdict:
        return verify_program(reference, completion)

    def own_solution(self, task: Task) -> str | None:
        solution = super().own_solution(task)
        return f"```python\n{solution}\n```" if solution else None

    def wrong_solutions(self, task: Task) -> Iterable[str]:
        """Those of the task; and where a checker judges, programs that no checker may take."""
        yield from super().wrong_solutions(task)
        reference = task.reference
        if reference.checker if hasattr(reference, "checker") else "":
            name = getattr(reference, "entry_point", "")
            yield f"def {name.rpartition('.')[2]}(*args, **kwargs): return None" if name else "print()"
            yield f"def {name.rpartition('.')[2]}(*args, **kwargs): return 'zq'" if name else "print('zq')"

    def obstacles(self, references: Sequence[Any], unsafe: bool = False) -> Iterator[str]:
        if not unsafe:
            try:
                tiers.choose(tiers.settings_from_environment())
            except (SandboxError, UserError) as error:
                yield f"its programs need a sandbox, and nothing here can hold one: {error}; `selfplay doctor` says more"
        for name in dict.fromkeys(name for reference in references for name in reference.packages):
            try:
                resolve((name,))
            except MissingPackage:
                yield missing_package(name)
