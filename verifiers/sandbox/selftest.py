"""Attacks that a tier has to stop before it is used: about one second when a worker starts."""

import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from verifiers.sandbox.controller import ForkServer
from verifiers.sandbox.inside import wire

# Each returns a true value where the attack got through.
_ATTACKS = """
import ctypes, os, signal, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)

def read_secret(folder): return open(folder + "/secret.txt").read()
def read_passwords(folder): return open("/etc/passwd").read(10)
def write_file(folder): return open(folder + "/victim.txt", "w").write("x")
def delete_file(folder): os.unlink(folder + "/victim.txt"); return True
def change_mode(folder): os.chmod(folder + "/victim.txt", 0o777); return True
def write_shared_memory(folder): return open("/dev/shm/selfplay_probe", "w").write("x")
def unix_socket(folder): s = socket.socket(socket.AF_UNIX); s.connect(folder + "/sock"); return True
def network(folder): s = socket.socket(); s.bind(("127.0.0.1", 0)); return True
def fork(folder): pid = os.fork(); return os._exit(0) if pid == 0 else True
def execute(folder): os.execv("/bin/true", ["true"]); return True
def spawn(folder): subprocess.run(["/bin/true"]); return True
def kill_parent(folder): os.kill(os.getppid(), 0); return True
def kill_host(folder): os.kill(int(open(folder + "/pid").read() if os.path.exists(folder + "/pid") else 1), 0); return True
def list_processes(folder): return [p for p in os.listdir("/proc") if p.isdigit()]
def namespace(folder): return libc.unshare(0x10000000) == 0
def trace(folder): return libc.ptrace(0, 0, 0, 0) == 0
def anonymous_file(folder): return libc.memfd_create(b"x", 0) >= 0
def system_five(folder): return libc.shmget(0x5b5b, 4096, 0o1666) >= 0
def io_ring(folder): return libc.syscall(425, 4, ctypes.create_string_buffer(120)) >= 0
def keyring(folder): return libc.syscall({"x86_64": 248}.get(os.uname().machine, 217), b"user", b"k", b"v", 1, -3) >= 0
def become_root(folder): os.setuid(0); return True
def see_environment(folder): return "SELFPLAY_PROBE" in os.environ
def see_descriptors(folder): return [n for n in range(5, 64) if libc.fcntl(n, 1) >= 0]
def use_threads(folder):
    done = []
    thread = threading.Thread(target=done.append, args=(1,)); thread.start(); thread.join()
    return not done
"""
NAMES = [line[4:].split("(")[0] for line in _ATTACKS.splitlines() if line.startswith("def ")]
_WRAPPED = (
    _ATTACKS
    + """
def attempt(name, folder):
    try:
        return bool(globals()[name](folder))
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
"""
)


def script(folder: str) -> str:
    """A program of its own that tries every attack against `folder` and prints what got through, as JSON."""
    calls = f"print(json.dumps({{name: attempt(name, {folder!r}) for name in {NAMES!r}}}))"
    return f"import json\n{_WRAPPED}\n{calls}\n"


def attack(start: Callable[[], ForkServer]) -> list[str]:
    """Run every attack in a fork-server that `start` makes; what got through, in words. SandboxError where it is broken."""
    folder = Path(tempfile.mkdtemp(prefix="selfplay-probe-"))
    try:
        return _attack(start, folder)
    finally:
        shutil.rmtree(folder)


def _attack(start: Callable[[], ForkServer], folder: Path) -> list[str]:
    folder.chmod(0o777)
    (folder / "secret.txt").write_text("secret")
    (folder / "victim.txt").write_text("intact")
    (folder / "victim.txt").chmod(0o666)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        listener.listen()
        (folder / "sock").chmod(0o777)
        server = start()
        try:
            answers = _run(server, folder)
            fast = _ends_endless_loop(server)
        finally:
            server.close()
    through = [name for name in NAMES if answers.get(name) is not False]
    if (folder / "victim.txt").read_text() != "intact":
        through.append("a file was changed")
    return through + ([] if fast else ["an endless loop was not ended"])


def _run(server: ForkServer, folder: Path) -> dict[str, bool]:
    calls = [wire.pack_call("attempt", [name, str(folder)], {}) for name in NAMES]
    job = wire.pack_job({"program": _WRAPPED, "calls": calls})
    ended = server.wait(server.start("calls", job, 5, 2**30, 30))
    values = [json.loads(line) for line in ended.answers.splitlines()]
    return {name: value[1] == "true" for name, value in zip(NAMES, values, strict=False) if value[0] == "value"}


def _ends_endless_loop(server: ForkServer) -> bool:
    job = wire.pack_job({"program": "while True: pass", "calls": []})
    ended = server.wait(server.start("calls", job, 1, 2**30, 0.2))
    return os.WIFSIGNALED(ended.status) and os.WTERMSIG(ended.status) == signal.SIGKILL
