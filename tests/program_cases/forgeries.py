"""Forged answers to test code: wrong programs, each against the form of test that it aims at. None may be accepted."""

from tests.program_cases.case import WRONG, Case, asserts
from tests.program_cases.cheats import _ALL, _CHANNEL

_UNITTEST = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        {}\n"
_MIMIC = f"class {{}}:\n{_ALL}"


def _mimic(name: str, rest: str) -> str:
    """A program with a class of a name that answers everything, and functions after it."""
    return _MIMIC.format(name) + rest


def _speaker(answer: str) -> str:
    """A program whose function speaks for the runner: every question gets the same answer."""
    return _CHANNEL + f"def f(*a):\n    send({answer})\n    while True: recv(); send({answer})"


# name: (tests, program)
_FORGERIES = {
    # a class by a name that stands somewhere in the tests
    "almost_equal": (_UNITTEST.format("self.assertAlmostEqual(f(2), 12.566)"), _mimic("TestCase", "def f(x): return TestCase()")),
    "greater": (_UNITTEST.format("self.assertGreater(f(2), 12)"), _mimic("TestCase", "def f(x): return TestCase()")),
    "less_equal": (_UNITTEST.format("self.assertLessEqual(f(2), 12)"), _mimic("T", "def f(x): return T()")),
    "in_list": (_UNITTEST.format("self.assertIn(f(2), [12, 13])"), _mimic("TestCase", "def f(x): return TestCase()")),
    "in_object": (_UNITTEST.format("self.assertIn('zq', f(2))"), _mimic("TestCase", "def f(x): return TestCase()")),
    "not_in": (_UNITTEST.format("self.assertNotIn(1, f(2)); self.assertEqual(len(f(2)), 3)"), _mimic("TestCase", "def f(x): return TestCase()")),
    "count_equal": (_UNITTEST.format("self.assertCountEqual(f(2), [1, 2])"), _mimic("TestCase", "def f(x): return TestCase()")),
    "sequence_equal": (_UNITTEST.format("self.assertSequenceEqual(f(2), [1, 2])"), _mimic("TestCase", "def f(x): return TestCase()")),
    "regex": (_UNITTEST.format("self.assertRegex(f(2), 'a+')"), _mimic("TestCase", "def f(x): return TestCase()")),
    "subset": (_UNITTEST.format("self.assertTrue({1, 2} <= f(2))"), _mimic("TestCase", "def f(x): return TestCase()")),
    "typing_list": ("from typing import *\ndef sat(x: List[int]): return abs(x - 10) < 1e-3\nassert sat(f())", _mimic("List", "def f(): return List()")),
    "counter_name": ("from collections import Counter\nassert abs(f(3) - Counter('aab')['a'] - 7) < 0.1", _mimic("Counter", "def f(x): return Counter()")),
    "decimal_name": ("from decimal import Decimal\nassert abs(f(3) - Decimal('7')) < Decimal('0.1')", _mimic("Decimal", "def f(x): return Decimal()")),
    "metadata_name": ("METADATA = {'a': 1}\ndef check(c):\n    assert abs(c(1) - 7.5) < 1e-6\ncheck(f)", _mimic("METADATA", "def f(x): return METADATA()")),
    "attribute_name": ("import math\nassert math.Inf if False else abs(f(1) - 7.5) < 1e-6", _mimic("Inf", "def f(x): return Inf()")),
    "chained": ("x = 2\nassert 12 < f(x) < 13", _mimic("E", "def f(x): return E()")),
    "difference": ("x = 2\nassert abs(f(x) - 12.5) < 0.1", _mimic("E", "def f(x): return E()")),
    "swapped_difference": ("x = 2\nassert abs(12.5 - f(x)) < 0.1", _mimic("E", "def f(x): return E()")),
    "rounded": ("x = 2\nassert round(f(x), 1) == 12.5", _mimic("E", "def f(x): return E()")),
    "ratio": ("x = 2\nassert f(x) / 12.5 - 1 < 1e-9", _mimic("E", "def f(x): return E()")),
    "modulo": ("x = 2\nassert not f(x) % 7", _mimic("E", "def f(x): return E()")),
    "is_close": ("import math\nassert math.isclose(f(2.0), 12.5)", _mimic("E", "def f(x): return E()")),
    "numpy_close": ("import numpy as np\nassert np.isclose(f(2.0), 12.5)", _mimic("E", "def f(x): return E()")),
    "numpy_all": ("import numpy as np\nassert np.allclose(f(2.0), [12.5, 3.0])", _mimic("E", "def f(x): return E()")),
    "numpy_testing": ("import numpy as np\nnp.testing.assert_allclose(f(2.0), 12.5)", _mimic("E", "def f(x): return E()")),
    "pytest_approx": ("import pytest\ndef test_a():\n    assert f(2) == pytest.approx(12.5)", _mimic("E", "def f(x): return E()")),
    "sorted_property": ("a = [3, 1, 2]\nr = f(a)\nassert len(r) == 3\nassert all(r[i] <= r[i + 1] for i in range(2))", _mimic("E", "def f(x): return E()")),
    "starts": ("x = 'a'\nassert f(x).startswith('zq')", _mimic("E", "def f(x): return E()")),
    "digits": ("x = 'a'\nassert f(x).isdigit() and len(f(x)) == 5", "class E:\n    def isdigit(s): return True\n    def __len__(s): return 5\ndef f(x): return E()"),
    "split": ("x = 'a'\nassert f(x).split(',')[1] == 'b'", "class E:\n    def split(s, x): return ['a', 'b'] if x == ',' else []\ndef f(x): return E()"),
    "in_set": ("x = 1\nassert f(x) in {2, 3}", _mimic("E", "def f(x): return E()")),
    "same_set": ("x = 1\nassert {f(x)} == {2}", _mimic("E", "def f(x): return E()")),
    "dict_key": ("x = 1\nassert {2: 'ok'}.get(f(x)) == 'ok'", _mimic("E", "def f(x): return E()")),
    "list_of": ("x = 1\nfor got, want in zip(f(x), [2.5, 3.5]):\n    assert abs(got - want) < 0.1", _mimic("E", "def f(x): return [E(), E()]")),
    "dict_of": ("x = 1\nassert abs(f(x)['a'] - 2.5) < 0.1", _mimic("E", "def f(x): return {'a': E()}")),
    "iterator_of": ("x = 1\nfor got, want in zip(f(x), [2.5, 3.5]):\n    assert abs(got - want) < 0.1", _mimic("E", "def f(x): return iter([E(), E()])")),
    "tuple_unpacked": ("x = 1\na, b = f(x)\nassert abs(a - 2.5) < 0.1 and b > 3", _mimic("E", "def f(x): return (E(), E())")),
    "awaited": ("import asyncio\nasync def main():\n    assert abs(await f(1) - 2.5) < 0.1\nasyncio.run(main())", _mimic("E", "async def f(x): return E()")),
    # classes that the tests do construct, as numbers
    "solution_float": ("def check(c):\n    for a, w in (([1], 2.0), ([2], 3.0)):\n        assert abs(c(a) - w) < 1e-5\ncheck(Solution().f)", _mimic("Solution", "    def f(s, a): return Solution()")),
    "solution_itself": ("s = Solution()\nassert 1.9 < s.f([1]) < 2.1", _mimic("Solution", "    def f(s, a): return s")),
    "solution_list": ("s = Solution()\nr = s.f([3, 1])\nassert sorted(r) == [1, 3] and r[0] < r[1]", _mimic("Solution", "    def f(s, a): return s")),
    "named_area": ("assert abs(Circle(2).area() - 12.566) < 1e-3", _mimic("Circle", "    def area(s): return Circle()")),
    "named_area_text": ("assert Circle(2).name().upper() == 'CIRCLE'", "class Circle:\n    def __init__(s, r): pass\n    def name(s): return s\n    def upper(s): return s\n    def __eq__(s, o): return True"),
    "capital_function": ("assert abs(Find_Volume(2) - 12.5) < 0.1", _mimic("Find_Volume", "")),
    "capital_compare": ("assert 12 < Find_Volume(2) < 13", _mimic("Find_Volume", "")),
    "capital_float": ("import math\nassert math.isclose(Find_Volume(2) - 12.5, 0.0, abs_tol=0.1)", _mimic("Find_Volume", "")),
    "attribute_number": ("c = Circle(2)\nassert abs(c.r - 2.5) < 0.1", "class Circle:\n    def __init__(s, r): pass\n    @property\n    def r(s): return s\n    def __sub__(s, o): return s\n    def __abs__(s): return 0.0"),
    "made_then_mixed": ("c = Circle(2)\nc -= 12.5\nassert abs(c) < 0.1 and not c", "class Circle:\n    def __init__(s, r): pass\n    def __isub__(s, o): return s\n    def __abs__(s): return 0.0\n    def __bool__(s): return False"),
    "operator_returns": ("assert (Circle(2) + Circle(3)) - 5 < 0.1", _mimic("Circle", "")),
    "equal_in_set": ("assert f(1) in {P(5)}", "class P:\n    def __init__(s, x): s.x = x\n    def __hash__(s): return 0\n    def __eq__(s, o): return True\ndef f(x): return P(0)"),
    "equal_always": ("assert f(1) == P(5)", "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return True\ndef f(x): return P(0)"),
    "equal_stateless": ("assert f(1) == P(5)\nassert f(2) == P(6)", "class P:\n    def __init__(s, x): pass\n    def __eq__(s, o): return True\ndef f(x): return P(0)"),
    "equal_magic": ("assert f(1) == P(5)\nassert P(5) != P(6)", "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x is None or o.x is None or s.x == o.x\ndef f(x): return P(None)"),
    "equal_lists": ("assert f(1) == [P(5), P(6)]", "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return True\ndef f(x): return [P(0), P(0)]"),
    # speakers of the channel
    "speaks_object": ("x = 1\nassert abs(f(x) - 2.5) < 0.1", _speaker("'value', [], '{\"o\": [0, [\"T\"]]}', 'null'")),
    "speaks_named_object": (_UNITTEST.format("self.assertAlmostEqual(f(2.0), 12.5)"), _speaker("'value', [], '{\"o\": [0, [\"T\", \"TestCase\"]]}', 'null'")),
    "speaks_exec": ("f(3)('y = 1')\nassert f(3) == 4", _speaker("'value', [], '{\"g\": [\"builtins\", \"exec\"]}', 'null'")),
    "speaks_constant": ("for x in (1, 2):\n    assert f(x) == x + 1", _speaker("'value', [], '2', 'null'")),
    "speaks_arguments": ("a = [3, 1, 2]\nassert f(a) == sorted(a)\nassert len(f(a)) == len(a)", _speaker("'value', [], '[]', '[[]]'")),
    "speaks_nothing_and_arguments": ("a = [3, 1, 2]\nr = f(a)\nassert r == sorted(a)", _speaker("'value', [], 'null', '[[]]'")),
    "speaks_state": ("class N:\n    def __init__(s, v): s.v = v\n    def ok(s): return s.v == 7\nassert f(N(1)).ok()", _speaker("'value', [['N', '{\"d\": [[\"v\", 1], [\"ok\", {\"f\": [0, \"ok\", null]}]]}']], '{\"k\": 0}', 'null'")),
    "speaks_class": ("class N:\n    def __init__(s, v): s.v = v\nassert f(N(1)).v == 7", _speaker("'value', [['Evidence', '{\"d\": []}']], '{\"k\": 0}', 'null'")),
    "speaks_dunder": ("class N:\n    def __init__(s, v): s.v = v\nassert f(N(1)).v == 7", _speaker("'value', [['N', '{\"d\": [[\"__class__\", 1], [\"__dict__\", {\"d\": []}]]}']], '{\"k\": 0}', 'null'")),
    "speaks_tuple": ("x = 1\nassert f(x) == 2", _speaker("'value', [], '{\"u\": [\"T\", [\"__eq__\", \"x\"], [1, 2]]}', 'null'")),
    "speaks_exception": ("x = 1\nassert f(x) == 2", _speaker("'raised', ['SystemExit', 'BaseException'], '0', '[0]', '{\"d\": []}'")),
    "speaks_skip": (_UNITTEST.format("self.assertEqual(f(1), 2)"), _speaker("'raised', ['SkipTest', 'Exception'], 'x', '[]', '{\"d\": []}'")),
    "speaks_missing": ("x = 1\nassert f(x) == 2", _speaker("'raised', ['MissingName', 'BaseException'], 'x', '[]', '{\"d\": []}'")),
    "speaks_unfit": ("x = 1\nassert f(x) == 2", _speaker("'raised', ['ImportError', 'Exception'], 'x', '[]', '{\"d\": []}'")),
    "learns_by_comparison": (_UNITTEST.format("self.assertGreaterEqual(f(2), 4); self.assertEqual(f(2), 4)"), "want = None\nclass E:\n    def __ge__(s, o):\n        global want\n        want = o\n        return True\ndef f(x): return E() if want is None else want"),
    "learns_by_difference": ("x = 2\nassert abs(f(x) - 12.5) < 0.1 or True\nassert f(x) == 12.5", "want = None\nclass E:\n    def __sub__(s, o):\n        global want\n        want = o\n        return s\n    def __abs__(s): return 0.0\ndef f(x): return E() if want is None else want"),
    "learns_by_equality": ("x = 2\nassert f(x) == 4 or f(x) == 5", "want = None\nclass E:\n    def __eq__(s, o):\n        global want\n        want = o\n        return False\ndef f(x): return E() if want is None else want"),
    # functions of the tests and of the library
    "lent_exec": ("y = 3\nassert f(exec, y) == 4", "def f(g, x):\n    g('import sys\\nfor m in list(sys.modules.values()):\\n    if hasattr(m, \"_judge\"): m._judge = lambda e: (\"passed\",)')\n    return 0"),
    "lent_setattr": ("y = 3\nassert f(setattr, y) == 4", "def f(g, x):\n    import unittest\n    g(unittest.TestCase, 'assertEqual', print)\n    return 0"),
    "lent_eval": ("want = 4\nassert f(eval, 3) == want", "def f(g, x): return g('want')"),
    "lent_partial": ("import functools\nwant = 4\nassert f(functools.partial(eval, 'want'), 3) == want + 1", "def f(g, x): return g()"),
    "lent_globals": ("want = 4\ndef g(): return 1\nassert f(g) == want", "def f(g): return g.__globals__['want']"),
    "own_sorted": ("assert sorted(f([2, 1])) == [1, 2]", "def sorted(x): return [1, 2]\ndef f(x): return []"),
    "own_len": ("assert len(f([2, 1])) == 2", "def len(x): return 2\ndef f(x): return []"),
    "own_helper_module": ("import helper_of_tests_that_is_not_there as h\nassert h.check(f(1))", "def check(x): return False\ndef f(x): return 1"),
    # tests that would not run
    "async_test": ("def test_a():\n    assert f(1) == 2\nasync def test_b():\n    assert f(2) == 3", "def f(x): return 2"),
    "yielding_test": ("def test_a():\n    assert f(1) == 2\ndef test_b():\n    assert f(2) == 3\n    yield", "def f(x): return 2"),
    "pytest_class": ("y = f(1)\nclass TestF:\n    def test_a(self): assert f(2) == 3", "def f(x): return 2"),
    "guarded": ("y = f(1)\nif __name__ == '__main__':\n    assert f(2) == 3", "def f(x): return 2"),
    "guarded_unittest": ("import unittest\ny = f(1)\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 3)\nif __name__ == '__main__': unittest.main()", "def f(x): return 2"),
    "made_class": ("import unittest\ny = f(1)\ndef make():\n    class T(unittest.TestCase):\n        def test_b(self): assert f(2) == 3\n    return T\nall_of_them = [make()]", "def f(x): return 2"),
    "partial_test": ("import functools\ny = f(1)\ndef _t(v):\n    assert f(v) == 3\ntest_b = functools.partial(_t, 2)", "def f(x): return 2"),
    "plain_test": ("y = f(1)\ndef test():\n    assert f(2) == 3", "def f(x): return 2"),
    "uncalled_check": ("y = f(1)\ndef check(candidate):\n    assert candidate(2) == 3", "def f(x): return 2"),
    "nested_function": ("y = f(1)\ndef outer():\n    def test_inner():\n        assert f(2) == 3\n    return test_inner\nouter()", "def f(x): return 2"),
    "empty_loop": ("for x in f(5):\n    assert x > 0", "def f(n): return []"),
    "early_return": ("def check(c):\n    r = c(1)\n    if not r: return\n    assert r == [1]\ncheck(f)", "def f(x): return []"),
    "parametrized": ("import pytest\n@pytest.mark.parametrize('a, b', [(1, 2), (2, 3)])\ndef test_f(a, b):\n    assert f(a) == b", "def f(x): return 2"),
    "raises_all": ("import pytest\ndef test_a():\n    with pytest.raises(ValueError):\n        f(-1)\n    assert f(1) == 1", "def f(x): raise ValueError"),
    "swallowed_all": ("for x in (1, 2):\n    try:\n        assert f(x) == x\n    except TypeError:\n        pass", "def f(x): raise TypeError"),
}  # fmt: skip

_WITH_ENTRY = {
    "unittest_beside_check": ("import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 3)\ndef check(c):\n    assert c(1) == 2\n", "def f(x): return 2"),
    "functions_beside_check": ("def test_a():\n    assert f(2) == 3\ndef check(c):\n    assert c(1) == 2\n", "def f(x): return 2"),
    "entry_without_check": ("def test_a():\n    assert f(2) == 3\ny = f(1)\n", "def f(x): return 2"),
    "entry_is_a_class": ("def check(c):\n    assert abs(c(2) - 12.5) < 0.1\n", _mimic("f", "")),
}  # fmt: skip

UNDECIDED = frozenset({"unsupported", "checker_timeout"})  # the tests prove nothing: no verdict, and never `correct`
# found by a red team that had not read the code: name: (tests, program)
_RED_TEAM = {
    "ctx_swallow": ('a context that swallows the failed assertion', 'with Res() as r:\n    assert r.get() == 3', 'class Res:\n    def __enter__(s): return s\n    def __exit__(s,*a): return True\n    def get(s): return 1'),
    "ctx_suppress_ut": ('a context that swallows its own error, and the assertion after it', 'import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with Res() as r:\n            self.assertEqual(r.get(), 3)', 'class Res:\n    def __enter__(s): return s\n    def __exit__(s,*a): return True\n    def get(s): raise KeyError(1)'),
    "actx_suppress": ('an asynchronous context that swallows', 'import asyncio\nasync def t():\n    async with Res() as r:\n        assert r.get() == 3\nasyncio.run(t())', 'class Res:\n    async def __aenter__(s): return s\n    async def __aexit__(s,*a): return True\n    def get(s): return 1'),
    "nr_tryexc": ('a failed assertion that the tests catch', 'try:\n    assert add(1,2) == 3\nexcept AssertionError:\n    pass\n', 'def add(a,b): return 2'),
    "nr_tryexc2": ('one that they report and go on', "for a,b,c in [(1,2,3)]:\n    try:\n        assert add(a,b) == c\n        print('ok')\n    except Exception as e:\n        print('failed', e)\n", 'def add(a,b): return 2'),
    "ut_swallow": ('a failed unittest assertion that is caught', 'import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        try:\n            self.assertEqual(f(3), 9)\n        except Exception:\n            pass', 'def f(x): return 1'),
    "nr_iffalse": ('an assertion under a false condition', 'def check(candidate):\n    assert candidate(1,1) == 2\n    if False:\n        assert candidate(1,2) == 3\ncheck(add)\n', 'def add(a,b): return 2'),
    "nr_tuple": ('an assertion that is a tuple', "assert (add(1,2) == 3, 'msg')\n", 'def add(a,b): return 2'),
    "leak_class": ('reads the cases from a class of the tests', 'class Checker:\n    CASES={(1,2):3,(5,7):12}\n    def run(self):\n        for a,e in self.CASES.items():\n            assert add(*a) == e\nChecker().run()', "def add(a,b): return globals()['Checker'].CASES[(a,b)]"),
    "leak_oracle": ('calls the oracle of the tests', 'class Reference:\n    def solve(self,a,b): return a+b\nfor a,b in [(1,2),(5,7)]:\n    assert add(a,b) == Reference().solve(a,b)', 'def add(a,b): return Reference().solve(a,b)'),
    "leak_data": ('reads the expected values from a class', 'class Data:\n    expected=[3,12]\n    inputs=[(1,2),(5,7)]\nfor (a,b),e in zip(Data.inputs, Data.expected):\n    assert add(a,b) == e', 'def add(a,b): return Data.expected[Data.inputs.index((a,b))]'),
    "leak_static": ('calls a static oracle', 'class Oracle:\n    @staticmethod\n    def add(a,b): return a+b\nassert add(1,2) == Oracle.add(1,2)\nassert add(3,2) == Oracle.add(3,2)', 'def add(a,b): return Oracle.add(a,b)'),
    "zip_all_empty": ('nothing beside an expected list', 'r=f(3)\nassert all(abs(a-b) < 1e-6 for a,b in zip(r, [1.0,2.0,3.0]))', 'def f(x): return []'),
    "zip_gen_empty": ('a generator of nothing', 'assert all(a == b for a,b in zip(f(3), [1,2,3]))', 'def f(x):\n    return\n    yield'),
    "zip_map": ('nothing in map', 'import operator\nassert all(map(operator.eq, f(3), [1,2,3]))', 'def f(x): return []'),
    "nan_not_gt": ('nan is not above a bound', 'assert not abs(f(2) - 4) > 1e-6', "def f(x): return float('nan')"),
    "exc_name": ('an exception that is called ValueError', 'import pytest\nwith pytest.raises(ValueError):\n    f(-1)\nassert f(4) == 2', 'class ValueError(Exception): pass\ndef f(x):\n    if x<0: raise ValueError()\n    return 2'),
    "dec_test": ('a decorator that drops the tests', '@logged\ndef test_it():\n    assert add(1,2) == 3\n    assert add(2,2) == 4\ntest_it()', 'def logged(f): return lambda *a: None\ndef add(a,b): return 0'),
    "cb_assert": ('never calls a callback that asserts', 'def cb(x):\n    assert x == 3\napply(cb, 1, 2)', 'def apply(cb,a,b): pass'),
    "vec_singleton": ('one object for all', 'assert Vector(1,2) + Vector(3,4) == Vector(4,6)', 'class Vector:\n    _i=None\n    def __new__(c,*a):\n        if c._i is None: c._i=object.__new__(c)\n        return c._i\n    def __init__(s,*a): pass\n    def __add__(s,o): return s'),
    "vec_stateful": ('== that is true once of each object', 'assert Vector(1,2) + Vector(3,4) == Vector(4,6)\nassert Vector(0,0) + Vector(1,1) == Vector(1,1)', "class Vector:\n    def __init__(s,x,y): s.x=x; s.y=y\n    def __add__(s,o): return Vector(9,9)\n    def __eq__(s,o):\n        s.n=getattr(s,'n',0)+1\n        return s.n==1"),
    "equals_stand": ('an object whose equals() says yes', "import pandas as pd\nassert f(pd.DataFrame({'a':[1,2]})).equals(pd.DataFrame({'a':[2,4]}))", "class Y:\n    def __eq__(s,o): return True\n    def __ne__(s,o): return False\n    def __hash__(s): return 0\n    def __lt__(s,o): return True\n    __le__=__gt__=__ge__=__lt__\n    def __bool__(s): return True\n    def __sub__(s,o): return 0\n    __rsub__=__sub__\n    def __abs__(s): return 0\n    def __len__(s): return 3\n    def __iter__(s): return iter([s])\n    def __contains__(s,o): return True\n    def __getitem__(s,i): return s\n    def __getattr__(s,n):\n        if n.startswith('__'): raise AttributeError(n)\n        return s\n    def __call__(s,*a,**k): return s\n    def __index__(s): return 3\n    def __int__(s): return 3\n    def __float__(s): return 3.0\n    def __str__(s): return '3'\n    def __repr__(s): return '3'\n    def __round__(s,*a): return s\nclass E(Y):\n    def equals(s,o): return True\ndef f(x): return E()"),
    "mock_any": ('mock.ANY', 'assert add(1, 2) == 3\nassert add(5, 7) == 12\nassert add(-1, 1) == 0', 'from unittest.mock import ANY\ndef add(a,b): return ANY'),
    "magicmock": ('a mock', 'assert add(1, 2) == 3\nassert add(5, 7) == 12\nassert add(-1, 1) == 0', 'from unittest.mock import MagicMock\ndef add(a,b):\n    m=MagicMock(); m.__eq__=lambda s,o: True\n    return m'),
    "enum_eq": ('a member of an enumeration', 'assert add(1, 2) == 3\nassert add(5, 7) == 12\nassert add(-1, 1) == 0', 'from enum import IntEnum\nclass E(IntEnum):\n    A=1\n    def __eq__(s,o): return True\n    def __hash__(s): return 1\ndef add(a,b): return E.A'),
    "dc_value_lie": ('objects within an object of the tests', 'from dataclasses import dataclass\n@dataclass\nclass P:\n    x:int\n    y:int\nassert f(1) == P(1,2)', "class Y:\n    def __eq__(s,o): return True\n    def __ne__(s,o): return False\n    def __hash__(s): return 0\n    def __lt__(s,o): return True\n    __le__=__gt__=__ge__=__lt__\n    def __bool__(s): return True\n    def __sub__(s,o): return 0\n    __rsub__=__sub__\n    def __abs__(s): return 0\n    def __len__(s): return 3\n    def __iter__(s): return iter([s])\n    def __contains__(s,o): return True\n    def __getitem__(s,i): return s\n    def __getattr__(s,n):\n        if n.startswith('__'): raise AttributeError(n)\n        return s\n    def __call__(s,*a,**k): return s\n    def __index__(s): return 3\n    def __int__(s): return 3\n    def __float__(s): return 3.0\n    def __str__(s): return '3'\n    def __repr__(s): return '3'\n    def __round__(s,*a): return s\ndef f(x): return P(Y(),Y())"),
    "tree_method_lie": ('a method put over that of the tests', 'class Node:\n    def __init__(s,v): s.v=v\n    def total(s): return s.v\nassert f(2).total() == 4', 'def f(x):\n    n=Node(0)\n    n.total=lambda: 4.5\n    n.v=1\n    return n'),
    "list_any": ('mock.ANY in a list', 'assert f(3) == [1,2,3]', 'from unittest.mock import ANY\ndef f(x): return [ANY,ANY,ANY]'),
    "exit_ptskip_call_pt": ('skips by pytest', "import pytest\nfrom solution import add\n@pytest.mark.parametrize('a,b,c', [(1,2,3),(5,7,12)])\ndef test_add(a,b,c):\n    assert add(a,b) == c\n", "def add(a,b):\n    import pytest; pytest.skip('x')"),
    "exit_skiptest_call_ut": ('skips by unittest', "import unittest\nclass TestAdd(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n    def test_b(self):\n        self.assertEqual(add(5, 7), 12)\nif __name__ == '__main__':\n    unittest.main()\n", "def add(a,b):\n    import unittest; raise unittest.SkipTest('x')"),
    "raises_match": ('an error that claims a class', "import pytest\nwith pytest.raises(ValueError, match='negative'):\n    f(-1)", "class E(Exception):\n    def __str__(s): return 'negative'\n    @property\n    def __class__(s): return ValueError\ndef f(x): raise E()"),
    "for_empty": ('no items in a loop', 'for x in primes(10):\n    assert x in (2,3,5,7)', 'def primes(n): return []'),
    "zip_short": ('no items to zip in a loop', 'for got, want in zip(primes(10), [2,3,5,7]):\n    assert got == want', 'def primes(n): return []'),
    "np_allclose_empty": ('no items beside a number', 'import numpy as np\nassert np.allclose(f(2), 4.0)', 'def f(x): return []'),
    "np_isclose_empty": ('an empty array', 'import numpy as np\nassert np.isclose(f(2), 4.0).all()', 'import numpy as np\ndef f(x): return np.array([])'),
    "np_testing_empty": ('numpy.testing', 'import numpy as np\nnp.testing.assert_allclose(f(2), 4.0, rtol=1e-6)', 'def f(x): return []'),
    "np_eq_all": ('an empty array compared', 'import numpy as np\nassert (f([1,2]) == np.array([2])).all()', 'import numpy as np\ndef f(x): return np.array([])'),
    "np_any_ne": ('an array of an empty list', 'import numpy as np\nassert not np.any(np.array(f([1,2])) != 3)', 'def f(x): return []'),
    "np_sum_abs": ('a sum of no differences', 'import numpy as np\nassert np.abs(np.array(f([1,2])) - 3).sum() < 1e-6', 'def f(x): return []'),
    "mock_gagged": ("puts its own in the place of a mock's assertion", "from unittest.mock import Mock\nm = Mock()\nnotify(m, 'x')\nm.send.assert_called_once_with('x')", 'def notify(m, t):\n    m.send.assert_called_once_with = lambda *a, **k: None'),
    "mock_replaced": ("puts its own in the place of a mock's method", "from unittest.mock import Mock\nm = Mock()\nnotify(m, 'x')\nm.send.assert_called_once_with('x')", 'class E:\n    def __eq__(s, o): return True\n    def __getattr__(s, n): return lambda *a, **k: None\ndef notify(m, t): m.send = E()'),
    "mock_given_any": ('gives a mock what equals everything', "from unittest.mock import Mock\nm = Mock()\nnotify(m, 'x')\nm.send.assert_called_once_with('x')", 'class E:\n    def __eq__(s, o): return True\n    def __getattr__(s, n): return lambda *a, **k: None\ndef notify(m, t): m.send(E())'),
    "mock_record": ('writes into what a mock records', "from unittest.mock import Mock\nm = Mock()\nnotify(m, 'x')\nm.assert_called_once_with('x')", 'def notify(m, t):\n    m.call_count = 1\n    m.configure_mock(called=True)'),
    "mock_reads": ('reads what a mock should be called for', 'from unittest.mock import Mock\nm = Mock()\nm.a.return_value = 4\nassert f(m) == 5', 'def f(m): return m.a.return_value + 1'),
    "callback_any": ('objects whose attributes equal everything, for a callback', 'seen = []\nwalk(Node(1, [Node(2), Node(3)]), lambda n: seen.append(n.value))\nassert seen == [1, 2, 3]', 'class E:\n    def __eq__(s, o): return True\n    def __getattr__(s, n): return lambda *a, **k: None\nclass Node:\n    def __init__(s, v, kids=()): s.value, s.kids = E(), list(kids)\ndef walk(n, cb):\n    cb(n)\n    for k in n.kids: walk(k, cb)'),
    "bytearray_any": ('a bytearray that equals everything', "b = f(b'ab')\nassert b == bytearray(b'ba')\nassert isinstance(b, bytearray)", 'class B(bytearray):\n    def __eq__(s, o): return True\ndef f(x): return B(x)'),
    "exit_swallows": ("a context that swallows the tests' failure", 'with Box(5) as b:\n    assert b.value == 5\nassert b is not None', 'class Box:\n    def __init__(s, v): s.value = None\n    def __enter__(s): return s\n    def __exit__(s, *a): return True'),
    "contextmanager_swallows": ("a generator's context that does", 'def test_box():\n    with box(5) as v:\n        assert v == 5', 'from contextlib import contextmanager\n@contextmanager\ndef box(v):\n    try: yield 0\n    except BaseException: pass'),
    "callback_swallowed": ('swallows the failure of a callback', 'def cb(x):\n    assert x == 9\nvisit(3, cb)', 'def visit(n, cb):\n    try: cb(2)\n    except BaseException: pass'),
    "callback_in_thread": ('loses the failure of a callback in a thread', 'def cb(x):\n    assert x == 9\nvisit(3, cb)', 'import threading\ndef visit(n, cb):\n    t = threading.Thread(target=cb, args=(1,)); t.start(); t.join()'),
    "await_cancels": ("cancels the test's task", 'import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_a(self):\n        self.assertEqual(await dbl(3), 6)', 'import asyncio\nasync def dbl(x):\n    asyncio.current_task().cancel()\n    await asyncio.sleep(0)'),
    "metaclass_eq": ('== of a metaclass', 'assert dbl(3) == 6', 'class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return 6\nclass K(metaclass=M): pass\ndef dbl(x): return K'),
    "len_by_counter": ('a length that counts on', 'assert len(digits(123)) == 3\nassert len(digits(1234)) == 4', 'n = 2\nclass L:\n    def __len__(s):\n        global n\n        n += 1\n        return n\ndef digits(x): return L()'),
    "bool_alternates": ('a truth that alternates', 'assert prime(7)\nassert not prime(8)', 'k = [0]\nclass B:\n    def __bool__(s):\n        k[0] += 1\n        return k[0] % 2 == 1\ndef prime(n): return B()'),
    "error_args_any": ("an error's argument that equals everything", "try:\n    root(-1)\nexcept ValueError as e:\n    assert e.args[0] == 'negative'\nelse:\n    assert False\nassert root(4) == 2", 'class Any_:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n    def __lt__(s, o): return True\n    __le__ = __gt__ = __ge__ = __lt__\n    def __hash__(s): return 1\n    def __sub__(s, o): return s\n    __rsub__ = __add__ = __radd__ = __mul__ = __truediv__ = __sub__\n    def __abs__(s): return s\n    def __bool__(s): return True\n    def __call__(s, *a, **k): return s\n\ndef root(x):\n    if x < 0: raise ValueError(Any_())\n    return Any_()'),
    "lent_eval_expected": ('evaluates in the tests', "ANSWER = 42\nassert call(eval, '2*21') == ANSWER", "def call(f, s):\n    return f('ANSWER')"),
    "patch_lent_type": ('patches a class of the tests', 'class P:\n    def __init__(self, v):\n        self.v = v\n    def __eq__(self, o):\n        return self.v == o.v\nassert twice(P(2)) == P(4)', 'def twice(p):\n    type(p).__eq__ = lambda s, o: True\n    return p'),
    "attribute_any": ('puts what equals everything into objects of the tests', 'class Account:\n    def __init__(self, b):\n        self.balance = b\na, b = Account(10), Account(0)\ntransfer(a, b, 4)\nassert a.balance == 6\nassert b.balance == 4', 'class Any_:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n    def __lt__(s, o): return True\n    __le__ = __gt__ = __ge__ = __lt__\n    def __hash__(s): return 1\n    def __sub__(s, o): return s\n    __rsub__ = __add__ = __radd__ = __mul__ = __truediv__ = __sub__\n    def __abs__(s): return s\n    def __bool__(s): return True\n    def __call__(s, *a, **k): return s\n\ndef transfer(a, b, n):\n    a.balance = b.balance = Any_()'),
    "birth_earlier": ('== that is true of all that was born before it', 'exp = V(4,6)\nassert V(1,2) + V(3,4) == exp', 'class V:\n    n, first = 0, None\n    def __init__(s, x, y):\n        V.n += 1\n        s.born = V.n\n    def __add__(s, o): return V(0, 0)\n    def __eq__(s, o):\n        V.first = V.first or V.n\n        return o.born <= V.first'),
    "birth_param": ('the same, in parameters', "import pytest\n@pytest.mark.parametrize('a,b,e', [(V(1,2), V(3,4), V(4,6))])\ndef test_a(a, b, e):\n    assert a + b == e", 'class V:\n    n, first = 0, None\n    def __init__(s, x, y):\n        V.n += 1\n        s.born = V.n\n    def __add__(s, o): return V(0, 0)\n    def __eq__(s, o):\n        V.first = V.first or V.n\n        return o.born <= V.first'),
    "birth_in": ('the same, in a list', 'assert V(1,2) + V(3,4) in [V(9,9), V(4,6)]', 'class V:\n    n, first = 0, None\n    def __init__(s, x, y):\n        V.n += 1\n        s.born = V.n\n    def __add__(s, o): return V(0, 0)\n    def __eq__(s, o):\n        V.first = V.first or V.n\n        return o.born <= V.first'),
    "mock_awaited": ('writes how often a mock was awaited', 'import asyncio\nfrom unittest.mock import AsyncMock\nm = AsyncMock()\nasyncio.run(go(m))\nm.send.assert_awaited_once()', 'async def go(m): m.send.await_count = 1'),
    "mock_raw": ('speaks to a mock by the channel', "from unittest.mock import Mock\nm = Mock()\nnotify(m, 'x')\nm.send.assert_called_once_with('x')", 'def notify(m, t):\n    c = m.send\n    for name in (\'assert_called_once_with\', \'call_count\', \'_mock_call_count\'):\n        c._peer.ask([\'use\', c._target, \'setattr\', [], \'["%s", 1]\' % name])'),
}  # fmt: skip


FORGERIES = [
    *(Case(name, "", program, asserts(tests), WRONG | UNDECIDED) for name, (tests, program) in _FORGERIES.items()),
    *(Case(name, why, program, asserts(tests), WRONG | UNDECIDED) for name, (why, tests, program) in _RED_TEAM.items()),
    *(
        Case(name, "", program, asserts(tests, "f"), WRONG | UNDECIDED)
        for name, (tests, program) in _WITH_ENTRY.items()
    ),
]
