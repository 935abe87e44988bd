"""The part of pytest that published tests use, for test code that runs apart from its program.

`raises`, `approx`, `mark.parametrize`, `param`, `fixture`, `skip`, `fail`, `importorskip`, `warns`, and the fixtures
capsys, monkeypatch and tmp_path, and `request.param` for fixtures of the tests. pytest itself collects files on a disk, of which a confined process has none.
"""

import contextlib
import functools
import inspect
import io
import itertools
import logging
import math
import pathlib
import re
import sys
import types
import unittest
import warnings

from .surroundings import scratch

_MARKS = "_selfplay_marks"


class Failed(AssertionError):
    """`pytest.fail`"""


class _Raises:
    """`pytest.raises` as a context; its `value` is the exception."""

    def __init__(self, expected, match=None):
        self._expected, self._match = expected, match
        self.value = self.type = self.tb = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback) -> bool:
        if kind is None:
            raise Failed(f"DID NOT RAISE {self._expected!r}")
        if not issubclass(kind, self._expected):
            return False
        self.type, self.value, self.tb = kind, error, traceback
        if self._match is not None:
            self.match(self._match)
        return True

    def match(self, pattern: str) -> bool:
        if not re.search(pattern, str(self.value)):
            raise AssertionError(f"{str(self.value)!r} does not match {pattern!r}")
        return True


def raises(expected_exception, *args, match=None, **kwargs):
    context = _Raises(expected_exception, match)
    if not args:
        return context
    function, *rest = args
    with context:
        function(*rest, **kwargs)
    return context


class approx:
    """A number, or numbers in a list, tuple or dict, within a relative or absolute error of those expected."""

    __array_ufunc__ = None

    def __init__(self, expected, rel=None, abs=None, nan_ok=False):
        self.expected, self.rel, self.abs, self.nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual) -> bool:
        return self._near(self.expected, actual)

    def __repr__(self) -> str:
        return f"approx({self.expected!r})"

    __hash__ = None

    def _near(self, expected, actual) -> bool:
        if hasattr(expected, "tolist"):
            expected = expected.tolist()
        if type(actual).__module__ == "numpy":
            actual = actual.tolist()
        if isinstance(expected, dict):
            if not isinstance(actual, dict) or expected.keys() != actual.keys():
                return False
            return all(self._near(value, actual[key]) for key, value in expected.items())
        if isinstance(expected, (list, tuple)):
            if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
                return False
            return all(map(self._near, expected, actual))
        if not isinstance(expected, (int, float, complex)) or isinstance(expected, bool):
            return type(actual) is type(expected) and actual == expected
        if not isinstance(actual, (int, float, complex)):
            try:
                return abs(actual - expected) <= self._margin(expected)  # Decimal, Fraction
            except TypeError:
                return False
        if expected != expected:
            return self.nan_ok and actual != actual
        return actual == expected or (abs(expected) != math.inf and abs(actual - expected) <= self._margin(expected))

    def _margin(self, expected) -> float:
        absolute = 1e-12 if self.abs is None else self.abs
        relative = (1e-6 if self.abs is None else 0.0) if self.rel is None else self.rel
        return max(absolute, relative * abs(expected))


class _Mark:
    """`pytest.mark`: parametrize, skip, skipif and xfail mean something, other marks nothing."""

    def __getattr__(self, name: str):
        def mark(*args, **kwargs):
            if len(args) == 1 and not kwargs and callable(args[0]) and name != "parametrize":
                return _marked(args[0], name, (), {})
            return lambda thing: _marked(thing, name, args, kwargs)

        return mark


def _marked(thing, name: str, args: tuple, kwargs: dict):
    setattr(thing, _MARKS, [(name, args, kwargs), *thing.__dict__.get(_MARKS, ())])
    return thing


def fixture(function=None, *, scope="function", params=None, autouse=False, name=None, ids=None):
    if function is None:
        return functools.partial(fixture, scope=scope, params=params, autouse=autouse, name=name)
    function._selfplay_fixture = scope, params, autouse, name or function.__name__
    return function


def param(*values, id=None, marks=()):
    return _Param(values, marks if isinstance(marks, (list, tuple)) else [marks])


class _Param:
    def __init__(self, values: tuple, marks: list):
        self.values, self.marks = values, marks


def skip(reason="", **_):
    raise unittest.SkipTest(reason)


def fail(reason="", pytrace=True):
    raise Failed(reason)


def importorskip(name: str, **_):
    return __import__(name)


@contextlib.contextmanager
def warns(expected=Warning, match=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    if not any(issubclass(one.category, expected) for one in caught):
        raise Failed(f"DID NOT WARN {expected!r}")


class _Capture:
    """The fixture `capsys`."""

    def __init__(self):
        self._kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()

    def readouterr(self):
        texts = sys.stdout.getvalue(), sys.stderr.getvalue()
        for stream in (sys.stdout, sys.stderr):
            stream.seek(0)
            stream.truncate()
        return types.SimpleNamespace(out=texts[0], err=texts[1])

    def close(self) -> None:
        sys.stdout, sys.stderr = self._kept


class _LogCapture(logging.Handler):
    """The fixture `caplog`: what the program logs comes to the logging of the tests' process."""

    def __init__(self):
        super().__init__()
        self.records: list = []
        logging.getLogger().addHandler(self)

    def emit(self, record) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    @property
    def text(self) -> str:
        return "".join(f"{one.levelname} {one.name}:{one.getMessage()}\n" for one in self.records)

    @property
    def record_tuples(self) -> list[tuple]:
        return [(one.name, one.levelno, one.getMessage()) for one in self.records]

    def set_level(self, level, logger=None) -> None:
        logging.getLogger(logger).setLevel(level)

    def at_level(self, level, logger=None):
        self.set_level(level, logger)
        return contextlib.nullcontext(self)

    def clear(self) -> None:
        self.records.clear()

    def close(self) -> None:
        logging.getLogger().removeHandler(self)


class _MonkeyPatch:
    """The fixture `monkeypatch`, for attributes, items and the environment of the tests' own process."""

    def __init__(self):
        self._undo = contextlib.ExitStack()

    def setattr(self, target, name, value=None, raising=True):
        from unittest.mock import patch

        if isinstance(target, str):
            self._undo.enter_context(patch(target, name))
        else:
            self._undo.enter_context(patch.object(target, name, value, create=True))

    def setitem(self, holder, key, value):
        from unittest.mock import patch

        self._undo.enter_context(patch.dict(holder, {key: value}))

    def setenv(self, name: str, value: str, prepend=None):
        import os

        self.setitem(os.environ, name, value)

    def undo(self) -> None:
        self._undo.close()


@functools.cache
def module() -> types.ModuleType:
    """The module that tests import as pytest."""
    found = types.ModuleType("pytest")
    for thing in (raises, approx, fixture, param, skip, fail, importorskip, warns):
        setattr(found, thing.__name__, thing)
    found.mark, found.Failed, found.main = _Mark(), Failed, lambda *args, **kwargs: 0
    found.skip.Exception, found.fail.Exception = unittest.SkipTest, Failed
    found.MonkeyPatch = _MonkeyPatch
    return found


def run(scope: dict, evidence, finish) -> None:
    """Run the test functions and classes of pytest's form that a namespace holds, each that was not run yet."""
    fixtures = {
        thing._selfplay_fixture[3]: thing
        for thing in scope.values()
        if isinstance(thing, types.FunctionType) and hasattr(thing, "_selfplay_fixture")
    }
    for name, thing in list(scope.items()):
        if isinstance(thing, type):
            if name.startswith("Test") and thing.__module__ == "__main__" and not issubclass(thing, unittest.TestCase):
                _run_class(thing, fixtures, evidence, finish)
        elif name.startswith("test") and _is_test(thing, evidence):
            _run_function(thing, fixtures, None, evidence, finish)


def _is_test(thing, evidence) -> bool:
    """A function of the tests that was not called by the tests themselves."""
    if isinstance(thing, functools.partial):
        return True
    return isinstance(thing, types.FunctionType) and thing.__module__ == "__main__" and not evidence.has_run(thing)


def _run_class(kind: type, fixtures: dict, evidence, finish) -> None:
    names = [name for one in reversed(kind.__mro__) for name in vars(one) if name.startswith("test")]
    fixtures = fixtures | {
        thing._selfplay_fixture[3]: thing
        for one in reversed(kind.__mro__)
        for thing in vars(one).values()
        if hasattr(thing, "_selfplay_fixture")
    }
    if _skips(kind):
        return
    if hasattr(kind, "setup_class"):
        kind.setup_class()
    for name in dict.fromkeys(names):
        instance = kind()
        method = getattr(instance, name)
        if not callable(method):
            continue
        for before in ("setup_method", "setup"):
            if hasattr(instance, before):
                _call_with_optional(getattr(instance, before), method)
                break
        try:
            _run_function(method, fixtures, instance, evidence, finish, getattr(kind, _MARKS, []))
        finally:
            for after in ("teardown_method", "teardown"):
                if hasattr(instance, after):
                    _call_with_optional(getattr(instance, after), method)
                    break
    if hasattr(kind, "teardown_class"):
        kind.teardown_class()


def _call_with_optional(function, argument) -> None:
    function(argument) if inspect.signature(function).parameters else function()


def _skips(thing) -> bool:
    marks = getattr(thing, _MARKS, [])
    return any(name == "skip" or (name == "skipif" and args and args[0]) for name, args, _ in marks)


def _run_function(function, fixtures: dict, instance, evidence, finish, class_marks=()) -> None:
    if _skips(function):
        return
    marks = [*getattr(function, _MARKS, []), *class_marks]
    expected_to_fail = any(name == "xfail" for name, _, _ in marks)
    wanted = list(inspect.signature(function).parameters.values())
    sets = [_parameter_sets(args, kwargs) for name, args, kwargs in marks if name == "parametrize"]
    auto = [name for name, thing in fixtures.items() if thing._selfplay_fixture[2]]
    for chosen in itertools.product(*sets):
        given = {name: value for part in chosen for name, value in part.items()}
        needed = [one.name for one in wanted if one.name not in given and one.default is inspect.Parameter.empty
                  and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]  # fmt: skip
        for versions in _fixture_versions([*auto, *needed], fixtures):
            with contextlib.ExitStack() as stack:
                made = _Fixtures(fixtures, versions, stack, instance, given)
                values = {name: made.get(name) for name in [*auto, *needed]}
                arguments = given | {name: values[name] for name in needed}
                try:
                    finish(function(**arguments))
                except unittest.SkipTest:
                    evidence.unfit = "a test was skipped while it ran"
                except Exception:
                    if not expected_to_fail:
                        raise


def _parameter_sets(args: tuple, kwargs: dict) -> list[dict]:
    names, values = (args + tuple(kwargs[key] for key in ("argnames", "argvalues") if key in kwargs))[:2]
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    rows = []
    for row in values:
        row = row.values if isinstance(row, _Param) else (row,) if len(names) == 1 else row
        rows.append(dict(zip(names, row, strict=True)))
    return rows


def _fixture_versions(names: list[str], fixtures: dict) -> list[dict]:
    """The combinations of the parameters of the fixtures that have any."""
    having = [name for name in _closure(names, fixtures) if fixtures[name]._selfplay_fixture[1]]
    lists = [list(fixtures[name]._selfplay_fixture[1]) for name in having]
    return [dict(zip(having, chosen, strict=True)) for chosen in itertools.product(*lists)]


def _closure(names: list[str], fixtures: dict) -> list[str]:
    found = [name for name in names if name in fixtures]
    for name in found:
        inner = inspect.signature(fixtures[name]).parameters
        found += [one for one in inner if one in fixtures and one not in found]
    return found


class _Fixtures:
    """The fixtures of one test, made when asked for and undone at its end."""

    def __init__(self, known: dict, versions: dict, stack: contextlib.ExitStack, instance, given: dict):
        self._known, self._versions, self._stack, self._instance = known, versions, stack, instance
        self._made: dict = dict(given)

    def get(self, name: str):
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str):
        if name in self._known:
            function = self._known[name]
            arguments = {}
            for one in inspect.signature(function).parameters:
                if one == "self":
                    arguments[one] = self._instance
                elif one == "request":
                    arguments[one] = types.SimpleNamespace(param=self._versions.get(name))
                else:
                    arguments[one] = self.get(one)
            value = function(**arguments)
            if inspect.isgenerator(value):
                self._stack.callback(lambda: next(value, None))
                return next(value)
            return value
        if name in ("capsys", "capfd"):
            capture = _Capture()
            self._stack.callback(capture.close)
            return capture
        if name == "tmp_path":
            return pathlib.Path(scratch.make_folder())
        if name == "caplog":
            log = _LogCapture()
            self._stack.callback(log.close)
            return log
        if name == "monkeypatch":
            patch = _MonkeyPatch()
            self._stack.callback(patch.undo)
            return patch
        raise LookupError(f"the tests need a fixture {name}, which is not defined")
