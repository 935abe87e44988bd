"""Makes the shards of a run again from its journal."""

import shutil
from pathlib import Path

from selfplay.layout import finished_rounds
from selfplay.recipe.sections import Recipe
from selfplay.rounds.data import Round
from selfplay.rounds.manifest import read_manifest
from selfplay.rounds.run_folder import stored_recipe
from selfplay.shards.integrity import other_schema
from selfplay.shards.mirror import copy_file, copy_papers
from selfplay.storage import Location
from tasks import UserError


def rebuild_shards(run: Path, out: str = "") -> list[str]:
    """Make the shards of every finished round again; returns a line for each that differs from its manifest.

    The same journal, tasks, recipe and provenance give the same bytes with the same pyarrow and the same filters. A shard
    is replaced only by what its manifest lists. With `out`, a path or an fsspec URL, the copy of the run there is repaired
    or made instead. UserError if another version of selfplay played a round.
    """
    folders = finished_rounds(run)
    if not folders:
        raise UserError(f"{run} has no finished round")
    if older := [problem for folder in folders if (problem := other_schema(folder))]:
        raise UserError("\n".join(older))
    recipe = stored_recipe(run)
    return [
        problem
        for folder in folders
        for problem in _rebuild(recipe, folder, Location.of(out) / folder.name if out else None)
    ]


def _rebuild(recipe: Recipe, folder: Path, out: Location | None) -> list[str]:
    manifest = read_manifest(folder)
    again = folder / "shards.again"
    try:
        made = {shard.name: shard for shard in Round(recipe, folder.parent, manifest.index).make_shards(again)[0]}
        problems = []
        for listed in manifest.shards:
            name = listed.name
            if made.get(name) != listed:
                problems.append(
                    f"{folder / 'shards' / name}: the shard that its journal makes now differs from the manifest; the file is left as it was"
                )
            elif out:
                copy_file(again / name, out / "shards" / name)
            else:
                (folder / "shards").mkdir(exist_ok=True)
                (again / name).replace(folder / "shards" / name)
        if out and not problems:
            copy_papers(folder, out)
    finally:
        shutil.rmtree(again, ignore_errors=True)
    return problems
