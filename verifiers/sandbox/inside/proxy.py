"""Test code in one process, the program in another, and calls between them as plain data.

`serve_program` runs beside the program and answers calls; tests_side.py runs the tests with proxies in place of the
program's names. Every frame is a length (4 bytes, big-endian) and JSON. While one side waits for an answer it serves the
other's calls, so that tests can pass functions and programs can return them.

What a program returns is plain data or a function; only for a class that the tests name themselves (with a capital) do
objects stay behind as handles, because an object of the program's own making could answer any method call as it likes.
"""

import builtins
import json
import os
import struct
import types

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
            self.send(["raised", type(error).__name__, text_of(error)])

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


def text_of(error: BaseException) -> str:
    """What an exception says, cut to what an account holds."""
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
        peer.send(["raised", type(error).__name__, text_of(error)])
