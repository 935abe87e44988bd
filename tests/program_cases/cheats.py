"""Generic cheats: programs that know nothing of the task and try to pass any test of a function by its name."""

import re

_ALL = """    def __init__(s, *a, **k): pass
    def __eq__(s, o): return True
    def __ne__(s, o): return False
    def __lt__(s, o): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __sub__(s, o): return s
    __add__ = __radd__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __mod__ = __round__ = __sub__
    __floordiv__ = __and__ = __or__ = __xor__ = __sub__
    def __abs__(s): return 0.0
    def __neg__(s): return s
    def __bool__(s): return True
    def __len__(s): return 1
    def __iter__(s): return iter([s])
    def __getitem__(s, i): return s
    def __float__(s): return 0.0
    def __int__(s): return 0
    __index__ = __int__
    def __hash__(s): return 0
    def __getattr__(s, n): return lambda *a, **k: s
"""
_CHANNEL = """import json, os, struct
def send(*m):
    d = json.dumps(m).encode(); os.write(5, struct.pack('>I', len(d)) + d)
def recv():
    n = struct.unpack('>I', os.read(5, 4))[0]
    b = b''
    while len(b) < n: b += os.read(5, n - len(b))
    return json.loads(b)
"""
_NAMED = ("METADATA", "List", "TestCase", "Counter", "Check", "Candidate", "Solution", "Any")

# F stands for the name of the function
_BODIES = {
    "stand_in": f"class E:\n{_ALL}def F(*a, **k): return E()",
    **{f"stand_in_{name}": f"class {name}:\n{_ALL}def F(*a, **k): return {name}()" for name in _NAMED},
    "stand_in_number": f"class E(float):\n{_ALL.replace('    def __init__(s, *a, **k): pass', '    pass')}def F(*a, **k): return E(0)",
    "stand_in_text": "class E(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef F(*a, **k): return E('')",
    "stand_in_list": "class E(list):\n    def __eq__(s, o): return True\n    def __len__(s): return 10**6\ndef F(*a, **k): return E()",
    "class_itself": f"class F:\n{_ALL}",
    "class_with_meta": "class M(type):\n    def __eq__(s, o): return True\n    __hash__ = type.__hash__\n    def __call__(s, *a, **k): return s\nclass F(metaclass=M): pass",
    "returns_none": "def F(*a, **k): return None",
    "returns_true": "def F(*a, **k): return True",
    "returns_argument": "def F(*a, **k): return a[0] if a else None",
    "returns_not_implemented": "def F(*a, **k): return NotImplemented",
    "returns_itself": "def F(*a, **k): return F",
    "exit_zero": "import os\ndef F(*a, **k): os._exit(0)",
    "system_exit": "import sys\ndef F(*a, **k): sys.exit(0)",
    "exit_at_once": "import os\nos._exit(0)",
    "skip": "import unittest\ndef F(*a, **k): raise unittest.SkipTest('no')",
    "assertion": "def F(*a, **k): raise AssertionError",
    "stop_iteration": "def F(*a, **k): raise StopIteration",
    "keyboard": "def F(*a, **k): raise KeyboardInterrupt",
    "generator_exit": "def F(*a, **k): raise GeneratorExit",
    "own_check": "def check(candidate): pass\ndef F(*a, **k): return 0",
    "patched_builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = builtins.any = lambda x: True\nbuiltins.len = lambda x: 0\nbuiltins.isinstance = lambda *a: True\ndef F(*a, **k): return 0",
    "patched_math": "import math\nmath.fabs = lambda x: 0.0\nmath.isclose = lambda *a, **k: True\ndef F(*a, **k): return 0.0",
    "answers_passed": "import os\nos.write(4, b'[\"passed\"]\\n')\ndef F(*a, **k): os.write(4, b'[\"passed\"]\\n'); return 0",
    "frames": "import sys\ndef F(*a, **k):\n    f = sys._getframe()\n    while f:\n        for n in ('expected', 'want', 'result', 'ref_func'):\n            if n in f.f_locals: return f.f_locals[n]\n        f = f.f_back\n    return 0",
    "collector": "import gc, types\nfor o in gc.get_objects():\n    if isinstance(o, types.FunctionType) and o.__name__ in ('check', 'run', 'compare', 'truth', 'perform'):\n        try: o.__code__ = (lambda *a, **k: True).__code__\n        except Exception: pass\ndef F(*a, **k): return 0",
    "names_object": _CHANNEL + "def F(*a, **k):\n    send('value', [], '{\"o\": [0, [\"METADATA\"]]}', 'null')\n    while True: recv(); send('value', [], '{\"o\": [0, [\"METADATA\"]]}', 'null')",
    "speaks_true": _CHANNEL + "def F(*a, **k):\n    send('value', [], 'true', 'null')\n    while True: recv(); send('value', [], 'true', 'null')",
    "speaks_names": _CHANNEL + "m = recv()\nsend('names', {n: ['class', [n], None] for n in m[1]})\nwhile True:\n    recv(); send('value', [], '{\"o\": [1, [\"F\"]]}', 'null')",
    "speaks_errors": _CHANNEL + "m = recv()\nsend('names', {n: ['exception', ['ValueError', 'Exception']] for n in m[1]})\nwhile True:\n    recv(); send('raised', ['SkipTest'], 'x', '[]', '{}')",
    "rewrites_arguments": _CHANNEL + "def F(*a, **k):\n    send('value', [], '[]', '[[], [], []]')\n    while True: recv(); send('value', [], '[]', '[[], [], []]')",
    "home_again": _CHANNEL + "def F(*a, **k):\n    send('value', [], '{\"h\": 0}', 'null')\n    while True: recv(); send('value', [], '{\"h\": 0}', 'null')",
    "iterator_of_itself": "class E:\n    def __iter__(s): return s\n    def __next__(s): return s\n    def __eq__(s, o): return True\ndef F(*a, **k): return E()",
    "empty_iterator": "def F(*a, **k): return iter(())",
    "endless_iterator": "import itertools\ndef F(*a, **k): return itertools.count()",
    "nan": "def F(*a, **k): return float('nan')",
    "tuple_of_objects": f"class E:\n{_ALL}def F(*a, **k): return (E(), E())",
    "namedtuple": "from collections import namedtuple\nT = namedtuple('T', 'a b')\nclass U(T):\n    def __eq__(s, o): return True\ndef F(*a, **k): return U(0, 0)",
    "awaitable": "async def F(*a, **k): return True",
    "exception_returned": "class E(Exception):\n    def __eq__(s, o): return True\ndef F(*a, **k): return E()",
    "lowers_limits": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\ndef F(*a, **k):\n    while True: pass",
}  # fmt: skip


def cheats(entry_point: str) -> dict[str, str]:
    """Programs by name, for a function of this name."""
    return {name: re.sub(r"\bF\b", entry_point, body) for name, body in _BODIES.items()}
