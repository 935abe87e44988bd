"""Landlock through its three system calls: read what is listed, touch nothing else. See landlock(7)."""

import ctypes
import os
import struct
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
EXECUTE, _WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE, _TRUNCATE = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14
OWN_FOLDER = _WRITE_FILE | READ_FILE | READ_DIR | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _TRUNCATE
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # all rights that an ABI knows
_NET_RIGHTS = 0b11  # ABI 4: bind and connect of TCP
_SCOPES = 0b11  # ABI 6: abstract sockets and signals stay in the domain

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def abi() -> int:
    """The kernel's Landlock version; 0 where it has none."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG)))


def make_ruleset(readable: list[str], writable: list[str], listed: Sequence[str] = ()) -> int:
    """A descriptor of a ruleset under which the given folders and files can be read, the writable files written too, and of
    the listed folders only the names.
    """
    version = abi()
    if not version:
        raise OSError("this kernel has no Landlock")
    handled = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= version)]
    attributes = struct.pack("=QQQ", handled, _NET_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    for path in readable + writable:
        allow(ruleset, path, READ_FILE | (_WRITE_FILE if path in writable else 0))
    for path in listed:
        allow(ruleset, path, READ_DIR)
    return ruleset


def allow(ruleset: int, path: str, rights: int) -> None:
    """Add rights to a file or a folder and what lies in it; a path that is not there is passed over."""
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if os.path.isdir(path):
            rights |= READ_DIR
        rights &= _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi())]
        rule = struct.pack("=Qi", rights, beneath)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
    finally:
        os.close(beneath)


def restrict_call(ruleset: int) -> tuple:
    """The arguments of the system call that puts a process under the ruleset, for good; no_new_privs must be set."""
    return tuple(map(ctypes.c_long, (_RESTRICT_SELF, ruleset, 0)))


def _call(number: int, *arguments) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock call {number}: {os.strerror(code)}")
    return result
