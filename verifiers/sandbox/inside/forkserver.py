"""The fork-server: forks a confined child for every program, and tells when and how each one ended.

Started as `python -m inside.forkserver DESCRIPTOR LAYERS UID NUMPY_FOLDER` with an empty environment but for what controller.py sets.
Over the descriptor (a sequenced packet socket) come packets of (token, kind, cpu seconds, address-space bytes) with the child's
descriptors; back go JSON packets: {"ready": address space in bytes} once, {"token", "started"} with a pidfd, {"token", "status", "cpu",
"rss"} at a child's end, {"token", "error"} where no program ran. No job passes through this process, so that nothing of one
program is left in the memory of the next.
"""

import ctypes
import fcntl
import gc
import json
import os
import resource
import select
import socket
import struct
import sys

from . import confinement, mappings, runner

REQUEST = struct.Struct("=IBIQ")
_fork = ctypes.PyDLL(None).fork  # os.fork runs hooks for threads and random, which this process needs not and pays for
KINDS = ("calls", "stdio", "serve", "tests")
_PRELOADED = (
    "bisect collections copy datetime decimal fractions functools heapq itertools json math operator random re statistics"
    " string typing"
)


def main() -> None:
    _raise_stack_limit()
    control = _settle(int(sys.argv[1]))
    layers, uid, numpy_folder = set(sys.argv[2].split(",")), int(sys.argv[3]), sys.argv[4]
    for name in _PRELOADED.split():
        __import__(name)
    from . import proxy, remote, tests_side  # noqa: F401  so that no child needs this package's files

    if numpy_folder:
        sys.path.append(numpy_folder)
        import numpy  # noqa: F401

        sys.path.remove(numpy_folder)
    sys.path[:] = [path for path in sys.path if os.path.basename(path) != "sandbox"]
    os.chdir("/")
    base_bytes = confinement.mapped_bytes()
    runner.prepare()
    mappings.share_code_pages()
    try:
        confined = confinement.confine_server(layers, uid, bool(numpy_folder))
    except OSError as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return
    gc.disable()
    gc.collect()
    gc.freeze()
    os.dup2(0, 2)  # the owner reads the pipe behind it only while this process starts; programs would fill it
    control.send(json.dumps({"ready": base_bytes}).encode())
    serve(control, confined)


def _settle(descriptor: int) -> socket.socket:
    """The control socket on a high descriptor, and 3 to 9 taken, so that what arrives never lies where a child needs it."""
    control = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 40))
    null = os.open(os.devnull, os.O_RDWR)
    for target in range(3, 10):
        os.dup2(null, target)
    return control


def _raise_stack_limit() -> None:
    """The kernel lays out the stack's room at exec: raise the limit and start over once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = confinement.STACK_BYTES if hard == resource.RLIM_INFINITY else min(hard, confinement.STACK_BYTES)
    if soft != wanted and "SELFPLAY_RESTARTED" not in os.environ:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        os.environ["SELFPLAY_RESTARTED"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    os.environ.pop("SELFPLAY_RESTARTED", None)


def serve(control: socket.socket, confined: confinement.Confinement) -> None:
    """Until the other end closes: fork on request, report ends."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    children: dict[int, tuple[int, int]] = {}  # pidfd: (token, pid)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == control.fileno():
                packet, files, _, _ = socket.recv_fds(control, 64, 8)
                if not packet:
                    for _, pid in children.values():
                        os.kill(pid, 9)
                    return
                pidfd, child = start(control, confined, packet, files)
                if pidfd >= 0:
                    children[pidfd] = child
                    poll.register(pidfd, select.POLLIN)
            else:
                poll.unregister(descriptor)
                reap(control, descriptor, *children.pop(descriptor))


def start(control: socket.socket, confined, packet: bytes, files: list[int]) -> tuple[int, tuple[int, int]]:
    """Fork one child; the pidfd is -1 where the machine would not."""
    token, kind, cpu_seconds, address_bytes = REQUEST.unpack(packet)
    pid = _fork()
    if pid < 0:
        control.send(json.dumps({"token": token, "error": "the machine would not fork"}).encode())
    if pid == 0:
        become_program(control, confined, token, KINDS[kind], cpu_seconds, address_bytes, files)
    for descriptor in files:
        os.close(descriptor)
    if pid < 0:
        return -1, (token, pid)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [json.dumps({"token": token, "started": True}).encode()], [pidfd])
    return pidfd, (token, pid)


def reap(control: socket.socket, pidfd: int, token: int, pid: int) -> None:
    """Collect a child that ended and tell its status (as waitpid gives it), CPU seconds and largest memory in KiB."""
    _, status, usage = os.wait4(pid, 0)
    os.close(pidfd)
    cpu = usage.ru_utime + usage.ru_stime
    control.send(json.dumps({"token": token, "status": status, "cpu": cpu, "rss": usage.ru_maxrss}).encode())


def become_program(control, confined, token, kind, cpu_seconds, address_bytes, files) -> None:
    """The child's whole life: confine, run, leave. Never returns."""
    try:
        place_descriptors(kind, files, control, confined)
        confinement.set_limits(cpu_seconds, address_bytes, confined)
        confinement.confine(confined)
    except BaseException as error:  # nothing ran: that is the machine's fault, and told as such
        control.send(json.dumps({"token": token, "error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(0)
    try:
        os.close(control.detach())
        runner.run(kind)
    finally:
        os._exit(0)


def place_descriptors(kind: str, files: list[int], control, confined) -> None:
    """Job and answers to 3 and 4, the rest by kind; everything else is closed but for the control socket."""
    targets = {"calls": (3, 4), "stdio": (3, 4, 0, 1), "serve": (3, 4, 5), "tests": (3, 4, 5)}[kind]
    ruleset = confined.ruleset
    keep = {control.fileno(), ruleset} - {-1}
    for source, target in zip(files, targets, strict=True):
        os.dup2(source, target)
    start = max(targets) + 1
    for descriptor in sorted(keep) + [os.sysconf("SC_OPEN_MAX")]:
        os.closerange(max(start, 3), descriptor)
        start = descriptor + 1


if __name__ == "__main__":
    main()
