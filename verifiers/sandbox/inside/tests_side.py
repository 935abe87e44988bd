"""Test code, run in a process of its own: HumanEval's `check`, bare assertions, unittest classes, `test_` functions."""

import builtins
import sys
import types
import unittest

from .proxy import Peer, ProgramGone, text_of
from .remote import RemoteClass, error_class
from .runner import make_module


def run_tests(job: dict, answer) -> None:
    """Run test code against the program and answer `passed`, `failed`, `raised`, `gone`, `missing` or `unfit`."""
    peer, scope = Peer(), make_module("tests")
    scope["__name__"] = "tests"
    entry_point = job["entry_point"]
    try:
        code = compile(job["tests"], "<tests>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return answer("unfit", f"the test code does not compile: {error}")
    try:
        known = bind_names(peer, code, entry_point, scope)
        if entry_point and entry_point not in known:
            return answer("missing", entry_point)
        make_module("solution").update({name: scope[name] for name in known & scope.keys()})  # for tests that import it
        exec(code, scope)
        call_tests(peer, scope, entry_point)
        outcome = ("passed",) if peer.num_answers else ("unfit", "the tests never called the program")
    except ProgramGone:
        outcome = ("gone",)
    except BaseException as error:  # what test code raises decides, or tells that the tests are unfit
        outcome = _judge(error)
    answer(*(("gone",) if peer.gone else outcome))
    if job.get("record"):
        for target, arguments in peer.calls:
            answer("call", str(target), arguments)


def _judge(error: BaseException) -> tuple:
    if hasattr(error, "from_program"):
        return "raised", error.from_program, text_of(error)
    if isinstance(error, AssertionError):
        return "failed", text_of(error)
    if isinstance(error, (ImportError, SystemExit)):
        return "unfit", f"the test code ended with {type(error).__name__}: {text_of(error)}"
    return "raised", type(error).__name__, text_of(error)


def bind_names(peer: Peer, code: types.CodeType, entry_point: str, scope: dict) -> set[str]:
    """Give the tests those names of the program that they use and neither define nor find built in."""
    wanted = {name for name in _names_in(code) if not hasattr(builtins, name)} | ({entry_point} - {""})
    reply = peer.ask(["names", sorted(wanted)])
    kinds = reply[1] if len(reply) == 2 and type(reply[1]) is dict else peer.fail()
    for name, kind in kinds.items():
        if name not in wanted:
            continue
        if type(kind) is list:
            scope[name] = error_class(list(map(str, kind)), peer.errors)
        elif kind == "module":
            if name in sys.stdlib_module_names:  # under its own name, and from here, never the program's object
                scope[name] = __import__(name)
        elif kind == "class" and name[:1].isupper():
            peer.classes.add(name)
            scope[name] = RemoteClass(peer, name)
        elif kind == "constant":
            kind, *parts = peer.ask(["constant", name])
            if kind == "value":
                scope[name] = peer.open(kind, parts)[0]
        else:
            scope[name] = _caller(peer, name)
    return set(kinds) & wanted


def _caller(peer: Peer, name: str):
    def call(*args, **kwargs):
        return peer.call(name, args, kwargs)

    call.__name__ = name
    return call


def _names_in(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


def call_tests(peer: Peer, scope: dict, entry_point: str) -> None:
    """`check(entry point)`; without one, the unittest classes and `test_` functions that the code defines."""
    if entry_point:
        if callable(scope.get("check")):
            scope["check"](scope[entry_point] if entry_point in peer.classes else _caller(peer, entry_point))
        return
    for name, thing in list(scope.items()):
        if isinstance(thing, type) and issubclass(thing, unittest.TestCase):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(thing).run(result)
            if not result.wasSuccessful():
                raise AssertionError((result.failures + result.errors)[0][1].strip().splitlines()[-1])
        elif name.startswith("test_") and isinstance(thing, types.FunctionType):
            thing()
