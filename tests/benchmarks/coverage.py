"""What rounds do to coverage, and what may keep it: python -m tests.benchmarks.coverage FOLDER [--rounds N] [--tasks N] [--seeds N]

A small model plays rounds of Countdown, once plainly and once with each remedy, from the same base model, with the same tasks
and as many samples. Prints held-out pass@1 and pass@16 of the base and after the last round, over the seeds. What is in FOLDER
is resumed: the same command goes on. `--steps` shortens the pretraining, `--arm` plays some of the arms.
"""

import argparse
import shutil
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

from selfplay.layout import METRICS, finished_rounds
from selfplay.progress import Progress
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run
from selfplay.storage import read_json

COUNTDOWN = Path(__file__).resolve().parents[2] / "runs/countdown.toml"
ARMS = {
    "plain": [],
    "hard tasks count more": ["training.repeat_hard=4", "selection.max_traces_per_task=2"],
    "diverse choice": ['selection.choose="diverse"', "selection.max_traces_per_task=2"],
    "replay and corpus": ["selection.mix.earlier_rounds=0.2", "selection.mix.corpus=0.2"],
    "from the base each round": ['training.start="base"', "selection.mix.earlier_rounds=0.5"],
    "averaged with the start": ["training.start_share=0.5"],
}


def shared(options: argparse.Namespace, seed: int) -> list[str]:
    """Overrides of the recipe that all arms share."""
    return [
        f"seed={seed}",
        f"rounds={options.rounds}",
        f"tasks.num_tasks={options.tasks}",
        f"pretraining.steps={options.steps}",
        f"evaluation.tasks.num_tasks={options.held_out}",
        "evaluation.samples_per_task=32",
        "evaluation.k=[1,16]",
        "ray.address=none",
        "training.steps=0",
        "training.epochs=2",
    ]


def play(folder: Path, arm: str, options: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    """pass@k of the base model and after each round."""
    output, base = folder / arm.replace(" ", "_") / str(seed), folder / "plain" / str(seed) / "base"
    if base.exists() and not (output / "base").exists():
        output.mkdir(parents=True)
        shutil.copytree(base, output / "base")
    recipe = read_recipe(COUNTDOWN, [*shared(options, seed), *ARMS[arm], f'output="{output}"'])
    run(recipe, Progress(Console(quiet=True)))
    stages = [output / "base", *finished_rounds(output)]
    return [read_json(stage / METRICS)["evaluation"]["pass_at_k"] for stage in stages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, number in (("rounds", 4), ("tasks", 1500), ("seeds", 5), ("steps", 1200), ("held-out", 150)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--arm", action="append", choices=ARMS)
    options = parser.parse_args()
    table = Table("arm", "pass@1", "pass@1 - plain", "pass@16", "pass@16 - base", "seeds")
    plain: list[float] = []
    for arm in ["plain", *(arm for arm in options.arm or ARMS if arm != "plain")]:
        played = [play(options.folder, arm, options, seed) for seed in range(options.seeds)]
        base = [stages[0]["16"] for stages in played]
        if arm == "plain":
            plain = [stages[-1]["1"] for stages in played]
            firsts = f"{statistics.mean(stages[0]['1'] for stages in played):.3f}"
            table.add_row("base", firsts, "", f"{statistics.mean(base):.3f}", "", f"{options.seeds}")
        ones, sixteens = ([stages[-1][k] for stages in played] for k in ("1", "16"))
        table.add_row(arm, *_with_difference(ones, plain), *_with_difference(sixteens, base), f"{options.seeds}")
        Console(width=120).print(table)


def _with_difference(values: list[float], others: list[float]) -> tuple[str, str]:
    """The mean, and the mean difference with its range over the seeds."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    spread = f" ({min(differences):+.3f} to {max(differences):+.3f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}", f"{statistics.mean(differences):+.3f}{spread}"


if __name__ == "__main__":
    main()
