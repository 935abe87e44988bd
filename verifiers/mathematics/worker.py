"""The worker that worker_client.py starts: `python -m verifiers.mathematics.worker`. One JSON line [reference, answer, conventions] in,
one reason out."""

import json
import os
import resource
import sys
import threading
import time

from verifiers.mathematics.equivalence.conventions import Conventions
from verifiers.mathematics.equivalence.worker_client import MEMORY_BYTES, QUESTION_SECONDS
from verifiers.mathematics.parsing.tokens import limits
from verifiers.verdict import Reason

_STACK_BYTES = 512 << 20  # of the thread that works: reserved, and used only by what nests deep
_DEPTH, _TOKENS = 10_000, 30_000  # see tokens.limits


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES + _STACK_BYTES, MEMORY_BYTES + _STACK_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(100_000)
    work = threading.Thread(target=_serve)
    work.start()
    work.join()


def _serve() -> None:
    from verifiers.mathematics.equivalence import symbolic
    from verifiers.mathematics.equivalence.answers import compare

    limits.depth, limits.tokens = _DEPTH, _TOKENS
    symbolic.load()
    _say("ready")
    for line in sys.stdin:
        reference, answer, conventions = json.loads(line)
        try:
            reason = compare(reference, answer, symbolic.prove, QUESTION_SECONDS, Conventions.of(*conventions))
        except (MemoryError, RecursionError):
            reason = Reason.UNSUPPORTED
        except Exception:  # the verify boundary of this process: what sympy raises is not for the parent to see
            reason = Reason.CHECKER_FAILURE
        _say(str(reason))


def _say(text: str) -> None:
    sys.stdout.write(json.dumps(text) + "\n")
    sys.stdout.flush()


def _end_with_parent(parent: int) -> None:
    """Ends this process once its parent is gone, even amid a long calculation."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    main()
