"""Checks the shards of a run against its manifests, on this machine or behind a URL."""

import hashlib
from pathlib import Path
from typing import Any

from selfplay.layout import MANIFEST
from selfplay.shards.schema import SCHEMA_VERSION
from selfplay.storage import Location


def check_shards(run: Location | Path | str) -> list[str]:
    """Every difference between the manifests of a run and of its control and their files, in words; empty: there is none."""
    run = Location.of(run)
    folders = [path.parent for pattern in ("", "*/") for path in run.glob(f"{pattern}round_*/{MANIFEST}")]
    folders += [path.parent for path in run.glob(f"**/reverified/{MANIFEST}")]
    if not folders:
        return [f"{run} has no finished round: no round_*/{MANIFEST}"]
    whole = {folder.path for folder in folders}
    started = [path.parent for path in run.glob("**/round_*/shards") if path.parent.path not in whole]
    unfinished = [
        f"{folder}: has shards and no {MANIFEST}; run its recipe again to finish the round" for folder in started
    ]
    return [problem for folder in folders for problem in check_round(folder)] + unfinished


def check_round(folder: Location | Path | str) -> list[str]:
    """The same for the folder of one round. Bytes are compared, so that shards of any schema version can be checked."""
    folder = Location.of(folder)
    try:
        listed = (folder / MANIFEST).read_json()["shards"]
        problems = [problem for shard in listed if (problem := _difference(folder / "shards" / shard["name"], shard))]
    except (ValueError, KeyError, TypeError, OSError) as error:
        return [f"{folder / MANIFEST}: not readable as a manifest ({error!r})"]
    names = {shard["name"] for shard in listed}
    return problems + [
        f"{path}: not in the manifest" for path in (folder / "shards").glob("*") if path.name not in names
    ]


def other_schema(folder: Location | Path | str) -> str:
    """An error text for a round whose shards have another schema than this version's; empty if they have the same."""
    manifest = Location.of(folder) / MANIFEST
    version = manifest.read_json().get("schema_version")
    if version == SCHEMA_VERSION:
        return ""
    return (
        f"{manifest}: its shards have schema {version}, and this selfplay reads and writes {SCHEMA_VERSION}. They can be checked; for"
        " all else use the selfplay that wrote them"
    )


def _difference(file: Location, shard: dict[str, Any]) -> str:
    if not file.is_file():
        return f"{file}: missing; the manifest lists it with {shard['num_rows']} rows"
    size = file.size()
    if size != shard["num_bytes"]:
        change = "truncated" if size < shard["num_bytes"] else "longer than it was"
        return f"{file}: {change}: {size} bytes, and the manifest says {shard['num_bytes']}"
    with file.open() as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != shard["sha256"]:
        return f"{file}: damaged: SHA-256 {digest.hexdigest()[:16]}..., and the manifest says {shard['sha256'][:16]}..."
    return ""
