"""The program's end of the channel: answers the tests' questions about the program's names and objects."""

import io
import os
import sys
import types

from . import wire
from .peer import KEPT_ARGUMENTS, Peer, ProgramGone, ancestry, finished
from .program import MODULE, find
from .remote import RemoteFunction, RemoteMock, perform, signature_of


class ProgramSide(Peer):
    """The program as the tests reach it."""

    questions = frozenset(
        {"names", "seed", "learn", "derive", "assign", "restore", "environ", "call", "operate", "get", "constant"}
    )  # a function of the tests that the program calls may look at the program's objects

    def __init__(self, scope: dict):
        super().__init__()
        self.scope = scope
        self.classes: set[str] = set()  # those that the tests name
        self.printed = io.StringIO()  # since the last answer
        self.news: list[list[str]] = []  # what was logged and warned of since then
        self._parameters: dict[int, list] = {}  # of the tests' functions, by handle
        self._assigned: dict = {}  # what stood before at each place that the tests changed
        self._kept: dict[int, object] = {}  # arguments by slot: the program's version of the tests' lists
        self._stand_ins: dict[int, RemoteFunction] = {}

    def share(self, value, last: bool, share):
        if isinstance(value, RemoteFunction) and value._peer is self:
            return {"h": value._target}
        kind = type(value)
        if last:
            return {"o": [self.keep(value), ancestry(kind)]} if not isinstance(value, types.ModuleType) else None
        if isinstance(value, type):
            known = self.scope.get(value.__name__) is value
            return (
                {"p": value.__name__}
                if known and value.__name__ in self.classes
                else {"f": [self.keep(value), value.__name__, None]}
            )
        if not self.classes.isdisjoint(ancestry(kind)):
            return {"o": [self.keep(value), ancestry(kind)]}
        if hasattr(kind, "__await__"):
            return {"w": wire.pack(finished(value), share)}
        if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
            is_async = not hasattr(kind, "__next__")
            return {"y": [self.keep(value), isinstance(value, types.GeneratorType), is_async]}
        if hasattr(kind, "__exit__") or hasattr(kind, "__aexit__"):
            return {"o": [self.keep(value), ancestry(kind)]}
        if callable(value):
            doc = getattr(value, "__doc__", None)
            name = getattr(value, "__name__", "")
            return {"f": [self.keep(value), str(name)[:200], doc if type(doc) is str else None]}
        return None

    def borrow(self, tag: str, body):
        if tag == "h" and type(body) is int:
            return self.lent[body]
        if tag == "f":
            number, name, doc, self._parameters[body[0]] = body
            if number not in self._stand_ins:
                self._stand_ins[number] = RemoteFunction(self, number, name, doc)
            return self._stand_ins[number]
        if tag == "M":
            if body not in self._stand_ins:
                self._stand_ins[body] = RemoteMock(self, body, "mock")
            return self._stand_ins[body]
        if tag == "p":
            return self._find(body)
        if tag == "g":
            return _library_thing(*body)
        if tag == "x":
            slot = body[0]
            if len(body) == 2:
                self._kept[slot] = body[1]
                self._kept.pop(slot - KEPT_ARGUMENTS, None)
            return self._kept[slot]
        return self._bad()

    def call(self, target: int, args: tuple, kwargs: dict):
        """Call a function of the tests."""
        return self._answer_to(["call", target, *self.write(list(args), kwargs)])

    def use(self, target: int, operation: str, *args):
        """Do to a mock of the tests what RemoteMock has methods for."""
        return self._answer_to(["use", target, operation, *self.write(list(args))])

    def _answer_to(self, question: list):
        kind, *parts = self.ask(question)
        if kind != "value":
            raise self.exception(*parts[:2])
        return self.read(*parts)[0]

    def get(self, target, name: str):
        raise AttributeError(name)  # the tests' functions are called, not looked at

    def signature(self, target):
        if not self._parameters.get(target):
            raise ValueError("no signature is known")
        return signature_of(self._parameters[target])

    def exception(self, names: list[str], text: str) -> BaseException:
        for name in names:
            kind = self.scope.get(name, getattr(__import__("builtins"), name, None))
            if isinstance(kind, type) and issubclass(kind, Exception):
                return kind(text)
        return Exception(text)

    def serve(self, message: list) -> list:
        """Answer one question of the tests; what the program printed meanwhile goes ahead of the answer."""
        try:
            answer = self._answer(*message)
        except ProgramGone:
            raise
        except BaseException as error:  # whatever is raised is the answer
            answer = self.raised(error)
        for what in self.news:
            self.send(what)
        self.news.clear()
        if self.printed.tell():
            self.send(["printed", self.printed.getvalue()])
            self.printed.seek(0)
            self.printed.truncate()
        return answer

    def _answer(self, verb: str, target, *parts) -> list:
        if verb == "names":
            return ["names", self._kinds(target, *parts)]
        if verb == "seed":
            return self._seed(target, *parts)
        if verb == "learn":
            self._complete(target, *parts)
            return ["done"]
        if verb == "derive":
            return ["names", self._derive(target, *parts)]
        if verb == "assign":
            self._assign(target, self.read(*parts)[0])
            return ["done"]
        if verb == "restore":
            setattr(self._holder(target), target[1], self._assigned.pop(tuple(target)))
            return ["done"]
        if verb == "environ":
            os.environ.clear()
            os.environ.update(target)
            return ["done"]
        thing = self._find(target)
        if verb == "call":
            args, kwargs = self.read(*parts)
            result = thing(*args, **kwargs)
            after = args if result is None and args else None
            return ["value", *self.write(result, after)]
        if verb == "operate":
            return ["value", *self.write(perform(parts[0], thing, self.read(*parts[1:])[0]))]
        result = thing if verb == "constant" else getattr(thing, parts[0])
        if callable(result) and not isinstance(result, type) and self.classes.isdisjoint(ancestry(type(result))):
            return ["method"]
        return ["value", *self.write(result)]

    def _holder(self, target: list):
        """The module that has a name which the tests change: that of the program, or one of the library."""
        return sys.modules[target[0] or MODULE] if not target[0] else __import__(target[0], fromlist=["_"])

    def _assign(self, target: list, value) -> None:
        """Put a value of the tests in the place of a name of the program, or of a library's."""
        holder = self._holder(target)
        self._assigned.setdefault(tuple(target), getattr(holder, target[1]))
        setattr(holder, target[1], value)

    def _derive(self, name: str, source: str) -> dict:
        """Make a class that the tests derive from one of the program; it is the program's own from then on."""
        exec(source, self.scope)
        self.classes.add(name)
        return {name: _kind_of(name, self.scope[name])}

    def _seed(self, module: str, text: str) -> list:
        numbers = __import__("numpy").random if module == "numpy" else __import__("random")
        numbers.seed(wire.decode(text))
        return ["done"]

    def _find(self, target):
        """The thing that a call means: a name of the program, a lent thing, or an attribute of either."""
        if isinstance(target, int):
            return self.lent[target]
        if isinstance(target, list):
            return getattr(self._find(target[0]), target[1])
        return find(self.scope, target)

    def _kinds(self, wanted: list[str], classes: list[list[str]]) -> dict:
        """The kind of each wanted name that the program has. `classes` holds [name, source] of those that the tests define."""
        for name, source in classes:
            self._learn(name, source)
        kinds = {name: _kind_of(name, self.scope[name]) for name in wanted if name in self.scope}
        solution = self.scope.get("Solution")
        for name in wanted:
            if name not in kinds and ((isinstance(solution, type) and hasattr(solution, name)) or "." in name):
                kinds[name] = ["callable", None]
        self.classes = {name for name, kind in kinds.items() if kind[0] == "class"}
        return kinds

    def _complete(self, name: str, source: str) -> None:
        """Give a class of the tests, of whose objects one comes now, the methods and values that it lacks here."""
        kind = self.value_classes.get(name)
        scope: dict = {"__name__": MODULE}
        try:
            exec(source, scope)
            for key, value in vars(scope[name]).items():
                if key not in vars(kind):
                    setattr(kind, key, value)
        except Exception:  # a class that needs more of the tests than it may have here
            return

    def _learn(self, name: str, source: str) -> None:
        """Know a class of the tests, so that its objects can come by value; the program's own of that name goes before."""
        if not isinstance(self.scope.get(name), type):
            scope: dict = {"__name__": MODULE}
            try:
                exec(source, scope)
            except Exception:  # a class that needs more of the tests than it may have here: its objects cannot come
                return
            self.scope[name] = scope[name]
        self.value_classes[name] = self.scope[name]


class RemoteInput(io.TextIOBase):
    """The program's standard input while tests run it: the tests' own, whatever they put in its place."""

    def __init__(self, peer: ProgramSide):
        self._peer = peer

    def readable(self) -> bool:
        return True

    def readline(self, size: int = -1) -> str:
        reply = self._peer.ask(["input", True])
        return str(reply[1])

    def read(self, size: int = -1) -> str:
        return str(self._peer.ask(["input", False])[1])

    def __iter__(self):
        return iter(self.readline, "")


def _library_thing(module: str, name: str):
    __import__(module)
    thing = sys.modules[module]
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def _kind_of(name: str, thing) -> list:
    """[kind, ancestry or docstring] of a name; only a class with a capital is asked for its objects."""
    if isinstance(thing, type):
        if issubclass(thing, BaseException):
            return ["exception", ancestry(thing)]
        if name[:1].isupper():
            return ["class", ancestry(thing), _doc(thing)]
    if isinstance(thing, types.ModuleType):
        return ["module", None]
    return ["callable", _doc(thing)] if callable(thing) else ["constant", None]


def _doc(thing) -> str | None:
    doc = getattr(thing, "__doc__", None)
    return doc if type(doc) is str and len(doc) < 10_000 else None


def _report_news(news: list) -> None:
    """Have what the program logs and warns of reported to the tests' process, which decides what becomes of it."""
    import warnings

    def warn(message, category, *_args, **_kwargs):
        news.append(["warned", str(message), *ancestry(category)])

    warnings.simplefilter("always")
    warnings.showwarning = warn
    logging = sys.modules.get("logging")
    if logging is None:
        return

    class Reporter(logging.Handler):
        def emit(self, record):
            news.append(["logged", record.name, str(record.levelno), record.getMessage()])

    logging.getLogger().addHandler(Reporter())
    if logging.getLogger().level == logging.WARNING:  # as it is at the start: the tests' own level counts
        logging.getLogger().setLevel(logging.NOTSET)


def serve_program(scope: dict) -> None:
    """Answer the tests' questions until they close the channel."""
    peer = ProgramSide(scope)
    sys.stdout, sys.stdin = peer.printed, RemoteInput(peer)
    _report_news(peer.news)
    while True:
        try:
            peer.send(peer.serve(peer.receive()))
        except ProgramGone:
            return
