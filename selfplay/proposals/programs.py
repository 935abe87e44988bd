"""Kinds whose proposal is a program: an instance of a template that reproduces its seed, and a code task with tests.

A template is a seed with its numbers as parameters (GSM-Symbolic, arXiv 2410.05229). It counts only if its text with the
original numbers is the seed's, its function then gives the seed's own answer, and the answer depends on the numbers.
A code task is a function with inputs: the outputs are computed, and changed programs (mutants) must be told apart by them.
"""

import ast
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfplay.proposals.families import problem_of, tokens_of
from selfplay.proposals.kind import Kind
from selfplay.proposals.language import CPU_SECONDS, WALL_SECONDS, number_in_words, program_fault
from selfplay.proposals.proposal import Ask, Proposal, Reading, Trust
from tasks import FunctionTests, MathReference, Task
from tasks.sources.datasets import BOXED
from tasks.task import Message
from verifiers import Outcome, verify_answer
from verifiers.programs.comparison import value_from_json, value_to_json
from verifiers.programs.extraction import extract_program
from verifiers.programs.mutants import mutants
from verifiers.programs.probe import call_outcomes, repeated_values

INSTANCES = 8  # of a template that are computed; one becomes the task
LEAST_DIFFERENT = 3  # different answers among them
MUTANTS = 12  # of a reference program
LEAST_KILLED = 0.5  # of the mutants that its inputs tell apart
LEAST_INPUTS = 3

TEMPLATE_FORM = """Turn this problem into a template. Write one Python program and nothing else:

```python
PROBLEM = "the text of the problem, word for word, with {name} in place of each number that may change"
ORIGINAL = {"name": 3}  # the numbers of the problem as it stands

def draw(rng):
    return {"name": rng.randint(2, 20)}  # other numbers with which the problem makes sense

def solve(name):
    return the_answer  # computed from the numbers
```"""
PROGRAM_FORM = """Invent a programming task like this one, about something else. Write exactly this:

Problem: what the function takes and returns
```python
def name(arguments):
    ...
```
Inputs: a Python list of at least six lists of arguments, the unusual cases among them"""

_INSTANCES = """

import random as _random

def _instances(seed, number):
    rows = [[PROBLEM.format(**ORIGINAL), solve(**ORIGINAL)]]
    for place in range(number):
        chosen = draw(_random.Random(seed + place))
        rows.append([PROBLEM.format(**chosen), solve(**chosen)])
    return rows
"""
_CODE_TASK = re.compile(
    r"Problem:\s*(?P<problem>.+?)\s*```(?:python|py)?[ \t]*\n(?P<program>.+?)```\s*Inputs:\s*(?P<inputs>\[.+\])",
    re.S | re.I,
)


class Template(Kind):
    """A seed as a parametrised program; the task is one of its instances."""

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        text = f"Problem: {problem_of(parents[0])}\n\n{TEMPLATE_FORM}"
        return "parametrise", ({"role": "user", "content": text},)

    def read(self, ask: Ask, text: str) -> Reading:
        program = extract_program(text) or ""
        missing = [name for name in ("PROBLEM", "ORIGINAL", "draw", "solve") if not re.search(rf"\b{name}\b", program)]
        if missing:
            return Reading(fault=f"no {missing[0]} in its program")
        return Reading(_word_task(problem_of(ask.parents[0]), ""), Trust.TEMPLATE, program=program)

    def settle(self, proposal: Proposal) -> Reading:
        if fault := program_fault(proposal.reading.program):
            return Reading(fault=f"its template {fault}")
        seed = proposal.ask.parents[0]
        rows, fault = self.instances(proposal.reading.program, proposal.seed % 2**31)
        if not fault:
            fault = self.disagreement(seed, rows)
        if fault:
            return Reading(fault=f"its template: {fault}")
        text, value = rows[1 + proposal.ask.number % (len(rows) - 1)]
        return replace(proposal.reading, task=_word_task(text, number_in_words(value), template_of=seed.id))

    @staticmethod
    def instances(program: str, seed: int) -> tuple[list[list[Any]], str]:
        """The original and some instances, each its text and answer, the same in two runs; or none, and why."""
        values, fault = repeated_values(
            program + _INSTANCES, "_instances", [[seed, INSTANCES]], CPU_SECONDS, WALL_SECONDS
        )
        return (values[0], "") if values else ([], fault)

    @staticmethod
    def disagreement(seed: Task, rows: list[list[Any]]) -> str:
        """Why a template does not reproduce its seed, or says nothing; empty if it does."""
        (text, value), *others = rows
        if tokens_of(str(text)) != tokens_of(problem_of(seed)):
            return "with the original numbers its text is another"
        answers = [number_in_words(answer) for _, answer in others]
        if not number_in_words(value) or not all(answers):
            return "an answer is no number"
        if verify_answer(seed.reference, number_in_words(value)).outcome is not Outcome.CORRECT:
            return f"it gives {value} for the original numbers"
        if len(set(answers)) < LEAST_DIFFERENT or len({text for text, _ in others}) < LEAST_DIFFERENT:
            return "its answer hardly depends on the numbers"
        if any(answer.startswith("-") for answer in answers) and not number_in_words(value).startswith("-"):
            return "an instance has a negative answer"
        if any("." in answer for answer in answers) and "." not in number_in_words(value):
            return "an instance has a broken answer"
        return ""


class Program(Kind):
    """A code task: a problem, a reference program, and inputs whose outputs are computed."""

    def prompt(self, parents: Sequence[Task], rng: random.Random) -> tuple[str, tuple[Message, ...]]:
        text = f"Problem: {parents[0].prompt[-1]['content']}\n\n{PROGRAM_FORM}"
        return "", ({"role": "user", "content": text},)

    def read(self, ask: Ask, text: str) -> Reading:
        found = _CODE_TASK.search(text)
        if not found:
            return Reading(fault="no problem with a program and inputs")
        name, inputs = _entry_point(found["program"]), _inputs(found["inputs"])
        if not name or len(inputs) < LEAST_INPUTS:
            return Reading(fault="no function" if not name else f"{len(inputs)} inputs")
        cases = tuple({"args": value_to_json(args), "expected": None} for args in inputs)
        return Reading(_code_task(found["problem"], name, cases), Trust.TESTS, program=found["program"])

    def settle(self, proposal: Proposal) -> Reading:
        program, task = proposal.reading.program, proposal.task
        if fault := program_fault(program):
            return Reading(fault=f"its program {fault}")
        tests: Any = task.reference  # FunctionTests, as `read` makes them
        name, inputs = tests.entry_point, [value_from_json(case["args"]) for case in tests.cases]
        values, fault = repeated_values(program, name, inputs, CPU_SECONDS, WALL_SECONDS)
        if fault:
            return Reading(fault=f"its program: {fault}")
        wanted = call_outcomes(program, name, inputs, CPU_SECONDS, WALL_SECONDS)
        others = mutants(program, name, MUTANTS, proposal.ask.number)
        killed = [one for one in others if call_outcomes(one, name, inputs, CPU_SECONDS, WALL_SECONDS) != wanted]
        if not others or len(killed) < LEAST_KILLED * len(others):
            return Reading(fault=f"its tests tell {len(killed)} of {len(others)} changed programs apart")
        cases = tuple(
            {"args": value_to_json(args), "expected": value_to_json(value)}
            for args, value in zip(inputs, values, strict=True)
        )
        wrong = [f"```python\n{one}\n```" for one in killed[:2]]
        changed = _code_task(task.metadata["problem"], name, cases, solution=program, wrong_solutions=wrong)
        return replace(proposal.reading, task=changed)


def _word_task(problem: str, answer: str, **metadata: str) -> Task:
    return Task.make("proposals", BOXED.format(problem=problem), MathReference(answer), problem=problem, **metadata)


def _code_task(problem: str, name: str, cases: tuple[Any, ...], **metadata: Any) -> Task:
    prompt = f"{problem}\n\nWrite a Python function `{name}`."
    return Task.make("proposals", prompt, FunctionTests(name, cases), problem=problem, **metadata)


def _entry_point(program: str) -> str:
    """The last function that a program defines; empty if it does not parse."""
    try:
        names = [node.name for node in ast.parse(program).body if isinstance(node, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return names[-1] if names else ""


def _inputs(text: str) -> list[list[Any]]:
    """Lists of arguments that are plain JSON; [] if the text is something else."""
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return []
    return found if isinstance(found, list) and all(isinstance(args, list) for args in found) else []
