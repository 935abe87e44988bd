"""The work of a confined child: run one program and write its results as data.

The job comes on descriptor 3 as wire.pack_job writes it, answers go to descriptor 4 as lines of JSON, a call proxy is
descriptor 5. Nothing here decides anything: whatever a program makes of this process, the far side only reads data.
"""

import atexit
import gc
import os
import random
import site
import sys
import threading

from . import surroundings, wire
from .peer import finished
from .program import MODULE, answer, find, make_module

JOB = 3  # the descriptor of the job
_WARM_ROUNDS = 20  # the interpreter specialises code that has run some eight times
_THREAD_STACK_BYTES = 4 * 2**20  # address space is what is limited: 200 threads fit


def prepare() -> None:
    """What every program finds set, done once in the fork-server: the same random numbers in every run, roomy threads."""
    random.seed(0)
    threading.stack_size(_THREAD_STACK_BYTES)
    site.setquit()  # quit() and exit(), which an interpreter without site lacks
    sys.argv[:] = sys.orig_argv[:] = ["program.py"]
    surroundings.install()


def warm_up() -> None:
    """Go the way of a child a few times, in the fork-server: what the interpreter then specialises and allocates, each child
    would otherwise do again, on pages of its own. The answers go to the null device that lies on their descriptor.
    """
    call = wire.pack_call("f", [1, "a"], {})
    job = wire.pack_job({"program": "def f(a, b):\n    return [a, b]\n", "calls": [call] * 3})
    for _ in range(_WARM_ROUNDS):
        part = wire.unpack_job(job)
        scope = make_module(MODULE)
        exec(compile(part["program"], "<program>", "exec", dont_inherit=True), scope)
        make_calls(scope, part)
    del sys.modules[MODULE]


def run(kind: str) -> None:
    """Run the job of this child; returns when its answers are written."""
    job = wire.unpack_job(read_all(JOB))
    os.close(JOB)
    gc.enable()
    if kind == "tests":
        from . import tests_side

        tests_side.run_tests(job)
        return
    name = "__main__" if kind == "stdio" else MODULE
    scope = make_module(name)
    try:
        exec(compile(job["program"], "<program>", "exec", dont_inherit=True), scope)
        if kind == "calls":
            make_calls(scope, job)
        elif kind == "serve":
            from . import program_side

            program_side.serve_program(scope)
        else:
            finish_program()
            answer("done")
    except SystemExit as stop:
        finish_stopped(kind, stop)
    except BaseException as error:  # whatever a program raises is its answer
        report(error)


def read_all(descriptor: int) -> bytes:
    """The whole of a file from its start."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def make_calls(scope: dict, job: dict) -> None:
    """Call functions on fresh arguments, one answer line each; the first that raises ends it, unless `go_on` is set.

    With `in_place` a function that returned nothing is answered with its first argument too, where that is a list; with
    `after` every call is answered with its arguments as they are then. With `decoded` the second argument comes as text of
    the wire, which the judge never read.
    """
    in_place, after, decoded = job.get("in_place", False), job.get("after", False), job.get("decoded", False)
    for name, arguments in job["calls"]:
        function = find(scope, name)
        args, kwargs = wire.unpack_job(arguments)
        if decoded:
            args[1] = wire.decode(args[1])
        try:
            result = function(*args, **kwargs)
            if hasattr(type(result), "__await__"):
                result = finished(result)
        except BaseException as error:  # a program's own
            if not job.get("go_on", False):
                raise
            report(error)
            continue
        try:
            texts = [wire.encode(result, wire.share_items)]
            if after:
                texts.append(wire.encode(args, wire.share_items))
            elif result is None and in_place and args and isinstance(args[0], list):
                texts.append(wire.encode(args[0]))
            answer("value", *texts)
        except wire.TooLarge as error:
            answer("large", str(error))
        except wire.NotPlain as error:
            answer("odd", str(error))
        except BaseException as error:  # raised by an iterator that the program returned
            report(error)


def finish_program() -> None:
    """What the interpreter does at its end: wait for threads, run exit functions, flush."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in dict.fromkeys((sys.stdout, sys.__stdout__)):
        stream.flush()


def finish_stopped(kind: str, stop: SystemExit) -> None:
    """`sys.exit()` is a good end of a whole program, not of a function."""
    if kind != "stdio":
        return report(stop)
    finish_program()
    if stop.code is None or stop.code == 0:
        answer("done")
    else:
        report(stop)


def report(error: BaseException) -> None:
    """One answer line that tells what was raised."""
    try:
        text = str(error)[:300]
    except BaseException:  # a program's own __str__
        text = ""
    answer("raised", type(error).__name__, text)
