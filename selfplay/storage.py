"""Files and folders on this machine or at an fsspec URL (s3://bucket/run), and files that are written whole or not at all."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from selfplay.layout import MANIFEST
from tasks import UserError


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder; printed as the path or URL that names it."""

    files: fsspec.AbstractFileSystem
    path: str

    @classmethod
    def of(cls, name: "Location | Path | str") -> "Location":
        """UserError if the URL's protocol is unknown, or its package is not installed."""
        if isinstance(name, Location):
            return name
        try:
            files, path = fsspec.core.url_to_fs(str(name))
        except (ValueError, ImportError) as error:
            raise UserError(
                f"cannot use {name}: {error}; give a path, or a URL whose fsspec package is installed"
            ) from None
        return cls(files, path.rstrip("/"))

    def __truediv__(self, name: str) -> "Location":
        return Location(self.files, f"{self.path}/{name}")

    def __str__(self) -> str:
        return self.path if isinstance(self.files, LocalFileSystem) else self.files.unstrip_protocol(self.path)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> "Location":
        return Location(self.files, self.path.rpartition("/")[0])

    def exists(self) -> bool:
        return self.files.exists(self.path)

    def is_folder(self) -> bool:
        return self.files.isdir(self.path)

    def is_file(self) -> bool:
        return self.files.isfile(self.path)

    def size(self) -> int:
        return self.files.size(self.path)

    def open(self, mode: str = "rb") -> IO[bytes]:
        return self.files.open(self.path, mode)

    def read_json(self) -> Any:
        return json.loads(self.files.cat_file(self.path))

    def glob(self, pattern: str) -> list["Location"]:
        """The files and folders in this folder whose names match a pattern, in order."""
        return [Location(self.files, path) for path in sorted(self.files.glob(f"{self.path}/{pattern}"))]


def finished_rounds_at(run: Location) -> list[Location]:
    """As layout.finished_rounds, for a run that may lie at a URL."""
    return [path.parent for path in run.glob(f"round_*/{MANIFEST}")]


def write_json(path: Path, content: Any) -> None:
    """Write a file that is either absent or whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSONL file that is either absent or whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
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
