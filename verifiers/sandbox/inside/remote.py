"""What stays in the program's process, as the tests hold it: objects of classes that they name, those classes, iterators.

An object is a handle; whatever the tests do with it is asked of the program and answered with data. It equals no data,
whatever its class says: only two of the program's objects are compared by their own `==`.
"""

import builtins
import operator

OPERATIONS = {
    "len": len, "str": str, "repr": repr, "bool": bool, "int": int, "float": float, "hash": hash, "abs": abs,
    "getitem": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem, "contains": operator.contains,
    "eq": operator.eq, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "add": operator.add,
    "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv, "floordiv": operator.floordiv,
    "mod": operator.mod, "pow": operator.pow, "and": operator.and_, "or": operator.or_, "xor": operator.xor,
    "iter": lambda thing: (item for item in thing),  # an iterator even where the object is its own
    "neg": operator.neg, "reversed": reversed, "call": lambda thing, *args: thing(*args),
    "enter": lambda thing: thing.__enter__(), "exit": lambda thing, *args: thing.__exit__(None, None, None),
}  # fmt: skip
_REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
_WEIGHING = (*_REFLECTED, "lt", "le", "gt", "ge")
_SWAPPED = "_swapped"
_DATA_METHODS = {name for kind in (str, bytes, list, tuple, dict, set, int, float) for name in dir(kind)}
_ENDS_ITERATION = (StopIteration, StopAsyncIteration)  # raised in map() they would end a test's loop early


class ProgramError(Exception):
    """An exception of the program that the tests cannot name."""


class RemoteObject:
    """An instance of a class of the program: attributes, methods and operators, each answered by the program.

    `made` objects are those that the tests constructed. One that some call handed out may stand where data was due; asked
    with the tests' data in hand, it could give whatever answer suits. So it answers no such question that a test would put
    to data, and made ones answer no arithmetic of that kind.
    """

    def __init__(self, peer, handle: int, classes: list[str]):
        self.__dict__.update(_peer=peer, _handle=handle, _classes=classes, _made=False)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        thing = self._peer.get(self._handle, name)
        if self._made or name not in _DATA_METHODS or not callable(thing):
            return thing
        return lambda *args, **kwargs: _no_stand_in(thing(*args, **kwargs), (*args, *kwargs.values()))

    def __setattr__(self, name: str, value) -> None:
        self._peer.operate("setattr", self._handle, (name, value))

    def __eq__(self, other) -> bool:
        return isinstance(other, RemoteObject) and self._peer.operate("eq", self._handle, (other,)) is True


def _no_stand_in(answer, args: tuple):
    """The answer, unless it is data that an object gave to a question with data in it."""
    if (
        answer is not None
        and not isinstance(answer, RemoteObject)
        and not all(isinstance(arg, RemoteObject) for arg in args)
    ):
        raise ProgramError("an object where data was due")
    return answer


def _operation(name: str, swapped: bool = False):
    def operate(self, *args):
        if name == "exit":
            args = ()
        answer = self._peer.operate(name + _SWAPPED * swapped, self._handle, args)
        weighs = name in _WEIGHING or (name == "contains" and not self._made)
        return _no_stand_in(answer, args) if weighs else answer

    return operate


for _name in OPERATIONS:
    if _name != "eq":
        setattr(RemoteObject, f"__{_name}__", _operation(_name))
for _name in _REFLECTED:
    setattr(RemoteObject, f"__r{_name}__", _operation(_name, swapped=True))


class RemoteClass:
    """A class of the program that the tests name: they make objects of it, ask for its attributes and for `isinstance`."""

    def __init__(self, peer, name: str):
        self._peer, self.__name__ = peer, name

    def __call__(self, *args, **kwargs):
        return self._peer.call(self.__name__, args, kwargs)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.get(self.__name__, name)

    def __instancecheck__(self, thing) -> bool:
        return isinstance(thing, RemoteObject) and self.__name__ in thing._classes


class RemoteIterator:
    """An iterator of the program; `step()` gives a list of the next item, empty at the end."""

    def __init__(self, step):
        self._step = step

    def __iter__(self):
        return self

    def __next__(self):
        item = self._step()
        if type(item) is not list:
            raise ProgramError("an iterator that gives no items")
        if not item:
            raise StopIteration
        return item[0]

    def __contains__(self, thing) -> bool:
        return thing in list(self)  # to its end: one that goes on for ever would hold everything


def perform(name: str, thing, args: list):
    """Do to a thing what the tests asked for."""
    if name == "setattr":
        return setattr(thing, *args)
    if name.endswith(_SWAPPED):
        return OPERATIONS[name.removesuffix(_SWAPPED)](*args, thing)
    return OPERATIONS[name](thing, *args)


def ancestry(kind: type) -> list[str]:
    """The names of a class and of those it inherits from, nearest first."""
    return [one.__name__ for one in type.mro(kind) if one is not object]


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
