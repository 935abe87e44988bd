"""Values on the wire: JSON text in which every object is one tag, so that nothing but plain data can be said.

    None, bool, int, float, str, list   as JSON has them (NaN and Infinity as Python's json writes them)
    {"t": [..]} tuple   {"s": [..]} set   {"z": [..]} frozenset   {"q": [..]} deque
    {"d": [[k, v], ..]} dict, and Counter, OrderedDict and defaultdict, which equal it
    {"i": "-0x1f"} a large int   {"b": "hex"} bytes   {"B": "hex"} bytearray   {"c": [re, im]} complex   {"r": [start, stop, step]} range
    {"m": "1.5"} Decimal   {"v": [numerator, denominator]} Fraction   {"n": [..]} a numpy array as nested lists
    {"a": [kind, text]} a date, time, datetime, timedelta, UUID, path or pattern
    {"l": [..]} the items of an iterator, a view or an array, where only a sequence is asked for
    other tags are those of a call proxy (peer.py): functions, iterators and objects that stay on their own side

Both sides encode; `decode` builds Python values (inner side), `decode_forms` builds values that hold no hash table (the
judging side), so that chosen hash collisions cannot slow the judge. An object of a subclass of a plain type is sent as the
plain value inside it, whatever its own methods say.
"""

import datetime
import json
import marshal
import re
import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

MAX_DEPTH = 150  # containers in containers; the C parser's own limit stands at about 1,000 brackets
MAX_TEXT = 8 * 2**20  # characters of one text
_LARGE_BITS = 8192  # a longer int travels as hexadecimal: decimal digits cost quadratic time
_MARSHAL_VERSION = 2  # later ones keep two places of one object one object
_FRACTION_BITS = 2**15
_DICTS = (dict, Counter, OrderedDict, defaultdict)
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()), array)  # they equal no list, and neither does a deque
_MAX_ITEMS = 2_000_000  # of an iterator that is read as a sequence
_CONTAINERS = {"t": tuple, "s": set, "z": frozenset, "q": deque, "l": list}
_SEQUENCES = {tuple: "t", set: "s", frozenset: "z", deque: "q"}


class NotPlain(Exception):
    """A value that the wire cannot carry."""


class TooLarge(NotPlain):
    """A value of more than the bytes that may be written."""


class Form(NamedTuple):
    """A tagged value as it came over the wire."""

    tag: str
    body: Any


def encode(value: Any, share=None) -> str:
    """The text of a value; NotPlain where it cannot be written down.

    `share(object, last)` returns the form under which the other side may use what is not plain, or None. It is asked before
    an object is taken as an instance of a plain type, and again, with `last`, where nothing else fits.
    """
    try:
        return _to_text(_pack(value, 0, share))
    except (RecursionError, ValueError) as error:
        raise NotPlain(f"a value that cannot be written down: {error}") from None


def pack(value: Any, share) -> Any:
    """The form of a value inside another form."""
    return _pack(value, 1, share)


def share_items(value: Any, last: bool):
    """A `share` that gives iterators, views and arrays as their items."""
    if isinstance(value, _VIEWS):
        return {"l": [_pack(item, 1, share_items) for item in value]}
    if hasattr(type(value), "__next__"):
        items = []
        for item in value:
            items.append(_pack(item, 1, share_items))
            if len(items) > _MAX_ITEMS:
                raise TooLarge(f"an iterator of more than {_MAX_ITEMS:,} items")
        return {"l": items}
    return None


def _pack(value: Any, depth: int, share) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is str or kind is bytes:
        if len(value) > MAX_TEXT:
            raise TooLarge(f"a text of {len(value):,} characters")
        return value if kind is str else {"b": value.hex()}
    if kind is int:
        return value if value.bit_length() <= _LARGE_BITS else {"i": hex(value)}
    if depth > MAX_DEPTH:
        raise NotPlain(f"containers nested deeper than {MAX_DEPTH}")
    deeper = depth + 1
    if kind is list:
        return [_pack(item, deeper, share) for item in value]
    if kind in _SEQUENCES:
        return {_SEQUENCES[kind]: [_pack(item, deeper, share) for item in value]}
    if kind in _DICTS:
        return {"d": [[_pack(k, deeper, share), _pack(v, deeper, share)] for k, v in dict.items(value)]}
    return _pack_rare(value, kind, depth, share)


def _pack_rare(value: Any, kind: type, depth: int, share) -> Any:
    form = share(value, False) if share is not None else None
    if form is not None:
        return form
    if kind is bytearray:
        return {"B": _pack(bytes(value), depth, None)["b"]}
    if kind is complex:
        return {"c": [value.real, value.imag]}
    if kind is range:
        return {"r": [value.start, value.stop, value.step]}
    if kind is Decimal:
        return {"m": str(value)}
    if kind is Fraction:
        return {"v": [_pack(value.numerator, depth, None), _pack(value.denominator, depth, None)]}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _pack(value.item(), depth, None)
    if numpy is not None and kind is numpy.ndarray:
        return {"n": _pack(value.tolist(), depth, None)}
    if share is not None and kind in _VIEWS:
        return {"q": [_pack(item, depth + 1, share) for item in value]}
    scalar = _scalar_text(value, kind)
    if scalar is not None:
        return {"a": scalar}
    for plain, take in _PLAIN_PARTS.items():
        if isinstance(value, plain):
            return _pack(take(value), depth, share)
    form = share(value, True) if share is not None else None
    if form is not None:
        return form
    raise NotPlain(f"a value of type {kind.__name__}, which is not plain data")


# How the plain value inside an object of a subclass is taken, past whatever the subclass overrides.
_PLAIN_PARTS = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),  # a namedtuple equals the tuple of its items
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(bytearray.__getitem__(value, slice(None))),
    deque: lambda value: deque(deque.__iter__(value)),
}


def _scalar_text(value: Any, kind: type) -> list[str] | None:
    """[kind, text] of a value of the standard library that a text describes whole."""
    if kind in (datetime.date, datetime.time, datetime.datetime):
        return [kind.__name__, value.isoformat()]
    if kind is datetime.timedelta:
        return ["timedelta", f"{value.days} {value.seconds} {value.microseconds}"]
    uuid, pathlib = sys.modules.get("uuid"), sys.modules.get("pathlib")
    if uuid is not None and kind is uuid.UUID:
        return ["UUID", str(value)]
    if pathlib is not None and isinstance(value, pathlib.PurePosixPath):
        return ["path", str(value)]
    if kind is re.Pattern and type(value.pattern) is str:
        return ["pattern", f"{value.flags} {value.pattern}"]
    return None


def _scalar(body: Any) -> Any:
    """The value that `_scalar_text` describes; ValueError where it describes none."""
    if type(body) is not list or len(body) != 2 or any(type(part) is not str for part in body):
        raise ValueError("a kind and its text are needed")
    kind, text = body
    if kind in ("date", "time", "datetime"):
        return getattr(datetime, kind).fromisoformat(text)
    if kind == "timedelta":
        return datetime.timedelta(*map(int, text.split(" ", 2)))
    if kind == "UUID":
        import uuid

        return uuid.UUID(text)
    if kind == "pattern":
        flags, _, pattern = text.partition(" ")
        return re.compile(pattern, int(flags))
    if kind == "path":
        import pathlib

        return pathlib.Path(text)
    raise ValueError(f"unknown kind {kind!r:.40}")


def _bounded_int(digits: str) -> int:
    if len(digits) > 2600:  # the sender writes longer ones as hexadecimal
        raise ValueError("a decimal number of more than 2,600 digits")
    return int(digits)


def decode(text: str, borrow=None) -> Any:
    """The Python value of a text; ValueError (or RecursionError) for what `encode` does not write. `borrow(tag, body)` makes
    of a shared form what stands for it here.
    """
    if borrow is None:
        return _to_value(text)
    return json.loads(text, object_pairs_hook=lambda pairs: _build(pairs, borrow), parse_int=_bounded_int)


def _build(pairs: list, borrow) -> Any:
    tag, body = _tag_of(pairs)
    if tag in _CHECKED:
        return _CHECKED[tag](body)
    if tag == "d":
        return {key: value for key, value in body}
    if tag == "n":
        import numpy

        return numpy.array(body)
    if tag == "r":
        return range(*body)
    if tag in _CONTAINERS:
        return _CONTAINERS[tag](body)
    if tag == "a":
        return _scalar(body)
    if borrow is not None:
        return borrow(tag, body)
    raise ValueError(f"unknown tag {tag!r}")


def pack_job(job: dict) -> bytes:
    """What the judge has a child do. Only the judge writes this and only a child reads it, so that marshal may carry it."""
    return marshal.dumps(job, _MARSHAL_VERSION)


def pack_call(name: str, args: list, kwargs: dict) -> list:
    """One call of a job; unpacked for each call anew. NotPlain where the arguments are no plain data."""
    try:
        return [name, marshal.dumps((args, kwargs), _MARSHAL_VERSION)]
    except ValueError as error:
        raise NotPlain(f"arguments that cannot be written down: {error}") from None


unpack_job = marshal.loads


def decode_forms(text: str) -> Any:
    """The value of a text with every container but the list as a Form; ValueError or RecursionError as `decode`."""
    return _to_forms(text)


def _form(pairs: list) -> Any:
    tag, body = _tag_of(pairs)
    if tag == "B":
        tag = "b"  # they are equal
    if tag in _CHECKED:
        return _CHECKED[tag](body)
    if type(body) is not list or tag not in ("t", "s", "z", "q", "l", "d", "n", "r", "a"):
        raise ValueError(f"unknown tag {tag!r}")
    if tag == "d" and not all(type(pair) is list and len(pair) == 2 for pair in body):
        raise ValueError("a dict that is not pairs")
    return Form(tag, body)


def _tag_of(pairs: list) -> tuple[str, Any]:
    if len(pairs) != 1:
        raise ValueError("an object that is not one tag")
    return pairs[0]


def _numbers(body: Any, kinds: tuple[type, ...]) -> list:
    if type(body) is not list or len(body) != 2 or any(type(part) not in kinds for part in body):
        raise ValueError("a pair of numbers was due")
    return body


def _text(body: Any) -> str:
    if type(body) is not str:
        raise ValueError("text was due")
    return body


def _fraction(body: Any) -> Fraction:
    numerator, denominator = _numbers(body, (int,))
    if denominator == 0 or max(numerator.bit_length(), denominator.bit_length()) > _FRACTION_BITS:
        raise ValueError("a fraction over zero, or one whose reduction takes quadratic time")
    return Fraction(numerator, denominator)


def _decimal(body: Any) -> Decimal:
    if len(_text(body)) > 2600:
        raise ValueError("a Decimal of more than 2,600 digits")
    try:
        return Decimal(body)
    except ArithmeticError:
        raise ValueError("not a Decimal") from None


_CHECKED = {
    "i": lambda body: int(_text(body), 16),
    "b": lambda body: bytes.fromhex(_text(body)),
    "B": lambda body: bytearray.fromhex(_text(body)),
    "c": lambda body: complex(*_numbers(body, (float,))),
    "m": _decimal,
    "v": _fraction,
}

# Made once: json.loads and json.dumps with options would make them anew for every value.
_to_text = json.JSONEncoder().encode
_to_value = json.JSONDecoder(object_pairs_hook=lambda pairs: _build(pairs, None), parse_int=_bounded_int).decode
_to_forms = json.JSONDecoder(object_pairs_hook=_form, parse_int=_bounded_int).decode
