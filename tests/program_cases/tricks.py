"""Wrong programs that try to be accepted. None may be; what they reach for is beside each."""

from tasks import AssertTests, Limits
from tests.program_cases.case import WRONG, Case, asserts, calls, prints

ADD = calls("add", ([1, 2], 3), ([5, 7], 12), ([-4, 9], 5))
WORDS = calls("word", (["zebra"], "quagga-7731"), (["yak"], "gnu-9142"))
CHECK = "def check(candidate):\n    for a, b in ((1, 2), (5, 7), (-4, 9)):\n        assert candidate(a, b) == a + b\n"
_FRAME = "import json, os, struct\ndef frame(*m):\n    d = json.dumps(m).encode(); os.write(5, struct.pack('>I', len(d)) + d)\n"

_AGAINST_CALLS = {
    "forge_first": ("answers written ahead", "import os\nos.write(4, b'[\"value\", \"3\"]\\n' * 3)\nos._exit(0)"),
    "forge_and_serve": ("an extra answer in front", "import os\nos.write(4, b'[\"value\", \"3\"]\\n')\ndef add(a, b): return 0"),
    "forge_verdict": ("a verdict instead of data", "import os\nos.write(4, b'[\"match\"]\\n[\"passed\"]\\n')\ndef add(a, b): return 0"),
    "deep_answer": ("the judge's parser", "import os\nos.write(4, b'[\"value\", \"' + b'[' * 200000 + b'\"]\\n')\ndef add(a, b): return 0"),
    "long_number": ("the judge's time", "import os\nos.write(4, b'[\"value\", \"' + b'9' * 5000000 + b'\"]\\n')\nos._exit(0)"),
    "colliding_keys": (
        "the judge's hash tables",
        "def add(a, b): return {i * (2**61 - 1): 0 for i in range(3)}\nimport os\n"
        "os.write(4, b'[\"value\", \"{\\\\\"s\\\\\": [' + b','.join(b'%d' % (i * (2**61 - 1)) for i in range(60000)) + b']}\"]\\n')",
    ),
    "unknown_tag": ("the judge's decoder", "import os\nos.write(4, b'[\"value\", \"{\\\\\"__reduce__\\\\\": []}\"]\\n')\ndef add(a, b): return 0"),
    "patch_encoder": ("the runner's own code", "import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'encode') and hasattr(m, 'NotPlain'): m.encode = lambda *a: '3'\ndef add(a, b): return 0"),
    "patch_answer": ("the runner's answers", "import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'make_calls'): m.answer = lambda *a: None\ndef add(a, b): return 0"),
    "frames": ("expected values in callers", "import sys\ndef add(a, b):\n    f = sys._getframe(1)\n    while f:\n        for v in list(f.f_locals.values()):\n            if isinstance(v, (list, tuple)) and 'expected' in str(v): return 3\n        f = f.f_back\n    return 0"),
    "poison_modules": ("what comparing would import", "import sys\nfor n in ('json', 'math', 'operator'): sys.modules[n] = None\ndef add(a, b): return 0"),
    "poison_builtins": ("what comparing would call", "import builtins\nbuiltins.isinstance = builtins.all = builtins.any = lambda *a: True\nbuiltins.len = lambda x: 3\ndef add(a, b): return 0"),
    "equal_to_all": ("==", "class E(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return E(0)"),
    "float_subclass": ("arithmetic of the answer", "class F(float):\n    def __sub__(s, o): return 0.0\n    __rsub__ = __sub__\ndef add(a, b): return F(0)"),
    "exit_early": ("the exit code", "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): raise SystemExit(0)"),
    "exit_thread": ("an exit from a thread", "import os, threading\ndef add(a, b):\n    threading.Thread(target=os._exit, args=(0,)).start()\n    while True: pass"),
    "late_thread": ("an answer after the call", "import os, threading, time\ndef late():\n    time.sleep(0.2); os.write(4, b'[\"value\", \"3\"]\\n')\nthreading.Thread(target=late).start()\ndef add(a, b): return 0"),
    "text_number": ("loose types: text", "def add(a, b): return str(a + b)"),
    "float_number": ("loose types: float", "def add(a, b): return float(a + b)"),
    "listed_number": ("loose types: list", "def add(a, b): return [a + b]"),
    "array_number": ("loose types: array", "import numpy\ndef add(a, b): return numpy.array([a + b])"),
    "memo_by_count": ("the order of the cases", "n = 0\ndef add(a, b):\n    global n; n += 1\n    return (3, 11, 5)[n - 1]"),
    "no_function": ("an empty program", "x = 1"),
    "generator": ("a lazy answer", "def add(a, b): yield a + b"),
    "not_a_number": ("nan", "def add(a, b): return float('nan')"),
}  # fmt: skip

_AGAINST_WORDS = {
    "search_objects": (
        "expected values among all objects",
        "import gc\ndef word(x):\n    for o in gc.get_objects():\n        for t in (o if isinstance(o, (list, tuple)) else ()):\n"
        "            if isinstance(t, str) and (t.startswith('quagga-') or t.startswith('gnu-')): return t\n    return ''",
    ),
    "search_memory": (
        "expected values anywhere in its memory",
        "import ctypes, os, re\ndef word(x):\n    want = b'quagg' + b'a-' if x == 'zebra' else b'gn' + b'u-'\n"
        "    r, w = os.pipe(); step = 4096; base = id(x) & -step\n"
        "    for page in range(base - 3000 * step, base + 3000 * step, step):\n"
        "        n = ctypes.CDLL(None).write(w, ctypes.c_void_p(page), step)\n"
        "        if n > 0:\n            m = re.search(want + rb'[0-9]+', os.read(r, n))\n            if m: return m[0].decode()\n    return ''",
    ),
    "read_job": (
        "the job's file",
        "import os\ndef word(x):\n    for fd in range(3, 64):\n        try: text = os.pread(fd, 1 << 20, 0)\n"
        "        except OSError: continue\n        at = text.find(b'-77' + b'31')\n"
        "        if at > 0: return text[at - 6 : at + 5].decode()\n    return ''",
    ),
    "text_subclass": ("text equal to all", "class S(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef word(x): return S('no')"),
}  # fmt: skip

_AGAINST_TESTS = {
    "pre_answer": ("answers before questions", _FRAME + "frame('names', {'candidate': 'callable', 'add': 'callable'})\nframe('value', '3', 'null')\nframe('value', '3', 'null')\nframe('value', '3', 'null')\ndef add(a, b): return 0"),
    "say_passed": ("the tests' account", "import os\nos.write(4, b'[\"passed\"]\\n')\ndef add(a, b): os.write(4, b'[\"passed\"]\\n'); return 0"),
    "exit_in_call": ("the program's end", "import os\ndef add(a, b): os._exit(0)"),
    "system_exit": ("an exit through the tests", "import sys\ndef add(a, b): sys.exit(0)"),
    "own_check": ("the name of the tests", "def check(candidate): pass\ndef add(a, b): return 0"),
    "own_assertion": ("the error that fails", "class AssertionError(Exception): pass\nimport builtins\nbuiltins.AssertionError = AssertionError\ndef add(a, b): return 0"),
    "equal_object": ("==, in the tests", "class E:\n    def __eq__(s, o): return True\ndef add(a, b): return E()"),
    "callable_object": ("an object behind a handle", "class E:\n    def __eq__(s, o): return True\n    def __call__(s): pass\ndef add(a, b): return E()"),
    "forge_object": ("an object where data is due", _FRAME + "def add(a, b):\n    frame('object', 0)\n    return 0"),
    "class_for_function": ("an instance where data is due", "class add:\n    def __init__(s, a, b): pass\n    def __eq__(s, o): return True"),
    "call_the_tests": ("the tests' own process", _FRAME + "def add(a, b):\n    frame('call', [0, '__getattribute__'], '[\"__globals__\"]', '{\"d\": []}')\n    frame('call', 'check', '[1]', '{\"d\": []}')\n    return 0"),
    "garbage": ("the channel", "import os\ndef add(a, b): os.write(5, b'\\xff' * 100); return 0"),
    "close_channel": ("the channel's end", "import os\ndef add(a, b): os.close(5); return a + b"),
}  # fmt: skip

_CIRCLE = "class Circle:\n    def __init__(s, r): s.r = r\n    def area(s): return s\n"
_ONE = asserts("x = f(1)\nassert x == 3")
_HALF = calls("f", ([1], 0.5), tolerance=1e-6)
_AS_AREA = {
    "object_minus": ("arithmetic", "    def __sub__(s, o): return 0.0\n    __rsub__ = __sub__", "assert abs(Circle(2).area() - 12.566) < 1e-3"),
    "made_minus": ("its own arithmetic", "    def __sub__(s, o): return 0.0\n    __rsub__ = __sub__", "assert abs(Circle(2) - 12.566) < 1e-3"),
    "object_order": ("order", "    def __lt__(s, o): return True\n    __gt__ = __lt__", "assert 12.5 < Circle(2).area() < 12.6"),
    "object_text": ("a method of text", "    def startswith(s, o): return True", "assert Circle(2).area().startswith('zq')"),
    "object_holds": ("contents", "    def __contains__(s, o): return True", "assert 'zq' in Circle(2).area()"),
    "object_equal": ("==", "    def __eq__(s, o): return True", "assert 12 == Circle(2).area()\nassert [Circle(2).area()] == [12]"),
    "object_unequal": ("!=", "    def __eq__(s, o): return True\n    def __ne__(s, o): return False", "assert not Circle(2).area() != 12"),
}  # fmt: skip

_SINGLE = [
    *(Case(name, f"an object for a number, by {what}", _CIRCLE + body, asserts(test), WRONG) for name, (what, body, test) in _AS_AREA.items()),
    Case("lent_object", "an object of a class that no test names", _FRAME + "def f(x): frame('value', '{\"o\": [0, [\"f\"]]}', 'null')", _ONE, WRONG),
    Case("homeless", "a form that was never lent", _FRAME + "def f(x): frame('value', '{\"h\": 0}', 'null')", _ONE, WRONG),
    Case("odd_error", "an exception that no class can be", _FRAME + "def f(x): frame('raised', ['a\\0b', 'SystemExit'], '0')", _ONE, WRONG),
    Case("endless_answer", "a checker that fails: an iterator without end", "import itertools\ndef f(x): return itertools.count()",
         AssertTests("assert sum(f(1)) == 3", limits=Limits(cpu_seconds=0.3)), WRONG),
    Case("holds_everything", "membership, by an iterator without end", "import itertools\ndef f(x): return itertools.count()",
         AssertTests("assert 7 in f(1)", limits=Limits(cpu_seconds=0.3)), WRONG),
    Case("signalling_nan", "a checker that fails: a nan that no == takes", "from decimal import Decimal\ndef f(x): return Decimal('sNaN')",
         asserts("assert f(1) == 3"), WRONG),
    Case("huge_in_tolerance", "a checker that fails: an int past every float", "def f(x): return 10**400", _HALF, WRONG),
    Case("huge_in_margin", "the same in an assertion", "def f(x): return 10**400", asserts("assert abs(f(1) - 0.5) < 1e-6"), WRONG),
    Case("large_fraction", "a checker that fails: digits past Python's limit", "from fractions import Fraction\n"
         "def f(x): return {Fraction(10**6000 + 1, 3)}", calls("f", ([1], {"$set": [1]})), WRONG),
    Case("slow_fraction", "the judge's time: a fraction to reduce", "from fractions import Fraction\nimport random\nr = random.Random(1)\n"
         "def f(x):\n    v = Fraction(1)\n    v._numerator, v._denominator = r.getrandbits(12 << 20), r.getrandbits(12 << 20)\n    return v", _HALF, WRONG),
    Case("many_answers", "the judge's time: millions of answers", "import os\nos.write(4, b'[\"\"]\\n' * 2900000)\nos._exit(0)", _HALF, WRONG),
    Case("lone_surrogate", "an account that no file takes", "def f(x): raise ValueError('\\ud800')", _HALF, WRONG),
    Case("stop_iteration", "an end of the tests' loop", "def f(x): raise StopIteration", asserts(
        "assert all(map(lambda x: f(x) == x * 2, [1, 2, 3]))"), WRONG),
    Case("starts_with", "a method call on an answer", "class S:\n    def startswith(s, x): return True\ndef f(x): return S()",
         asserts("assert f('a').startswith('z')"), WRONG),
    Case("class_answers", "a lower-case class as the function", "class f:\n    def __init__(s, x): pass\n"
         "    def startswith(s, x): return True", asserts("assert f('a').startswith('z')"), WRONG),
    Case("lent_function", "the globals of a function that tests pass", _FRAME + "def f(g, x):\n"
         "    frame('call', [0, '__getattribute__'], '[\"__globals__\"]', '{\"d\": []}')\n    return 0",
         asserts("def check(c):\n    assert c(lambda v: v + 1, 3) == 4\n", "f"), WRONG),
    Case("swallowed", "tests that catch everything", "import os\ndef f(x): os._exit(0)", asserts(
        "for i in range(3):\n    try:\n        r = f(i)\n    except BaseException:\n        r = 0\n    assert r == 0"), WRONG),
    Case("true_for_one", "True is not 1", "def f(x): return True", calls("f", ([1], 1)), WRONG),
    Case("one_for_true", "1 is not True", "def f(x): return 1", calls("f", ([1], True)), WRONG),
    Case("nested_bool", "True is not 1 in a list", "def f(x): return [True, 0]", calls("f", ([1], [1, 0])), WRONG),
    Case("tuple_for_list", "where the case says list", "def f(x): return (1,)", calls("f", ([1], {"$list": [1]})), WRONG),
    Case("list_for_tuple", "where the case says tuple", "def f(x): return [1]", calls("f", ([1], {"$tuple": [1]})), WRONG),
    Case("near", "a tolerance only where set", "def f(x): return 0.30000000000000004", calls("f", ([1], 0.3)), WRONG),
    Case("nan_within", "nan is within no tolerance", "def f(x): return float('nan')", calls("f", ([1], 0.3), tolerance=1e9), WRONG),
    Case("infinite_within", "infinity is within no tolerance", "def f(x): return float('inf')", calls("f", ([1], 0.3), tolerance=0.5), WRONG),
    Case("bool_within", "a bool is no number within a tolerance", "def f(x): return True", calls("f", ([1], 1.0), tolerance=0.1), WRONG),
    Case("set_for_list", "an order that is due", "def f(x): return {1, 2}", calls("f", ([1], [1, 2])), WRONG),
    Case("change_argument", "arguments are fresh", "def f(x):\n    x.append(1)\n    return len(x)", calls("f", ([[]], 0), ([[]], 0)), WRONG),
    Case("print_all", "one process a case", "print('1\\n2\\n3')", prints(("1", "1\n"), ("2", "2\n"), ("3", "3\n")), WRONG),
    Case("print_part", "the end of the output", "print('1')", prints(("", "1\n2\n")), WRONG),
    Case("exit_one", "a program that failed", "import sys\nprint('1')\nsys.exit(1)", prints(("", "1\n")), WRONG),
    Case("raise_after", "an error after the answer", "print('1')\nraise ValueError", prints(("", "1\n")), WRONG),
    Case("close_output", "output that was closed", "import os\nos.close(1)", prints(("", "1\n")), WRONG),
    Case("rewind_output", "output over the limit, then less", "import os\nos.write(1, b'x' * (17 << 20))\nos.lseek(1, 0, 0)\n"
         "os.write(1, b'1\\n')", prints(("", "1\n")), WRONG),
]  # fmt: skip


def _cases(group: dict, reference) -> list[Case]:
    return [Case(name, f"against {what}", program, reference, WRONG) for name, (what, program) in group.items()]


TRICKS = [
    *_cases(_AGAINST_CALLS, ADD),
    *_cases(_AGAINST_WORDS, WORDS),
    *_cases(_AGAINST_TESTS, asserts(CHECK, "add")),
    *_SINGLE,
]
