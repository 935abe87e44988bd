"""Sources of tasks: one function each, one row each in SOURCES, and the one way to load from them.

A source is a function whose parameters are its options, annotated with their types, and which yields tasks. One of the
user's own needs no row: it is named as `package.module:function`.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from tasks.errors import UserError, did_you_mean, words_of
from tasks.imports import is_named, line_of, load_named
from tasks.references import reference_from_dict, reference_to_dict
from tasks.sources.arithmetic import arithmetic
from tasks.sources.bad_rows import BadRow, without_bad_rows
from tasks.sources.chess import chess
from tasks.sources.countdown import countdown
from tasks.sources.files import files
from tasks.sources.gsm8k import gsm8k
from tasks.sources.humaneval import humaneval
from tasks.sources.math500 import competition_math
from tasks.sources.operators import operators
from tasks.sources.reasoning_gym import reasoning_gym
from tasks.sources.theorems import theorem_files, theorems
from tasks.sources.word_problems import word_problems
from tasks.task import Task

SOURCES: dict[str, Callable[..., Iterator[Task | BadRow]]] = {
    "arithmetic": arithmetic,
    "word_problems": word_problems,
    "gsm8k": gsm8k,
    "math500": competition_math,
    "humaneval": humaneval,
    "countdown": countdown,
    "operators": operators,
    "chess": chess,
    "reasoning_gym": reasoning_gym,
    "theorems": theorems,
    "theorem_files": theorem_files,
    "files": files,
}


class Mistake(NamedTuple):
    """One thing wrong with a source or an option; a place, such as a recipe's section, fits between text and hint."""

    key: str  # the option, or "source"
    text: str
    hint: str = ""


def load(source: str, **options: Any) -> Iterator[Task]:
    """The tasks of a source, one at a time; UserError if the source or an option is not known or does not fit."""
    return load_rows(source, options, lambda text: None)


def load_rows(source: str, options: dict[str, Any], left_out: Callable[[str], None]) -> Iterator[Task]:
    """The same; `left_out` is called with a text for each row that makes no task and that the options let be left out."""
    mistakes = mistakes_of(source, options)
    if mistakes:
        raise UserError("\n".join(mistake.text + mistake.hint for mistake in mistakes))
    readers = _readers(source)
    given = {key: readers[key].validate_python(value) if key in readers else value for key, value in options.items()}
    function = _function_of(source)
    if is_named(source):
        return _checked(source, lambda: function(**given))
    return without_bad_rows(function(**given), left_out)


def mistakes_of(source: str, options: dict[str, Any]) -> list[Mistake]:
    """Every mistake in a source's name and options; empty when `load` would take them."""
    if source not in SOURCES and not is_named(source):
        near = did_you_mean(source, SOURCES) or f"; one of {', '.join(SOURCES)}, or package.module:function of your own"
        return [Mistake("source", f'unknown source "{source}"', near)]
    try:
        parameters, readers = _parameters(source), _readers(source)
    except UserError as error:
        return [Mistake("source", str(error))]
    known = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    takes_any = len(known) < len(parameters)
    mistakes = []
    for key in options:
        if key not in known and not takes_any:
            hint = did_you_mean(key, known) or f"; it takes {', '.join(known)}"
            mistakes.append(Mistake(key, f'unknown key "{key}" for source {source}', hint))
    for name in known:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            mistakes.append(Mistake(name, f'source {source} needs "{name}"'))
    for key, value in options.items():
        if key in readers:
            try:
                readers[key].validate_python(value)
            except ValidationError as error:
                mistakes.append(Mistake(key, *words_of(error.errors()[0] | {"input": value}, key)))
    return mistakes


def options_of(source: str) -> list[str]:
    """The names of a source's options."""
    return list(_parameters(source))


def takes(source: str, option: str) -> bool:
    """Whether a source has an option of this name."""
    return option in options_of(source)


def _function_of(source: str) -> Callable[..., Iterator[Any]]:
    if source in SOURCES:
        return SOURCES[source]
    found = load_named(source, f'the source "{source}"')
    if not callable(found):
        raise UserError(f'the source "{source}" is {found!r:.80}, not a function that yields tasks')
    return found


@cache
def _parameters(source: str) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(_function_of(source), eval_str=True).parameters)
    except (TypeError, ValueError, NameError) as error:
        raise UserError(f'the parameters of the source "{source}" cannot be read: {error}') from error


@cache
def _readers(source: str) -> dict[str, TypeAdapter[Any]]:
    """What checks and converts each option; an option without an annotation takes anything."""
    annotated = {
        name: parameter.annotation
        for name, parameter in _parameters(source).items()
        if parameter.annotation is not parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    try:
        return {name: TypeAdapter(annotation) for name, annotation in annotated.items()}
    except PydanticSchemaGenerationError as error:
        raise UserError(f'the options of the source "{source}" need plain types: {error.message}') from error


def _checked(source: str, start: Callable[[], Iterator[Task]]) -> Iterator[Task]:
    """The tasks of a source of the user's own; UserError if it yields something else, or raises."""
    kinds: set[str] = set()
    number = 0
    try:
        for task in start():
            number += 1
            if not isinstance(task, Task):
                raise UserError(f"yields {task!r:.80}; make tasks with Task.make(name, prompt, reference)")
            kind = getattr(task.reference, "kind", "")
            if kind not in kinds:
                _refuse_unreadable(task.reference)
                kinds.add(kind)
            yield task
    except UserError as error:
        raise UserError(f'the source "{source}", task {number}: {error}') from error
    except ValidationError as error:  # of a reference that it makes
        mistake = error.errors()[0]
        first, *rest = mistake["loc"]
        key = ".".join([f"argument {first + 1}" if isinstance(first, int) else first, *map(str, rest)])
        text, hint = words_of(mistake, key)
        raise UserError(f'the source "{source}", after task {number}: {text} in a {error.title}{hint}') from error
    except Exception as error:  # user code runs here: any error in it is the user's to see in one line
        told = f"{type(error).__name__}: {error}{line_of(error)}"
        raise UserError(f'the source "{source}" raises after task {number}: {told}') from error


def _refuse_unreadable(reference: Any) -> None:
    """UserError unless a reference can be read again from its JSON, as journals and shards hold it."""
    kind = getattr(reference, "kind", None)
    if not isinstance(kind, str):
        raise UserError(
            f"its reference is {reference!r:.80}, which has no `kind`; use one of tasks, or a kind of your own"
        )
    again = reference_from_dict(json.loads(json.dumps(reference_to_dict(reference))))
    if again != reference:
        raise UserError(
            f"its reference {reference!r:.80} is read back from JSON as {again!r:.80}; use fields that JSON can hold"
        )
