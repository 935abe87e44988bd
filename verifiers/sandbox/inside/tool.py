"""Become a tool, such as a prover, under every layer that holds here: started with a JSON object as its only argument.

The second profile of the sandbox: unlike a program under the fork-server, a tool is started by exec, reads folders of
its own and writes one. It starts no process, and Landlock lets it exec nothing but the files that are named.
"""

import ctypes
import json
import os
import resource
import signal
import sys

from . import confinement, landlock, seccomp

EXTRA_CALLS = {  # beside the list for programs: what a compiler does to its own folder, and the start of a program
    "chdir": (80, 49), "fchdir": (81, 50), "rename": (82, None), "renameat2": (316, 276), "renameat": (264, 38),
    "unlink": (87, None), "unlinkat": (263, 35), "ftruncate": (77, 46), "mkdir": (83, None), "mkdirat": (258, 34),
    "execve": (59, 221), "arch_prctl": (158, None), "sysinfo": (99, 179), "getdents": (78, None),
    "sched_setaffinity": (203, 122), "mincore": (27, 232), "umask": (95, 166), "get_mempolicy": (239, 236),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "eventfd2": (290, 19), "flock": (73, 32), "fsync": (74, 82),
}  # fmt: skip
_PR_SET_PDEATHSIG = 1


def become(job: dict) -> None:
    """Give up what the tool does not need, then exec it; OSError where a layer cannot be had."""
    layers = set(job["layers"])
    ruleset = -1
    if "landlock" in layers:
        ruleset = landlock.make_ruleset([*job["readable"], *job["executables"]], ["/dev/null"])
        for path in job["executables"]:
            landlock.allow(ruleset, path, landlock.READ_FILE | landlock.EXECUTE)
        landlock.allow(ruleset, job["folder"], landlock.OWN_FOLDER)
    confinement.give_up_rights(job["uid"], [*job["executables"], *job["readable"]] if ruleset >= 0 else [])
    for name, value in (
        (resource.RLIMIT_CPU, job["cpu_seconds"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_STACK, job["stack_bytes"]),
    ):
        _, hard = resource.getrlimit(name)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    os.chdir(job["folder"])
    if ruleset >= 0:
        if libc.syscall(*landlock.restrict_call(ruleset)) != 0:
            raise OSError(ctypes.get_errno(), "Landlock could not be had")
        os.close(ruleset)
    if "seccomp" in layers:
        seccomp.install(seccomp.tool_filter(EXTRA_CALLS))
    os.execve(job["command"][0], job["command"], job["environment"])


if __name__ == "__main__":
    try:
        become(json.loads(sys.argv[1]))
    except OSError as error:
        print(f"the sandbox could not start the tool: {error}", file=sys.stderr)
        sys.exit(125)
