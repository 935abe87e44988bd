"""Fork-servers of this process, lent to one thread at a time."""

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from verifiers.sandbox.controller import ForkServer
from verifiers.sandbox.errors import SandboxError
from verifiers.sandbox.tiers import Settings, Tier, choose, settings_from_environment


class Pool:
    """Idle fork-servers of one tier, by the packages that they hold."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._tier: Tier | None = None
        self._idle: dict[tuple[str, ...], list[ForkServer]] = {}
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(max(2, 2 * (os.cpu_count() or 1)))  # more would only wait for a core
        self.num_failures = 0  # fork-servers lost or not to be had, since the start
        self._num_told = 0  # of these, those that take_failures gave

    def tier(self) -> Tier:
        """The tier in use; chosen, with its self-attack, on the first call."""
        with self._lock:
            if self._tier is None:
                self._tier = choose(self.settings)
            return self._tier

    @contextmanager
    def lend(self, packages: tuple[str, ...] = ()) -> Iterator[ForkServer]:
        """A fork-server for the calling thread. One whose use raises SandboxError is not lent again."""
        tier = self.tier()
        with self._room:
            with self._lock:
                idle = self._idle.setdefault(packages, [])
                server = idle.pop() if idle else None
            try:
                server = server or tier.start(packages)
                yield server
            except BaseException as error:
                with self._lock:
                    self.num_failures += isinstance(error, SandboxError)
                if server:
                    server.close()
                raise
            with self._lock:
                self._idle.setdefault(packages, []).append(server)

    def take_failures(self) -> int:
        """The failures since the last time that this was asked: each is told once, whoever of several threads asks."""
        with self._lock:
            new, self._num_told = self.num_failures - self._num_told, self.num_failures
        return new

    def close(self) -> None:
        """End all idle fork-servers."""
        with self._lock:
            servers = [server for idle in self._idle.values() for server in idle]
            self._idle = {}
        for server in servers:
            server.close()


_pool: Pool | None = None
_pool_lock = threading.Lock()


def configure(unsafe: bool = False, tier: str | None = None) -> None:
    """Say how programs are held in this process; fork-servers that run are ended first."""
    global _pool
    with _pool_lock:
        if _pool is not None:
            _pool.close()
        _pool = Pool(Settings(unsafe, tier))


def pool() -> Pool:
    """This process's fork-servers."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = Pool(settings_from_environment())
        return _pool


def take_failures() -> int:
    """The failures of this process's fork-servers since the last time that this was asked; 0 where no program ran."""
    return _pool.take_failures() if _pool is not None else 0


def close() -> None:
    """End this process's idle fork-servers; the next program starts new ones."""
    if _pool is not None:
        _pool.close()


def _forget() -> None:
    """After a fork the parent's fork-servers are not ours to use."""
    global _pool, _pool_lock
    _pool_lock = threading.Lock()
    if _pool is not None:
        _pool = Pool(_pool.settings)


os.register_at_fork(after_in_child=_forget)
atexit.register(close)
