"""Kinds in words: a new problem like some seeds, or a parent made harder. The model also writes a program that computes the answer.

The reference is what the program returns, the same in two runs in the sandbox; a program that could look at anything but itself
(a clock, chance, files, addresses) decides none. It is only as right as the program: its trust is
`program`, and how often such references are wrong is measured on seeds whose answer is known (tests/benchmarks/gate.py).
"""

import ast
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfplay.proposals.families import problem_of
from selfplay.proposals.kind import Kind
from selfplay.proposals.proposal import Ask, Proposal, Reading, Trust
from tasks import MathReference, Task
from tasks.sources.datasets import BOXED
from tasks.task import Message
from verifiers.programs.probe import repeated_values

CPU_SECONDS, WALL_SECONDS = 2, 6.0  # of one program
MOST = 10**12  # absolute value of an answer

PURE_MODULES = frozenset({"math", "cmath", "fractions", "decimal", "itertools", "functools", "collections", "operator", "statistics", "heapq", "bisect", "re", "string", "numbers", "typing", "dataclasses", "sympy"})  # fmt: skip
IMPURE_NAMES = frozenset({"id", "hash", "object", "open", "input", "exec", "eval", "compile", "globals", "locals", "vars", "dir", "getattr", "setattr", "delattr", "__import__", "__builtins__", "breakpoint", "memoryview", "super", "type"})  # fmt: skip

OPERATORS = {  # how a parent is changed; the last one needs two parents
    "add_condition": "Add one more condition that changes the answer.",
    "deepen": "Ask for something that takes two more steps of reasoning.",
    "change_numbers": "Use other numbers and another order of the steps.",
    "change_form": "Tell it in another situation, with other people and things, and let the same reasoning be harder to see.",
    "reverse": "Give what was asked for, and ask for something that was given.",
    "combine": "Combine both problems into one, in which the answer of one is needed for the other.",
}
FORM = """Write exactly this, and nothing else:

Problem: the text of the problem, which ends with one question whose answer is one number
```python
def solve():
    # the steps, with a comment each
    return the_number
```"""
_ANSWERED = re.compile(r"Problem:\s*(?P<problem>.+?)\s*```(?:python|py)?[ \t]*\n(?P<program>.+?)```", re.S | re.I)


class Words(Kind):
    """What the kinds in words share: how a proposal is read, and how its program decides the reference."""

    def read(self, ask: Ask, text: str) -> Reading:
        found = _ANSWERED.search(text)
        if not found:
            return Reading(fault="no problem with a program")
        if not re.search(r"^def solve\(\s*\)", found["program"], re.M):
            return Reading(fault="no function solve()")
        task = _task(found["problem"], "")
        return Reading(task, Trust.PROGRAM, program=found["program"])

    def settle(self, proposal: Proposal) -> Reading:
        if fault := program_fault(proposal.reading.program):
            return Reading(fault=f"its program {fault}")
        values, fault = repeated_values(proposal.reading.program, "solve", [[]], CPU_SECONDS, WALL_SECONDS)
        answer = "" if fault else number_in_words(values[0])
        if not answer:
            return Reading(fault=f"its program: {fault or f'{values[0]!r:.60} is no number'}")
        problem = proposal.task.metadata["problem"]
        solution = f"```python\n{proposal.reading.program}```\n#### {answer}"
        return replace(proposal.reading, task=_task(problem, answer, program=solution))


class Instruct(Words):
    """A new problem like three seeds."""

    num_parents = 3

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        shown = "\n\n".join(f"Problem: {problem_of(parent)}" for parent in parents)
        text = f"Here are three problems.\n\n{shown}\n\nInvent another one of this kind, about something else. {FORM}"
        return "", ({"role": "user", "content": text},)


class Evolve(Words):
    """A parent changed by one of OPERATORS."""

    num_parents = 2

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        operator = rng.choice(list(OPERATORS))
        shown = "\n\n".join(f"Problem: {problem_of(parent)}" for parent in parents[: 2 if operator == "combine" else 1])
        text = f"{shown}\n\nMake this a harder problem. {OPERATORS[operator]} {FORM}"
        return operator, ({"role": "user", "content": text},)


def program_fault(program: str) -> str:
    """Why a program may not decide a reference: it does not parse, or its value can depend on more than itself."""
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {error}"
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").partition(".")[0]]
        if refused := next((name for name in names if name not in PURE_MODULES), ""):
            return f"imports {refused}"
        if isinstance(node, ast.Name) and node.id in IMPURE_NAMES:
            return f"uses {node.id}"
        if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
            return f"uses {node.attr}"
    return ""


def number_in_words(value: Any) -> str:
    """An answer as text; empty unless it is a finite number of a usual size. A whole float is an integer."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(round(value, 6))
    return str(value)


def _task(problem: str, answer: str, **metadata: str) -> Task:
    return Task.make("proposals", BOXED.format(problem=problem), MathReference(answer), problem=problem, **metadata)
