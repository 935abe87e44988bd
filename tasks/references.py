"""References: one frozen dataclass a kind, and their form as JSON.

To add a kind, write its dataclass with a `kind` of its own, and name it in `Reference`. Every field is checked when a
reference is made, from JSON or in Python. A field has a default if it can, and a new field must: the reference of a row
that lacks them means what it meant before.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NotRequired,
    get_args,
    get_type_hints,
)

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # pydantic's own dependency: before Python 3.12 it needs this one

from tasks.errors import UserError, did_you_mean, words_of
from tasks.imports import is_named, load_named

STRICT = ConfigDict(extra="forbid", defer_build=True)  # a misspelt key is an error; built when the first one is made


def _number(value: Any) -> int | float:
    """As it is written: 2 stays an int, since a task's id depends on how its reference is written."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it must be a number")
    return value


def _limit(value: Any) -> int | float:
    if not 0 <= _number(value) < 1e6:
        raise ValueError("it must be a number above 0, and below a million")
    return value


def _error(value: Any) -> int | float:
    if not 0 <= _number(value) < float("inf"):
        raise ValueError("it must be 0 or more")
    return value


Number = Annotated[float, PlainValidator(_number)]


@dataclass(frozen=True, slots=True, config=STRICT)
class Limits:
    """What one program may use. Zero takes the verifier's default."""

    cpu_seconds: Annotated[float, PlainValidator(_limit)] = 0.0  # CPU time over all cases together
    memory_mb: Annotated[StrictInt, Field(ge=0, lt=1_000_000)] = 0  # address space, in units of 2**20 bytes
    case_cpu_seconds: Annotated[float, PlainValidator(_limit)] = 0.0  # CPU time of each case of `stdio_tests`


@cache
def default_limits() -> Limits:
    """The limits of a reference that names none: one object, made when it is needed."""
    return Limits()


@dataclass(frozen=True, slots=True, config=STRICT)
class MathReference:
    """A final answer; equal in value is correct."""

    answer: StrictStr  # LaTeX or plain text, as the source writes it
    literal: StrictBool = False  # a number written out is asked for: 7, and not 3+4
    ordered: StrictBool = False  # the items of a list are asked for in this order
    tolerance: Annotated[float, PlainValidator(_error)] = 0.0  # largest error of a number, relative to the reference's
    absolute_tolerance: Annotated[float, PlainValidator(_error)] = (
        0.0  # the same in the reference's own unit; the larger counts
    )
    kind: Literal["math"] = field(default="math", kw_only=True)


@dataclass(frozen=True, slots=True, config=STRICT)
class TextReference:
    """A final answer that is compared as it is written: a name, a date, a time, an identifier, a sentence."""

    answer: StrictStr
    case_sensitive: StrictBool = False  # whether "May" and "may" differ
    kind: Literal["text"] = field(default="text", kw_only=True)


@with_config(STRICT)
class Call(TypedDict):
    """One case of a function's tests."""

    args: list[Any]
    expected: Any
    kwargs: NotRequired[dict[str, Any]]
    after: NotRequired[list[Any]]  # the arguments as they must be after the call


@dataclass(frozen=True, slots=True, config=STRICT)
class FunctionTests:
    """Calls of one function and the values that it must return."""

    WRITTEN: ClassVar = ("tolerance",)  # as JSON even at its default, as it was from the start: ids depend on it

    entry_point: StrictStr  # name of the function in the program
    cases: Annotated[tuple[Call, ...], Field(min_length=1)]
    tolerance: Number = 0.0  # largest absolute or relative error of a float; 0 means exact
    limits: Limits = field(default_factory=default_limits)
    unordered: StrictBool = False  # whether the items of a returned list may come in any order
    int_is_float: StrictBool = False  # whether 2 and 2.0 are equal
    checker: StrictStr = ""  # source of `check(args, result, expected)`, for calls with several right values
    prelude: StrictStr = ""  # starter code before the program: imports, helper classes, the head of a function
    packages: tuple[StrictStr, ...] = ()  # installed packages that the program may import besides the usual few
    kind: Literal["function_tests"] = field(default="function_tests", kw_only=True)


@with_config(STRICT)
class Exchange(TypedDict):
    """One case of a whole program's tests."""

    stdin: StrictStr
    stdout: StrictStr


@dataclass(frozen=True, slots=True, config=STRICT)
class StdioTests:
    """Runs of a whole program: text in, text out."""

    cases: Annotated[tuple[Exchange, ...], Field(min_length=1)]
    limits: Limits = field(default_factory=default_limits)
    tolerance: Number = 0.0  # largest absolute or relative error of a decimal number; 0 means exact
    compare: Literal["lines", "tokens"] = "lines"  # whether line ends count
    checker: StrictStr = ""  # source of `check(input, output, expected)`, for inputs with several right outputs
    language: StrictStr = "python"  # of the program: "python", or "cpp" where g++ is installed
    prelude: StrictStr = ""  # starter code before the program: imports, helper classes, the head of a function
    packages: tuple[StrictStr, ...] = ()  # installed packages that the program may import besides the usual few
    kind: Literal["stdio_tests"] = field(default="stdio_tests", kw_only=True)


@dataclass(frozen=True, slots=True, config=STRICT)
class AssertTests:
    """Test code as HumanEval (`check(candidate)`) and MBPP (`assert ...` lines) write it."""

    code: StrictStr  # Python source of the tests
    entry_point: StrictStr = ""  # with a name: `check` is called on that function of the program
    limits: Limits = field(default_factory=default_limits)
    prelude: StrictStr = ""  # starter code before the program: imports, helper classes, the head of a function
    packages: tuple[StrictStr, ...] = ()  # installed packages that the program may import besides the usual few
    kind: Literal["assert_tests"] = field(default="assert_tests", kw_only=True)


@dataclass(frozen=True, slots=True, config=STRICT)
class ProofReference:
    """A statement to prove; a completion gives the proof alone."""

    system: Literal["rocq", "lean4"]
    statement: StrictStr  # in the system's language, as it stands behind `Theorem answer :`
    imports: StrictStr = ""  # sentences that stand before it
    axioms: tuple[StrictStr, ...] = ()  # full names of those that a proof may assume
    mode: Literal["script", "file"] = "script"  # tactics alone, or a whole file
    limits: Limits = field(default_factory=default_limits)
    kind: Literal["proof"] = field(default="proof", kw_only=True)


@dataclass(frozen=True, slots=True, config=STRICT)
class CountdownReference:
    """Numbers to combine by + - * / to a target, each used at most once."""

    numbers: Annotated[tuple[StrictInt, ...], Field(min_length=1, max_length=32)]
    target: StrictInt
    use_all: StrictBool = True  # each number exactly once
    kind: Literal["countdown"] = field(default="countdown", kw_only=True)


@dataclass(frozen=True, slots=True, config=STRICT)
class ChessReference:
    """A question about a chess position: is a move legal, what stands after moves, how to force mate."""

    question: Literal["legal", "position", "mate"]
    fen: StrictStr
    moves: tuple[StrictStr, ...] = ()  # "legal": the move asked about; "position": those that are played
    mate_in: Annotated[StrictInt, Field(ge=0, le=4)] = 0  # "mate": moves of the side to move
    kind: Literal["chess"] = field(default="chess", kw_only=True)


Reference = Annotated[
    MathReference
    | TextReference
    | FunctionTests
    | StdioTests
    | AssertTests
    | ProofReference
    | CountdownReference
    | ChessReference,
    Field(discriminator="kind"),
]
CLASSES: dict[str, type] = {get_args(one.__annotations__["kind"])[0]: one for one in get_args(get_args(Reference)[0])}

_OURS = ", ".join(CLASSES)


def reference_from_dict(row: Any) -> Reference:
    """The reference that a JSON object describes; UserError names each key that is wrong, with its place.

    A kind such as `package.module:Class` is a verifier of the user's own, whose `reference` is the dataclass to make.
    """
    if not isinstance(row, Mapping):
        raise UserError(f"reference must be an object with a kind, not {row!r:.80}")
    kind = row.get("kind")
    if not isinstance(kind, str) or not (kind in CLASSES or is_named(kind)):
        near = did_you_mean(kind, CLASSES) if isinstance(kind, str) else ""
        raise UserError(
            f"reference kind {kind!r:.80} is unknown{near}; one of {_OURS}, or package.module:Class of your own"
        )
    cls, keys, validate = _reader(kind)
    try:
        if row.keys() <= keys:
            return validate(row)
        validate({key: value for key, value in row.items() if key in keys})
        mistakes = []
    except ValidationError as error:
        mistakes = error.errors()
    words = [
        f'unknown key "{key}" in the {kind} reference{did_you_mean(str(key), _keys_of(cls))}'
        for key in row.keys() - keys
    ]
    raise UserError("; ".join([*words, *_in_words(mistakes, kind, cls)])) from None


def reference_to_dict(reference: Reference) -> dict[str, Any]:
    """The JSON object of a reference, without what stands at its default."""
    return {"kind": reference.kind, **_plain(reference)}


@cache
def _reader(kind: str) -> tuple[type, frozenset[str], Any]:
    """The dataclass of a kind, the keys of a row, and what makes a reference of it."""
    cls = CLASSES[kind] if kind in CLASSES else _class_of_own(kind)
    keys = frozenset(one.name for one in dataclasses.fields(cls))
    return cls, keys, TypeAdapter(cls).validator.validate_python


def _class_of_own(kind: str) -> Any:
    place = f'the reference kind "{kind}"'
    cls = getattr(load_named(kind, place), "reference", None)
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise UserError(
            f"{place}: give the class an attribute `reference`, a dataclass whose fields are the keys of a row"
        )
    default = next((one.default for one in dataclasses.fields(cls) if one.name == "kind"), None)
    if default != kind:
        raise UserError(
            f'{place}: {cls.__name__} needs the field  kind: str = "{kind}"  so that a row names its verifier'
        )
    return cls


def _in_words(mistakes: list[Any], kind: str, cls: type) -> Iterator[str]:
    places = {mistake["loc"] for mistake in mistakes}
    for mistake in mistakes:
        *outer, key = mistake["loc"]
        if mistake["type"] == "too_short" and any(place[:-1][: len(outer) + 1] == (*outer, key) for place in places):
            continue  # pydantic counts only the items that are as they should be
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in outer)[1:]
        text, hint = words_of(mistake, str(key), _keys_of(cls, *outer))
        yield f"{text} in {f'{path} of ' if path else ''}the {kind} reference{hint}"


def _keys_of(cls: Any, *path: str | int) -> list[str]:
    """The keys of a row, or of what stands at a path in it, such as ("cases", 0)."""
    for part in path:
        if isinstance(part, str):
            cls = _table_in(get_type_hints(cls)[part])
    return [key for key in getattr(cls, "__annotations__", ()) if key not in ("kind", "WRITTEN")]


def _table_in(hint: Any) -> Any:
    """The dataclass or TypedDict that a type is made of, for example Call for tuple[Call, ...]."""
    if hasattr(hint, "__annotations__"):
        return hint
    return next(filter(None, map(_table_in, get_args(hint))), None)


def _plain(value: Any) -> dict[str, Any]:
    row = {}
    for name, default, is_nested in _written(type(value)):  # type: ignore[arg-type]  # mypy takes no class of an unknown kind for hashable
        part = getattr(value, name)
        if part is not default and (default is dataclasses.MISSING or part != default):
            row[name] = _plain(part) if is_nested else _as_json(part) if type(part) is tuple else part
    return row


@cache
def _written(cls: type) -> list[tuple[str, Any, bool]]:
    """Of each field but `kind`: its name, the default at which it is left out, and whether it is a dataclass itself."""
    written = []
    for one in dataclasses.fields(cls):
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        if one.name in getattr(cls, "WRITTEN", ()):
            default = dataclasses.MISSING
        if one.name != "kind":
            written.append((one.name, default, dataclasses.is_dataclass(default)))
    return written


def _as_json(items: tuple[Any, ...]) -> list[Any]:
    """JSON has lists and no tuples; the rows of cases are copied."""
    return [one.copy() if type(one) is dict else one for one in items]
