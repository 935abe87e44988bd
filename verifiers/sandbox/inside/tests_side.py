"""Test code, run in a process of its own: HumanEval's `check`, bare assertions, unittest and pytest classes and functions."""

import ast
import builtins
import importlib.util
import inspect
import io
import json
import os
import random
import symtable
import sys
import types
import unittest
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from . import pytest_side, wire
from .evidence import NAME, Evidence, instrument
from .peer import KEPT_ARGUMENTS, Peer, ProgramGone, finished, text_of
from .program import MODULE, answer, make_module
from .remote import (
    ProgramError,
    RemoteAsyncIterator,
    RemoteClass,
    RemoteFunction,
    RemoteIterator,
    RemoteObject,
    Standing,
    Unfit,
    made,
    parameters_of,
    perform,
    remote_class,
    signature_of,
)
from .vacuity import Returned, as_returned

_PROGRAM_NAMES = {
    MODULE,
    "main",
    "submission",
    "answer",
    "program",
    "code",
    "your_module",
    "my_module",
    "module",
    "candidate",
}
_ENDS_ITERATION = (StopIteration, StopAsyncIteration)  # raised in map() they would end a test's loop early
_MAX_TWINS = 100  # objects made to see whether a `==` tells apart
_MAX_PROBES = 2  # of one test code
_HUGE_RANGE = 10_000_000
_REAL_INPUT = builtins.input
_MOCK_OPERATIONS = {"getattr", "setattr", "enter", "exit", "iter", "len", "contains", "getitem", "setitem"}


class Probed(BaseException):
    """A run that asked one question has its answer."""


class MissingName(BaseException):
    """The program lacks a name that the tests use."""


class TestsSide(Peer):
    """The tests' end of the channel."""

    questions = frozenset({"call", "use", "input"})

    def __init__(self):
        super().__init__()
        self.scope: dict = {}
        self.classes: set[str] = set()  # of the program, that the tests name
        self.class_stand_ins: dict[str, type] = {}
        self.whole_sources: dict[str, str] = {}  # of the tests' classes
        self.environment: dict[str, str] | None = None  # as the program has it; None where the tests do not look at it
        self._assigned: set[tuple[str, str]] = set()
        self._told: set[str] = set()  # classes of which the program has the whole source
        self.errors: dict[str, type] = {}  # the program's exceptions as the tests know them
        self._objects: dict[int, object] = {}  # stand-ins by handle, so that one object is one object
        self._arguments: dict[int, tuple] = {}  # (class, arguments) of what the tests constructed, by handle
        self._num_twins = self._num_made = self._num_equal = 0
        self._early_twin: tuple[int, object] = -1, None  # the handle of an object, and its twin
        self._fresh = -1, -1  # the object that was constructed last, and how many answers there were then
        self.probe: Change | None = None  # what this run does otherwise
        self.probes: list[Change] = []  # what a second run should do otherwise
        self._made: dict[int, RemoteObject] = {}  # those that the tests constructed
        self._slots: dict[int, list] = {}  # [argument, slot, text] of lists, dicts, sets and bytearrays by id
        self._num_slots = 0
        self.has_entry_point = False  # tests of one function have no use for its other ones
        self.returned = Returned()
        self.num_answers = 0
        self.num_changes = 0  # questions after which an object may read otherwise
        self.calls: list = []  # [target, arguments] of every call made from here

    def write(self, *values) -> list:
        try:
            written = super().write(*values)
        except wire.NotPlain as error:  # it is the tests' own: nothing is said of the program
            raise Unfit(f"the tests give the program {error}") from None
        for name, _ in written[0]:
            if name in self.whole_sources and name not in self._told:
                self._told.add(name)
                self.ask(["learn", name, self.whole_sources[name]])
        return written

    def share(self, value, last: bool, share):
        if last:
            return None
        kind = type(value)
        if issubclass(kind, RemoteObject):
            if self.has_entry_point and not value._standing.named:
                raise ProgramError("an object of a class that the tests do not name is passed on")
            return {"h": value._handle}
        if kind is RemoteFunction:
            return {"h": value._target} if isinstance(value._target, int) else {"p": value._target}
        if kind in (RemoteIterator, RemoteAsyncIterator):
            return {"h": value._handle}
        if isinstance(value, RemoteClass):
            return {"p": value.__name__}
        named = _library_name(value)
        if named:
            return {"g": named}
        is_mock = _is_mock(value)  # it has every method
        if hasattr(kind, "__await__") and not is_mock:
            return {"w": wire.pack(finished(value), share)}
        if hasattr(kind, "__next__") and not is_mock:
            return {"l": [wire.pack(item, share) for item in value]}
        if is_mock:
            return {"M": self.keep(value)}
        if callable(value):
            doc = getattr(value, "__doc__", None)
            parameters = parameters_of(value) if kind is types.FunctionType else None
            name = str(getattr(value, "__name__", ""))
            return {"f": [self.keep(value), name, doc if type(doc) is str else None, parameters]}
        return None

    def borrow(self, tag: str, body):
        if tag == "h" and type(body) is int and 0 <= body < len(self.lent):
            return self.lent[body]
        if tag == "p" and type(body) is str and body in self.classes:
            return self.class_stand_ins[body]
        if type(body) is not list or not body or type(body[0]) is not int:
            self._bad()
        number = body[0]
        if number not in self._objects:
            self._objects[number] = self._stand_in(tag, number, body[1:])
        return self._objects[number]

    def _stand_in(self, tag: str, number: int, rest: list):
        if tag == "f":
            return RemoteFunction(self, number, str(rest[0]), rest[1] if type(rest[1]) is str else None)
        if tag == "y":
            return (
                RemoteAsyncIterator(self, number) if rest[1] is True else RemoteIterator(self, number, rest[0] is True)
            )
        if tag != "o" or type(rest[0]) is not list or not rest[0]:
            self._bad()
        names = list(map(str, rest[0]))
        thing = object.__new__(remote_class(self, names))
        named = not self.classes.isdisjoint(names)
        thing.__dict__.update(_handle=number, _standing=Standing(named))
        return thing

    def construct(self, name: str, args: tuple, kwargs: dict):
        """An object of a class of the program, made by the tests: it may answer for itself."""
        known = set(self._objects)
        number, self._num_made = self._num_made, self._num_made + 1
        if self.probe is not None and number == self.probe.made:
            args = _with_change(args, self.probe)
        thing = self.call(name, args, kwargs)
        if self.probe is not None and number == self.probe.twin:
            self._early_twin = getattr(thing, "_handle", -1), self.call(name, _with_change(args, self.probe), kwargs)
        if not isinstance(thing, RemoteObject) or (thing._handle in known and thing._handle not in self._made):
            return thing  # data, or a member of an enumeration
        self._arguments.setdefault(thing._handle, (number, name, args, kwargs))
        self._fresh = thing._handle, self.num_answers
        return self._as_made(thing)

    def holds(self, one: RemoteObject, other: RemoteObject) -> bool:
        """Whether two objects are equal by a `==` of the program's that means something."""
        number, self._num_equal = self._num_equal, self._num_equal + 1
        handle, then = self._fresh
        fresh = handle if then == self.num_answers and one is not other else -1
        if self.probe is not None and self.probe.equal == number and self.probe.twin >= 0:
            known, twin = self._early_twin
            one, other = (other if one._handle == known else one), twin
        is_equal = one is other or self.operate("eq", one._handle, (other,)) is True
        if self.probe is not None and self.probe.equal == number:
            answer("blind" if is_equal else "seen")
            raise Probed
        return is_equal and self._tells_apart(one, other, number, fresh)

    def _tells_apart(self, one: RemoteObject, other: RemoteObject, number: int, fresh: int) -> bool:
        """Whether the `==` that holds between two objects does not hold with every other object too.

        Of one that the tests constructed from data twins are made, with one argument changed: a `==` that is true of all of
        them compares nothing. A class could tell twins by their late birth; so one change that was seen becomes a probe, a
        second run in which the `==` must not hold. There an object which was made for this very comparison (`fresh`) is made
        with the change; of an earlier one, from which the other may have been made, a twin is made at its side.
        """
        for thing, known in ((one, other), (other, one)):
            if known._handle not in self._arguments:
                continue
            if self._num_twins > _MAX_TWINS:
                return True
            made, name, args, kwargs = self._arguments[known._handle]
            num_blind = 0
            for change in _changes_of(args):
                self._num_twins += 1
                try:
                    twin = self.call(name, _with_change(args, change), kwargs)
                    is_equal = self.operate("eq", thing._handle, (twin,)) is True
                except Exception:  # the class takes no such argument
                    continue
                if not is_equal:
                    if len(self.probes) < _MAX_PROBES:
                        place = {"made" if known._handle == fresh else "twin": made}
                        self.probes.append(change._replace(equal=number, **place))
                    return True
                num_blind += 1
            return not num_blind
        return True

    def _as_made(self, thing: RemoteObject) -> RemoteObject:
        if thing._handle not in self._made:
            self._made[thing._handle] = made(thing)
        return self._made[thing._handle]

    def assign(self, module: str, name: str, value) -> None:
        """Put a value in the place of a name there: of the program (module "") or of the standard library."""
        if isinstance(value, RemoteFunction) and value._target == name:
            self.restore(module, name)
        else:
            self.ask(["assign", [module, name], *self.write(value)])
            self._assigned.add((module, name))

    def restore(self, module: str, name: str) -> None:
        """Undo `assign`."""
        if (module, name) in self._assigned:
            self._assigned.discard((module, name))
            self.ask(["restore", [module, name]])

    def _tell_environment(self) -> None:
        environment = dict(os.environ)
        if environment != self.environment:
            self.environment = environment
            self.ask(["environ", environment])

    def call(self, target, args: tuple, kwargs: dict):
        """Call on the program's side; raises what it raised there, as a built-in exception where it is one.

        A call that returned nothing may have changed the lists, dicts, sets and bytearrays that it was given: the change is made here
        too. One that returned a value changes nothing here; the program meets its own version again when it is given the
        same list again.
        """
        if self.environment is not None:
            self._tell_environment()
        table, *texts = self.write(*args, kwargs)
        self.calls.append([target, f"[{', '.join(texts[:-1])}]"])
        sent = [self._kept_form(arg, text) for arg, text in zip(args, texts, strict=False)]
        parts = self._question("call", target, table, f"[{', '.join(sent)}]", texts[-1])
        result, after = parts
        if isinstance(result, RemoteObject) and isinstance(target, list) and target[0] in self.classes:
            result = self._as_made(result)  # by a class method
        self.returned.note(result)
        opaque = [one for one in (*args, *kwargs.values()) if isinstance(one, RemoteObject) and not one._standing.named]
        if (
            opaque
            and type(result) is bool
            and len(args) > 1
            and all(one is None or any(one is other for other in opaque) for one in args)
        ):
            raise ProgramError("the program compares its own objects, of a class that the tests do not name")
        if result is None and type(after) is list:
            for mine, theirs in zip(args, after, strict=False):
                self._take_change(mine, theirs)
        return result

    def _kept_form(self, arg, text: str) -> str:
        if type(arg) not in (list, dict, set, bytearray):
            return text
        known = self._slots.get(id(arg))
        if known is not None and known[2] == text and known[1] > self._num_slots - KEPT_ARGUMENTS:
            return f'{{"x": [{known[1]}]}}'
        self._slots[id(arg)] = [arg, self._num_slots, text]
        for old in [key for key, (_, slot, _) in self._slots.items() if slot <= self._num_slots - KEPT_ARGUMENTS]:
            del self._slots[old]
        self._num_slots += 1
        return f'{{"x": [{self._num_slots - 1}, {text}]}}'

    def _take_change(self, mine, theirs) -> None:
        if type(mine) is not type(theirs):
            return
        if type(mine) in (list, bytearray):
            mine[:] = theirs
        elif type(mine) in (dict, set):
            mine.clear()
            mine.update(theirs)
        elif type(mine) in (io.StringIO, io.BytesIO):
            mine.seek(0)
            mine.truncate()
            mine.write(theirs.getvalue())
            mine.seek(theirs.tell())
        elif self.value_classes.get(type(mine).__name__) is type(mine):
            for name, value in getattr(theirs, "__dict__", {}).items():
                object.__setattr__(mine, name, value)
        if id(mine) in self._slots:
            self._slots[id(mine)][2] = self.write(mine)[1]

    def get(self, target, name: str):
        """An attribute of an object (by its handle) or a class (by its name); a method as a function."""
        kind, *parts = self.ask(["get", target, name])
        self.num_answers += 1
        if kind == "method":
            self.num_changes += 1
            return RemoteFunction(self, [target, name], name)
        return self._open(kind, parts)[0]

    def operate(self, name: str, target, args: tuple):
        """The result of an operator or a built-in function on an object."""
        if name not in ("iter", "next", "eq", "hash", "str", "repr"):
            self.num_changes += 1
        return self._question("operate", target, name, *self.write(list(args)))[0]

    def signature(self, target):
        """The signature of a function of the program, its defaults hidden."""
        return signature_of(self._question("operate", target, "signature", *self.write([]))[0])

    def _question(self, *message) -> list:
        kind, *parts = self.ask(list(message))
        self.num_answers += 1
        if message[0] == "call":
            self.num_changes += 1
        return self._open(kind, parts)

    def _open(self, kind: str, parts: list) -> list:
        """The values of an answer; raises what it says was raised. Anything else is an end of the other side."""
        if kind == "raised" and len(parts) == 5 and type(parts[0]) is list:
            raise self._error(*parts)
        if kind != "value" or len(parts) < 2:
            self.fail()
        try:
            values = self.read(*parts)
        except (ValueError, TypeError, LookupError, ImportError, RecursionError, AttributeError):
            self.fail()
        for number, value in enumerate(values):
            if type(value) is range and len(value) > _HUGE_RANGE:
                answer("large")
            if type(value).__module__ == "numpy" and hasattr(value, "ndim"):
                values[number] = as_returned(value)
        return [*values, None] if len(values) == 1 else values

    def _error(self, names: list, text, args, state, cause) -> BaseException:
        error = self.exception(list(map(str, names)), str(text))
        try:
            values = wire.decode(args)
            if type(values) in (list, tuple) and values:
                error.args = tuple(values)
            for name, value in wire.decode(state).items():
                if not name.startswith("__") and not hasattr(type(error), name):
                    setattr(error, name, value)
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass  # its text is enough
        if type(cause) is list and len(cause) == 2 and type(cause[0]) is list:
            error.__cause__ = self.exception(list(map(str, cause[0])), str(cause[1]))
        error.from_program = "".join(map(str, names[:1]))[:60]
        return error

    def exception(self, names: list[str], text: str) -> BaseException:
        try:
            return error_class(names, self.errors)(text)
        except (TypeError, ValueError):  # made otherwise, or of no name
            return ProgramError(text)

    def happened(self, what: str, *parts: str) -> None:
        """Let tests see what the program printed, logged or warned of, as if it had happened here."""
        if what == "printed":
            sys.stdout.write(*parts[:1])
        elif what == "warned" and len(parts) > 1:
            kind = error_class(list(parts[1:]), self.errors)
            warnings.warn(parts[0], kind if issubclass(kind, Warning) else UserWarning, stacklevel=2)
        elif what == "logged" and len(parts) == 3 and parts[1].isdigit() and "logging" in sys.modules:
            sys.modules["logging"].getLogger(parts[0]).log(int(parts[1]), "%s", parts[2])

    def serve(self, message: list) -> list:
        """Answer one question of the program: a call of a function of the tests, a use of a mock, or a line of input."""
        try:
            if message[0] == "input" and len(message) == 2:
                return ["line", self._input(message[1] is True)]
            verb, number, *parts = message
            if verb == "use" and type(number) is int and len(parts) == 3:
                used = _use_mock(self.lent[number], parts[0], self.read(*parts[1:])[0])
                return ["value", *self.write(used)]
            if verb != "call" or type(number) is not int or len(parts) != 3:
                raise LookupError("no such function")
            args, kwargs = self.read(*parts)
            return ["value", *self.write(self.lent[number](*args, **kwargs))]
        except ProgramGone:
            raise
        except BaseException as error:  # whatever is raised is the answer
            return self.raised(error)

    def _input(self, one_line: bool) -> str:
        if not one_line:
            return sys.stdin.read()
        if builtins.input is _REAL_INPUT:
            return sys.stdin.readline()
        try:
            return f"{builtins.input('')}\n"
        except (EOFError, StopIteration):
            return ""

    def names(self, wanted: set[str], classes: list[list[str]]) -> dict:
        reply = self.ask(["names", sorted(wanted), classes])
        return reply[1] if len(reply) == 2 and type(reply[1]) is dict else self.fail()

    def bind(self, name: str, kind: list):
        """The stand-in for a name of the program."""
        what, about = str(kind[0]), kind[1]
        if what == "exception":
            return error_class(list(map(str, about)), self.errors)
        if what == "module":  # under its own name, and from here, never the program's object
            return __import__(name) if name in sys.stdlib_module_names else None
        if what == "class" and name[:1].isupper():
            return remote_class(
                self, [name, *map(str, about[1:])], kind[2] if len(kind) > 2 and type(kind[2]) is str else None
            )
        if what == "constant":
            what, *parts = self.ask(["constant", name])
            return self._open(what, parts)[0]
        return RemoteFunction(self, name, name, about if type(about) is str else None)


class Change(NamedTuple):
    """One argument of a constructed object in another version."""

    position: int
    version: int
    made: int = -1  # of the objects that the tests construct, which is made with it
    twin: int = -1  # of those, which is given a twin with it
    equal: int = -1  # of the `==` between objects, which one tells


def _changes_of(args: tuple) -> Iterator[Change]:
    for position, value in enumerate(args):
        for version in range(len(_changed(value))):
            yield Change(position, version)


def _with_change(args: tuple, change: Change) -> tuple:
    value = _changed(args[change.position])[change.version]
    return (*args[: change.position], value, *args[change.position + 1 :])


def _changed(value) -> list:
    """Other values of the type of an argument."""
    if type(value) in (int, float):
        return [value + 1, value - 1]
    if type(value) is str:
        return [value + "x", value[:-1]] if value else ["x"]
    if type(value) in (list, tuple):
        return [value[:-1], *(value[:-1] + type(value)([last]) for last in _changed(value[-1]))] if value else []
    return [not value] if type(value) is bool else []


def error_class(names: list[str], known: dict[str, type]) -> type:
    """The exception class of an ancestry: built-in ones are themselves, the program's own are made here once (`known`)."""
    kind: type = ProgramError
    for name in reversed(names):
        built_in = getattr(builtins, name, None)
        if isinstance(built_in, type) and issubclass(built_in, BaseException):
            kind = built_in
        elif issubclass(kind, Exception):
            kind = known.setdefault(name, type(name, (kind,), {}))
    return kind if issubclass(kind, Exception) and not issubclass(kind, _ENDS_ITERATION) else ProgramError


def _is_mock(value) -> bool:
    return type(value).__module__ == "unittest.mock"


def _use_mock(thing, operation: str, args: list):
    """Do to a mock of the tests what the program asks. What the mock records and its own assertions are the tests' alone, and
    only data may be put in the place of an attribute.
    """
    if not _is_mock(thing) or operation not in _MOCK_OPERATIONS:
        raise LookupError("no such mock")
    if operation in ("getattr", "setattr"):
        name = str(args[0])
        mock = sys.modules["unittest.mock"]
        is_own = hasattr(mock.Mock, name) or hasattr(mock.AsyncMock, name) or name == "method_calls"
        if is_own or name.startswith(("_", "assert")):
            raise AttributeError(name)
        wire.encode(args[1:])
        return getattr(thing, name) if operation == "getattr" else setattr(thing, name, args[1])
    return perform(operation, thing, args)


def _library_name(value) -> list[str] | None:
    """[module, name] of a function or class of the standard library: the program has it itself, and must not have ours."""
    if not isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType)):
        return None
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return None  # a method of one of the tests' objects
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if isinstance(value, types.MethodDescriptorType):
        module, name = "builtins", value.__qualname__
    if module is None or module.partition(".")[0] not in {*sys.stdlib_module_names, "numpy"} or module == "__main__":
        return None
    return [module, name] if "<" not in name else None


class _ProgramModule(types.ModuleType):
    """The program as a module that tests import."""

    def __init__(self, name: str, peer: TestsSide, kinds: dict):
        super().__init__(name)
        self.__dict__.update(_peer=peer, _kinds=kinds, __file__=f"/{name}.py")

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._kinds:
            found = self._peer.names({name, *self._peer.scope.get("_wanted_", ())}, [])
            if name not in found:
                raise MissingName(name)
            self._kinds[name] = found[name]
        thing = self._peer.bind(name, self._kinds[name])
        self.__dict__[name] = thing
        return thing

    def __setattr__(self, name: str, value) -> None:
        if not name.startswith("__"):
            getattr(self, name)
            self._peer.assign("", name, value)
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        self._peer.restore("", name)
        self.__dict__.pop(name, None)


class TestRun:
    """One test code against one program."""

    def __init__(self, job: dict):
        self.entry_point: str = job["entry_point"]
        self.source: str = job["tests"]
        self.prelude: str = job.get("prelude", "")
        self.peer = TestsSide()
        self.peer.has_entry_point = bool(self.entry_point)
        self.evidence = Evidence(self.source)
        self.scope = self.peer.scope = make_module("__main__")

    def run(self) -> tuple:
        """Run all tests; (`passed`,), or what stood against that with an account."""
        try:
            tree = ast.parse(self.source)
            prelude = ast.parse(self.prelude)
        except (SyntaxError, ValueError, RecursionError) as error:
            return "unfit", f"the test code does not compile: {error}"
        exec(compile(prelude, "<prelude>", "exec", dont_inherit=True), self.scope)
        asked = _program_modules(tree)
        wanted, bound = _free_names(self.source, asked)
        wanted -= self.scope.keys()
        named = {self.entry_point.partition(".")[0].removesuffix("()"), self.entry_point} - {""}
        kinds = self.peer.names(wanted | named, self._own_classes(tree, prelude))
        if self.entry_point and self.entry_point not in kinds:
            return "missing", self.entry_point
        imported = set().union(*asked.values())
        own = {name for name in kinds if not hasattr(builtins, name) or name in imported} | named
        if not own & kinds.keys():
            own = set(kinds)  # tests of the program's own `pow`, which call nothing else of it
        kinds = {name: kind for name, kind in kinds.items() if name in own and "." not in name}
        self.peer.classes = {name for name, kind in kinds.items() if kind[0] == "class" and name[:1].isupper()}
        for name, kind in kinds.items():
            if name in wanted | named and name not in bound:
                self.scope[name] = self.peer.bind(name, kind)
        modules = {module for module, names in asked.items() if "*" in names or names & kinds.keys()}
        for module in modules | _PROGRAM_NAMES & asked.keys() | {MODULE}:
            sys.modules[module] = _ProgramModule(module, self.peer, kinds)
            sys.modules[module].__dict__["__all__"] = sorted(kinds)
        self._derive(tree)
        self._prepare()
        code = compile(instrument(tree, self.evidence), "<tests>", "exec", dont_inherit=True)
        self._known_classes(prelude)
        try:
            exec(code, self.scope)
        except SystemExit as stop:  # `unittest.main()` and the like at the end of a module
            if stop.code not in (None, 0):
                raise
        self._call_tests(wanted - kinds.keys() - bound)
        return self._weigh()

    def _own_classes(self, tree: ast.Module, prelude: ast.Module) -> list[list[str]]:
        """[name, source] of the classes of tests and prelude whose objects may be given to the program."""
        found = []
        for part in (prelude, tree):
            for node in part.body:
                if not isinstance(node, ast.ClassDef) or _is_test_class(node):
                    continue
                head = _imports_of(node, part)
                text = node if part is prelude else _form_of(node)
                found.append([node.name, f"{head}\n{ast.unparse(text)}"])
                self.peer.whole_sources[node.name] = f"{head}\n{ast.unparse(node)}"
        self._own_names = [name for name, _ in found]
        return found

    def _derive(self, tree: ast.Module) -> None:
        """Have the program's process make the classes that the tests derive from the program's: they are of one kind."""
        for place, node in enumerate(tree.body):
            bases = {one.id for one in getattr(node, "bases", ()) if isinstance(one, ast.Name)}
            if not isinstance(node, ast.ClassDef) or self.peer.classes.isdisjoint(bases) or _is_test_class(node):
                continue
            if any(isinstance(one, ast.Assert) for one in ast.walk(node)):
                continue  # assertions are the tests' own: `Unfit` says so once the class is made here
            source = f"{_imports_of(node, tree)}\n{ast.unparse(node)}"
            reply = self.peer.ask(["derive", node.name, source])
            if len(reply) != 2 or type(reply[1]) is not dict:
                continue
            self.peer.classes.add(node.name)
            bind = ast.Assign([ast.Name(node.name, ast.Store())], _stand_in_of(node.name))
            self.scope[f"_derived_{node.name}"] = self.peer.bind(node.name, reply[1][node.name])
            tree.body[place] = ast.copy_location(bind, node)
        ast.fix_missing_locations(tree)

    def _known_classes(self, prelude: ast.Module) -> None:
        """Classes of the tests become known while the tests run; those of the prelude are there already."""
        names, scope = self._own_names, self.scope

        class Known(dict):
            def get(self, name, otherwise=None):
                kind = scope.get(name) if name in names else None
                plain = (
                    isinstance(kind, type) and not isinstance(kind, RemoteClass) and not issubclass(kind, BaseException)
                )
                return kind if plain else otherwise

        self.peer.value_classes = Known()

    def _prepare(self) -> None:
        """Put in place what tests expect of their surroundings."""
        self.scope[NAME] = self.evidence
        self.scope |= {"zip": self.peer.returned.zip, "map": self.peer.returned.map}
        self.peer.returned.guard_numpy(self.source)
        if "environ" in self.source or "setenv" in self.source:
            self.peer.environment = dict(os.environ)
        if "patch" in self.source:
            self._share_patches()
        if "doctest" in self.source:
            _have_doctests_fail()
        unittest.main = lambda *args, **kwargs: None  # the classes are run below
        sys.modules["pytest"] = pytest_side.module()
        seed = random.seed

        def seed_both(a=None, version=2):
            seed(a, version)
            if isinstance(a, (int, float, str)):
                self.peer.ask(["seed", "random", wire.encode(a)])

        random.seed = seed_both
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            seed_numpy = numpy.random.seed

            def seed_numpy_too(a=None):
                seed_numpy(a)
                if isinstance(a, int):
                    self.peer.ask(["seed", "numpy", wire.encode(a)])

            numpy.random.seed = seed_numpy_too

    def _share_patches(self) -> None:
        """Have `unittest.mock.patch` of a name of the standard library hold in the program's process too."""
        from unittest.mock import _patch

        enter, leave, peer = _patch.__enter__, _patch.__exit__, self.peer

        def enter_both(patch):
            found = enter(patch)
            if _is_shared(patch.target):
                peer.assign(patch.target.__name__, patch.attribute, getattr(patch.target, patch.attribute))
            return found

        def leave_both(patch, *error):
            if _is_shared(patch.target):
                peer.restore(patch.target.__name__, patch.attribute)
            return leave(patch, *error)

        _patch.__enter__, _patch.__exit__ = enter_both, leave_both

    def _call_tests(self, missing: set[str]) -> None:
        if self.entry_point and callable(self.scope.get("check")):
            entry = self.scope.get(self.entry_point)
            self.scope["check"](
                RemoteFunction(self.peer, self.entry_point, self.entry_point) if entry is None else entry
            )
        for kind in _test_cases(self.scope):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(result)
            if not result.wasSuccessful():
                self._raise_first(result)
        pytest_side.run(self.scope, self.evidence, _finish)

    def _raise_first(self, result: unittest.TestResult) -> None:
        troubles = result.failures + result.errors
        text = troubles[0][1].strip().splitlines()[-1] if troubles else "a test that was to fail succeeded"
        raise AssertionError(text)

    def _weigh(self) -> tuple:
        """Whether tests that ran to their end prove anything."""
        if not self.peer.num_answers:
            return "unfit", "the tests never called the program"
        evidence = self.evidence
        if evidence.failed:
            return "failed", next(iter(evidence.failed.values()))
        left = evidence.never_entered()
        lent = {one.__code__ for one in self.peer.lent if type(one) is types.FunctionType}
        given = evidence.never_entered(among=lent)
        if given:
            return "failed", f"the program never called what it was given: {given[0]}"
        if left:
            return "unfit", f"tests that were not run hold assertions: {', '.join(left[:3])}"
        if evidence.unfit:
            return "unfit", evidence.unfit
        unreached = evidence.never_evaluated()
        if unreached:
            return "failed", f"the assertion in line {unreached[0]} was never reached"
        if not evidence.evaluated:
            return "unfit", "the tests evaluated no assertion"
        silent = evidence.proves_nothing()
        if silent:
            return "unfit", f"assertions under conditions that never held: {', '.join(silent[:3])}"
        return ("passed", json.dumps(self.peer.probes))


def run_tests(job: dict) -> None:
    """Run test code against the program and answer `passed`, `failed`, `raised`, `gone`, `missing` or `unfit`.

    An answer `large` goes ahead where the program gave a range so long that tests may never come to its end.
    """
    run = TestRun(job)
    if "probe" in job:
        run.peer.probe = Change(*job["probe"])
    try:
        outcome = run.run()
    except Probed:
        return
    except ProgramGone:
        outcome = ("gone",)
    except MissingName as error:
        outcome = ("missing", str(error))
    except BaseException as error:  # what test code raises decides, or tells that the tests are unfit
        outcome = _judge(error)
    answer(*(("gone",) if run.peer.gone else outcome))
    if job.get("record"):
        for target, arguments in run.peer.calls:
            answer("call", str(target), arguments)


def _have_doctests_fail() -> None:
    """`doctest.testmod` prints what failed and goes on; here it raises."""
    import doctest

    run = doctest.testmod

    def testmod(*args, **kwargs):
        results = run(*args, **kwargs)
        if results.failed:
            raise AssertionError(f"{results.failed} examples of doctest fail")
        return results

    doctest.testmod = testmod


def _imports_of(node: ast.ClassDef, tree: ast.Module) -> str:
    """The imports of tests that a class of theirs uses; the program's process has no pytest, and is the program's module."""
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    lines = []
    for line in tree.body:
        if not isinstance(line, (ast.Import, ast.ImportFrom)) or _program_modules(ast.Module([line], [])):
            continue
        names = {(alias.asname or alias.name).partition(".")[0] for alias in line.names}
        if names & used or names == {"*"} or getattr(line, "module", "") == "__future__":
            lines.append(ast.unparse(line))
    return "\n".join(lines)


def _stand_in_of(name: str) -> ast.expr:
    return ast.Name(f"_derived_{name}", ast.Load())


def _is_shared(module) -> bool:
    """Whether a patched module is one that a program has too; its streams are its own."""
    known = sys.stdlib_module_names - {"sys", "os"}
    return isinstance(module, types.ModuleType) and module.__name__.partition(".")[0] in known


def _is_test_class(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return node.name.startswith("Test") or any(base.endswith("TestCase") for base in bases)


def _form_of(node: ast.ClassDef) -> ast.ClassDef:
    """A class of the tests as a program needs it to make objects: the values and methods of an oracle are left out."""
    kept = []
    is_enum = any("Enum" in ast.unparse(base) or "Flag" in ast.unparse(base) for base in node.bases)
    for line in node.body:
        if isinstance(line, (ast.FunctionDef, ast.AsyncFunctionDef)):
            is_kept = line.name.startswith("__") or (bool(line.decorator_list) and "property" in ast.unparse(line))
        elif isinstance(line, ast.Assign):
            names = [ast.unparse(target) for target in line.targets]
            is_kept = is_enum or isinstance(line.value, ast.Constant) or names == ["__slots__"]
        else:
            is_kept = not isinstance(line, ast.ClassDef)
        if is_kept and not any(isinstance(inner, ast.Assert) for inner in ast.walk(line)):
            kept.append(line)
    return ast.ClassDef(node.name, node.bases, node.keywords, kept or [ast.Pass()], node.decorator_list)


def _judge(error: BaseException) -> tuple:
    if hasattr(error, "from_program"):
        return "raised", error.from_program, text_of(error)
    if isinstance(error, AssertionError):
        return "failed", text_of(error)
    if isinstance(error, (ImportError, SystemExit, Unfit, unittest.SkipTest)):
        return "unfit", f"the test code ended with {type(error).__name__}: {text_of(error)}"
    return "raised", type(error).__name__, text_of(error)


def _program_modules(tree: ast.Module) -> dict[str, set[str]]:
    """The modules that the tests import and that no library has, each with the names that are asked of it."""
    found: dict[str, set[str]] = {}
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            module = node.module.partition(".")[0]
            if not _is_library(module):
                found.setdefault(module, set()).update(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name.partition(".")[0]
                if not _is_library(module):
                    found.setdefault(module, set())
                    aliases[alias.asname or module] = module
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            found[aliases[node.value.id]].add(node.attr)
    return found


def _is_library(name: str) -> bool:
    if name in sys.modules or name in sys.stdlib_module_names or name in ("pytest", "numpy"):
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _free_names(source: str, modules: dict[str, set[str]]) -> tuple[set[str], set[str]]:
    """The names that the tests use and do not bind themselves; and those that they bind."""
    table = symtable.symtable(source, "<tests>", "exec")
    bound = {
        one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported() or one.is_namespace()
    }
    used = {one.get_name() for one in table.get_symbols() if one.is_referenced()}
    inner = list(table.get_children())
    for one in inner:
        used |= {symbol.get_name() for symbol in one.get_symbols() if symbol.is_global() and symbol.is_referenced()}
        inner += one.get_children()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in modules:
            bound -= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.names[0].name == "*":
            bound |= _exported(node.module)
    return (used - bound) | set().union(*modules.values()) - {"*"}, bound


def _exported(module: str) -> set[str]:
    """The names that a star import of a library module binds."""
    try:
        __import__(module)
    except ImportError:
        return set()
    thing = sys.modules[module]
    return set(getattr(thing, "__all__", [name for name in vars(thing) if not name.startswith("_")]))


def _test_cases(scope: dict) -> list[type]:
    """The unittest classes that the tests define, those too that a function of theirs made."""
    found, waiting = [], [unittest.TestCase]
    for kind in waiting:
        waiting += [one for one in kind.__subclasses__() if one not in waiting]
        if kind.__module__ == "__main__":
            found.append(kind)
    return found


def _finish(result) -> None:
    """Run to its end what a test function returned: a coroutine or a generator."""
    if inspect.iscoroutine(result):
        finished(result)
    elif inspect.isgenerator(result):
        for _ in result:
            pass
