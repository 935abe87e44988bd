"""`selfplay propose`: a set of tasks that a model wrote, without sampling or training on them."""

from pathlib import Path
from typing import Annotated

import typer


def propose(
    recipe: Annotated[Path, typer.Argument(help="a recipe with a [proposer]")],
    out: Annotated[Path, typer.Option(help="where the tasks go: a JSONL file that the source `files` reads")],
    set: Annotated[list[str], typer.Option(help="section.key=value, over what the recipe says; can be repeated")] = [],
) -> None:
    """Let the model of a recipe write the tasks of its first round. The same command again resumes; `selfplay run` goes on."""
    from selfplay.progress import Progress
    from selfplay.recipe.toml import read_recipe
    from selfplay.rounds import preflight
    from selfplay.rounds.task_set import propose_tasks
    from tasks import UserError

    checked = read_recipe(recipe, set)
    if checked.proposer is None:
        raise UserError(f"{recipe} has no [proposer]; runs/README.md says which keys it takes")
    if texts := preflight.errors(checked):
        raise UserError("\n".join(texts))
    counts = propose_tasks(checked, out, Progress())
    print(
        f"{out}: {counts.pop('tasks')} tasks; proposals: {', '.join(f'{n} {name}' for name, n in counts.most_common())}"
    )
