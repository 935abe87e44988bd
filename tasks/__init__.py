"""Tasks and their references. This package knows no models and no checking.

Each name is imported when it is first used: references and sources bring pydantic, which the command line does without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks.errors import UserError

if TYPE_CHECKING:
    from tasks.references import (
        AssertTests,
        ChessReference,
        CountdownReference,
        FunctionTests,
        Limits,
        MathReference,
        ProofReference,
        Reference,
        StdioTests,
        TextReference,
        reference_from_dict,
        reference_to_dict,
    )
    from tasks.sources import SOURCES, load
    from tasks.task import Task

__all__ = [
    "SOURCES",
    "AssertTests",
    "ChessReference",
    "CountdownReference",
    "FunctionTests",
    "Limits",
    "MathReference",
    "ProofReference",
    "Reference",
    "StdioTests",
    "Task",
    "TextReference",
    "UserError",
    "load",
    "reference_from_dict",
    "reference_to_dict",
]

_MODULES = {"SOURCES": "tasks.sources", "load": "tasks.sources", "Task": "tasks.task"}  # any other: tasks.references


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "tasks.references")), name)
