"""The folder of a run belongs to one recipe, once there is work in it, and to one process at a time."""

import fcntl
import shutil
import tomllib
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from selfplay.layout import HELD_OUT, METRICS, RECIPE
from selfplay.recipe.sections import FREE, Recipe
from selfplay.recipe.toml import find_beside, first_difference, to_toml
from tasks import UserError
from tasks.imports import look_in

_locks: dict[Path, TextIO] = {}  # held as long as the process lives


def open_run(folder: Path, recipe: Recipe) -> Path:
    """The run's folder with its resolved recipe; UserError if another recipe has worked in it, or another process does."""
    refuse_other_recipe(folder, recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _lock(folder)
    except OSError as error:
        raise UserError(
            f"cannot make the run's folder {folder}: {error.strerror}; choose another with `output`"
        ) from None
    path = folder / RECIPE
    if another := _difference(folder, recipe):  # by which nothing was made or sampled
        for leftover in (folder / "base", folder / HELD_OUT, *folder.glob("round_*")):
            shutil.rmtree(leftover, ignore_errors=True)
    if another or not path.exists():
        temporary = path.with_name(f".{RECIPE}.tmp")
        temporary.write_text(to_toml(recipe.model_dump()), encoding="utf-8")
        temporary.rename(path)
    return folder


def refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    """UserError if the folder holds the work of another recipe: a model that was made, or a sample."""
    if (difference := _difference(folder, recipe)) and _holds_work(folder):
        raise UserError(
            f"{folder} holds a run of another recipe: {difference}. Restore the key, or give the new recipe another "
            "name or output"
        )


def stored_recipe(run: Path) -> Recipe:
    """The recipe that a run was played with; its models and files need not be there any more."""
    path = run / RECIPE
    look_in(
        run.parent, run.parent.parent
    )  # where the recipe, and modules that it names, may lie: of a run, of a control
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        what = f"{error.error_count()} of its keys are not known" if isinstance(error, ValidationError) else str(error)
        raise UserError(f"cannot read {path}: {what}; use the selfplay that played the run") from None


def _difference(folder: Path, recipe: Recipe) -> str:
    path = folder / RECIPE
    if not path.exists():
        return ""
    stored = tomllib.loads(path.read_text(encoding="utf-8"))
    return first_difference(_table(stored), _table(recipe.model_dump()))


def _table(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe as its file holds it, without the keys that may change; keys that are newer than the file have their defaults."""
    try:
        content = Recipe.model_validate(content).model_dump(exclude=FREE)
    except ValidationError:
        content = {
            key: value for key, value in content.items() if FREE.get(key) is not True
        }  # some are no more: the comparison names one
    find_beside(content, Path())
    return tomllib.loads(to_toml(content))


def _holds_work(folder: Path) -> bool:
    base = folder / "base"
    return (
        (base / "model").exists()
        or (base / METRICS).exists()
        or any(path.stat().st_size for path in folder.rglob("samples.jsonl"))
    )


def _lock(folder: Path) -> None:
    """Keep other processes out until this one ends, however it ends: a record lock, which no child inherits."""
    if folder.resolve() in _locks:
        return
    file = (folder / ".lock").open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        raise UserError(f"another process is playing {folder}; wait for it or stop it, then run again") from None
    except OSError:  # a file system without record locks; the lock of each journal is left
        pass
    _locks[folder.resolve()] = file
