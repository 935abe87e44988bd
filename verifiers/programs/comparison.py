"""Whether a returned value is the expected one: data against data, by exact type, in the judging process.

A returned value comes as `wire.decode_forms` gives it. An expected value is one of the same kind; `expected_from_json` makes
it from a case of `function_tests`, where JSON's list stands for a list or a tuple (JSON knows one sequence), and a tag says
the exact type: {"$tuple": [..]}, {"$list": [..]}, {"$set": [..]}, {"$frozenset": [..]}, {"$bytes": "hex"},
{"$complex": [re, im]}, {"$float": "nan"}, {"$dict": [[key, value], ..]} for keys that are not text.
"""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tasks import UserError
from verifiers.sandbox.inside import wire
from verifiers.sandbox.inside.wire import Form

ANY_SEQUENCE = "any sequence"  # tag of an expected value: a list, a tuple, an array, a range, or what an iterator gives
_SETS = ("s", "z")
_NUMBERS = (bool, int, float, complex, Decimal, Fraction)
_TAGS = {"$tuple": tuple, "$list": list, "$set": set, "$frozenset": frozenset}


def value_from_json(value: Any) -> Any:
    """The Python value that JSON with tags describes; UserError for a tag that is malformed."""
    if isinstance(value, list):
        return [value_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = _tag(value)
    if tag is None:
        return {key: value_from_json(item) for key, item in value.items()}
    body = value[tag]
    try:
        if tag in _TAGS:
            return _TAGS[tag](value_from_json(item) for item in body)
        if tag == "$dict":
            return {value_from_json(key): value_from_json(item) for key, item in body}
        return {"$bytes": bytes.fromhex, "$float": float, "$complex": lambda parts: complex(*parts)}[tag](body)
    except (TypeError, ValueError) as error:
        raise UserError(f"{value!r:.80} is no value: {error}") from None


def value_to_json(value: Any) -> Any:
    """JSON with tags for a Python value of plain types; the inverse of `value_from_json`."""
    kind = type(value)
    if kind is list:
        return [value_to_json(item) for item in value]
    for tag, known in _TAGS.items():
        if kind is known:
            return {tag: [value_to_json(item) for item in value]}
    if kind is dict:
        if all(type(key) is str for key in value) and _tag(value) is None:
            return {key: value_to_json(item) for key, item in value.items()}
        return {"$dict": [[value_to_json(key), value_to_json(item)] for key, item in value.items()]}
    if kind is bytes:
        return {"$bytes": value.hex()}
    if kind is complex:
        return {"$complex": [value.real, value.imag]}
    if kind is float and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or kind in (bool, int, float, str):
        return value
    raise UserError(f"a {kind.__name__} cannot stand in a case")


def _tag(value: dict) -> str | None:
    known = (*_TAGS, "$dict", "$bytes", "$complex", "$float")
    return next((key for key in value if key in known), None) if len(value) == 1 else None


def expected_from_json(value: Any) -> Any:
    """The expected value of a case of `function_tests`."""
    if isinstance(value, list):
        return Form(ANY_SEQUENCE, [expected_from_json(item) for item in value])
    tag = _tag(value) if isinstance(value, dict) else None
    if tag in ("$list", "$tuple"):
        items = [expected_from_json(item) for item in value[tag]]
        return items if tag == "$list" else Form("t", items)
    if isinstance(value, dict) and tag in (None, "$dict"):
        pairs = value[tag] if tag else value.items()
        return Form("d", [[expected_from_value(value_from_json(key)), expected_from_json(item)] for key, item in pairs])
    return expected_from_value(value_from_json(value))


def expected_from_value(value: Any) -> Any:
    """The expected value that equals a Python value, type by type."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    return wire.decode_forms(wire.encode(value))


def equal(expected: Any, got: Any, tolerance: float = 0.0, python: bool = False) -> bool:
    """Whether `got` is `expected`.

    Numbers are equal in type and value, but that a Decimal or Fraction is its float; with a tolerance, an int or float is equal to one whose absolute or relative error
    is at most that. `python` takes numbers as Python's == does (1, 1.0 and True are equal, nan equals nothing): what
    `assert f(x) == 1` means.
    """
    if isinstance(expected, Form):
        return _equal_form(expected, got, tolerance, python)
    if type(expected) is list:
        return type(got) is list and _equal_items(expected, got, tolerance, python)
    if isinstance(expected, _NUMBERS):
        return isinstance(got, _NUMBERS) and _equal_numbers(expected, got, tolerance, python)
    return type(expected) is type(got) and expected == got


def python_equal(expected: Any, got: Any, margin: float = 0.0) -> bool:
    """What `assert f(x) == expected` means, or `assert abs(f(x) - expected) <= margin`."""
    if not margin:
        return equal(expected, got, python=True)
    return type(got) in (bool, int, float) and abs(got - expected) <= margin


def equal_unordered(expected: Any, got: Any, tolerance: float = 0.0) -> bool:
    """Whether `got` is `expected`, the items of a list or tuple in any order."""
    is_form = isinstance(expected, Form) and expected.tag in (ANY_SEQUENCE, "t", "q")
    if not is_form and type(expected) is not list:
        return equal(expected, got, tolerance)
    wanted = expected.body if is_form else expected
    items = _items(got, len(wanted)) if not isinstance(got, Form) or got.tag not in _SETS else got.body
    if type(items) is not list or len(items) != len(wanted):
        return False
    left = list(items)
    for one in wanted:
        place = next((index for index, item in enumerate(left) if equal(one, item, tolerance)), None)
        if place is None:
            return False
        del left[place]
    return True


def with_whole_floats_as_ints(value: Any) -> Any:
    """A value in which each float that is a whole number is that int: so that 2 and 2.0 are equal."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is list:
        return [with_whole_floats_as_ints(item) for item in value]
    if isinstance(value, Form) and type(value.body) is list:
        return Form(value.tag, [with_whole_floats_as_ints(item) for item in value.body])
    return value


def _equal_form(expected: Form, got: Any, tolerance: float, python: bool) -> bool:
    if expected.tag == ANY_SEQUENCE:
        items = _items(got, len(expected.body))
        return type(items) is list and _equal_items(expected.body, items, tolerance, python)
    if not isinstance(got, Form) or len(expected.body) != len(got.body):
        return False
    if expected.tag != got.tag and not (python and expected.tag in _SETS and got.tag in _SETS):
        return False
    if expected.tag in _SETS:
        return sorted(_key(item, python) for item in expected.body) == sorted(_key(item, python) for item in got.body)
    if expected.tag == "d":
        values = {_key(key, python): value for key, value in got.body}
        missing = object()
        return len(values) == len(expected.body) and all(
            equal(value, values.get(_key(key, python), missing), tolerance, python) for key, value in expected.body
        )
    return _equal_items(expected.body, got.body, tolerance, python)


def _items(got: Any, num_expected: int) -> Any:
    """The items of a value that is a sequence of any kind; anything else as it is."""
    if not isinstance(got, Form):
        return got
    if got.tag == "r":
        numbers = all(type(part) is int for part in got.body) and len(got.body) == 3 and got.body[2] != 0
        values = range(*got.body) if numbers else range(0)
        return list(values) if numbers and num_expected == len(values) else got
    return got.body if got.tag in ("t", "n", "l", "q") else got


def _equal_items(expected: list, got: list, tolerance: float, python: bool) -> bool:
    if len(expected) != len(got):
        return False
    return all(equal(one, other, tolerance, python) for one, other in zip(expected, got, strict=True))


def _equal_numbers(expected: Any, got: Any, tolerance: float, python: bool) -> bool:
    if python:
        return expected == got
    if type(expected) is float and type(got) in (Decimal, Fraction):
        got = float(got)  # JSON writes every fraction as a float
    real = type(expected) in (int, float) and type(got) in (int, float)
    if tolerance > 0 and real and float in (type(expected), type(got)) and math.isfinite(expected):
        return math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance)
    if type(expected) is not type(got):
        return False
    return expected == got or (expected != expected and got != got)


def _key(item: Any, python: bool) -> str:
    """A text that two members of a set or keys of a dict share exactly when they are equal: no chosen hash is computed."""
    if isinstance(item, Form):
        parts = [_key(part, python) for part in item.body]
        tag = "s" if python and item.tag in _SETS else item.tag
        return f"{tag}[{','.join(sorted(parts) if item.tag in _SETS else parts)}]"
    if python and isinstance(item, (bool, float)) and item == item and abs(item) != math.inf and item == int(item):
        item = int(item)
    return f"{type(item).__name__}:{hex(item) if type(item) is int else repr(item)}"
