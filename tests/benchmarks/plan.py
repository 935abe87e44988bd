"""How well a plan foretells: formulas against the real allocators, pilots of known spreads, and a real run from its preview.

python -m tests.benchmarks.plan [--part formulas|pilots|run] [--pilots 40] [--folder FOLDER]
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from selfplay.allocation import RULES, Allocation
from selfplay.estimators.expected_outcome import Outcome, Spread, expected_outcome
from selfplay.planning.pilot import read_pilot
from selfplay.planning.plan import Extent, Hardware, plan_run
from selfplay.planning.simulation import play_tasks, simulated_outcome
from selfplay.progress import Progress
from selfplay.recipe import read_recipe
from selfplay.rounds.preview import kept_preview, preview
from selfplay.rounds.run import run

SPREADS = {"1.5B on GSM8K": (1.6, 0.6), "8B on MATH": (0.4, 1.34), "hard": (0.15, 1.5)}
SECTIONS = {
    "fixed 8": Allocation(samples_per_task=8),
    "until 4 of 32": Allocation(rule="until", accepted_per_task=4, cap=32, give_up_failures=12),
    "budget": Allocation(rule="budget", token_budget=400_000, accepted_per_task=4, cap=32),
}
TOKENS = (100.0, 150.0)  # of a correct and of a wrong sample
NUM_TASKS = 4000  # to which the budget belongs
PLAYED = 100_000


def outcome_of(section: Allocation, spread: Spread) -> Outcome:
    rule = RULES[section.rule].task_rule(section)
    return expected_outcome(rule, spread, 4) if rule else simulated_outcome(section, spread, NUM_TASKS, TOKENS, 4)


def figures_of(outcome: Outcome) -> list[float]:
    """Tokens, accepted traces and solved tasks, a task."""
    tokens = np.median(outcome.correct) * TOKENS[0] + np.median(outcome.wrong) * TOKENS[1]
    return [float(tokens), float(np.median(outcome.kept)), float(np.median(outcome.solved))]


def truth_of(section: Allocation, shape: tuple[float, float]) -> list[float]:
    """The same from a pass of the real allocator over tasks of the true spread."""
    rates = np.random.default_rng(7).beta(*shape, PLAYED)
    whole = RULES[section.rule].for_share(section, PLAYED, NUM_TASKS)
    means = play_tasks(whole, rates, TOKENS, 4, np.random.default_rng(8))
    return figures_of(Outcome(*(np.full(1, mean) for mean in means)))


def formulas() -> None:
    print(f"formulas against one pass of the real allocator over the same {PLAYED:,} tasks: ratio")
    print(f"{'spread':>14} {'rule':>14} {'tokens':>8} {'accepted':>9} {'solved':>8}")
    for name, shape in SPREADS.items():
        rates = np.random.default_rng(7).beta(*shape, PLAYED)
        exact = Spread(rates, np.full((1, PLAYED), 1 / PLAYED))
        for title, section in SECTIONS.items():
            rule = RULES[section.rule].task_rule(section)
            if rule is None:
                continue  # its plan is played by the allocator itself
            ratios = np.array(figures_of(expected_outcome(rule, exact, 4))) / truth_of(section, shape)
            print(f"{name:>14} {title:>14} {ratios[0]:8.4f} {ratios[1]:9.4f} {ratios[2]:8.4f}", flush=True)


def pilots(number: int) -> None:
    print(f"{number} pilots of 100 tasks x 4 samples: relative error, median and nine tenths")
    print(f"{'spread':>14} {'rule':>14} {'tokens':>15} {'accepted':>15} {'solved':>15}")
    rng = np.random.default_rng(11)
    for name, shape in SPREADS.items():
        spreads = []
        for _ in range(number):
            rates = rng.beta(*shape, 100)
            spreads.append(Spread.after(np.full(100, 4), rng.binomial(4, rates)))
        for title, section in SECTIONS.items():
            truth = np.array(truth_of(section, shape))
            errors = np.abs(np.array([figures_of(outcome_of(section, spread)) for spread in spreads]) / truth - 1)
            cells = [f"{np.median(column):6.1%} {np.quantile(column, 0.9):6.1%}" for column in errors.T]
            print(f"{name:>14} {title:>14} " + " ".join(f"{cell:>15}" for cell in cells), flush=True)


def a_run(folder: Path) -> None:
    """The quickstart without its control: planned from a preview of 100 tasks of its made model, then played."""
    recipe = Path(__file__).resolve().parents[2] / "runs" / "quickstart.toml"
    settings = read_recipe(recipe, [f"output={folder / 'run'}", "control=false", "rounds=1"])
    run(
        settings.model_copy(update={"rounds": 1, "training": None, "evaluation": None, "output": f"{folder}/base"}),
        Progress(),
    )
    first = read_recipe(recipe, [f"output={folder / 'base'}", "control=false"])
    preview(first, 100, Progress(), keep=True)
    pilot = read_pilot(kept_preview(first), settings.selection.max_traces_per_task)
    made = plan_run(settings, pilot, Extent(settings.tasks.options["num_tasks"], 240), Hardware())
    sampled = next(row for row in made.tables["bill"] if row["phase"] == "sampling")
    told = made.figures["a round"] | {"engine hours": sampled["hours"]}
    metrics = json.loads((folder / "base" / "round_000" / "metrics.json").read_text())
    sampling = metrics["sampling"]
    happened = {
        "completion tokens": sampling["completion_tokens"],
        "accepted traces": metrics["selection"].get("accepted", 0),
        "solved tasks": sampling["num_solved"],
        "engine hours": metrics["ledger"]["seconds"]["engine"] / 3600,
    }
    print(f"{'':>18} {'planned':>9} {'95% interval':>22} {'happened':>9} {'error':>7}")
    for name, value in happened.items():
        figure = told[name]
        interval = f"{figure.low:,.5g} to {figure.high:,.5g}"
        print(f"{name:>18} {figure.value:9,.5g} {interval:>22} {value:9,.5g} {figure.value / value - 1:7.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("formulas", "pilots", "run"), default="")
    parser.add_argument("--pilots", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.part in ("", "formulas"):
        formulas()
    if given.part in ("", "pilots"):
        pilots(given.pilots)
    if given.part in ("", "run"):
        with tempfile.TemporaryDirectory() as scratch:
            a_run(given.folder or Path(scratch))


if __name__ == "__main__":
    main()
