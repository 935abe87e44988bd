"""The fork-server: forks a confined child for every program, and tells when and how each one ended.

Started as `python -m inside.forkserver DESCRIPTOR LAYERS UID PACKAGES` with an empty environment but for what
controller.py sets. Over the descriptor (a sequenced packet socket) come packets of (token, kind, cpu seconds,
address-space bytes) with the child's descriptors. Back go JSON packets: {"ready": address space in bytes} once;
{"token", "status", "cpu", "rss"} at a child's end; {"token", "error"} where no program ran; and to a packet of kind WHO
{"token", "running"} with a pidfd, unless the child has ended. No job passes through this process, so that nothing of one
program is left in the memory of the next.
"""

import ctypes
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
_TARGETS = {"calls": (3, 4), "stdio": (3, 4, 0, 1), "serve": (3, 4, 5), "tests": (3, 4, 5)}
KINDS = tuple(_TARGETS)
WHO = len(KINDS)  # asks for the pidfd of a child that runs
_CONTROL = 40  # the descriptor of the control socket
_PRELOADED = (
    "bisect collections copy datetime decimal fractions functools heapq itertools json math operator random re statistics"
    " string typing"
)


def main() -> None:
    _raise_stack_limit()
    control = _settle(int(sys.argv[1]))
    layers, uid, packages = set(sys.argv[2].split(",")), int(sys.argv[3]), json.loads(sys.argv[4])
    for name in _PRELOADED.split():
        __import__(name)
    from . import program_side, tests_side  # noqa: F401  so that no child needs this package's files

    sys.path += packages["folders"]
    for name in packages["names"]:
        __import__(name)
    if packages["names"] == ["numpy"]:  # it is whole now, and the folder holds what is not granted
        sys.path[:] = [path for path in sys.path if path not in packages["folders"]]
    sys.path[:] = [path for path in sys.path if os.path.basename(path) != "sandbox"]
    os.chdir("/")
    base_bytes = confinement.mapped_bytes()
    runner.prepare()
    mappings.share_code_pages()
    try:
        confined = confinement.confine_server(layers, uid, packages)
    except OSError as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return
    gc.disable()
    runner.warm_up()
    gc.collect()
    gc.freeze()
    os.dup2(0, 2)  # the owner reads the pipe behind it only while this process starts; programs would fill it
    control.send(json.dumps({"ready": base_bytes}).encode())
    serve(control, confined)


def _settle(descriptor: int) -> socket.socket:
    """The control socket on a high descriptor, and 3 to 9 taken, so that what arrives never lies where a child needs it."""
    if descriptor != _CONTROL:
        os.dup2(descriptor, _CONTROL)
    control = socket.socket(fileno=_CONTROL)
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
                if not files:
                    tell(control, packet, children)
                    continue
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
    return os.pidfd_open(pid), (token, pid)


def tell(control: socket.socket, packet: bytes, children: dict[int, tuple[int, int]]) -> None:
    """Give the pidfd of a child; of one that ended, its end was told."""
    token = REQUEST.unpack(packet)[0]
    for pidfd, (known, _) in children.items():
        if known == token:
            socket.send_fds(control, [json.dumps({"token": token, "running": True}).encode()], [pidfd])


def reap(control: socket.socket, pidfd: int, token: int, pid: int) -> None:
    """Collect a child that ended and tell its status (as waitpid gives it), CPU seconds and largest memory in KiB."""
    _, status, usage = os.wait4(pid, 0)
    os.close(pidfd)
    cpu = usage.ru_utime + usage.ru_stime
    control.send(json.dumps({"token": token, "status": status, "cpu": cpu, "rss": usage.ru_maxrss}).encode())


def become_program(control, confined, token, kind, cpu_seconds, address_bytes, files) -> None:
    """The child's whole life: confine, run, leave. Never returns."""
    try:
        place_descriptors(kind, files)
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


def place_descriptors(kind: str, files: list[int]) -> None:
    """Job and answers to 3 and 4, the rest by kind; everything else is closed but for the control socket and the ruleset."""
    targets = _TARGETS[kind]
    for source, target in zip(files, targets, strict=True):
        os.dup2(source, target)
    os.closerange(5 if kind in ("calls", "stdio") else 6, _CONTROL)
    os.closerange(confinement.RULESET + 1, confinement.MAX_FILES)  # the fork-server itself can have none beyond


if __name__ == "__main__":
    main()
