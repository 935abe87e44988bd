"""Reading a recipe: every mistake of a TOML file named at once, with its place and a suggestion; and back to TOML."""

import copy
import difflib
import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfplay.recipe import Recipe, Section
from selfplay.recipe_checks import impossible
from tasks import UserError
from tasks.sources import Mistake, did_you_mean, mistakes_of


def read_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe of a TOML file, with `section.key=value` overrides; UserError lists every mistake of both at once.

    A `path` in the file is relative to the file, or else to the folder that the command runs in, as overrides are.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the recipe {path}: {error.strerror}; the recipes that come along are in runs/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    _find_beside(settings, path.parent)
    mistakes, given = [], {}  # given: dotted key -> the override that sets it
    for override in overrides or []:
        try:
            given[_override(settings, override)] = override
        except UserError as error:
            mistakes.append(str(error))
    settings.setdefault("name", path.stem)
    broken = {}
    try:
        recipe = Recipe.model_validate(settings)
    except ValidationError as error:
        broken = {mistake["loc"]: mistake for mistake in error.errors()}
    mistakes += [_in_words(mistake, path.name, given) for mistake in broken.values()]
    mistakes += [
        f"{text}{_place([f'{section}.{key}'], path.name, section, given)}{hint}"
        for section, (key, text, hint) in _mistakes_of_sources(settings)
    ]
    mistakes += [
        f"{text}{_place(_keys_meant(section, text, given), path.name, section, given)}"
        for section, text in _impossible_beside(settings, broken)
    ]
    if mistakes:
        raise UserError("\n".join(mistakes))
    return recipe.model_copy(update={"output": recipe.output or str(path.parent / recipe.name)})


def to_toml(table: dict[str, Any], name: str = "") -> str:
    """TOML of nested tables of plain values; None is left out, since TOML has no such value."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {_inline(value)}" for key, value in plain.items()]
    parts = ["\n".join(lines)] if lines else []
    parts += [to_toml(value, f"{name}.{key}" if name else key) for key, value in table.items() if isinstance(value, dict)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _inline(value: Any) -> str:
    """A value on one line: a table within a list has braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(part)}" for key, part in value.items() if part is not None) + "}"
    return f"[{', '.join(map(_inline, value))}]" if isinstance(value, list) else json.dumps(value)


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


def _find_beside(settings: dict[str, Any], folder: Path) -> None:
    """Make each path of something that lies in `folder` one from the folder that the command runs in."""
    for key, value in settings.items():
        if key == "path" and isinstance(value, str) and value and (folder / value).exists():
            settings[key] = str(folder / value)
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, dict):
                _find_beside(table, folder)


def _mistakes_of_sources(settings: dict[str, Any]) -> Iterator[tuple[str, Mistake]]:
    """Section and mistake of each set of tasks; what is no source with options at all is another check's."""
    sections = {"tasks": settings.get("tasks"), "evaluation.tasks": _within(settings, "evaluation", "tasks")}
    against = _within(settings, "selection", "against")
    sections |= {f"selection.against.{name}": section for name, section in against.items()} if isinstance(against, dict) else {}
    for name, section in sections.items():
        if isinstance(section, dict) and isinstance(section.get("source"), str):
            options = {key: value for key, value in section.items() if key != "source"}
            yield from ((name, mistake) for mistake in mistakes_of(section["source"], options))


def _impossible_beside(settings: dict[str, Any], broken: dict[tuple, Any]) -> list[tuple[str, str]]:
    """What is impossible in the recipe without its broken keys, save in the sections where these stand."""
    sound, touched = copy.deepcopy(settings), set()
    for loc, mistake in broken.items():
        *sections, key = _dictionary_keys(loc[:-1] if mistake["type"] == "missing" else loc) or [""]
        _within(sound, *sections).pop(key, None)
        touched.add(loc[0])
        if mistake["type"] == "extra_forbidden":
            touched.update(difflib.get_close_matches(str(loc[-1]), Recipe.model_fields, 1))  # perhaps it was meant
    try:
        found = impossible(Recipe.model_validate(sound))
    except ValidationError:  # a section that no recipe can do without is broken
        return []
    if ("sampling", "engine") in broken:  # too much hangs on it
        return []
    return [(section, text) for section, text in found if section.partition(".")[0] not in touched]


def _dictionary_keys(loc: tuple) -> list[str]:
    """The keys of a place in nested tables; what is within a list belongs to the list's key."""
    return list(itertools.takewhile(lambda part: isinstance(part, str), loc))


def _within(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _keys_meant(section: str, text: str, given: dict[str, str]) -> list[str]:
    """Of the keys given by --set, those that a mistake's words name: of its section, or of the recipe's top."""
    words = set(re.findall(r"[\w.]+", text))
    return [key for key in given if key.rpartition(".")[2] in words and key.rpartition(".")[0] in (section, "")]


def _place(keys: list[str], file: str, section: str, given: dict[str, str]) -> str:
    """Where a mistake about these keys stands: in an override, else in the file."""
    for key in keys:
        for name, override in given.items():
            if key == name or key.startswith(f"{name}."):
                return f" in --set {override}"
    return f" in {file} [{section}]" if section else f" in {file}"


def _override(settings: dict[str, Any], override: str) -> str:
    """Put one override into the settings; gives its dotted key."""
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
    settings[last] = parsed
    return key.strip()


def _in_words(mistake: Any, file: str, given: dict[str, str]) -> str:
    *sections, key = [str(part) for part in mistake["loc"]]
    place = _place([".".join([*sections, key])], file, ".".join(sections), given)
    if mistake["type"] == "extra_forbidden":
        return f'unknown key "{key}"{place}{did_you_mean(key, _keys_of(sections))}'
    if mistake["type"] == "missing":
        return f'"{key}" is missing{place}'
    if mistake["type"] == "model_type":
        return f"{key} = {mistake['input']!r}{place}: it is a section, and takes no value of its own"
    if key.isdigit() and sections:
        key = f"{sections[-1]}[{key}]"
    return f'{key} = {mistake["input"]!r}{place}: {mistake["msg"][0].lower()}{mistake["msg"][1:]}'


def _keys_of(sections: list[str]) -> list[str]:
    model: Any = Recipe
    for section in sections:
        if section.isdigit():  # a place in a list of tables
            continue
        field = model.model_fields[section].annotation
        model = next((part for part in (field, *getattr(field, "__args__", ())) if isinstance(part, type) and issubclass(part, Section)), None)
        if model is None:
            return []
    return list(model.model_fields)
