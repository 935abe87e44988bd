"""Copies of finished rounds behind a URL: their shards, and the files that checking and exporting them needs.

s3://bucket/run/recipe.toml
s3://bucket/run/round_000/shards/accepted-00000.parquet   ...
s3://bucket/run/round_000/metrics.json, provenance.json
s3://bucket/run/round_000/manifest.json                   written last: its presence means that the copy is whole
"""

import hashlib
from pathlib import Path

from selfplay.layout import CONTROL, MANIFEST, METRICS, RECIPE, finished_rounds
from selfplay.shards.provenance import PROVENANCE
from selfplay.storage import Location, read_json
from tasks import UserError


def copy_run(run: Path, to: Location | str) -> int:
    """Copy those finished rounds of a run and of its control that are not there yet; returns how many."""
    to = Location.of(to)
    num_copied = sum(copy_round(folder, to / folder.name) for folder in finished_rounds(run))
    if (run / CONTROL).is_dir():
        num_copied += copy_run(run / CONTROL, to / CONTROL)
    return num_copied


def make_place(name: str) -> Location:
    """Make the folder that copies go to, unless it is there; UserError if it cannot be made."""
    to = Location.of(name)
    try:
        to.files.makedirs(to.path, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {to}: {error}; choose another with `copy_to`") from None
    return to


def copy_round(folder: Path, to: Location) -> bool:
    """Copy a finished round; False if the copy has this manifest already. UserError if it cannot be written."""
    manifest = (folder / MANIFEST).read_bytes()
    try:
        if (to / MANIFEST).exists() and to.files.cat_file((to / MANIFEST).path) == manifest:
            return False
        for shard in read_json(folder / MANIFEST)["shards"]:
            source = folder / "shards" / shard["name"]
            if copy_file(source, to / "shards" / shard["name"]) != shard["sha256"]:
                raise UserError(
                    f"{source} is not what its manifest says; `selfplay shards rebuild RUN` makes it again, then copy it"
                )
        copy_papers(folder, to)
    except OSError as error:
        raise UserError(
            f"cannot copy {folder} to {to}: {error}; the round itself is whole, run again to copy it"
        ) from error
    return True


def copy_papers(folder: Path, to: Location) -> None:
    """Copy the recipe of the run, and a round's metrics, provenance and, last, its manifest."""
    copy_file(folder.parent / RECIPE, to.parent / RECIPE)
    for name in (METRICS, PROVENANCE, MANIFEST):
        if (folder / name).exists():
            copy_file(folder / name, to / name)


def copy_file(source: Path, to: Location) -> str:
    """Copy one file; returns the SHA-256 of the bytes that were read."""
    to.files.makedirs(to.parent.path, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as file, to.open("wb") as copy:
        while piece := file.read(1 << 20):
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()
