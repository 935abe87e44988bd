"""Comparisons that compare nothing: a program that returns no items where the tests expect some.

`all(a == b for a, b in zip(f(x), expected))` and `np.allclose(f(x), 4.0)` hold of an empty list, whatever was expected.
The functions of this file stand for `zip`, `map`, and numpy's comparisons in the tests' process: nothing that the program
returned may be empty beside something that is not. An empty list of the tests' own is theirs to compare.
"""

import functools
import sys

_ALIKE = ("allclose", "isclose")
_TESTING = (
    "assert_allclose",
    "assert_almost_equal",
    "assert_approx_equal",
    "assert_array_almost_equal",
    "assert_array_equal",
    "assert_array_less",
    "assert_equal",
)
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "subtract")


class Returned:
    """The empty lists, tuples and arrays that the program returned."""

    def __init__(self):
        self._things: dict[int, object] = {}

    def note(self, thing) -> None:
        if type(thing) in (list, tuple, range) and not thing:
            self._things[id(thing)] = thing

    def __contains__(self, thing) -> bool:
        return id(thing) in self._things and self._things[id(thing)] is thing

    def zip(self, *iterables, strict: bool = False):
        """`zip`, which fails where the program gave no items and others have some."""
        return zip(*self._checked(iterables), strict=strict)

    def map(self, function, *iterables):
        """`map` of several iterables, likewise."""
        return map(function, *self._checked(iterables))

    def _checked(self, iterables: tuple) -> list:
        if len(iterables) < 2:
            return list(iterables)
        given, is_empty = [], False
        for one in iterables:
            if hasattr(type(one), "from_program"):
                one = _begun(one)
                is_empty = is_empty or one is _NOTHING
            is_empty = is_empty or one in self
            given.append(one)
        if is_empty and any(hasattr(one, "__len__") and len(one) for one in given):
            raise AssertionError("the program gave no items where some are expected")
        return [() if one is _NOTHING else one for one in given]

    def guard_numpy(self, source: str) -> None:
        """Replace numpy's comparisons, and its ways from a list to an array, as far as the tests use them."""
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return
        for name in _ALIKE:
            setattr(numpy, name, self._compares(getattr(numpy, name)))
        if "testing" in source:
            import numpy.testing as testing

            for name in _TESTING:
                setattr(testing, name, self._compares(getattr(testing, name)))
        empty = _empty_array_class()
        for name in ("array", "asarray"):
            setattr(numpy, name, self._makes(getattr(numpy, name), empty))

    def _compares(self, function):
        @functools.wraps(function)
        def compare(one, other, *args, **kwargs):
            numpy = sys.modules["numpy"]
            for mine, theirs in ((one, other), (other, one)):
                if (mine in self or isinstance(mine, _empty_array_class())) and numpy.size(theirs):
                    raise AssertionError("the program gave no items where some are expected")
            return function(one, other, *args, **kwargs)

        return compare

    def _makes(self, function, empty: type):
        @functools.wraps(function)
        def make(thing, *args, **kwargs):
            made = function(thing, *args, **kwargs)
            return made.view(empty) if thing in self or isinstance(thing, empty) else made

        return make


_NOTHING = object()


def _begun(iterator):
    """An iterator of the program with its first item taken and put back; `_NOTHING` where it has none."""
    for first in iterator:
        return _with_first(first, iterator)
    return _NOTHING


def _with_first(first, iterator):
    yield first
    yield from iterator


@functools.cache
def _empty_array_class() -> type:
    import numpy

    class EmptyArray(numpy.ndarray):
        """An empty array of the program: it is compared with other empty arrays only."""

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            plain = [one.view(numpy.ndarray) if isinstance(one, EmptyArray) else one for one in inputs]
            if ufunc.__name__ in _COMPARISONS and any(numpy.size(one) for one in plain):
                raise AssertionError("the program gave an empty array where items are expected")
            kwargs.pop("out", None)
            found = getattr(ufunc, method)(*plain, **kwargs)
            is_empty = isinstance(found, numpy.ndarray) and found.ndim and not found.size
            return found.view(EmptyArray) if is_empty else found

    return EmptyArray


def as_returned(array):
    """An array of the program, as the tests get it."""
    return array if array.size or not array.ndim else array.view(_empty_array_class())
