"""Test code in one process, the program in another, and calls between them as plain data: the part that both ends share.

program_side.py runs beside the program, tests_side.py beside the tests. Every frame is a length (4 bytes, big-endian) and
JSON. While one side waits for an answer it serves the other's questions, so that tests can pass functions and programs can
return them. What either changes in the scratch folder goes ahead of its next frame.

Values travel as wire.py writes them, with the tags of this file:

    {"f": [number, name, doc]} a function   {"y": [number, is generator]} an iterator   {"o": [number, classes]} an object:
    all three stay on their own side; {"h": number} is one that comes home
    {"M": number} a mock of the tests   {"p": name} a name of the program   {"g": [module, name]} a thing of the standard library, which each side has itself
    {"k": number} an object of a class that both sides know, by its place in the message's table of [class, state]
    {"u": [name, fields, items]} a namedtuple   {"w": value} an awaitable   {"x": [slot, value]} an argument to be kept
    {"e": [classes, text]} an exception   {"io": [content, position]} a StringIO or BytesIO   {"A": ..} {"T": ..} tables.py
"""

import builtins
import io
import json
import os
import struct
import threading
from collections import namedtuple
from functools import lru_cache

from . import tables, wire
from .surroundings import scratch

CHANNEL = 5
KEPT_ARGUMENTS = 64  # lists, dicts, sets and bytearrays of the tests that the program has in its own version
_LENGTH = struct.Struct(">I")
_BUFFERS = (io.StringIO, io.BytesIO)
_MAX_FRAME = 16 * 2**20
_NOT_STATE = (type, type(len), type(lambda: 0), property, staticmethod, classmethod)


class ProgramGone(BaseException):
    """The program's process ended while the tests needed it."""


class Peer:
    """One end of the channel: the things lent over it, and the way of values through it."""

    questions: frozenset[str] = frozenset()  # that the other side may ask while its answer is awaited

    def __init__(self):
        self.lent: list = []  # what the other side may use, by handle
        self._handles: dict[int, int] = {}  # id of a lent thing: its handle
        self.value_classes: dict[str, type] = {}  # classes whose objects travel by value
        self.gone = False

    def keep(self, thing) -> int:
        """The handle of a thing, the same each time: identity is seen from the other side."""
        if id(thing) not in self._handles:
            self._handles[id(thing)] = len(self.lent)
            self.lent.append(thing)
        return self._handles[id(thing)]

    def share(self, value, last: bool, share):
        """The form of a thing that is no plain data, its parts by `share`; None where it has none. Each side has its own."""
        raise NotImplementedError

    def borrow(self, tag: str, body):
        """The stand-in for a form of the other side; ValueError where it is malformed. Each side has its own."""
        raise NotImplementedError

    def serve(self, message: list) -> list:
        """The answer to a question of the other side. Each side has its own."""
        raise NotImplementedError

    def write(self, *values) -> list:
        """The table of the objects among some values that travel by value, and the text of each value."""
        objects, places = [], {}

        def share(value, last: bool):
            kind = self.value_classes.get(type(value).__name__)
            if kind is not None and type(value) is kind:
                if id(value) not in places:
                    places[id(value)] = len(objects)
                    objects.append(value)
                return {"k": places[id(value)]}
            if isinstance(value, tuple) and hasattr(type(value), "_fields"):
                items = [wire.pack(item, share) for item in tuple.__iter__(value)]
                return {"u": [type(value).__name__, list(map(str, type(value)._fields)), items]}
            if type(value) in _BUFFERS:
                content = value.getvalue()
                return {"io": [content if type(content) is str else wire.pack(content, share), value.tell()]}
            table = tables.form_of(value, lambda part: wire.pack(part, share)) if not last else None
            if table is not None:
                return table
            if isinstance(value, BaseException):
                return {"e": [ancestry(type(value)), text_of(value)]}
            return self.share(value, last, share)

        texts = [wire.encode(value, share) for value in values]
        table = []
        for thing in objects:  # it grows meanwhile
            table.append([type(thing).__name__, wire.encode(_state(thing), share)])
        return [table, *texts]

    def read(self, table: list, *texts: str) -> list:
        """The values that `write` wrote; ValueError, TypeError, LookupError or RecursionError for anything else."""
        if type(table) is not list or not all(type(row) is list and len(row) == 2 for row in table):
            raise ValueError("a table of objects is needed")
        objects = [self._blank(name) for name, _ in table]

        def borrow(tag: str, body):
            if tag == "k":
                return objects[body] if type(body) is int and body >= 0 else self._bad()
            if tag == "u":
                name, fields, items = body
                return _tuple_class(str(name), tuple(map(str, fields)))(*items)
            if tag == "w":
                return _ready(body)
            if tag == "io":
                return _buffer(*body)
            if tag in ("A", "T"):
                return tables.value_of(tag, body)
            if tag == "e":
                return self.exception(list(map(str, body[0])), str(body[1]))
            return self.borrow(tag, body)

        for thing, (_, text) in zip(objects, table, strict=True):
            _fill(thing, wire.decode(text, borrow))
        return [wire.decode(text, borrow) for text in texts]

    def _blank(self, name):
        kind = self.value_classes.get(name) if type(name) is str else None
        return object.__new__(kind) if kind is not None else self._bad()

    def _bad(self):
        raise ValueError("a form that was never lent")

    def exception(self, names: list[str], text: str) -> BaseException:
        """An exception of the other side, given by its classes' names."""
        return Exception(text)

    def ask(self, message: list) -> list:
        """The answer to a question; what the other side asks meanwhile is answered."""
        self.send(message)
        while True:
            reply = self.receive()
            if reply[0] in self.questions:
                self.send(self.serve(reply))
            elif reply[0] in ("printed", "logged", "warned"):
                self.happened(*map(str, reply))
            else:
                return reply

    def happened(self, what: str, *parts: str) -> None:
        """Take what the other side printed, logged or warned of."""

    def send(self, message: list) -> None:
        if scratch.changed:
            self._send(["files", scratch.take_changes()])
        self._send(message)

    def _send(self, message: list) -> None:
        data = json.dumps(message).encode()
        if len(data) > _MAX_FRAME:
            data = json.dumps(
                ["raised", ["OverflowError", "Exception"], "a value of more than 16 MiB", "[]", "{}"]
            ).encode()
        data = _LENGTH.pack(len(data)) + data
        try:
            while data:
                data = data[os.write(CHANNEL, data) :]
        except OSError:
            self.fail()

    def receive(self) -> list:
        message = self._receive()
        while message[0] == "files":
            try:
                scratch.apply(message[1])
            except (LookupError, ValueError, TypeError, AttributeError):
                self.fail()
            message = self._receive()
        return message

    def _receive(self) -> list:
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length > _MAX_FRAME:
            self.fail()
        try:
            message = json.loads(self._take(length))
        except (ValueError, RecursionError):
            self.fail()
        if type(message) is not list or not message or type(message[0]) is not str:
            self.fail()
        return message

    def _take(self, size: int) -> bytes:
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

    def raised(self, error: BaseException) -> list:
        """The answer that an exception is: its classes, its text, and as far as they are data its arguments and attributes."""
        kind = TypeError if isinstance(error, wire.NotPlain) else type(error)
        return [
            "raised",
            ancestry(kind),
            text_of(error),
            _plain_text(error, "args", ()),
            _plain_text(error, "__dict__", {}),
            [ancestry(type(cause)), text_of(cause)] if (cause := error.__cause__) is not None else None,
        ]


def _plain_text(error: BaseException, name: str, otherwise) -> str:
    try:
        value = getattr(error, name)
        plain = {key: item for key, item in value.items() if _is_plain(item)} if name == "__dict__" else value
        return wire.encode(plain)
    except BaseException:  # a program's own property, or no data
        return wire.encode(otherwise)


def _is_plain(value) -> bool:
    try:
        wire.encode(value)
    except wire.NotPlain:
        return False
    return True


def ancestry(kind: type) -> list[str]:
    """The names of a class and of those it inherits from, nearest first; one that has a built-in exception's name and is
    not that exception has it in brackets.
    """
    return [_name_of(one) for one in type.mro(kind) if one is not object]


def _name_of(kind: type) -> str:
    known = getattr(builtins, kind.__name__, None)
    is_another = known is not kind and isinstance(known, type) and issubclass(known, BaseException)
    return f"<{kind.__name__}>" if is_another else kind.__name__


def text_of(error: BaseException) -> str:
    """The message of an exception, cut to what an account holds."""
    try:
        return str(error)[:300]
    except BaseException:  # a program's own __str__
        return ""


def _state(thing) -> dict:
    """The attributes of an object."""
    state = dict(getattr(thing, "__dict__", {}))
    for kind in type.mro(type(thing)):
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                state[name] = getattr(thing, name)
    return state


def _fill(thing, state) -> None:
    """Set the attributes of an object that came by value; none may take the place of a method."""
    if type(state) is not dict:
        raise ValueError("a state that is no dict")
    kind = type(thing)
    for name, value in state.items():
        if type(name) is str and not name.startswith("__") and not isinstance(getattr(kind, name, None), _NOT_STATE):
            object.__setattr__(thing, name, value)


@lru_cache(maxsize=256)
def _tuple_class(name: str, fields: tuple[str, ...]) -> type:
    return namedtuple(name, fields)


def _buffer(content, position: int):
    found = io.StringIO(content) if type(content) is str else io.BytesIO(content)
    found.seek(position)
    return found


async def _ready(value):
    return value


_loops = threading.local()


def finished(coroutine):
    """The value of a coroutine, run to its end here, always in the same event loop: tasks and generators live on in it."""
    import asyncio  # here, so that a fork-server without it starts sooner and surroundings.py changes it on its way in

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if not hasattr(_loops, "runner"):
            _loops.runner = asyncio.Runner()
        return _loops.runner.run(_awaited(coroutine))
    found: list = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(_awaited(coroutine))))
    thread.start()
    thread.join()
    return found[0] if found else None


async def _awaited(thing):
    return await thing
