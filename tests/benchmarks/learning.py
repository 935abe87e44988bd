"""What selection does to the model that learns from it: python -m tests.benchmarks.learning FOLDER [EXPERIMENT ...]

Each experiment plays arms that differ in one key of [selection], from the same base model and with the same samples in
the first round, over three seeds: real sampling, verdicts and training through `selfplay.rounds.run.run`. What is in FOLDER
is resumed: the same command goes on. FOLDER may be that of tests.benchmarks.quickstart, whose base models are then taken.

    scarce, plenty, quickstart   which traces to learn from, at equal completion tokens and epochs: one round with 200
                                 tasks, with 2,000, and with the quickstart's tasks and length of training
    shortest                     the shortest right trace of a task against any, three rounds, a corpus that rambles

Intervals (95%) are of the mean difference to the first arm, paired by seed and held-out task: over tasks (bootstrap),
which says what these models would do on other tasks, and over seeds (Student's t), which says what other models would.
"""

import random
import shutil
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

from rich.console import Console
from rich.table import Table

from selfplay.estimators.intervals import paired_difference
from selfplay.journal import read_journal
from selfplay.layout import METRICS, finished_rounds, round_folder
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.data import evaluation_tasks
from selfplay.rounds.run import run
from selfplay.storage import read_json
from tasks import Task
from tasks.sources.arithmetic import chain_of_thought
from verifiers import Outcome

QUICKSTART = Path(__file__).resolve().parents[2] / "runs/quickstart.toml"
COMMON = ["ray.address=none", "control=false", "evaluation.samples_per_task=8", "evaluation.k=[1,8]"]
SEEDS = (0, 1, 2)
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}  # two-sided 95% quantiles by degrees of freedom


@dataclass(frozen=True)
class Experiment:
    """Overrides of the quickstart's recipe that all arms share, and those of each arm; the first arm is compared to."""

    name: str
    shared: list[str]
    arms: dict[str, list[str]]


WHICH_TRACES = {
    "random": [],
    "hard": ['selection.prefer="hard"'],
    "easy": ['selection.prefer="easy"'],
    "information": ['selection.prefer="information"'],
    "unverified": ["selection.verified=false"],
}
EXPERIMENTS = [
    Experiment(
        "scarce",
        [
            "rounds=1",
            "tasks.num_tasks=200",
            "selection.drop_duplicates=true",
            "selection.max_tokens=600",
            "training.steps=0",
            "training.epochs=4",
            "training.batch_size=8",
        ],
        WHICH_TRACES,
    ),
    Experiment(
        "plenty",
        [
            "rounds=1",
            "tasks.num_tasks=2000",
            "selection.drop_duplicates=true",
            "selection.max_tokens=6000",
            "training.steps=0",
            "training.epochs=2",
            "training.batch_size=32",
        ],
        WHICH_TRACES,
    ),
    Experiment(
        "quickstart",
        ["rounds=1", "selection.max_tokens=7000", "training.steps=0", "training.epochs=15"],
        WHICH_TRACES,
    ),
    Experiment(
        "shortest",
        [
            "rounds=3",
            "tasks.num_tasks=400",
            "selection.max_traces_per_task=1",
            'selection.reject=["unfinished", "language", "text_after_answer", "answer_from_nowhere", "wrong_step"]',
            "model.create.max_length=96",
            "sampling.max_tokens=72",
            "pretraining.max_length=64",
            "pretraining.batch_size=24",
            "pretraining.corruption=0.1",
            "pretraining.redundancy=0.4",
            "training.steps=0",
            "training.epochs=4",
            "training.batch_size=32",
            "training.max_length=96",
        ],
        {"random": ['selection.choose="random"'], "shortest": ['selection.choose="shortest"']},
    ),
]


@dataclass
class Result:
    """What a run measured: of the base model and after each round."""

    rates: list[dict[str, float]] = field(default_factory=list)  # share of right samples by held-out task
    tokens: list[float] = field(default_factory=list)  # completion tokens a held-out sample
    excess: list[float] = field(
        default_factory=list
    )  # tokens of right held-out samples over those of the plain chain, mean
    num_traces: int = 0  # accepted in the first round
    accepted_tokens: int = 0  # completion tokens of these
    trained_tokens: int = 0  # of the first round's training, with prompts, every epoch counted
    num_steps: int = 0
    by_difficulty: dict[str, float] = field(default_factory=dict)  # pass@1 after the last round by number of operands

    @property
    def pass_at_1(self) -> list[float]:
        return [statistics.fmean(rates.values()) for rates in self.rates]


def play(experiment: Experiment, folder: Path) -> dict[str, list[Result]]:
    """The results of each arm, a seed each; runs that are there are read, others played."""
    results = defaultdict(list)
    for seed in SEEDS:
        for arm, overrides in experiment.arms.items():
            output = folder / f"seed_{seed}" / experiment.name / arm
            recipe = read_recipe(
                QUICKSTART, [*COMMON, *experiment.shared, *overrides, f"seed={seed}", f"output={output}"]
            )
            for donor in (*sorted((folder / f"seed_{seed}").glob("*/*")), folder / f"seed_{seed}"):
                borrow(recipe, donor)
            run(recipe, Progress())
            results[arm].append(result_of(recipe))
    return results


def borrow(recipe: Recipe, donor: Path) -> None:
    """Copy from a run what this one would make just the same: its base model, its first samples with their verdicts."""
    if not finished_rounds(donor):
        return
    other = read_recipe(donor / "recipe.toml")
    parts = {
        "base": ("seed", "model", "pretraining", "sampling", "evaluation"),
        "base/model": ("seed", "model", "pretraining"),
        "round_000/journal": ("seed", "model", "pretraining", "tasks", "sampling", "allocation"),
    }
    for part, keys in parts.items():
        place = Path(recipe.output) / part
        if not place.exists() and all(getattr(recipe, key) == getattr(other, key) for key in keys):
            temporary = place.with_name(f".{place.name}.tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(donor / part, temporary)
            temporary.rename(place)


def result_of(recipe: Recipe) -> Result:
    result, output = Result(), Path(recipe.output)
    plain = {task.id: plain_tokens(task) for task in evaluation_tasks(recipe)}
    for place in (output / "base", *finished_rounds(output)):
        outcomes, lengths, excess = defaultdict(list), [], []
        for sample, verdict in read_journal(place / "evaluation"):
            right = verdict.outcome is Outcome.CORRECT
            outcomes[sample.task_id].append(right)
            lengths.append(sample.completion_tokens)
            excess += [sample.completion_tokens / plain[sample.task_id]] if right else []
        result.rates.append({task: statistics.fmean(right) for task, right in outcomes.items()})
        result.tokens.append(statistics.fmean(lengths))
        result.excess.append(statistics.fmean(excess))
    first = read_json(round_folder(output, 0) / METRICS)
    accepted = first["selection_cost"]["reasons"]["accepted"]
    result.num_traces, result.accepted_tokens = accepted["num_traces"], accepted["completion_tokens"]
    result.trained_tokens, result.num_steps = first["training"]["num_tokens"], first["training"]["num_steps"]
    groups = read_json(finished_rounds(output)[-1] / METRICS)["evaluation"]["by_difficulty"]
    result.by_difficulty = {operands: group["pass_at_k"]["1"] for operands, group in groups.items()}
    return result


def plain_tokens(task: Task) -> int:
    """Tokens of a sum's right chain with nothing written twice: its characters, one marker, one end."""
    digits = tuple(map(int, task.prompt[0]["content"].rstrip("=").split("+")))
    return len(chain_of_thought(digits, random.Random(0)).replace("####", "#")) + 1


def difference(first: list[Result], other: list[Result]) -> tuple[str, str]:
    """Mean pass@1 after the last round, other minus first, with its interval over tasks; and its interval over seeds."""
    pairs = [(one.rates[-1], two.rates[-1]) for one, two in zip(first, other, strict=True)]
    tasks = paired_difference(
        [rate for one, _ in pairs for rate in one.values()], [two[task] for one, two in pairs for task in one]
    )
    by_seed = [two.pass_at_1[-1] - one.pass_at_1[-1] for one, two in zip(first, other, strict=False)]
    mean, reach = statistics.fmean(by_seed), STUDENT[len(by_seed) - 1] * statistics.stdev(by_seed) / sqrt(len(by_seed))
    return f"{mean:+.3f} ({tasks.low:+.3f} to {tasks.high:+.3f})", f"({mean - reach:+.3f} to {mean + reach:+.3f})"


def table_of_arms(experiment: Experiment, results: dict[str, list[Result]]) -> Table:
    """One round: what each arm learnt from, its held-out pass@1, and how far it is from the first arm."""
    first, *_ = results.values()
    title = (
        f"{experiment.name}: held-out pass@1 after one round, from {seeds_and_mean([r.pass_at_1[0] for r in first])}"
    )
    table = Table(title=title)
    for name in (
        "arm",
        "traces",
        "tokens",
        "with prompts",
        "steps",
        "by seed, mean",
        "by operands",
        "minus first (over tasks)",
        "(over seeds)",
    ):
        table.add_column(name)
    for arm, runs in results.items():
        learnt = zip(*((r.num_traces, r.accepted_tokens, r.trained_tokens, r.num_steps) for r in runs), strict=False)
        cells = [
            arm,
            *(f"{statistics.fmean(values):,.0f}" for values in learnt),
            seeds_and_mean([r.pass_at_1[-1] for r in runs]),
        ]
        cells.append(
            " ".join(f"{statistics.fmean(r.by_difficulty[key] for r in runs):.2f}" for key in runs[0].by_difficulty)
        )
        table.add_row(*cells, *(difference(first, runs) if runs is not first else ()))
    return table


def seeds_and_mean(values: list[float], digits: int = 3) -> str:
    return f"{' '.join(f'{value:.{digits}f}' for value in values)}, {statistics.fmean(values):.{digits}f}"


def table_of_rounds(experiment: Experiment, results: dict[str, list[Result]]) -> Table:
    """Tokens a held-out sample and its pass@1 by round and arm, and how far the last round's pass@1 is from the first arm's."""
    first, *_ = results.values()
    table = Table(
        title=f"{experiment.name}: tokens a held-out sample, their excess over the plain chain where right, and pass@1 by round"
    )
    for name in (
        "arm",
        "after",
        "tokens by seed, mean",
        "excess by seed, mean",
        "pass@1 by seed, mean",
        "minus first (over tasks)",
        "(over seeds)",
    ):
        table.add_column(name)
    for arm, runs in results.items():
        for number in range(len(runs[0].tokens)):
            cells = [arm, f"round {number - 1}" if number else "base"]
            fall = statistics.fmean(result.tokens[number] / result.tokens[0] for result in runs) - 1
            cells.append(f"{seeds_and_mean([result.tokens[number] for result in runs], 1)} {fall:+.0%}")
            cells.append(seeds_and_mean([result.excess[number] for result in runs], 2))
            table.add_row(*cells, seeds_and_mean([result.pass_at_1[number] for result in runs]))
        if runs is not first:
            table.add_row("", "", "", "", "", *difference(first, runs))
    return table


def main() -> None:
    folder, *wanted = sys.argv[1:] or sys.exit(__doc__)
    console = Console(width=180)
    for experiment in EXPERIMENTS:
        if not wanted or experiment.name in wanted:
            results = play(experiment, Path(folder))
            table = table_of_rounds if experiment.name == "shortest" else table_of_arms
            console.print(table(experiment, results))


if __name__ == "__main__":
    main()
