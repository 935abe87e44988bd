"""The command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tasks import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """Verified self-play: a model attempts, verifiers check, the right traces train the next round."""


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as runs/quickstart.toml")],
    set: Annotated[list[str], typer.Option(help="section.key=value, over what the recipe says; can be repeated")] = [],
) -> None:
    """Play a recipe: sample, verify, select, train, evaluate. The same command again resumes what was interrupted."""
    from selfplay.progress import Progress
    from selfplay.recipe import read_recipe
    from selfplay.rounds import run as play

    progress = Progress()
    play(read_recipe(recipe, set), progress)


def main() -> None:
    """Run the command line; a user's mistake is one message and status 2, an interruption status 130."""
    try:
        app()
    except UserError as error:
        print(f"selfplay: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nselfplay: stopped; everything acknowledged is on disk, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)
