"""A recipe from its TOML file and the overrides of a command line, and back to TOML."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from selfplay.layout import keeps_tasks
from selfplay.recipe.consistency import ROW_FILES
from selfplay.recipe.errors import mistakes_in
from selfplay.recipe.sections import Recipe
from tasks import UserError
from tasks.imports import look_in


def read_recipe(path: Path | str, overrides: list[str] | None = None) -> Recipe:
    """The recipe of a TOML file, with `section.key=value` overrides; UserError lists every mistake of both at once.

    A `path` in the file is relative to the file, or else to the folder that the command runs in, as overrides are. So are
    the modules of the user's own that it names, `package.module:name`.
    """
    path = Path(path)
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read the recipe {path}: {error.strerror}; the recipes that come along are in runs/"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    find_beside(settings, path.parent)
    look_in(path.parent)
    mistakes, given = [], {}  # given: dotted key -> the override that sets it
    for override in overrides or []:
        try:
            given[_override(settings, override)] = override
        except UserError as error:
            mistakes.append(str(error))
    settings.setdefault("name", path.stem)
    settings["output"] = settings.get("output") or str(path.parent / str(settings["name"]))
    if keeps_tasks(Path(str(settings["output"]))):
        find_beside(settings, path.parent, lost=True)
    mistakes += mistakes_in(settings, path.name, given)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return Recipe.model_validate(settings)


def to_toml(table: dict[str, Any], name: str = "") -> str:
    """TOML of nested tables of plain values; None is left out, since TOML has no such value."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{_key(key)} = {inline(value)}" for key, value in plain.items()]
    parts = ["\n".join(lines)] if lines else []
    parts += [
        to_toml(value, f"{name}.{_key(key)}" if name else _key(key))
        for key, value in table.items()
        if isinstance(value, dict)
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def inline(value: Any) -> str:
    """A value on one line: a table within a list has braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {inline(part)}" for key, part in value.items() if part is not None) + "}"
    return f"[{', '.join(map(inline, value))}]" if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> str:
    """TOML and JSON write alike, but for surrogates and what is no finite number."""
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _plain(key)


def first_difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> str:
    """The first key in which two recipes differ, with both values, in words; empty when they are the same."""
    for key in [*old, *(key for key in new if key not in old)]:
        left, right = old.get(key), new.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            if text := first_difference(left, right, f"{prefix}{key}."):
                return text
        elif left != right:
            return f"{prefix}{key} was {left!r} and is now {right!r}"
    return ""


def find_beside(settings: dict[str, Any], folder: Path, lost: bool = False) -> None:
    """Make each path of something that lies in `folder` a whole one: the same from wherever the command runs.

    lost: also those of files of rows that are nowhere, as a run that keeps its tasks may go on without them.
    """
    for key, value in settings.items():
        if key in ("path", "exclude") and isinstance(value, str) and value and _lies_in(folder, value, lost):
            settings[key] = str((folder / value).resolve())
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, dict):
                find_beside(table, folder, lost)


def _lies_in(folder: Path, path: str, lost: bool) -> bool:
    return (folder / path).exists() or (lost and path.endswith(ROW_FILES) and not Path(path).exists())


def _override(settings: dict[str, Any], override: str) -> str:
    """Put one override into the settings, and return its dotted key. An empty value drops a section or a list."""
    key, equals, value = override.partition("=")
    if not equals:
        raise UserError(f"--set {override}: write it as section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *sections, last = key.strip().split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise UserError(f'--set {override}: "{section}" is a value, not a section')
    if not value.strip() and isinstance(settings.get(last), (dict, list)):
        del settings[last]
    else:
        settings[last] = parsed
    return key.strip()
