"""Objects by name, `package.module:name`: the door through which users bring sources and kinds of their own.

A module is looked for on Python's own path, then in the working directory, then in the folders of `look_in`, such as that
of a recipe. These come last, so that a file of the user's hides no installed package.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from tasks.errors import UserError

_folders: list[str] = []  # of `look_in`, in the order in which they came


def is_named(name: str) -> bool:
    """Whether a source or a kind is an object of the user's own rather than one of ours."""
    return ":" in name


def look_in(*folders: str | Path) -> None:
    """Look for modules of the user's in these folders too, from now on and in every process that this one starts."""
    whole = [str(Path(folder).absolute()) for folder in folders]
    _folders.extend(folder for folder in dict.fromkeys(whole) if folder not in _folders and Path(folder).is_dir())
    sys.path.extend(folder for folder in _folders if folder not in sys.path)


def folders() -> list[str]:
    """Where modules of the user's are looked for after Python's own path: a worker elsewhere hands this to `look_in`."""
    return list(dict.fromkeys([os.getcwd(), *_folders]))


def load_named(name: str, place: str) -> Any:
    """The object of a name such as `package.module:name`.

    `place` is the name's own place, for the error: 'the source "mine:tasks"'. UserError when the form is another, or
    the module or its attribute is not there; an error that the module itself raises is named with its file and line.
    """
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
        raise UserError(f"{place} is no name of an object: write it as package.module:name, such as mine:my_tasks")
    look_in(*folders())
    importlib.invalidate_caches()  # a file that was written a moment ago is found
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UserError(f"{place}: {module} needs the module {error.name}, which is not installed") from error
        file = module.partition(".")[0]
        raise UserError(
            f"{place}: there is no module {error.name}; it is looked for in {' and '.join(folders())}. Put {file}.py there, "
            "install it, or name its folder in PYTHONPATH"
        ) from error
    except Exception as error:  # user code runs as it is imported: any error in it is the user's to see in one line
        raise UserError(
            f"{place}: importing {module} fails: {type(error).__name__}: {error}{line_of(error)}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [word for word in vars(found) if not word.startswith("_")]
            raise UserError(
                f"{place}: {module} ({getattr(found, '__file__', 'a package')}) has no {part}; it has {', '.join(public[:20]) or 'no name'}"
            )
        found = getattr(found, part)
    return found


def line_of(error: Exception) -> str:
    """The last place in the traceback, for example ` (mine.py, line 3)`."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})" if trace else ""
