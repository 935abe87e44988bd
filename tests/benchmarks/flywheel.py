"""Does the frontier grow? Own tasks behind the gate, against controls, at equal generated tokens a round.

    python -m tests.benchmarks.flywheel FOLDER [--seeds 5] [--rounds 8] [--arms gated seeds own frontier leak05 leak20 leak40]

The recipe is runs/flywheel.toml. Each arm starts from the same pretrained model of its seed. Frontier: the depth up to which held-out
pass@1 is at least 0.5; area: its mean over the depths 1 to 20. A run that was killed goes on.
"""

import argparse
import time
from pathlib import Path
from statistics import mean

from selfplay.layout import finished_rounds
from selfplay.progress import Progress
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run
from selfplay.storage import read_json

RECIPE = Path(__file__).resolve().parents[2] / "runs" / "flywheel.toml"
ARMS = {  # what each arm sets over the recipe
    "gated": [],
    "seeds": ["proposer="],
    "own": ["proposer.unverified=1.0", "proposer.window=[0.0, 1.0]"],
    "frontier": ["proposer.kinds=", "proposer.kind=draw", "proposer.learn=0.0", "proposer.window=[0.0, 1.0]"],
    "leak05": ["proposer.unverified=0.05"],
    "leak20": ["proposer.unverified=0.2"],
    "leak40": ["proposer.unverified=0.4"],
}


def play(folder: Path, arm: str, seed: int, rounds: int) -> Path:
    """Play an arm, or the rest of it; the first arm of a seed makes the model that all start from."""
    base = folder / f"base-{seed}"
    shared = [f"seed={seed}", f"rounds={rounds}"]
    if not (base / "base" / "metrics.json").exists():
        first = [
            *shared[:1],
            "rounds=1",
            "proposer=",
            "allocation.token_budget=1",
            "training.steps=1",
            f"output={base}",
        ]
        run(read_recipe(RECIPE, [*first, "selection.mix="]), Progress())
    started = ["model.create=", "pretraining=", f"model.path={base / 'base' / 'model'}"]
    out = folder / f"{arm}-{seed}"
    run(read_recipe(RECIPE, [*shared, *started, *ARMS[arm], f"output={out}"]), Progress())
    return out


def depths(metrics: Path) -> list[float]:
    """pass@1 of the depths 1 to 20."""
    groups = read_json(metrics)["evaluation"]["by_difficulty"]
    return [groups[str(depth)]["pass_at_k"]["1"] for depth in range(1, 21)]


def frontier(scores: list[float]) -> int:
    return next((depth for depth, score in enumerate(scores) if score < 0.5), len(scores))


def line(out: Path) -> str:
    """Frontier and area of the base model and after each round, tokens of a round, references known to be wrong."""
    stages = [out / "base" / "metrics.json", *(folder / "metrics.json" for folder in finished_rounds(out))]
    scores = [depths(stage) for stage in stages]
    rounds = [read_json(stage) for stage in stages[1:]]
    tokens = mean(one["sampling"]["completion_tokens"] + one.get("proposals", {}).get("tokens", 0) for one in rounds)
    wrong = sum(one.get("proposals", {}).get("num_known_wrong", 0) for one in rounds)
    own = sum(one.get("proposals", {}).get("trust", {}).get("own", 0) for one in rounds)
    kept = f"{wrong} of {own} own answers wrong" if own else ""
    fronts, areas = [str(frontier(one)) for one in scores], [f"{mean(one):.2f}" for one in scores]
    return f"| {out.name} | {' '.join(fronts)} | {' '.join(areas)} | {tokens:,.0f} | {kept} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    given = parser.parse_args()
    lines = []
    for seed in range(given.seeds):
        for arm in given.arms:
            started = time.process_time()
            lines.append(f"{line(play(given.folder, arm, seed, given.rounds))} {time.process_time() - started:.0f} |")
    print("| arm, seed | frontier: base, then each round | area | tokens a round | references | CPU s |")
    print("|---|---|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
