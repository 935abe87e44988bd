"""The sandbox that programs run in: a fork-server for each worker, a confined child for each program.

Covered, each line with its test in tests/verifiers/test_sandbox_claims.py, which reads this list:

- files outside the interpreter and granted packages: neither read nor written, made, renamed or removed [test_no_program_touches_files]
- network, unix and netlink sockets, System V and POSIX IPC [test_no_program_reaches_sockets_or_ipc]
- other processes: no signal, trace, memory or descriptor of another [test_no_program_touches_processes]
- new processes and programs: no fork, exec or namespace; threads yes [test_no_program_starts_processes]
- every system call that is not on the list, by either door of x86-64 [test_every_unlisted_call_is_refused]
- identity, capabilities, limits and the filter itself cannot be won back [test_no_program_wins_rights_back]
- secrets of the owner: environment, descriptors, memory of other jobs [test_no_program_sees_secrets]
- CPU, memory, threads, output, waiting: each ends the program alone [test_exhaustion_ends_only_the_program]
- the verdict: no answer but data equal to what is expected is accepted [test_no_trick_is_accepted]
- a program that runs leaves nothing on the machine [test_nothing_is_left_behind]
- a sandbox that fails is no verdict on a program [test_dead_fork_server_is_no_verdict]

Not covered:

- a hole in the kernel's allowed system calls, in Landlock, in namespaces or in the CPU; side channels of time and cache
- in the landlock tier: names, sizes and times of files can be asked for (stat), though not their content
- in the landlock tier of a user who is not root: threads are counted a few times a second, not by the kernel
- what a test itself lets pass: weak tests (see strengthen.py), helpers that tests take from the program, and a class that
  the tests construct: its `<`, its sequence methods, and a `==` that tells objects apart at random
- tests that look at an argument which a call changed in place and that returned a value too: they find it unchanged, and the
  program finds its own version when it is given the same list again
- programs that need sockets or other programs (subprocess): they fail as `refused`; processes of multiprocessing are threads
- files: only by relative names and through tempfile, in memory; every other path is refused
- the interpreter's own library and shared libraries can be read; they hold no secrets
"""

from verifiers.sandbox.doctor import examine
from verifiers.sandbox.errors import SandboxError, SandboxUnavailable
from verifiers.sandbox.pool import close, configure, take_failures

__all__ = ["SandboxError", "SandboxUnavailable", "close", "configure", "examine", "take_failures"]
