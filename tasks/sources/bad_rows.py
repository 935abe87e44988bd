"""Rows of a file that make no task: named one by one, and left out or not as the recipe says."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tasks.errors import UserError
from tasks.task import Task

MAX_NAMED = 1000  # bad rows that one error names; more are counted


class BadRow(NamedTuple):
    """What a source yields in place of a task for a row that it cannot use."""

    text: str  # file and row, what is wrong, and the cure
    is_left_out: bool  # the recipe lets the run go on without it


def without_bad_rows(items: Iterable[Task | BadRow], left_out: Callable[[str], None]) -> Iterator[Task]:
    """The tasks. `left_out` is called with the text of each bad row that may be left out.

    UserError at the first one that may not; it names all that follow too, so that one look cures the whole file.
    """
    rest = iter(items)
    for item in rest:
        if isinstance(item, Task):
            yield item
        elif item.is_left_out:
            left_out(item.text)
        else:
            raise _error(item, rest)


def _error(first: BadRow, rest: Iterator[Task | BadRow]) -> UserError:
    texts, number = [first.text], 1
    for item in rest:
        if isinstance(item, BadRow):
            number += 1
            if number <= MAX_NAMED:
                texts.append(item.text)
    if number > MAX_NAMED:
        texts.append(f"... and {number - MAX_NAMED:,} more bad rows")
    if number > 1:
        texts.append(f'{number:,} bad rows; correct them, or leave them out with on_bad_row = "skip"')
    return UserError("\n".join(texts))
