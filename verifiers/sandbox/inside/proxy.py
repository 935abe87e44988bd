"""Test code in one process, the program in another, and calls between them as plain data.

`serve_program` runs beside the program and answers calls; `run_tests` runs the test code with proxies in place of the
program's names. Every frame is a length (4 bytes, big-endian) and JSON. While one side waits for an answer it serves the
other's calls, so that tests can pass functions and programs can return them.

What a program returns is plain data or a function; only for a class that the tests name themselves (with a capital) do
objects stay behind as handles, because an object of the program's own making could answer any method call as it likes.
"""

import builtins
import json
import os
import struct
import sys
import types
import unittest

from . import wire

CHANNEL = 5
_LENGTH = struct.Struct(">I")
_MAX_FRAME = 16 * 2**20
_ENDS_ITERATION = ("StopIteration", "StopAsyncIteration")  # raised in map() they would end a test's loop early


class ProgramError(Exception):
    """An exception of the program that the tests cannot name."""


class ProgramGone(BaseException):
    """The program's process ended while the tests needed it."""


class Peer:
    """One end of the channel."""

    def __init__(self, scope: dict | None = None):
        self.scope = scope  # the program's names, on its side
        self.lent: list = []  # what the other side may call, by handle
        self.num_answers = 0
        self.calls: list = []  # [target, arguments] of every call made from here
        self.gone = False

    def share(self, thing) -> int:
        self.lent.append(thing)
        return len(self.lent) - 1

    def borrow(self, handle: int):
        def remote(*args, **kwargs):
            return self.call(handle, args, kwargs)

        return remote

    def call(self, target, args: tuple, kwargs: dict):
        """Call on the other side; raises what it raised there, as a built-in exception where it is one."""
        texts = wire.encode(list(args), self.share), wire.encode(kwargs, self.share)
        self.calls.append([target, texts[0]])
        kind, *parts = self.ask(["call", target, *texts])
        self.num_answers += 1
        if kind == "object" and _names_class(target) and type(parts[0]) is int:
            return RemoteObject(self, parts[0])
        result, after = self.open(kind, parts)
        if type(after) is list:
            _write_back(args, after)
        return result

    def open(self, kind: str, parts: list) -> list:
        """The values of an answer; raises what it says was raised. Anything else is an end of the other side."""
        if kind == "raised" and len(parts) == 2:
            raise _exception(*map(str, parts))
        if kind != "value":
            self.fail()
        try:
            return [wire.decode(text, self.borrow) for text in parts]
        except (ValueError, TypeError, LookupError, ImportError, RecursionError):
            self.fail()

    def ask(self, message: list) -> list:
        self.send(message)
        while True:
            reply = self.receive()
            if reply[0] != "call" or len(reply) != 4:
                return reply
            self.serve(reply)

    def serve(self, message: list) -> None:
        """Answer one call of the other side."""
        try:
            _, target, args_text, kwargs_text = message
            args, kwargs = wire.decode(args_text, self.borrow), wire.decode(kwargs_text, self.borrow)
            function = self.find(target)
            result = function(*args, **kwargs)
            if isinstance(function, type) and _names_class(target):
                return self.send(["object", self.share(result)])
            after = wire.encode(args, self.share) if result is None and args else "null"
            self.send(["value", wire.encode(result, self.share), after])
        except wire.NotPlain as error:
            self.send(["raised", "TypeError", str(error)])
        except ProgramGone:
            raise
        except BaseException as error:  # whatever is raised is the answer
            self.send(["raised", type(error).__name__, _text(error)])

    def find(self, target):
        """What a call means. The tests' side has no scope: there only what was lent can be called, and nothing inside it."""
        if isinstance(target, int):
            return self.lent[target]
        if self.scope is None:
            raise LookupError(target)
        if isinstance(target, list):
            return getattr(self.lent[target[0]], target[1])
        from .runner import find

        return find(self.scope, target)

    def send(self, message: list) -> None:
        data = json.dumps(message).encode()
        if len(data) > _MAX_FRAME:
            data = json.dumps(["raised", "OverflowError", "a value of more than 16 MiB"]).encode()
        data = _LENGTH.pack(len(data)) + data
        try:
            while data:
                data = data[os.write(CHANNEL, data) :]
        except OSError:
            self.fail()

    def receive(self) -> list:
        (length,) = _LENGTH.unpack(self.read(_LENGTH.size))
        if length > _MAX_FRAME:
            self.fail()
        try:
            message = json.loads(self.read(length))
        except (ValueError, RecursionError):
            self.fail()
        if type(message) is not list or not message:
            self.fail()
        return message

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                piece = os.read(CHANNEL, min(size - len(data), 1 << 20))
            except OSError:
                piece = b""
            if not piece:
                self.fail()
            data += piece
        return bytes(data)

    def fail(self):
        self.gone = True
        raise ProgramGone


class RemoteObject:
    """An instance of a class of the program that the tests made: methods and attributes, each answering with data."""

    def __init__(self, peer: Peer, handle: int):
        self.__dict__.update(_peer=peer, _handle=handle)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        kind, *parts = self._peer.ask(["get", self._handle, name])
        self._peer.num_answers += 1
        if kind == "method":
            return lambda *args, **kwargs: self._peer.call([self._handle, name], args, kwargs)
        return self._peer.open(kind, parts)[0]


def _names_class(target) -> bool:
    """Whether the tests named a class by its convention; what any other call returns is data."""
    return isinstance(target, str) and target[:1].isupper()


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except BaseException:  # a program's own __str__
        return ""


def _exception(name: str, text: str) -> BaseException:
    kind = getattr(builtins, str(name), None)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or name in _ENDS_ITERATION:
        kind = ProgramError
    try:
        error = kind(text)
    except TypeError:
        error = ProgramError(text)
    error.from_program = str(name)[:60]
    return error


def _write_back(args: tuple, after: list) -> None:
    """What a call that returned nothing did to the lists, dicts and sets that it was given."""
    for mine, theirs in zip(args, after):
        if type(mine) is not type(theirs):
            continue
        if type(mine) is list:
            mine[:] = theirs
        elif type(mine) in (dict, set):
            mine.clear()
            mine.update(theirs)


def serve_program(scope: dict) -> None:
    """Answer the tests' calls until they close the channel."""
    peer = Peer(scope)
    while True:
        try:
            message = peer.receive()
            if message[0] == "call":
                peer.serve(message)
            elif message[0] == "names":
                peer.send(["names", {name: _kind_of(scope[name]) for name in message[1] if name in scope}])
            elif message[0] == "constant":
                _send_value(peer, lambda: scope[message[1]])
            elif message[0] == "get":
                _send_value(peer, lambda: getattr(peer.lent[message[1]], message[2]), methods=True)
        except ProgramGone:
            return


def _kind_of(thing) -> str:
    return "module" if isinstance(thing, types.ModuleType) else "callable" if callable(thing) else "constant"


def _send_value(peer: Peer, get, methods: bool = False) -> None:
    try:
        thing = get()
        peer.send(["method"] if methods and callable(thing) else ["value", wire.encode(thing)])
    except wire.NotPlain as error:
        peer.send(["raised", "TypeError", str(error)])
    except ProgramGone:
        raise
    except BaseException as error:  # a program's own property
        peer.send(["raised", type(error).__name__, _text(error)])


def run_tests(job: dict, answer) -> None:
    """Run test code against the program and answer `passed`, `failed`, `raised`, `gone`, `missing` or `unfit`."""
    from .runner import make_module

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
        return "raised", error.from_program, _text(error)
    if isinstance(error, AssertionError):
        return "failed", _text(error)
    if isinstance(error, (ImportError, SystemExit)):
        return "unfit", f"the test code ended with {type(error).__name__}: {_text(error)}"
    return "raised", type(error).__name__, _text(error)


def bind_names(peer: Peer, code: types.CodeType, entry_point: str, scope: dict) -> set[str]:
    """Give the tests those names of the program that they use and neither define nor find built in."""
    wanted = {name for name in _names_in(code) if not hasattr(builtins, name)} | ({entry_point} - {""})
    reply = peer.ask(["names", sorted(wanted)])
    kinds = reply[1] if len(reply) == 2 and type(reply[1]) is dict else peer.fail()
    for name, kind in kinds.items():
        if name not in wanted:
            continue
        if kind == "module":
            if name in sys.stdlib_module_names:  # under its own name, and from here, never the program's object
                scope[name] = __import__(name)
        elif kind == "callable":
            scope[name] = _caller(peer, name)
        else:
            kind, *parts = peer.ask(["constant", name])
            if kind == "value":
                scope[name] = peer.open(kind, parts)[0]
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
            scope["check"](_caller(peer, entry_point))
        return
    for name, thing in list(scope.items()):
        if isinstance(thing, type) and issubclass(thing, unittest.TestCase):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(thing).run(result)
            if not result.wasSuccessful():
                raise AssertionError((result.failures + result.errors)[0][1].strip().splitlines()[-1])
        elif name.startswith("test_") and isinstance(thing, types.FunctionType):
            thing()
