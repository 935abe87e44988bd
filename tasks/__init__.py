"""What is asked: tasks and their references. Knows no models and no checking."""

from tasks.errors import UserError
from tasks.references import (
    AssertTests,
    FunctionTests,
    Limits,
    MathReference,
    Reference,
    StdioTests,
    reference_from_dict,
    reference_to_dict,
)
from tasks.sources.catalog import SOURCES, load
from tasks.task import Task

__all__ = [
    "SOURCES",
    "AssertTests",
    "FunctionTests",
    "Limits",
    "MathReference",
    "Reference",
    "StdioTests",
    "Task",
    "UserError",
    "load",
    "reference_from_dict",
    "reference_to_dict",
]
