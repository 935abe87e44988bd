"""All mistakes of a recipe at once, each with its place and a suggestion."""

import copy
import difflib
import itertools
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from selfplay.recipe import consistency
from selfplay.recipe.sections import Recipe, Section
from tasks.errors import words_of
from tasks.sources import Mistake, mistakes_of


def mistakes_in(settings: dict[str, Any], file: str, given: dict[str, str]) -> list[str]:
    """In words, one line each. `given`: dotted keys that overrides set, with these, such as "seed" -> "seed=3"."""
    broken = {}  # place -> what pydantic says of it
    try:
        Recipe.model_validate(settings)
    except ValidationError as error:
        broken = {mistake["loc"]: mistake for mistake in error.errors()}
    texts = [_in_words(mistake, file, given) for mistake in broken.values()]
    for section, (key, text, hint) in _mistakes_of_sources(settings):
        texts.append(f"{text}{_place([f'{section}.{key}'], file, section, given)}{hint}")
    for section, text in _impossible_beside(settings, broken):
        texts.append(f"{text}{_place(_keys_meant(section, text, given), file, section, given)}")
    return texts


def _mistakes_of_sources(settings: dict[str, Any]) -> Iterator[tuple[str, Mistake]]:
    """Section and mistake of each set of tasks; what is no source with options at all is another check's."""
    sections = {"tasks": settings.get("tasks"), "evaluation.tasks": _within(settings, "evaluation", "tasks")}
    against = _within(settings, "selection", "against")
    sections |= (
        {f"selection.against.{name}": section for name, section in against.items()} if isinstance(against, dict) else {}
    )
    for name, section in sections.items():
        if isinstance(section, dict) and isinstance(section.get("source"), str):
            options = {key: value for key, value in section.items() if key != "source"}
            yield from ((name, mistake) for mistake in mistakes_of(section["source"], options))


def _impossible_beside(settings: dict[str, Any], broken: dict[tuple, Any]) -> list[tuple[str, str]]:
    """The errors of consistency.py in the recipe without its broken keys, but for the sections that hold these."""
    sound, touched = copy.deepcopy(settings), set()
    for loc, mistake in broken.items():
        *sections, key = _dictionary_keys(loc[:-1] if mistake["type"] == "missing" else loc) or [""]
        if isinstance(section := _within(sound, *sections), dict):
            section.pop(key, None)
        touched.add(loc[0])
        if mistake["type"] == "extra_forbidden":
            touched.update(difflib.get_close_matches(str(loc[-1]), Recipe.model_fields, 1))  # perhaps it was meant
    try:
        found = consistency.errors(Recipe.model_validate(sound))
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


def _in_words(mistake: Any, file: str, given: dict[str, str]) -> str:
    *sections, key = [str(part) for part in mistake["loc"]]
    place = _place([".".join([*sections, key])], file, ".".join(sections), given)
    shown = f"{sections[-1]}[{key}]" if key.isdigit() and sections else key
    text, hint = words_of(mistake, shown, _keys_of(sections))
    return f"{text}{place}{hint}"


def _keys_of(sections: list[str]) -> list[str]:
    model: Any = Recipe
    for section in sections:
        if section.isdigit():  # a place in a list of tables
            continue
        field = model.model_fields[section].annotation
        model = next(
            (
                part
                for part in (field, *getattr(field, "__args__", ()))
                if isinstance(part, type) and issubclass(part, Section)
            ),
            None,
        )
        if model is None:
            return []
    return list(model.model_fields)
