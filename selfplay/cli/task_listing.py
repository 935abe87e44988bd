"""`selfplay tasks`: show tasks, prove their references, strengthen their tests, and write them to a file."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.grading import refuse_same_file
from tasks import Task
from tasks.sources import load_rows
from verifiers import validation, verifier_of
from verifiers.exploits import exploits
from verifiers.programs.strengthen import Report, can_grow, strengthen


@dataclass(slots=True)
class Counts:
    """Counts of a source's tasks, by result."""

    num_tasks: int = 0
    num_tried: int = 0  # references put through their own verifier
    num_invalid: int = 0
    num_strengthened: int = 0
    num_cases: int = 0  # test cases added
    num_held_back: int = 0  # of these, in the task's metadata as what no prompt may show
    num_wrong: int = 0  # slightly changed reference programs that are known to be wrong
    num_past_given: int = 0  # of these, those that pass the given tests
    num_past_grown: int = 0  # of these, those that pass the strengthened tests
    num_left_out: int = 0  # rows of which no task could be made
    num_exploitable: int = 0  # references that accept an answer which says nothing, or something else
    validated: bool = False
    attacked: bool = False

    def add(self, report: Report) -> None:
        self.num_strengthened += report.num_grown > 0
        self.num_cases += report.num_grown
        self.num_held_back += report.num_held_back
        self.num_wrong += report.num_wrong
        self.num_past_given += report.num_past_given
        self.num_past_grown += report.num_past_grown

    def in_words(self) -> str:
        parts = [f"{self.num_tasks} tasks"]
        if self.num_left_out:
            parts.append(f"{self.num_left_out} bad rows left out")
        if self.validated:
            parts.append(f"{self.num_tried - self.num_invalid} valid, {self.num_invalid} not")
            if untried := self.num_tasks - self.num_tried:
                parts.append(f"{untried} without a reference solution to try")
        if self.attacked:
            parts.append(f"{self.num_exploitable} exploitable")
        if self.num_strengthened:
            parts.append(
                f"{self.num_cases} cases added to {self.num_strengthened} of them, {self.num_held_back} held back from prompts"
            )
            parts.append(
                f"of {self.num_wrong} wrong programs the given tests let {self.num_past_given} pass, "
                f"the strengthened ones {self.num_past_grown} ({self.num_past_grown / max(self.num_wrong, 1):.1%})"
            )
        return ", ".join(parts)


def list_tasks(
    source: str,
    options: dict[str, Any],
    num_shown: int,
    validate: bool,
    num_cases: int,
    out: Path | None,
    attack: bool = False,
) -> Counts:
    """Go through a source once; prints the first tasks, every invalid one, every one that could not be
    strengthened, and every bad row that is left out."""
    counts = Counts(validated=validate, attacked=attack)
    references: dict[Any, str] = {}  # of final answers, each with the first task that has it
    questions: dict[Any, str] = {}
    if out and isinstance(options.get("path"), str):
        refuse_same_file(Path(options["path"]), out)
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(out.open("w", encoding="utf-8")) if out else None

        def left_out(text: str) -> None:
            print(text)
            counts.num_left_out += 1

        for task in load_rows(source, options, left_out):
            counts.num_tasks += 1
            if num_cases:
                task = _strengthened(task, num_cases, counts)
            if counts.num_tasks <= num_shown:
                print(json.dumps(task.to_dict(), ensure_ascii=False, indent=1))
            if validate:
                _try(task, counts)
            if attack and verifier_of(task.reference).has_answers:
                references.setdefault(task.reference, task.id)
                questions.setdefault(task.reference, "\n".join(message["content"] for message in task.prompt))
            if results:
                results.write(json.dumps(task.to_dict(), ensure_ascii=False) + "\n")
    if attack:
        _attack(references, questions, counts)
    return counts


def _attack(references: dict[Any, str], questions: dict[Any, str], counts: Counts) -> None:
    found = exploits(references, questions)
    for exploit in found:
        print(f"task {references[exploit.reference]}: accepts {exploit.answer!r}, which {exploit.why}")
    counts.num_exploitable = len({references[exploit.reference] for exploit in found})


def _strengthened(task: Task, num_cases: int, counts: Counts) -> Task:
    solution = task.metadata.get("solution")
    if not can_grow(task.reference) or not solution:
        print(f"task {task.id}: not strengthened, since it has no function tests with a reference program")
        return task
    prompt = "\n".join(message["content"] for message in task.prompt)
    stronger = strengthen(task.reference, solution, num_cases, prompt=prompt)
    counts.add(stronger.report)
    if stronger.report.note:
        print(f"task {task.id}: not strengthened: {stronger.report.note}")
    grown = {"held_back": list(stronger.held_back), "strengthening": asdict(stronger.report)}
    return Task.make(task.source, list(task.prompt), stronger.reference, **{**task.metadata, **grown})


def _try(task: Task, counts: Counts) -> None:
    tried = validation.validate(task)
    counts.num_tried += tried.valid is not None
    if tried.valid is False:
        counts.num_invalid += 1
        print(f"task {task.id}: {tried.fault}")
