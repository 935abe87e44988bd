"""Mistakes of users: the one error type, and the words for what pydantic finds wrong."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

FEW = 8  # words that an error may list


class UserError(Exception):
    """Bad input. Its text names the mistake, its place, what is allowed and the cure.

    Commands print it on one line, without a traceback, and exit with status 2.
    """


class Words(NamedTuple):
    """A mistake in two parts; a place, such as ` in mine.toml [sampling]`, fits between them."""

    text: str
    hint: str = ""


def words_of(mistake: Mapping[str, Any], key: str, known: Iterable[str] = ()) -> Words:
    """The words for one of `ValidationError.errors()`. `known`: the keys that its table takes, for a suggestion."""
    kind = mistake["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return Words(f'unknown key "{key}"', did_you_mean(key, known))
    if kind in ("missing", "missing_argument"):
        return Words(f'"{key}" is missing')
    if kind == "model_type":
        return Words(f"{key} = {mistake['input']!r}", ": it is a section, and takes no value of its own")
    reason = mistake["msg"].removeprefix("Value error, ")
    if kind == "too_short":
        reason = f"it needs at least {mistake['ctx']['min_length']}"
    return Words(f"{key} = {mistake['input']!r:.200}", f": {reason[0].lower()}{reason[1:]}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words; if none is near, all of them if they are few."""
    known = list(known)
    if near := difflib.get_close_matches(word, known, 1):
        return f'; did you mean "{near[0]}"?'
    return f"; there are {', '.join(known)}" if 0 < len(known) <= FEW else ""
