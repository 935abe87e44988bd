"""Stand-ins, in the tests' process, for what stays in the program's: its functions, iterators, classes and objects.

The truth of an assertion rests on data. An object of the program could answer any question as suits it, so the questions
that tests put to data are not passed on to it:

- An object that the tests did not construct answers to attributes, methods, `==` with other objects, `str` and iteration;
  it is no number and no text, and as a sequence it is read once.
- An object that the tests constructed answers everything else too, for then its class is what they test; but it is never
  compared with data, and once it has been computed with data it is no number any more: `abs(f(2) - 12.5) < 0.1` is true of
  no object.
- An object equals no data. Of two objects `==` counts only where it tells one of them from a twin with other arguments.
- Objects of classes that the tests never name have attributes and methods only, and may be given to another function of
  the program, unless the tests are of one entry point. What that says of two such objects by a bool is no evidence.
"""

import operator
import types
from typing import NamedTuple

_COMPARISONS = ("lt", "le", "gt", "ge")
_ARITHMETIC = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
    "matmul",
)
_IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "imatmul")
_MEASURES = ("len", "int", "float", "complex", "abs", "round", "index", "bool", "neg", "pos", "invert", "getitem", "contains",
             "reversed", "call", "format", "divmod", "trunc", "floor", "ceil")  # fmt: skip
OPERATIONS = {name: getattr(operator, name) for name in (*_COMPARISONS, *_ARITHMETIC, *_IN_PLACE)} | {
    "len": len, "int": int, "float": float, "complex": complex, "abs": abs, "round": round, "index": operator.index,
    "bool": bool, "neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "getitem": operator.getitem,
    "contains": operator.contains, "reversed": lambda thing: iter(reversed(thing)), "format": format, "divmod": divmod,
    "call": lambda thing, *args: thing(*args), "str": str, "repr": repr, "hash": hash, "eq": operator.eq,
    "setitem": operator.setitem, "delitem": operator.delitem, "iter": lambda thing: (item for item in thing),
    "next": lambda thing, *sent: _step(thing, *sent), "setattr": setattr, "delattr": delattr,
    "enter": lambda thing: thing.__enter__(), "exit": lambda thing, error: _leave(thing.__exit__, error),
    "aenter": lambda thing: thing.__aenter__(), "aexit": lambda thing, error: _leave(thing.__aexit__, error),
    "aiter": lambda thing: thing.__aiter__(), "anext": lambda thing: _async_step(thing),
    "trunc": lambda thing: thing.__trunc__(), "floor": lambda thing: thing.__floor__(),
    "ceil": lambda thing: thing.__ceil__(), "signature": lambda thing: parameters_of(thing),
    "copy": lambda thing: __import__("copy").copy(thing), "deepcopy": lambda thing: __import__("copy").deepcopy(thing),
    "close": lambda thing: thing.close(),
}  # fmt: skip
_REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "matmul")
_SWAPPED = "_swapped"
_TABLE_METHODS = {
    "equals",
    "identical",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "isin",
    "all",
    "any",
    "equal",
    "has",
}  # pandas
_DATA_METHODS = _TABLE_METHODS.union(*map(dir, (str, bytes, list, tuple, dict, set, int, float)))
_TEXT_PREDICATES = {name for name in dir(str) if name.startswith("is")}
_MAX_ITEMS = 100_000  # of an object that is read as a sequence


class ProgramError(Exception):
    """An exception of the program that the tests cannot name, or a stand-in for data."""


class Unfit(BaseException):
    """Tests that cannot be run against a program in a process of its own."""


class Standing(NamedTuple):
    """How far an object may answer for itself."""

    named: bool  # the tests name its class
    made: bool = False  # the tests constructed it, or computed it from one that they did
    mixed: bool = False  # the tests' data went into it by an operator


class RemoteClass(type):
    """The class of the classes that stand for those of the program; `isinstance` goes by name."""

    def __new__(mcs, name, bases, body):
        if "_peer" not in body:
            raise Unfit(f"the tests derive a class of their own, {name}, from one of the program")
        return super().__new__(mcs, name, bases, body)

    def __init__(cls, name, bases, body):
        super().__init__(name, bases, body)

    def __call__(cls, *args, **kwargs):
        return cls._peer.construct(cls.__name__, args, kwargs)

    def __getattr__(cls, name: str):
        if name.startswith("__") or "_peer" not in type.__getattribute__(cls, "__dict__"):
            raise AttributeError(name)
        return cls._peer.get(cls.__name__, name)

    def __setattr__(cls, name: str, value) -> None:
        cls._peer.operate("setattr", cls.__name__, (name, value))

    def __getitem__(cls, key):
        found = cls._peer.operate("getitem", cls.__name__, (key,))
        return cls if isinstance(found, RemoteFunction) else found  # Stack[int] is Stack

    def __iter__(cls):
        return iter(cls._peer.operate("iter", cls.__name__, ()))

    def __len__(cls) -> int:
        return cls._peer.operate("len", cls.__name__, ())

    def __bool__(cls) -> bool:
        return True

    def __instancecheck__(cls, thing) -> bool:
        return cls.__subclasscheck__(type(thing))

    def __subclasscheck__(cls, kind) -> bool:
        return cls.__name__ in getattr(kind, "_ancestry", ())


def remote_class(peer, ancestry: list[str], doc: str | None = None) -> type:
    """The class here that stands for one of the program, given by its name and those of its ancestors, nearest first."""
    kind: type = RemoteObject
    for position in reversed(range(len(ancestry))):
        name = ancestry[position]
        if name not in peer.class_stand_ins:
            body = {"_peer": peer, "_ancestry": tuple(ancestry[position:]), "__module__": "solution", "__doc__": doc}
            peer.class_stand_ins[name] = RemoteClass(name, (kind,), body)
        kind = peer.class_stand_ins[name]
    return kind


class RemoteObject:
    """An object of the program: what it is asked, the program answers with data or with another object."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        thing = self._peer.get(self._handle, name)
        return thing if self._standing.made else _not_as_data(name, thing)

    def __setattr__(self, name: str, value) -> None:
        self._peer.operate("setattr", self._handle, (name, value))

    def __delattr__(self, name: str) -> None:
        self._peer.operate("delattr", self._handle, (name,))

    def __eq__(self, other) -> bool:
        return isinstance(other, RemoteObject) and self._peer.holds(self, other)

    def __hash__(self) -> int:
        found = self._peer.operate("hash", self._handle, ())
        return found if type(found) is int else _refuse()

    def __str__(self) -> str:
        return str(_data(self._peer.operate("str", self._handle, ())))

    def __repr__(self) -> str:
        return str(_data(self._peer.operate("repr", self._handle, ())))

    def __iter__(self):
        if self._standing.mixed or not self._standing.named:
            _refuse()
        items = self._peer.operate("iter", self._handle, ())
        if self._standing.made:
            return iter(items)
        return iter(self._read(items))

    def _read(self, items) -> list:
        """The items of an object that the tests did not make, read once until something is done to the program."""
        memory = self.__dict__.get("_items")
        if memory is None or memory[0] != self._peer.num_changes:
            found = []
            for item in items:
                found.append(item)
                if len(found) > _MAX_ITEMS:
                    _refuse()
            memory = self._peer.num_changes, found
            self.__dict__["_items"] = memory
        return memory[1]

    def __next__(self):
        if not self._standing.made:
            _refuse()
        return _next(self._peer.operate("next", self._handle, ()))

    def __enter__(self):
        return self._peer.operate("enter", self._handle, ())

    def __exit__(self, _kind, error, _traceback) -> bool:
        return _suppresses(self._peer.operate("exit", self._handle, (error,)), error)

    async def __aenter__(self):
        return await self._peer.operate("aenter", self._handle, ())

    async def __aexit__(self, _kind, error, _traceback) -> bool:
        return _suppresses(await self._peer.operate("aexit", self._handle, (error,)), error)

    def __aiter__(self):
        return self._peer.operate("aiter", self._handle, ())

    def __copy__(self):
        return self._copied("copy")

    def __deepcopy__(self, _memory):
        return self._copied("deepcopy")

    def _copied(self, how: str):
        twin = self._peer.operate(how, self._handle, ())
        return _standing_as(twin, self._standing) if isinstance(twin, RemoteObject) else twin

    def __reduce_ex__(self, _protocol):
        raise TypeError("an object of the program cannot be pickled")


def _standing_as(thing, standing: Standing):
    """The same object of the program, seen in another way: what a call hands out must not gain by what operators gave."""
    twin = object.__new__(type(thing))
    twin.__dict__.update(_handle=thing._handle, _standing=standing)
    return twin


def made(thing):
    """The stand-in for an object that the tests constructed."""
    return _standing_as(thing, Standing(thing._standing.named, True))


def _leave(leave, error):
    """The answer of `__exit__`; what travelled of an error is the error without its traceback."""
    return leave(None if error is None else type(error), error, None)


def _suppresses(answer, error) -> bool:
    """Whether an error ends in the program's context: never that of a failed assertion of the tests."""
    is_failure = isinstance(error, AssertionError) and not hasattr(error, "from_program")
    return error is not None and isinstance(error, Exception) and not is_failure and answer is True


def _data(answer):
    return answer if type(answer) is str else _refuse()


def _refuse():
    raise ProgramError("an object where data was due")


def _no_answer_to_data(answer, args: tuple):
    """The answer, unless it is one to a question with data in it, of a kind that tests put to data."""
    return _refuse() if answer is not None and _hold_data(args) else answer


def _not_as_data(name: str, thing):
    """A method of an object that the tests did not make; one that data has answers no question with data in it."""
    if name not in _DATA_METHODS or not callable(thing):
        return thing
    if name in _TEXT_PREDICATES:
        raise ProgramError("an object where text was due")
    return lambda *args, **kwargs: _no_answer_to_data(thing(*args, **kwargs), (*args, *kwargs.values()))


def _hold_data(args: tuple) -> bool:
    return not all(isinstance(arg, RemoteObject) for arg in args)


def _compared(name: str):
    def compare(self, other):
        if not isinstance(other, RemoteObject):
            _refuse()
        answer = self._peer.operate(name, self._handle, (other,))
        return answer if type(answer) is bool else _refuse()

    return compare


def _computed(name: str, swapped: bool = False):
    def compute(self, *args):
        holds_data, standing = _hold_data(args), self._standing
        others = [arg._standing for arg in args if isinstance(arg, RemoteObject)]
        made = standing.made or any(other.made for other in others)
        if not made or not standing.named:
            _refuse()
        answer = self._peer.operate(name + _SWAPPED * swapped, self._handle, args)
        if not isinstance(answer, RemoteObject):
            return _refuse() if holds_data else answer
        mixed = holds_data or standing.mixed or any(other.mixed for other in others)
        return _standing_as(answer, Standing(answer._standing.named, made, mixed))

    return compute


def _measured(name: str):
    def measure(self, *args):
        standing = self._standing
        if name == "format" and args in ((), ("",)):
            return str(self)
        if name == "bool" and not standing.made:
            return True
        if standing.mixed or not standing.named:
            _refuse()
        if standing.made:
            answer = self._peer.operate(name, self._handle, args)
            if name == "contains" and _hold_data(args):
                return answer if type(answer) is bool else _refuse()
            return _inherit(answer, standing)
        items = self._read(self._peer.operate("iter", self._handle, ()))
        if name == "len":
            return len(items)
        if name == "getitem" and type(args[0]) is int:
            return items[args[0]]
        if name == "contains":
            return args[0] in items
        if name == "reversed":
            return reversed(items)
        return _refuse()

    return measure


def _inherit(answer, standing: Standing):
    if not isinstance(answer, RemoteObject):
        return answer
    return _standing_as(answer, Standing(answer._standing.named, True, standing.mixed))


def _changed(name: str):
    def change(self, *args):
        return self._peer.operate(name, self._handle, args)

    return change


for _name in _COMPARISONS:
    setattr(RemoteObject, f"__{_name}__", _compared(_name))
for _name in (*_ARITHMETIC, *_IN_PLACE):
    setattr(RemoteObject, f"__{_name.rstrip('_')}__", _computed(_name))
for _name in _REFLECTED:
    setattr(RemoteObject, f"__r{_name.rstrip('_')}__", _computed(_name, swapped=True))
for _name in _MEASURES:
    setattr(RemoteObject, f"__{_name}__", _measured(_name))
for _name in ("setitem", "delitem"):
    setattr(RemoteObject, f"__{_name}__", _changed(_name))


class RemoteFunction:
    """A function of the other side. `target` is its name there, [object, name] of a method, or a handle."""

    __class__ = property(lambda self: types.FunctionType)  # for tests that ask whether it is one
    __code__ = (lambda *args, **kwargs: None).__code__  # for those that ask whether it is a coroutine's

    def __init__(self, peer, target, name: str, doc: str | None = None):
        self.__dict__.update(_peer=peer, _target=target, __name__=name, __qualname__=name, __doc__=doc)

    def __call__(self, *args, **kwargs):
        return self._peer.call(self._target, args, kwargs)

    def __getattr__(self, name: str):
        if name == "__signature__":
            return self._peer.signature(self._target)
        if name.startswith("__"):
            raise AttributeError(name)
        thing = self._peer.get(self._target, name)
        return thing if isinstance(self._target, str) else _not_as_data(name, thing)


class RemoteMock(RemoteFunction):
    """A mock of the tests, in the program's process."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.use(self._target, "getattr", name)

    def __setattr__(self, name: str, value) -> None:
        self._peer.use(self._target, "setattr", name, value)

    def __enter__(self):
        return self._peer.use(self._target, "enter")

    def __exit__(self, _kind, error, _traceback):
        return self._peer.use(self._target, "exit", error)

    def __iter__(self):
        return iter(self._peer.use(self._target, "iter"))

    def __len__(self) -> int:
        return self._peer.use(self._target, "len")

    def __bool__(self) -> bool:
        return True

    def __contains__(self, item) -> bool:
        return self._peer.use(self._target, "contains", item)

    def __getitem__(self, key):
        return self._peer.use(self._target, "getitem", key)

    def __setitem__(self, key, value) -> None:
        self._peer.use(self._target, "setitem", key, value)


class RemoteAsyncIterator:
    """An asynchronous iterator of the program; each step runs to its end there."""

    def __init__(self, peer, handle: int):
        self._peer, self._handle = peer, handle

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self._peer.operate("anext", self._handle, ())
        if type(item) is not list or len(item) > 1:
            raise ProgramError("an iterator that gives no items")
        if not item:
            raise StopAsyncIteration
        return item[0]


class RemoteIterator:
    """An iterator of the program, with a generator's methods."""

    from_program = True

    def __init__(self, peer, handle: int, is_generator: bool):
        self._peer, self._handle, self._is_generator = peer, handle, is_generator

    @property
    def __class__(self):
        return types.GeneratorType if self._is_generator else RemoteIterator

    def __iter__(self):
        return self

    def __next__(self):
        return _next(self._peer.operate("next", self._handle, ()))

    def send(self, value):
        return _next(self._peer.operate("next", self._handle, (value,)))

    def close(self) -> None:
        self._peer.operate("close", self._handle, ())

    def __contains__(self, thing) -> bool:
        return thing in list(self)  # to its end: one that goes on for ever would hold everything


def _next(item):
    if type(item) is not list or len(item) > 1:
        raise ProgramError("an iterator that gives no items")
    if not item:
        raise StopIteration
    return item[0]


def _step(iterator, *sent) -> list:
    """The next item in a list; an empty one at the end."""
    try:
        return [iterator.send(*sent) if sent else next(iterator)]
    except StopIteration:
        return []


async def _async_step(iterator) -> list:
    """The next item in a list; an empty one at the end."""
    try:
        return [await iterator.__anext__()]
    except StopAsyncIteration:
        return []


def parameters_of(function) -> list:
    """[name, kind, whether it has a default] of each parameter."""
    import inspect

    parameters = inspect.signature(function).parameters.values()
    return [[one.name, int(one.kind), one.default is not inspect.Parameter.empty] for one in parameters]


def signature_of(parameters: list):
    """The signature of which `parameters_of` tells, its defaults hidden."""
    import inspect

    kinds = list(inspect._ParameterKind)
    return inspect.Signature(
        [
            inspect.Parameter(name, kinds[kind], default=... if has_default else inspect.Parameter.empty)
            for name, kind, has_default in parameters
        ]
    )


def perform(name: str, thing, args: list):
    """Do to a thing what the tests asked for."""
    if name.endswith(_SWAPPED):
        return OPERATIONS[name.removesuffix(_SWAPPED)](*args, thing)
    return OPERATIONS[name](thing, *args)
