"""What people's programs expect around them, and a confined process lacks: a scratch folder, an event loop, processes.

All of it is Python in the program's own process, so it opens nothing: files of the scratch folder are bytes in memory, the
event loop wakes itself by a pipe instead of a socket, and the processes of multiprocessing are threads. Files can be written
by relative names and through tempfile; every other path is left to the kernel, which refuses it. Tests and the program that
they call have one scratch folder in common: peer.py carries its changes.
"""

import builtins
import io
import itertools
import os
import posixpath
import sys
from importlib.machinery import PathFinder

_STREAMS = {"/dev/stdin": 0, "/dev/fd/0": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_real_open = io.open
_real = {name: getattr(os, name) for name in ("remove", "unlink", "listdir", "mkdir", "rmdir", "stat")}


class Scratch:
    """Files and folders in memory."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.folders = {"/"}
        self.changed: set[str] = set()  # paths of files and folders, since `take_changes`
        self._numbers = itertools.count()

    def take_changes(self) -> dict[str, str | bool | None]:
        """Of each path that changed: the file's content as hexadecimal, True for a folder, None where nothing is left."""
        found = {
            path: self.files[path].hex() if path in self.files else (path in self.folders or None)
            for path in self.changed
        }
        self.changed = set()
        return found

    def apply(self, changes: dict) -> None:
        """Make the changes that another process took from its own scratch folder."""
        for path, content in changes.items():
            self.files.pop(path, None)
            self.folders.discard(path)
            if type(content) is str:
                self.files[path] = bytes.fromhex(content)
            elif content is True:
                self.folders.add(path)

    def make_folder(self) -> str:
        """A new empty folder."""
        path = self.new_name()
        self.folders.add(path)
        self.changed.add(path)
        return path

    def path(self, name) -> str | None:
        """The whole path of a name that may be in the scratch folder: a relative one, or one below a folder made here."""
        if not isinstance(name, (str, bytes, os.PathLike)):
            return None
        text = os.fsdecode(os.fspath(name))
        path = posixpath.normpath(posixpath.join("/", text))
        inside = not text.startswith("/") or path in self.files or self._below_own(path)
        return path if inside else None

    def _below_own(self, path: str) -> bool:
        folder = posixpath.dirname(path)
        return path in self.folders or (folder != "/" and folder in self.folders)

    def open(self, path: str, mode: str, encoding, errors, newline):
        """A file object on a file of the scratch folder; FileNotFoundError where it is not there."""
        writes = any(letter in mode for letter in "wax+")
        if path not in self.files and "w" not in mode and "a" not in mode and "x" not in mode:
            raise FileNotFoundError(2, "No such file or directory", path)
        if "x" in mode and path in self.files:
            raise FileExistsError(17, "File exists", path)
        if path not in self.files and posixpath.dirname(path) not in self.folders:
            raise FileNotFoundError(2, "No such file or directory", path)
        raw = _File(self, path, b"" if "w" in mode else self.files.get(path, b""), writes)
        if "a" in mode:
            raw.seek(0, 2)
        if "b" in mode:
            return raw
        text = io.TextIOWrapper(raw, encoding or "utf-8", errors, newline, write_through=True)
        text.mode = mode
        return text

    def new_name(self, prefix: str = "tmp", suffix: str = "") -> str:
        while True:  # another process may have taken a name
            path = f"/tmp/{prefix or 'tmp'}{next(self._numbers):08x}{suffix or ''}"
            if path not in self.files and path not in self.folders:
                return path

    def names_in(self, folder: str) -> list[str]:
        inside = (path for path in (*self.files, *self.folders) if path != "/" and posixpath.dirname(path) == folder)
        return sorted(map(posixpath.basename, inside))


class _File(io.BytesIO):
    """A file of the scratch folder; its content is there for others once it is flushed."""

    def __init__(self, scratch: Scratch, path: str, content: bytes, writes: bool):
        super().__init__(content)
        self._scratch, self.name, self._writes, self.delete = scratch, path, writes, False
        if writes:
            self._keep()

    def _keep(self) -> None:
        self._scratch.files[self.name] = self.getvalue()
        self._scratch.changed.add(self.name)

    def writable(self) -> bool:
        return self._writes

    def write(self, data) -> int:
        number = super().write(data)
        self._keep()
        return number

    def close(self) -> None:
        if not self.closed and self._writes:
            self._keep()
        if self.delete:
            self._scratch.files.pop(self.name, None)
            self._scratch.changed.add(self.name)
        super().close()


scratch = Scratch()


def _open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """`open`, with the standard streams by their names and the scratch folder in memory."""
    if isinstance(file, int):
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if file in _STREAMS:
        return _real_open(os.dup(_STREAMS[file]), mode, buffering, encoding, errors, newline)
    path = scratch.path(file)
    if path is not None:
        return scratch.open(path, mode, encoding, errors, newline)
    return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)


def _remove(path, **options):
    known = scratch.path(path)
    if known in scratch.files:
        del scratch.files[known]
        scratch.changed.add(known)
        return None
    return _real["remove"](path, **options)


def _listdir(path="."):
    known = scratch.path(path)
    if known in scratch.folders or path == "/":
        return scratch.names_in(known or "/")
    return _real["listdir"](path)


def _mkdir(path, mode=0o777, **options):
    known = scratch.path(path)
    if known is None or posixpath.dirname(known) not in scratch.folders:
        return _real["mkdir"](path, mode, **options)
    if known in scratch.folders:
        raise FileExistsError(17, "File exists", known)
    scratch.folders.add(known)
    scratch.changed.add(known)
    return None


def _rmdir(path, **options):
    known = scratch.path(path)
    if known in scratch.folders and known != "/":
        scratch.folders.discard(known)
        scratch.changed.add(known)
        return None
    return _real["rmdir"](path, **options)


def _stat(path, **options):
    known = scratch.path(path) if not isinstance(path, int) else None
    if known in scratch.files:
        return os.stat_result((0o100600, 0, 0, 1, os.getuid(), os.getgid(), len(scratch.files[known]), 0, 0, 0))
    if known in scratch.folders and known != "/":
        return os.stat_result((0o040700, 0, 0, 1, os.getuid(), os.getgid(), 0, 0, 0, 0))
    return _real["stat"](path, **options)


def install() -> None:
    """Put all of it in place, once in the fork-server; what a module needs is done when the program imports it."""
    builtins.open = io.open = _open
    os.remove = os.unlink = _remove
    os.listdir, os.mkdir, os.rmdir, os.stat = _listdir, _mkdir, _rmdir, _stat
    sys.meta_path.insert(0, _Finder)


class _Finder:
    """Finds the modules that need a change, and makes it once they are loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        change = _CHANGES.get(name)
        spec = PathFinder.find_spec(name, path, target) if change is not None else None
        if spec is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


class _PipeEnd:
    """One end of a pipe with the methods of a socket that an event loop calls."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def recv(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def send(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        os.close(self._descriptor)


def _change_event_loop(module) -> None:
    def make_self_pipe(loop) -> None:
        reads, writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        loop._ssock, loop._csock = _PipeEnd(reads), _PipeEnd(writes)
        loop._internal_fds += 1
        loop._add_reader(reads, loop._read_from_self)

    module.BaseSelectorEventLoop._make_self_pipe = make_self_pipe
    module.selectors.DefaultSelector = module.selectors.PollSelector


def _change_multiprocessing(module) -> None:
    from multiprocessing import dummy

    names = ("Process", "Queue", "JoinableQueue", "Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event",
             "Condition", "Barrier", "Manager", "Value", "Array", "Pipe")  # fmt: skip
    for name in names:
        setattr(module, name, getattr(dummy, name))
    module.SimpleQueue, module.Pool = dummy.Queue, _Pool
    module.get_context = lambda method=None: module
    module.set_start_method = lambda method, force=False: None
    module.cpu_count = lambda: 2


class _Pool:
    """`multiprocessing.Pool` of threads."""

    def __init__(self, processes=None, initializer=None, initargs=(), *_):
        from concurrent.futures import ThreadPoolExecutor

        self._threads = ThreadPoolExecutor(processes or 2, "", initializer, initargs)

    def map(self, function, items, chunksize=None) -> list:
        return list(self._threads.map(function, items))

    def starmap(self, function, items, chunksize=None) -> list:
        return list(self._threads.map(lambda args: function(*args), items))

    def imap(self, function, items, chunksize=1):
        return iter(self._threads.map(function, items))

    imap_unordered = imap

    def apply(self, function, args=(), kwds=None):
        return self._threads.submit(function, *args, **kwds or {}).result()

    def apply_async(self, function, args=(), kwds=None, callback=None, error_callback=None):
        return _Later(self._threads.submit(function, *args, **kwds or {}), callback, error_callback)

    def map_async(self, function, items, chunksize=None, callback=None, error_callback=None):
        return _Later(self._threads.submit(lambda: [function(item) for item in items]), callback, error_callback)

    def starmap_async(self, function, items, chunksize=None, callback=None, error_callback=None):
        return _Later(self._threads.submit(lambda: [function(*args) for args in items]), callback, error_callback)

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    terminate = close

    def join(self) -> None:
        self._threads.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._threads.shutdown()


class _Later:
    """`multiprocessing.pool.AsyncResult`"""

    def __init__(self, future, callback, error_callback):
        self._future = future
        if callback or error_callback:
            future.add_done_callback(lambda done: self._tell(done, callback, error_callback))

    @staticmethod
    def _tell(done, callback, error_callback) -> None:
        if done.exception() is None:
            callback and callback(done.result())
        elif error_callback:
            error_callback(done.exception())

    def get(self, timeout=None):
        return self._future.result(timeout)

    def wait(self, timeout=None) -> None:
        self._future.exception(timeout)

    def ready(self) -> bool:
        return self._future.done()

    def successful(self) -> bool:
        return self._future.exception() is None


def _change_process_pool(module) -> None:
    from concurrent.futures import ThreadPoolExecutor

    class ProcessPoolExecutor(ThreadPoolExecutor):
        def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), **_):
            super().__init__(max_workers, "", initializer, initargs)

        def map(self, function, *iterables, timeout=None, chunksize=1):
            return super().map(function, *iterables, timeout=timeout)

    module.ProcessPoolExecutor = ProcessPoolExecutor


def _change_tempfile(module) -> None:
    module.tempdir = "/tmp"

    def named(mode="w+b", buffering=-1, encoding=None, newline=None, suffix=None, prefix=None, dir=None, delete=True, *,
              errors=None, **_):  # fmt: skip
        path = scratch.new_name(prefix, suffix)
        scratch.folders.add("/tmp")
        file = scratch.open(path, mode, encoding, errors, newline)
        scratch.folders.discard("/tmp")
        (file if "b" in mode else file.buffer).delete = delete
        return file

    def make_folder(suffix=None, prefix=None, dir=None) -> str:
        return scratch.make_folder()

    module.NamedTemporaryFile = module.TemporaryFile = named
    module.mkdtemp = make_folder
    module.TemporaryDirectory = _Folder


class _Folder:
    """`tempfile.TemporaryDirectory`"""

    def __init__(self, *_, **__):
        self.name = scratch.make_folder()

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        for known in [path for path in scratch.files if path.startswith(f"{self.name}/")]:
            del scratch.files[known]
        scratch.folders = {path for path in scratch.folders if not f"{path}/".startswith(f"{self.name}/")}


_CHANGES = {
    "asyncio.selector_events": _change_event_loop,
    "multiprocessing": _change_multiprocessing,
    "concurrent.futures.process": _change_process_pool,
    "tempfile": _change_tempfile,
}
