"""The folder of a run: names, whole-file writes, digests."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

RECIPE = "recipe.toml"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
CONTROL = "control"  # folder of the control within a run


def round_folder(run: Path, index: int) -> Path:
    return run / f"round_{index:03d}"


def finished_rounds(run: Path) -> list[Path]:
    """The folders of the rounds that are complete, in order."""
    return sorted(path.parent for path in run.glob(f"round_*/{MANIFEST}"))


def write_json(path: Path, content: Any) -> None:
    """Write a file that is either absent or whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def force_to_disk(folder: Path) -> None:
    """Force the files of a folder to disk, so that what is written later is never there without them."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def model_digest(model: str) -> str:
    """SHA-256 over the names and contents of a model folder's files; a hub name stands for itself."""
    folder = Path(model)
    if not folder.is_dir():
        return f"hub:{model}"
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja"):
            whole.update(path.name.encode())
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return "sha256:" + whole.hexdigest()
