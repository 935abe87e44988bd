"""Reading a recipe: every mistake of a TOML file named at once, with its place and a suggestion; and back to TOML."""

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfplay.recipe import Recipe, Section
from tasks import UserError
from tasks.sources import did_you_mean, mistakes_of


def read_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe of a TOML file, with `section.key=value` overrides; UserError lists every mistake at once."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the recipe {path}: {error.strerror}; the recipes that come along are in runs/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    for override in overrides or []:
        _override(settings, override)
    settings.setdefault("name", path.stem)
    try:
        recipe = Recipe.model_validate(settings)
    except ValidationError as error:
        mistakes = [_in_words(mistake, path.name) for mistake in error.errors()]
    else:
        mistakes = [f"{text} in {path.name} [{section}]" for section, text in _impossible(recipe)]
        if not mistakes:
            return recipe.model_copy(update={"output": recipe.output or str(path.parent / recipe.name)})
    raise UserError("\n".join(mistakes))


def to_toml(table: dict[str, Any], name: str = "") -> str:
    """TOML of nested tables of plain values; None is left out, since TOML has no such value."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    parts = ["\n".join(lines)] if lines else []
    parts += [to_toml(value, f"{name}.{key}" if name else key) for key, value in table.items() if isinstance(value, dict)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


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


def _impossible(recipe: Recipe) -> list[tuple[str, str]]:
    """Mistakes that no single key shows: section and words."""
    mistakes = [("tasks", text) for text in mistakes_of(recipe.tasks.source, recipe.tasks.options)]
    engine = recipe.sampling.engine
    if recipe.evaluation:
        options = recipe.evaluation.tasks
        mistakes += [("evaluation.tasks", text) for text in mistakes_of(options.source, options.options)]
        least = recipe.evaluation.samples_per_task
        mistakes += [("evaluation", f"k = {k} needs at least {k} samples_per_task, not {least}") for k in recipe.evaluation.k if k > least]
    for name, options in recipe.selection.against.items():
        mistakes += [(f"selection.against.{name}", text) for text in mistakes_of(options.source, options.options)]
    if bool(recipe.model.path) == bool(recipe.model.create) and engine != "replay":
        mistakes.append(("model", "exactly one of path and create is needed"))
    if recipe.pretraining and not recipe.model.create:
        mistakes.append(("pretraining", "it needs [model.create]: a model that is there already is not trained first"))
    if engine == "replay":
        if not recipe.sampling.replay:
            mistakes.append(("sampling", 'engine = "replay" needs [sampling.replay] with the path of the completions'))
        if recipe.rounds > 1 or recipe.training or recipe.evaluation:
            mistakes.append(("sampling", 'engine = "replay" plays one round, without [training] and [evaluation]'))
    if engine == "openai":
        if not recipe.sampling.base_url:
            mistakes.append(("sampling", 'engine = "openai" needs base_url, such as "http://localhost:8000/v1"'))
        if recipe.training:
            mistakes.append(("training", "a server's model cannot be replaced between rounds; play one round without [training]"))
    if recipe.rounds > 1 and not recipe.training:
        mistakes.append(("training", f"{recipe.rounds} rounds need it, or each round would sample the same model"))
    if recipe.allocation.rule == "budget" and not recipe.allocation.token_budget:
        mistakes.append(("allocation", 'rule = "budget" needs token_budget'))
    if recipe.allocation.rule == "until" and recipe.allocation.cap < recipe.allocation.accepted_per_task:
        mistakes.append(("allocation", f"cap = {recipe.allocation.cap} is below accepted_per_task = {recipe.allocation.accepted_per_task}"))
    return mistakes + _missing_files(recipe)


def _missing_files(recipe: Recipe) -> list[tuple[str, str]]:
    paths = [("tasks", recipe.tasks.options.get("path")), ("model", recipe.model.path)]
    if recipe.evaluation:
        paths.append(("evaluation.tasks", recipe.evaluation.tasks.options.get("path")))
    paths += [(f"selection.against.{name}", against.options.get("path")) for name, against in recipe.selection.against.items()]
    if recipe.sampling.replay:
        paths.append(("sampling.replay", recipe.sampling.replay.path))
    return [
        (section, f"no file {path}")
        for section, path in paths
        if isinstance(path, str) and _looks_local(path) and not Path(path).exists()
    ]


def _looks_local(path: str) -> bool:
    """Whether a path can only mean this machine: a hub name has one slash, no ending and no dots at its front."""
    return path.startswith((".", "/", "~")) or path.endswith((".jsonl", ".json", ".parquet")) or path.count("/") > 1


def _override(settings: dict[str, Any], override: str) -> None:
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


def _in_words(mistake: Any, file: str) -> str:
    *sections, key = [str(part) for part in mistake["loc"]]
    where = f"{file} [{'.'.join(sections)}]" if sections else file
    if mistake["type"] == "extra_forbidden":
        return f'unknown key "{key}" in {where}{did_you_mean(key, _keys_of(sections))}'
    if mistake["type"] == "missing":
        return f'"{key}" is missing in {where}'
    return f'{key} = {mistake["input"]!r} in {where}: {mistake["msg"][0].lower()}{mistake["msg"][1:]}'


def _keys_of(sections: list[str]) -> list[str]:
    model: Any = Recipe
    for section in sections:
        field = model.model_fields[section].annotation
        model = next((part for part in (field, *getattr(field, "__args__", ())) if isinstance(part, type) and issubclass(part, Section)), None)
        if model is None:
            return []
    return list(model.model_fields)
