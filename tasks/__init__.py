"""Tasks and their references. This package knows no models and no checking."""

from tasks.errors import UserError
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
