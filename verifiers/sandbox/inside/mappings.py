"""Makes a fork hand its child the page tables of the interpreter's code.

The kernel leaves the pages of a private file mapping out of a fork, since a fault can bring each back: some hundred faults
in every child, more than half of its CPU time. A mapping of which one page was ever written (its anon_vma is set) is copied
whole instead (vma_needs_copy in mm/memory.c). So every read-only segment gets one byte rewritten with itself, once, in the
fork-server.
"""

import ctypes
import mmap

_PT_LOAD, _EXECUTE, _WRITE, _READ = 1, 1, 2, 4  # of ELF program headers
_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _Header(ctypes.Structure):
    """Elf64_Phdr."""

    _fields_ = [("type", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("offset", ctypes.c_uint64)]
    _fields_ += [("address", ctypes.c_uint64), ("physical", ctypes.c_uint64), ("file_size", ctypes.c_uint64)]
    _fields_ += [("memory_size", ctypes.c_uint64), ("alignment", ctypes.c_uint64)]


class _Library(ctypes.Structure):
    """The leading fields of struct dl_phdr_info."""

    _fields_ = [("base", ctypes.c_uint64), ("name", ctypes.c_char_p), ("headers", ctypes.POINTER(_Header))]
    _fields_ += [("num_headers", ctypes.c_uint16)]


def read_only_segments() -> list[tuple[int, int, int]]:
    """(start, length, protection) of every loaded segment that is not writable, to whole pages."""
    found = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)
    def visit(pointer, _size, _data):
        library = pointer.contents
        for header in library.headers[: library.num_headers]:
            if header.type == _PT_LOAD and not header.flags & _WRITE and b"vdso" not in (library.name or b""):
                start = (library.base + header.address) & -mmap.PAGESIZE
                end = library.base + header.address + header.memory_size
                length = (end - start + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
                protection = _PROT_READ * bool(header.flags & _READ) | _PROT_EXEC * bool(header.flags & _EXECUTE)
                found.append((start, length, protection))
        return 0

    _libc.dl_iterate_phdr(visit, None)
    return found


def share_code_pages() -> int:
    """Mark every read-only segment for copying at a fork; how many took it (a hardened kernel may refuse: then none)."""
    taken = 0
    for start, length, protection in read_only_segments():
        if _libc.mprotect(start, length, protection | _PROT_WRITE) == 0:
            ctypes.memmove(start, start, 1)
            _libc.mprotect(start, length, protection)
            taken += 1
    return taken
