"""The rules of allocation on a real model with real checks, each with the same tokens: what a token brings.

    nice -n 15 python -m tests.benchmarks.real_allocation [--tasks 600]

The model is the quickstart's first one; the tasks are sums of 2 to 8 numbers, those of more numbers than it has learnt
being hard for it. `until 4, at most 32` spends what it spends; `budget` gets as many tokens, and of `fixed` the two
numbers of samples whose spending lies around it are played.
"""

import argparse
import io
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.journal import read_journal
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import read_recipe
from selfplay.seeds import number_of
from selfplay.training.start import first_models
from tasks import Task, load
from verifiers import Outcome

WANTED, CAP = 4, 32
QUICKSTART = Path(__file__).resolve().parents[2] / "runs" / "quickstart.toml"


@dataclass(frozen=True)
class Played:
    samples: int
    tokens: int
    correct: Counter[str]  # by task

    @property
    def complete(self) -> int:
        return sum(count >= WANTED for count in self.correct.values())

    @property
    def accepted(self) -> int:
        return sum(min(count, WANTED) for count in self.correct.values())

    @property
    def per_token(self) -> float:
        return self.accepted / self.tokens


def play(executor: Executor, model: str, tasks: list[Task], rule: Allocation) -> Played:
    """One pass; sample i of a task is the same under every rule."""
    with tempfile.TemporaryDirectory() as folder:
        plan = SamplingPlan((model,), lambda task_id, index: number_of("allocation", task_id, index))
        executor.run_pass(tasks, plan, rule, Path(folder))
        rows = list(read_journal(Path(folder)))
    correct = Counter(sample.task_id for sample, verdict in rows if verdict.outcome is Outcome.CORRECT)
    return Played(len(rows), sum(sample.completion_tokens for sample, _ in rows), correct)


def show(name: str, played: Played) -> Played:
    print(
        f"{name:36} {played.samples:8} {played.tokens:9} {played.complete:9} {len(played.correct):7} {played.accepted:9} "
        f"{1000 * played.per_token:8.2f}",
        flush=True,
    )
    return played


def compare(executor: Executor, model: str, tasks: list[Task]) -> None:
    print(f"{'rule':36} {'samples':>8} {'tokens':>9} {'with all4':>9} {'solved':>7} {'accepted':>9} {'acc/ktok':>8}")
    until = show(
        f"until {WANTED}, at most {CAP}",
        play(executor, model, tasks, Allocation(rule="until", accepted_per_task=WANTED, cap=CAP)),
    )
    shared = {"accepted_per_task": WANTED, "token_budget": until.tokens, "cap": 256}
    budget = show("budget of the same tokens", play(executor, model, tasks, Allocation(rule="budget", **shared)))
    first = Allocation(rule="budget", gains=[8.0, 1.0, 1.0, 1.0], **shared)
    show("budget, the first solution worth 8", play(executor, model, tasks, first))
    around = int(until.samples / len(tasks))
    for number in (around, around + 1):
        fixed = show(f"fixed {number}", play(executor, model, tasks, Allocation(rule="fixed", samples_per_task=number)))
    print(f"budget / until, tasks with all {WANTED}   {budget.complete / until.complete:.3f}")
    print(f"budget / until, accepted traces    {budget.accepted / until.accepted:.3f}")
    print(f"budget / fixed {number}, accepted a token {budget.per_token / fixed.per_token:.3f}")
    fixed = show(f"fixed {CAP}", play(executor, model, tasks, Allocation(rule="fixed", samples_per_task=CAP)))
    print(f"budget / fixed {CAP}, accepted a token {budget.per_token / fixed.per_token:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--steps", type=int, default=1200, help="of pretraining; the quickstart has 1200")
    options = parser.parse_args()
    recipe: Recipe = read_recipe(QUICKSTART, ["ray.address=none", f"pretraining.steps={options.steps}"])
    progress = Progress(Console(file=io.StringIO()))
    with tempfile.TemporaryDirectory() as folder:
        model = first_models(recipe, Path(folder), progress).sampled
        tasks = list(load("arithmetic", num_tasks=options.tasks, operands=tuple(range(2, 9))))
        with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
            compare(executor, model, tasks)


if __name__ == "__main__":
    main()
