"""Programs that do nothing but keep from being judged: they end themselves, hold the machine, or starve the checker.

Each is an answer to `square(x)`; none is right. What a program does to itself is `wrong`; only a machine that fails is
`undecided`.
"""

_LIMITS = [
    "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
    "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\ndef square(x):\n    while True: pass",
    "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))\ndef square(x): return [0] * 10**7",
    "import resource\nresource.setrlimit(resource.RLIMIT_STACK, (4096, 4096))\ndef square(x): return square(x)",
    "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\ndef square(x): return open('/dev/null')",
    "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\ndef square(x):\n    print('x' * 10**6)",
    "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (0, 0))\ndef square(x): return bytearray(10**8)",
    "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\ndef square(x): return 0",
]
_SIGNALS = [
    f"import os, signal\nos.kill(os.getpid(), signal.{name})"
    for name in ("SIGKILL", "SIGTERM", "SIGSTOP", "SIGXCPU", "SIGSEGV", "SIGABRT", "SIGINT", "SIGALRM", "SIGPIPE", "SIGSYS")
]  # fmt: skip
_ENDS = [
    "import os\nos._exit(0)",
    "import os\nos._exit(137)",
    "import os\nos.abort()",
    "import sys\nsys.exit(0)",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "raise MemoryError",
    "import ctypes\nctypes.string_at(0)",
    "import faulthandler\nfaulthandler._sigsegv()",
    "import atexit, os\natexit.register(os._exit, 0)\nimport sys\nsys.exit()",
]
_HOLDS = [
    "while True: pass",
    "import time\nwhile True: time.sleep(1)",
    "import threading\nthreading.Event().wait()",
    "import signal\nsignal.pause()",
    "import sys\nsys.stdin.read()\nwhile True: pass",
    "def square(x): return square(x)",
    "import sys\nsys.setrecursionlimit(10**9)\ndef square(x): return square(x)",
    "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    "9 ** 9 ** 9",
    "x = [0] * 10**10",
    "x = 'a' * 10**11",
    "x = []\nwhile True: x.append(bytearray(10**7))",
    "x = {}\nwhile True: x[len(x)] = len(x)",
    "import os\nwhile True: os.fork()",
    "import threading\nwhile True: threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "import subprocess\nsubprocess.run(['sleep', '100'])",
    "import os\nos.nice(19)\nwhile True: pass",
    "import gc\ngc.disable()\nwhile True:\n    a = []\n    a.append(a)",
]
_FLOODS = [
    "while True: print('x' * 10**6)",
    "import sys\nwhile True: sys.stderr.write('x' * 10**6)",
    'import os\nwhile True: os.write(4, b\'["value", "9"]\\n\')',
    "import os\nos.write(4, b'\\xff' * 10**7)",
    "import os\nfor fd in range(64):\n    try: os.close(fd)\n    except OSError: pass",
    "import os\nos.close(4)\ndef square(x): return 9",
    "import os\nos.dup2(1, 4)\ndef square(x): return 9",
    "import os\nos.ftruncate(4, 0)\ndef square(x): return 0",
]
_ANSWERS = [
    "def square(x): return range(10**12)",
    "def square(x): return 'x' * 10**9",
    "def square(x): return 10 ** 10**7",
    "import itertools\ndef square(x): return itertools.count()",
    "def square(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
    "def square(x):\n    a = []\n    a.append(a)\n    return a",
    "def square(x): return float('nan')",
    "def square(x): return '\\ud800'",
    "class A:\n    def __repr__(self):\n        while True: pass\ndef square(x): return A()",
    "class A:\n    def __del__(self):\n        while True: pass\ndef square(x): return A()",
    "class E(Exception):\n    def __str__(self):\n        while True: pass\ndef square(x): raise E",
    "import a_package_that_is_not_there\ndef square(x): return 0",
    "def cube(x): return 0",
    "square = 9",
    "def square(): return 9",
]
EVASIONS = [*_LIMITS, *_SIGNALS, *_ENDS, *_HOLDS, *_FLOODS, *_ANSWERS]
