"""Test code in one process, the program in another, and calls between them as plain data.

`serve_program` runs beside the program and answers calls; tests_side.py runs the tests with proxies in place of the
program's names. Every frame is a length (4 bytes, big-endian) and JSON. While one side waits for an answer it serves the
other's calls, so that tests can pass functions and programs can return them.

What a program returns is plain data, a function or an iterator; only of a class that the tests name themselves (with a
capital) do objects stay behind as handles (remote.py), because an object could answer any question as it likes.
"""

import io
import json
import os
import struct
import sys
import types

from . import wire
from .remote import ProgramError, RemoteIterator, RemoteObject, ancestry, error_class, perform

CHANNEL = 5
_LENGTH = struct.Struct(">I")
_MAX_FRAME = 16 * 2**20


class ProgramGone(BaseException):
    """The program's process ended while the tests needed it."""


class Peer:
    """One end of the channel."""

    def __init__(self, scope: dict | None = None):
        self.scope = scope  # the program's names, on its side
        self.lent: list = []  # what the other side may use, by handle
        self.classes: set[str] = set()  # of the program, that the tests name
        self.errors: dict[str, type] = {}  # the program's exceptions as the tests know them
        self.num_answers = 0
        self.calls: list = []  # [target, arguments] of every call made from here
        self.gone = False
        self.printed = io.StringIO()  # by the program, since the last answer

    def keep(self, thing) -> int:
        self.lent.append(thing)
        return len(self.lent) - 1

    def share(self, thing) -> dict | None:
        """The form of what is no plain data; None where it cannot leave."""
        if isinstance(thing, RemoteObject):
            return {"h": thing._handle}
        classes = ancestry(type(thing))
        if not self.classes.isdisjoint(classes):
            return {"o": [self.keep(thing), classes]}
        if hasattr(type(thing), "__next__"):
            return {"y": self.keep(lambda: next(([item] for item in thing), []))}
        return {"f": self.keep(thing)} if callable(thing) else None

    def borrow(self, tag: str, body):
        """What stands here for a form of the other side; ValueError where it is malformed."""
        if tag == "o":
            if (
                type(body) is list
                and len(body) == 2
                and type(body[0]) is int
                and not self.classes.isdisjoint(map(str, body[1]))
            ):
                return RemoteObject(self, body[0], body[1])
        elif type(body) is int and tag == "h":
            if 0 <= body < len(self.lent):
                return self.lent[body]
        elif type(body) is int:
            function = lambda *args, **kwargs: self.call(body, args, kwargs)  # noqa: E731
            return RemoteIterator(function) if tag == "y" else function
        raise ValueError("a form that was never lent")

    def call(self, target, args: tuple, kwargs: dict):
        """Call on the other side; raises what it raised there, as a built-in exception where it is one."""
        texts = wire.encode(list(args), self.share), wire.encode(kwargs, self.share)
        self.calls.append([target, texts[0]])
        result, *after = self.question("call", target, *texts)
        if isinstance(result, RemoteObject) and isinstance(target, str):
            result.__dict__["_made"] = target in self.classes
        if after and type(after[0]) is list:
            _write_back(args, after[0])
        return result

    def get(self, target: int | str, name: str):
        """An attribute of an object (by its handle) or a class (by its name); a method as a function."""
        kind, *parts = self.ask(["get", target, name])
        self.num_answers += 1
        if kind == "method":
            return lambda *args, **kwargs: self.call([target, name], args, kwargs)
        return self.open(kind, parts)[0]

    def operate(self, name: str, handle: int, args: tuple):
        """What an operator or a built-in function gives on an object."""
        return self.question("operate", handle, name, wire.encode(list(args), self.share))[0]

    def question(self, *message) -> list:
        kind, *parts = self.ask(list(message))
        self.num_answers += 1
        return self.open(kind, parts)

    def open(self, kind: str, parts: list) -> list:
        """The values of an answer; raises what it says was raised. Anything else is an end of the other side."""
        if kind == "raised" and len(parts) == 2 and type(parts[0]) is list:
            raise self.exception(list(map(str, parts[0])), str(parts[1]))
        if kind != "value" or not parts:
            self.fail()
        try:
            return [wire.decode(text, self.borrow) for text in parts]
        except (ValueError, TypeError, LookupError, ImportError, RecursionError):
            self.fail()

    def exception(self, names: list[str], text: str) -> Exception:
        """The exception of an ancestry, marked as the program's."""
        try:
            error = error_class(names, self.errors)(text)
        except (TypeError, ValueError):  # made otherwise, or of no name
            error = ProgramError(text)
        error.from_program = "".join(names[:1])[:60]
        return error

    def ask(self, message: list) -> list:
        self.send(message)
        while True:
            reply = self.receive()
            if reply[0] == "call" and len(reply) == 4:
                self.serve(reply)
            elif reply[0] == "printed" and len(reply) == 2:
                sys.stdout.write(str(reply[1]))  # for tests that look at what is printed
            else:
                return reply

    def serve(self, message: list) -> None:
        """Answer one question of the other side."""
        try:
            answer = self.answer_to(*message)
        except ProgramGone:
            raise
        except BaseException as error:  # whatever is raised is the answer
            kind = TypeError if isinstance(error, wire.NotPlain) else type(error)
            answer = ["raised", ancestry(kind), text_of(error)]
        if self.printed.tell():
            self.send(["printed", self.printed.getvalue()])
            self.printed.seek(0)
            self.printed.truncate()
        self.send(answer)

    def answer_to(self, verb: str, target, *parts) -> list:
        """The answer to a call; on the program's side also to other questions."""
        if verb == "call":
            args, kwargs = (wire.decode(text, self.borrow) for text in parts)
            result = self.find(target)(*args, **kwargs)
            after = wire.encode(args, self.share) if result is None and args else "null"
            return ["value", wire.encode(result, self.share), after]
        thing = self.find(target)
        if verb == "operate":
            result = perform(parts[0], thing, wire.decode(parts[1], self.borrow))
        else:
            result = getattr(thing, parts[0]) if verb == "get" else thing
            if verb == "get" and callable(result) and self.classes.isdisjoint(ancestry(type(result))):
                return ["method"]
        return ["value", wire.encode(result, self.share)]

    def find(self, target):
        """What a call means. The tests' side has no scope: there only what was lent can be called, and nothing inside it."""
        if isinstance(target, int):
            return self.lent[target]
        if self.scope is None:
            raise LookupError(target)
        if isinstance(target, list):
            return getattr(self.find(target[0]), target[1])
        from .runner import find

        return find(self.scope, target)

    def send(self, message: list) -> None:
        data = json.dumps(message).encode()
        if len(data) > _MAX_FRAME:
            data = json.dumps(["raised", ["OverflowError", "Exception"], "a value of more than 16 MiB"]).encode()
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


def text_of(error: BaseException) -> str:
    """What an exception says, cut to what an account holds."""
    try:
        return str(error)[:300]
    except BaseException:  # a program's own __str__
        return ""


def _write_back(args: tuple, after: list) -> None:
    """What a call that returned nothing did to the lists, dicts and sets that it was given."""
    for mine, theirs in zip(args, after, strict=False):
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
    sys.stdout = peer.printed
    while True:
        try:
            message = peer.receive()
            if message[0] == "names":
                kinds = {name: _kind_of(name, scope[name]) for name in message[1] if name in scope}
                peer.classes = {name for name, kind in kinds.items() if kind == "class"}
                peer.send(["names", kinds])
            else:
                peer.serve(message)
        except ProgramGone:
            return


def _kind_of(name: str, thing) -> str | list[str]:
    """What a name stands for; of an exception its ancestry."""
    if isinstance(thing, type) and name[:1].isupper():
        return ancestry(thing) if issubclass(thing, Exception) else "class"
    return "module" if isinstance(thing, types.ModuleType) else "callable" if callable(thing) else "constant"
