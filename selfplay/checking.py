"""Whether the shards of a run are what its manifests say."""

import hashlib
from pathlib import Path
from typing import Any

from selfplay.files_on_disk import MANIFEST, finished_rounds, read_json


def check_shards(run: Path) -> list[str]:
    """Every difference between the manifests of a run (its control's too) and its files, in words; empty: all is well."""
    folders = [*finished_rounds(run), *sorted(path.parent for path in run.glob(f"*/round_*/{MANIFEST}"))]
    folders += sorted(path.parent for path in run.glob(f"**/reverified/{MANIFEST}"))
    if not folders:
        return [f"{run} has no finished round: no round_*/{MANIFEST}"]
    started = {path.parent for path in run.glob("**/round_*/shards")} - set(folders)
    unfinished = [f"{folder}: has shards and no {MANIFEST}; run its recipe again to finish the round" for folder in sorted(started)]
    return [problem for folder in folders for problem in check_round(folder)] + unfinished


def check_round(folder: Path) -> list[str]:
    try:
        listed = read_json(folder / MANIFEST)["shards"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        return [f"{folder / MANIFEST}: not readable as a manifest ({error})"]
    problems = [problem for shard in listed if (problem := _difference(folder / "shards" / shard["name"], shard))]
    names = {shard["name"] for shard in listed}
    found = sorted((folder / "shards").glob("*")) if (folder / "shards").is_dir() else []
    return problems + [f"{path}: not in the manifest" for path in found if path.name not in names]


def _difference(path: Path, shard: dict[str, Any]) -> str:
    if not path.is_file():
        return f"{path}: missing; the manifest lists it with {shard['num_rows']} rows"
    size = path.stat().st_size
    if size != shard["num_bytes"]:
        change = "truncated" if size < shard["num_bytes"] else "longer than it was"
        return f"{path}: {change}: {size} bytes, and the manifest says {shard['num_bytes']}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != shard["sha256"]:
        return f"{path}: damaged: SHA-256 {digest[:16]}..., and the manifest says {shard['sha256'][:16]}..."
    return ""
