"""Making the shards of a run again from its journal."""

import shutil
import tomllib
from dataclasses import asdict
from pathlib import Path

from selfplay.files_on_disk import MANIFEST, RECIPE, finished_rounds, read_json
from selfplay.recipe import Recipe
from selfplay.rounds import make_shards
from tasks import UserError


def rebuild_shards(run: Path) -> list[str]:
    """Make the shards of every finished round again; says which cannot be made as the manifest lists them.

    The same journal, recipe and provenance give the same bytes with the same pyarrow and the same rules. A shard takes
    the place of the one that is there only if it is what the manifest lists.
    """
    folders = finished_rounds(run)
    if not folders:
        raise UserError(f"{run} has no finished round")
    recipe = stored_recipe(run)
    return [problem for folder in folders for problem in _rebuild(recipe, folder)]


def stored_recipe(run: Path) -> Recipe:
    """The recipe that a run was played with; what it names (a model, a file) need not be there any more."""
    return Recipe.model_validate(tomllib.loads((run / RECIPE).read_text(encoding="utf-8")))


def _rebuild(recipe: Recipe, folder: Path) -> list[str]:
    manifest = read_json(folder / MANIFEST)
    again = folder / "shards.again"
    made = {shard.name: asdict(shard) for shard in make_shards(recipe, manifest["index"], folder, again)[0]}
    problems = []
    for listed in manifest["shards"]:
        name = listed["name"]
        if made.get(name) == listed:
            (folder / "shards").mkdir(exist_ok=True)
            (again / name).replace(folder / "shards" / name)
        else:
            problems.append(f"{folder / 'shards' / name}: what the journal gives now differs from the manifest; it is left as it was")
    shutil.rmtree(again)
    return problems
