"""One labelled program."""

from dataclasses import dataclass

from tasks import AssertTests, FunctionTests, Limits, Reference, StdioTests

LIMITS = Limits(cpu_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A program, what it is asked, and the reasons that a verdict may give."""

    name: str
    why: str  # what the case is about
    program: str  # @CANARY@ stands for the canary's folder
    reference: Reference
    reasons: frozenset[str]  # allowed reasons of the verdict


WRONG = frozenset({"mismatch", "no_answer", "exception", "timeout", "memory", "output_limit", "refused"})
RIGHT = frozenset({"match"})


def calls(name: str, *pairs, tolerance: float = 0.0) -> FunctionTests:
    """function_tests of (args, expected) pairs."""
    cases = tuple({"args": list(args), "expected": expected} for args, expected in pairs)
    return FunctionTests(name, cases, tolerance, LIMITS)


def prints(*pairs) -> StdioTests:
    """stdio_tests of (stdin, stdout) pairs."""
    return StdioTests(tuple({"stdin": stdin, "stdout": stdout} for stdin, stdout in pairs), LIMITS)


def asserts(code: str, entry_point: str = "") -> AssertTests:
    return AssertTests(code, entry_point, LIMITS)
