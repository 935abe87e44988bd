"""The sources by name, and the one way to load from them."""

import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from tasks.errors import UserError
from tasks.sources.arithmetic import arithmetic
from tasks.sources.files import files
from tasks.sources.gsm8k import gsm8k
from tasks.sources.humaneval import humaneval
from tasks.sources.math500 import competition_math
from tasks.task import Task

FEW = 8  # words that an error may list

SOURCES: dict[str, Callable[..., Iterator[Task]]] = {
    "arithmetic": arithmetic,
    "gsm8k": gsm8k,
    "math500": competition_math,
    "humaneval": humaneval,
    "files": files,
}


class Mistake(NamedTuple):
    """One thing wrong with a source or an option; a place, such as a recipe's section, fits between text and hint."""

    key: str  # the option, or "source"
    text: str
    hint: str = ""


def load(source: str, **options: Any) -> Iterator[Task]:
    """The tasks of a source, one at a time; UserError where the source or an option is not known or fits not."""
    mistakes = mistakes_of(source, options)
    if mistakes:
        raise UserError("\n".join(mistake.text + mistake.hint for mistake in mistakes))
    return SOURCES[source](**_converted(source, options))


def mistakes_of(source: str, options: dict[str, Any]) -> list[Mistake]:
    """Every mistake in a source's name and options; empty when `load` would take them."""
    if source not in SOURCES:
        hint = did_you_mean(source, SOURCES) or f"; one of {', '.join(SOURCES)}"
        return [Mistake("source", f'unknown source "{source}"', hint)]
    parameters = inspect.signature(SOURCES[source]).parameters
    mistakes = [
        Mistake(
            key,
            f'unknown key "{key}" for source {source}',
            did_you_mean(key, parameters) or f"; it takes {', '.join(parameters)}",
        )
        for key in options
        if key not in parameters
    ]
    mistakes += [
        Mistake(name, f'source {source} needs "{name}"')
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in options
    ]
    for key, value in options.items():
        if key in parameters:
            try:
                TypeAdapter(parameters[key].annotation).validate_python(value)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                mistakes.append(Mistake(key, f"{key} = {value!r}", f": {reason[0].lower()}{reason[1:]}"))
    return mistakes


def options_of(source: str) -> list[str]:
    """The names of a source's options."""
    return list(inspect.signature(SOURCES[source]).parameters)


def takes(source: str, option: str) -> bool:
    """Whether a source has an option of this name."""
    return option in options_of(source)


def did_you_mean(word: str, known: Any) -> str:
    """The nearest of the known words; where none is near, all of them if they are few."""
    known = list(known)
    if near := difflib.get_close_matches(word, known, 1):
        return f'; did you mean "{near[0]}"?'
    return f"; there are {', '.join(known)}" if 0 < len(known) <= FEW else ""


def _converted(source: str, options: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(SOURCES[source]).parameters
    return {key: TypeAdapter(parameters[key].annotation).validate_python(value) for key, value in options.items()}
