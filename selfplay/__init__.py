"""Verified self-play: a model attempts tasks, verifiers check its samples, and the correct ones train the next round.

    from selfplay import read_recipe, read_shards, run, verify

    folder, *_ = run(read_recipe("runs/quickstart.toml"))
    for row in read_shards(folder):  # the accepted traces of all rounds, with the columns of selfplay/shards/README.md
        print(row["prompt"][-1]["content"], row["completion"], row["verifier"])

Each name is imported when it is first used, since some bring large packages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfplay.recipe import Recipe, read_recipe
    from selfplay.rounds.run import run
    from selfplay.shards.files import read_shards
    from verifiers import verify

__all__ = ["Recipe", "read_recipe", "read_shards", "run", "verify"]

_MODULES = {
    "Recipe": "selfplay.recipe",
    "read_recipe": "selfplay.recipe",
    "read_shards": "selfplay.shards.files",
    "run": "selfplay.rounds.run",
    "verify": "verifiers",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULES[name]), name)
