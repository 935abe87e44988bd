"""A seccomp allow-list, written as classic BPF and installed through prctl. See seccomp(2), linux/filter.h.

Threads, memory, time and reading are allowed; what is not named fails with EPERM. Numbers are those of the kernel's
tables for x86-64 and aarch64; a test holds them against libseccomp's.

The fork-server puts itself under the long list once, with the few calls more that it needs, and each child adds a short
filter that takes those away: of several filters the strictest answer counts, and a short one costs a child little.
"""

import ctypes
import errno
import platform
import struct

X86_64, AARCH64 = 0, 1  # column of the table
_MACHINES = {"x86_64": X86_64, "aarch64": AARCH64}
_AUDIT_ARCH = (0xC000003E, 0xC00000B7)

ALLOWED = {  # name: numbers on x86-64 and aarch64; None where the architecture has no such call
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226),
    "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "pipe": (22, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216),
    "madvise": (28, 233), "dup": (32, 23), "dup2": (33, None), "nanosleep": (35, 101), "getitimer": (36, 102),
    "alarm": (37, None), "setitimer": (38, 103), "getpid": (39, 172), "exit": (60, 93), "uname": (63, 160),
    "getcwd": (79, 17), "readlink": (89, None), "gettimeofday": (96, 169), "getrlimit": (97, 163),
    "getrusage": (98, 165), "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175),
    "getegid": (108, 177), "getppid": (110, 173), "getpgrp": (111, None), "getgroups": (115, 158),
    "getresuid": (118, 148), "getresgid": (120, 150), "getpgid": (121, 155), "getsid": (124, 156),
    "sigaltstack": (131, 132), "gettid": (186, 178), "time": (201, None), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "getdents64": (217, 61), "set_tid_address": (218, 96),
    "restart_syscall": (219, 128), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "exit_group": (231, 94), "openat": (257, 56), "newfstatat": (262, 79),
    "readlinkat": (267, 78), "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "dup3": (292, 24), "pipe2": (293, 59), "getcpu": (309, 168),
    "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291), "rseq": (334, 293),
    "close_range": (436, 436), "faccessat2": (439, 439),
}  # fmt: skip
CLONE, CLONE3 = (56, 220), (435, 435)
SERVER_ONLY = {  # what the fork-server needs beside the list, and no program
    "sendto": (44, 206), "sendmsg": (46, 211), "recvmsg": (47, 212), "wait4": (61, 260), "kill": (62, 129),
    "prctl": (157, 167), "pidfd_open": (434, 434), "landlock_restrict_self": (446, 446),
}  # fmt: skip
IOCTL, FCNTL, PRLIMIT = (16, 29), (72, 25), (302, 261)

_THREAD_FLAGS = 0x100 | 0x800 | 0x10000  # CLONE_VM, CLONE_SIGHAND, CLONE_THREAD: all needed
_NAMESPACE_FLAGS = 0x7E020000 | 0x80 | 0x2000  # CLONE_NEW*, CLONE_PTRACE: none allowed
_TTY_QUESTION = 0x5401  # TCGETS: what isatty() asks
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

_LOAD, _AND, _EQUAL, _AT_LEAST, _JUMP, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_FAIL = 0x00050000  # with an errno in the low bits
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2


def supported() -> bool:
    """Whether the table knows this machine; whether the kernel filters shows only by trying."""
    return platform.machine() in _MACHINES


def server_filter() -> bytes:
    """The allow-list and what the fork-server needs, as an array of struct sock_filter."""
    return _allow_list(SERVER_ONLY, {})


def tool_filter(calls: dict) -> bytes:
    """The allow-list and the calls that a tool needs beside it (a table as ALLOWED is); threads, but no processes."""
    clone = CLONE[_MACHINES[platform.machine()]]
    return _allow_list(calls, {clone: _flags_are(_THREAD_FLAGS, _THREAD_FLAGS)})


def _allow_list(calls: dict, others: dict[int, list]) -> bytes:
    """The filter of the rules for every program, with more calls allowed and other rules in place of some."""
    column = _MACHINES[platform.machine()]
    code = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _AUDIT_ARCH[column]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    if column == X86_64:  # the x32 numbers name the same calls by another door
        code += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]
    rules = _rules(column) | others
    rules |= {numbers[column]: [(_RETURN, 0, 0, _ALLOW)] for numbers in calls.values() if numbers[column] is not None}
    return _packed(code + _search(sorted(rules.items()), _FAIL | errno.EPERM))


def child_filter() -> bytes:
    """What a child loses beyond the fork-server's filter: the server's own calls, and processes of its own."""
    column = _MACHINES[platform.machine()]
    rules = {numbers[column]: [(_RETURN, 0, 0, _FAIL | errno.EPERM)] for numbers in SERVER_ONLY.values()}
    rules[CLONE[column]] = _flags_are(_THREAD_FLAGS, _THREAD_FLAGS)
    return _packed([(_LOAD, 0, 0, _NUMBER), *_search(sorted(rules.items()), _ALLOW)])


def _packed(code: list) -> bytes:
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _rules(column: int) -> dict[int, list]:
    """What to do with each system call that is not simply refused."""
    rules = {numbers[column]: [(_RETURN, 0, 0, _ALLOW)] for numbers in ALLOWED.values() if numbers[column] is not None}
    rules[CLONE3[column]] = [(_RETURN, 0, 0, _FAIL | errno.ENOSYS)]  # its flags lie in memory; libc then takes clone
    rules[CLONE[column]] = _flags_are(_NAMESPACE_FLAGS, 0)
    rules[IOCTL[column]] = _argument_is(1, (_TTY_QUESTION,), errno.ENOTTY)
    rules[FCNTL[column]] = _argument_is(1, _FCNTL_COMMANDS, errno.EPERM)
    rules[PRLIMIT[column]] = _argument_is(0, (0,), errno.EPERM)
    return rules


def _flags_are(mask: int, value: int) -> list:
    """Allow where the masked first argument is the value."""
    code = [(_LOAD, 0, 0, _ARGUMENTS), (_AND, 0, 0, mask), (_EQUAL, 0, 1, value)]
    return [*code, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | errno.EPERM)]


def _search(rules: list[tuple[int, list]], otherwise: int) -> list:
    """A binary search: the kernel runs a new filter once for every call that it knows, so its depth costs each child."""
    if len(rules) <= 3:
        code = [line for number, body in rules for line in _when(number, body)]
        return [*code, (_RETURN, 0, 0, otherwise)]
    middle = len(rules) // 2
    lower, upper = _search(rules[:middle], otherwise), _search(rules[middle:], otherwise)
    return [(_AT_LEAST, 0, 1, rules[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]


def _when(number: int, body: list) -> list:
    return [(_EQUAL, 0, len(body), number), *body]


def _argument_is(index: int, values: tuple[int, ...], failure: int) -> list:
    """Allow where the low half of an argument is one of the values (the kernel reads these arguments as 32 bits)."""
    body = [(_LOAD, 0, 0, _ARGUMENTS + 8 * index)]
    for value in values:
        body += _when(value, [(_RETURN, 0, 0, _ALLOW)])
    return [*body, (_RETURN, 0, 0, _FAIL | failure)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


_libc = ctypes.CDLL(None, use_errno=True)


def install_call(code: bytes) -> tuple:
    """The arguments of the prctl that puts a process and its later threads under the filter; no_new_privs must be set."""
    program = _Program(len(code) // 8, code)
    return _PR_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), ctypes.byref(program), ctypes.c_ulong(0), ctypes.c_ulong(0)


def install(code: bytes) -> None:
    """Put this process under the filter."""
    if _libc.prctl(*install_call(code)) != 0:
        raise OSError(ctypes.get_errno(), "the kernel did not take the seccomp filter")
