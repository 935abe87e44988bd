"""The program inside its child: the module that it runs in, its functions by name, and the lines that it answers with."""

import json
import os
import sys
import types

ANSWERS = 4  # the descriptor that answers go to
MODULE = "solution"  # the name under which tests import the program
_FILE = "/program.py"


def make_module(name: str) -> dict:
    """The namespace of a fresh module, registered as a program expects to find itself."""
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = __builtins__
    module.__dict__["__file__"] = _FILE
    sys.modules[name] = module
    return module.__dict__


def find(scope: dict, name: str):
    """The callable that a test calls by `name`.

    A name is a function of the program, a method of its class Solution, or of its only class that has such a method; or a
    path such as `Solution().f` or `Solution.f`. Something that the program only imported comes last: `from heapq import *`
    must not hide `Solution.merge`.
    """
    if "." in name:
        return _follow(scope, name)
    if name in scope and _is_own(scope[name]):
        return scope[name]
    method = _method(scope, name)
    if method is not None:
        return method
    if name in scope:
        return scope[name]
    raise NameError(f"the program defines no {name}")


def _is_own(thing) -> bool:
    """Whether the program itself made a thing, as far as the thing says."""
    module = getattr(thing, "__module__", None)
    return not callable(thing) or module is None or module in (MODULE, "__main__")


def _method(scope: dict, name: str):
    """The bound method `name` of class Solution, or of the one class of the program that has it; None without one."""
    solution = scope.get("Solution")
    if isinstance(solution, type) and callable(getattr(solution, name, None)):
        return getattr(solution(), name)
    classes = [thing for thing in scope.values() if isinstance(thing, type) and _is_own(thing)]
    having = [kind for kind in dict.fromkeys(classes) if callable(kind.__dict__.get(name)) or _is_static(kind, name)]
    return getattr(having[0](), name) if len(having) == 1 else None


def _is_static(kind: type, name: str) -> bool:
    return isinstance(kind.__dict__.get(name), (staticmethod, classmethod))


def _follow(scope: dict, path: str):
    """The thing at the end of a path of names, each of which may be called without arguments on the way."""
    thing = None
    for number, part in enumerate(path.split(".")):
        name = part.removesuffix("()")
        if number == 0 and name not in scope:
            raise NameError(f"the program defines no {name}")
        thing = getattr(thing, name) if number else scope[name]
        if part.endswith("()"):
            thing = thing()
    return thing


def answer(*parts) -> None:
    """Append one line of JSON to the answers."""
    line = json.dumps(parts).encode() + b"\n"
    while line:
        line = line[os.write(ANSWERS, line) :]
