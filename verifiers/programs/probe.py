"""Results of calls, without a judgement, and the calls that test code makes."""

import json
import socket
from dataclasses import dataclass
from typing import Any

from tasks import AssertTests, FunctionTests
from verifiers.programs.extraction import closed, completed, extract_program
from verifiers.sandbox import pool
from verifiers.sandbox.controller import ForkServer
from verifiers.sandbox.inside import wire
from verifiers.sandbox.packages import granted

_MEMORY_BYTES = 2**30
_ANSWER_BYTES = 4096  # of one outcome; a longer one is not worth a case


@dataclass(frozen=True, slots=True)
class Called:
    """The function that calls go to, and what its program has around it."""

    name: str
    prelude: str = ""
    packages: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, reference: FunctionTests | AssertTests) -> "Called":
        return cls(name, reference.prelude, reference.packages)

    def whole(self, program: str) -> str:
        """A program with its starter code."""
        return completed(self.prelude, program, self.name) if self.prelude else program

    def outcomes(self, program: str, inputs: list[list], cpu_seconds: int, wall_seconds: float) -> list["CallResult"]:
        """The results of calls of it in one program, as `call_outcomes` gives them."""
        return call_outcomes(self.whole(program), self.name, inputs, cpu_seconds, wall_seconds, self.packages)


CallResult = tuple[str, ...] | None  # ("value", text) or ("raised", name, text) and the like; None where none came


def call_outcomes(
    program: str,
    name: str,
    inputs: list[list],
    cpu_seconds: int,
    wall_seconds: float,
    packages: tuple[str, ...] = (),
) -> list[CallResult]:
    """The result of each call, in order; after a call that does not return, the rest is None. Raises SandboxError."""
    calls = [wire.pack_call(name, args, {}) for args in inputs]
    job = wire.pack_job({"program": program, "calls": calls, "go_on": True})
    with pool.pool().lend(granted(packages, program)) as server:
        ended = server.wait(server.start("calls", job, cpu_seconds, _MEMORY_BYTES, wall_seconds))
    outcomes: list[CallResult] = []
    for line in ended.answers.split(b"\n")[:-1][: len(inputs)]:
        outcomes.append(tuple(json.loads(line)) if len(line) <= _ANSWER_BYTES else ("large", ""))
    return outcomes + [None] * (len(inputs) - len(outcomes))


def repeated_values(
    program: str, name: str, inputs: list[list], cpu_seconds: int, wall_seconds: float
) -> tuple[list[Any], str]:
    """The value of each call, the same in two processes; or none, and why. Raises SandboxError."""
    first, second = (call_outcomes(program, name, inputs, cpu_seconds, wall_seconds) for _ in range(2))
    values = []
    for one, other in zip(first, second, strict=True):
        if one is None:
            return [], "a call does not return"
        if one[0] != "value":
            return [], f"a call fails: {' '.join(one):.100}"
        if one != other:
            return [], "two runs differ"
        values.append(wire.decode(one[1]))
    return values, ""


def cpu_seconds_of(program: str, called: Called, inputs: list[list], cpu_seconds: int) -> float:
    """CPU time of a process that runs the program and makes the calls, the least of five."""
    calls = [wire.pack_call(called.name, args, {}) for args in inputs]
    program = called.whole(program)
    job = wire.pack_job({"program": program, "calls": calls, "go_on": True})
    with pool.pool().lend(granted(called.packages, program)) as server:
        starts = (server.start("calls", job, cpu_seconds, _MEMORY_BYTES, 15.0) for _ in range(5))
        return min(server.wait(child).cpu_seconds for child in starts)


def recorded_inputs(reference: AssertTests, program: str, cpu_seconds: float) -> list[list] | None:
    """The arguments of every call that test code makes of its entry point; None where the tests do not pass."""
    program = Called.of(reference.entry_point, reference).whole(program)
    with pool.pool().lend(granted(reference.packages, program, reference.code)) as server:
        lines = _run_tests(server, reference, program, cpu_seconds)
    if not lines or lines[0][0] != "passed":
        return None
    names = {target for _, target, _ in lines[1:]}
    wanted = reference.entry_point or (names.pop() if len(names) == 1 else None)
    try:
        return [wire.decode(arguments) for _, target, arguments in lines[1:] if target == wanted]
    except ValueError:  # a function among the arguments
        return None


def _run_tests(server: ForkServer, reference: AssertTests, program: str, cpu_seconds: float) -> list[list[str]]:
    limits = cpu_seconds, _MEMORY_BYTES, 6 * cpu_seconds + 5
    one, other = socket.socketpair()
    with one, other:
        child = server.start("serve", wire.pack_job({"program": program}), *limits, channel=one.fileno())
        job = {
            "tests": reference.code,
            "entry_point": reference.entry_point,
            "prelude": closed(reference.prelude),
            "record": True,
        }
        tests = server.start("tests", wire.pack_job(job), *limits, channel=other.fileno())
    ended = server.wait(tests)
    server.wait(child)
    return [json.loads(line) for line in ended.answers.splitlines()]


def program_of(solution: str) -> str:
    """The source of a reference program, fenced or bare."""
    return extract_program(solution) or solution
