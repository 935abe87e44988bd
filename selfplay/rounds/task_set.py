"""The tasks that a recipe's model writes for its first round, as a file: `selfplay propose`."""

from collections import Counter
from pathlib import Path

from selfplay.driver.executor import Executor
from selfplay.layout import TASKS
from selfplay.progress import Progress
from selfplay.proposals.pool import PROPOSALS, read_jsonl
from selfplay.recipe.sections import Recipe
from selfplay.rounds.data import Round, keep_held_out_tasks
from selfplay.rounds.kept_tasks import copy_tasks
from selfplay.rounds.round import propose
from selfplay.rounds.run_folder import open_run
from selfplay.shards.provenance import provenance_of
from selfplay.training.start import first_models


def propose_tasks(recipe: Recipe, out: Path, progress: Progress) -> Counter[str]:
    """Write the tasks of the first round to `out`, seeds included; the number of `tasks`, and of proposals by reason.

    They stay in the run's folder too, so that `selfplay run` samples these tasks.
    """
    folder = open_run(Path(recipe.output), recipe)
    keep_held_out_tasks(recipe, folder)
    round = Round(recipe, folder, 0)
    with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
        model = first_models(recipe, folder / "base", progress).sampled
        provenance_of(recipe, model, round.folder, round.plan(model).models)
        propose(round, model, executor, progress)
    copy_tasks(round.folder / TASKS, out)
    counts = Counter(row["reason"] for row in read_jsonl(round.folder / PROPOSALS))
    return counts + Counter(tasks=round.keep_tasks())
