"""One fork-server as its owner sees it: start programs, wait for them, kill them, collect what they wrote."""

import fcntl
import json
import math
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field

from verifiers.sandbox import launch
from verifiers.sandbox.cgroup import Cgroup
from verifiers.sandbox.errors import SandboxError
from verifiers.sandbox.inside.confinement import MAX_THREADS, OUTPUT_BYTES
from verifiers.sandbox.inside.forkserver import KINDS, REQUEST, WHO
from verifiers.sandbox.packages import resolve
from verifiers.sandbox.process_state import Look, look, process_of, seconds_without_core

_START_SECONDS = 60.0
_REPLY_SECONDS = 60.0  # for the fork-server to answer at all, on a machine under any load
_MOST_WALL_FACTOR = 10.0  # of the wall limit, on a machine that gives a program no core
_LOOK_SECONDS = 0.25  # between looks at a program that runs on
_IDLE_SHARE = 0.1  # of the time between two looks: a program that uses less CPU time than that only waits


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended and what it left."""

    status: int  # as waitpid gives it
    cpu_seconds: float
    wall_seconds: float
    peak_kib: int  # largest resident memory
    killed: str  # why we ended it; empty where we did not
    answers: bytes  # lines of JSON, or whatever the program wrote there
    stdout: bytes  # only of kind "stdio"
    overflowed: bool  # it wrote as much as a child may write


@dataclass(slots=True)
class Child:
    """A program that runs."""

    token: int
    started: float
    cpu_seconds: float  # limit
    wall_seconds: float  # limit: a backstop
    idle_seconds: float  # limit of time in which it only waits
    answers: int  # descriptors of memory files
    stdout: int = -1
    pidfd: int = -1  # asked for once the child has run a while: most have ended by then
    asked: bool = False
    pid: int = -1
    killed: str = ""
    last: Look | None = None
    idle: float = 0.0
    end: dict | None = field(default=None)


class ForkServer:
    """Runs programs one after another, or a few side by side. Owned by one thread at a time."""

    def __init__(self, layers: frozenset[str], uid: int, packages: tuple[str, ...] = ()):
        self.layers = layers
        self._children: dict[int, Child] = {}
        self._next_token = 1
        self._process, self._control = launch.start(layers, uid, resolve(packages))
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._cgroup = Cgroup()
        try:
            ready, _ = self._receive(time.monotonic() + _START_SECONDS)
            self._base_bytes = int(ready["ready"])
        except (SandboxError, KeyError, TypeError) as error:
            self._process.kill()
            told = self._process.stderr.read(2000).decode(errors="replace").strip()
            self.close()
            raise SandboxError(f"the fork-server did not start: {told or error}") from None
        self.in_cgroup = self._cgroup.add(self._process.pid)

    def start(self, kind: str, job: bytes, cpu_seconds: float, memory_bytes: int, wall_seconds: float,
              stdin: bytes | None = None, channel: int = -1) -> Child:  # fmt: skip
        """Fork a child for a job; SandboxError where the machine or the fork-server would not."""
        token, self._next_token = self._next_token, self._next_token + 1
        answers, stdout = _memory_file("answers"), -1
        files = [_memory_file("job", job), answers]
        if kind == "stdio":
            stdout = _memory_file("stdout")
            files += [_memory_file("stdin", stdin or b""), stdout]
        elif channel >= 0:
            files.append(channel)
        child = Child(token, time.monotonic(), cpu_seconds, wall_seconds, cpu_seconds + 1.0, answers, stdout)
        self._cgroup.make_room(memory_bytes)
        self._children[token] = child
        # The kernel's own CPU limit counts whole ticks, which a busy machine may deal out unfairly: it is the backstop.
        kernel_seconds = math.ceil(2 * cpu_seconds) + 1
        packet = REQUEST.pack(token, KINDS.index(kind), kernel_seconds, self._base_bytes + memory_bytes)
        try:
            self._send(packet, files)
        finally:
            for descriptor in files:
                if descriptor not in (answers, stdout, channel):
                    os.close(descriptor)
        return child

    def wait(self, child: Child) -> Ended:
        """Until the child ended, on its own or at its wall limit."""
        while child.end is None:
            self._take(child)
        end, wall = child.end, time.monotonic() - child.started
        try:
            size = max(os.fstat(child.answers).st_size, os.fstat(child.stdout).st_size if child.stdout >= 0 else 0)
            answers = os.pread(child.answers, OUTPUT_BYTES, 0)
            stdout = os.pread(child.stdout, OUTPUT_BYTES, 0) if child.stdout >= 0 else b""
        finally:
            self._forget(child)
        overflowed = size >= OUTPUT_BYTES
        return Ended(end["status"], end["cpu"], wall, end["rss"], child.killed, answers, stdout, overflowed)

    def kill(self, child: Child) -> None:
        """End a child at once; it still has to be waited for."""
        if child.end is None and child.pidfd >= 0:
            try:
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself meanwhile

    def _take(self, child: Child) -> None:
        """Take one message of the fork-server; look after what runs where none comes."""
        patient = not child.killed and (child.pidfd >= 0 or not child.asked)
        limit = time.monotonic() + (_LOOK_SECONDS if patient else _REPLY_SECONDS)
        message, descriptors = self._receive(limit, may_time_out=patient)
        if message is None:
            return self._look_after()
        other = self._children.get(message.get("token"))
        if other is None:
            raise SandboxError(f"the fork-server spoke of an unknown child: {message!r:.100}")
        if "running" in message:
            other.pidfd = descriptors[0]
        elif "error" in message:
            raise SandboxError(f"no program could be started: {message['error']}")
        else:
            other.end = message

    def _look_after(self) -> None:
        """End what is past a limit, has too many threads, or waits for nothing: then nobody here works."""
        for child in self._children.values():
            if child.end is None and not child.asked:
                child.asked = True
                self._send(REQUEST.pack(child.token, WHO, 0, 0), [])
        running = [child for child in self._children.values() if child.end is None and child.pidfd >= 0]
        all_idle = all([self._is_idle(child) for child in running])
        for child in running:
            child.idle += _LOOK_SECONDS if all_idle else 0.0  # all of it together: a program that dozes is idle too
            if child.last is not None and child.last.cpu_seconds > child.cpu_seconds:
                child.killed = "CPU time"
            elif time.monotonic() - child.started > child.wall_seconds and self._is_late(child, running):
                child.killed = "wall time"
            elif child.idle > child.idle_seconds:
                child.killed = "idle time"
            elif child.last is not None and child.last.num_threads > MAX_THREADS:
                child.killed = "threads"
            if child.killed:
                self.kill(child)

    def _is_late(self, child: Child, running: list[Child]) -> bool:
        """Whether a child is past its wall limit by more than any of those here, which may wait for each other, lacked a core."""
        elapsed = time.monotonic() - child.started
        lacked = max(seconds_without_core(other.pid) for other in running)
        return elapsed - lacked > child.wall_seconds or elapsed > _MOST_WALL_FACTOR * child.wall_seconds

    def _is_idle(self, child: Child) -> bool:
        if child.pid < 0:
            child.pid = process_of(child.pidfd)
        before, child.last = child.last, look(child.pid)
        return (
            before is not None
            and child.last is not None
            and child.last.waiting
            and child.last.cpu_seconds - before.cpu_seconds <= _IDLE_SHARE * _LOOK_SECONDS
        )

    def _send(self, packet: bytes, files: list[int]) -> None:
        try:
            socket.send_fds(self._control, [packet], files)
        except OSError as error:
            raise SandboxError(f"the fork-server is gone: {error}") from None

    def _receive(self, limit: float, may_time_out: bool = False) -> tuple[dict | None, list[int]]:
        remaining = max(0.0, limit - time.monotonic())
        if not self._poll.poll(remaining * 1000):
            if may_time_out:
                return None, []
            raise SandboxError("the fork-server does not answer")
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
        except OSError as error:
            raise SandboxError(f"the fork-server is gone: {error}") from None
        if not packet:
            raise SandboxError("the fork-server is gone")
        message = json.loads(packet)
        if "error" in message and "token" not in message:
            raise SandboxError(message["error"])
        return message, descriptors

    def _forget(self, child: Child) -> None:
        self._children.pop(child.token, None)
        for descriptor in (child.answers, child.stdout, child.pidfd):
            if descriptor >= 0:
                os.close(descriptor)

    def close(self) -> None:
        """End the fork-server and whatever it runs."""
        for child in list(self._children.values()):
            self.kill(child)
            self._forget(child)
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stderr.close()
        self._cgroup.remove()

    @property
    def pid(self) -> int:
        """The process that was started: bubblewrap, or the fork-server itself."""
        return self._process.pid


def _memory_file(name: str, content: bytes | None = None) -> int:
    """An anonymous file in memory; with content it is sealed."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if content is not None:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor
