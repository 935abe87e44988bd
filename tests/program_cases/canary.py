"""A scratch machine for hostile programs to reach for: files, sockets, a process, a secret in the environment."""

import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

SECRET = "canary-secret-5b3f"
_FIXED = (45871, 45872, "selfplay_canary")  # ports and abstract name that the shared labelled cases reach for


class Canary:
    """A context: while it is open, `folder` holds the bait and everything sent to the listeners lands in net.log."""

    def __init__(self, fixed: bool = False):
        self._names = _FIXED if fixed else (0, 0, f"selfplay_canary_{os.getpid()}")

    def fill(self, program: str) -> str:
        """A program with its placeholders replaced by what it is to reach for."""
        tcp, udp, abstract = self._names
        places = {
            "@CANARY@": self.folder,
            "@VICTIM@": self.victim.pid,
            "@TCP@": tcp,
            "@UDP@": udp,
            "@ABSTRACT@": abstract,
        }
        for name, value in places.items():
            program = program.replace(name, str(value))
        return program

    def __enter__(self) -> "Canary":
        self.folder = Path(tempfile.mkdtemp(prefix="canary-"))
        self.folder.chmod(0o777)
        (self.folder / "tree").mkdir(mode=0o777)
        for name, text in (("secret.txt", SECRET), ("victim.txt", "intact"), ("tree/a.txt", "a"), ("net.log", "")):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o666)
        os.environ["SBX_API_KEY"] = SECRET
        self.victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9999)", "selfplay_victim"])
        (self.folder / "victim.pid").write_text(str(self.victim.pid))
        self._stop = False
        self._thread = threading.Thread(target=self._listen, args=(self._sockets(),), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop = True
        self._thread.join()
        self.victim.kill()
        self.victim.wait()
        os.environ.pop("SBX_API_KEY", None)
        shutil.rmtree(self.folder)

    def _sockets(self) -> list[socket.socket]:
        tcp = socket.create_server(("127.0.0.1", self._names[0]))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", self._names[1]))
        self._names = (tcp.getsockname()[1], udp.getsockname()[1], self._names[2])
        unix, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        unix.bind(str(self.folder / "sock"))
        (self.folder / "sock").chmod(0o777)
        abstract.bind("\0" + self._names[2])
        unix.listen()
        abstract.listen()
        return [tcp, udp, unix, abstract]

    def _listen(self, sockets: list[socket.socket]) -> None:
        with selectors.DefaultSelector() as selector:
            for one in sockets:
                selector.register(one, selectors.EVENT_READ)
            while not self._stop:
                for key, _ in selector.select(0.1):
                    self._take(selector, key.fileobj)
            for key in list(selector.get_map().values()):
                key.fileobj.close()

    def _take(self, selector, one: socket.socket) -> None:
        if one.type == socket.SOCK_STREAM and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            connection, _ = one.accept()
            selector.register(connection, selectors.EVENT_READ)
            data = b"connection\n"
        else:
            data = one.recv(4096)
            if not data:
                selector.unregister(one)
                one.close()
        with (self.folder / "net.log").open("ab") as log:
            log.write(data)

    def harm(self) -> list[str]:
        """What was done to the machine so far, in words; empty when nothing."""
        found = []
        expected = {"secret.txt": SECRET, "victim.txt": "intact", "tree/a.txt": "a", "net.log": ""}
        for name, text in expected.items():
            path = self.folder / name
            if not path.exists() or path.read_text(errors="replace") != text or path.stat().st_mode & 0o777 != 0o666:
                found.append(f"{name} was changed")
        extra = {path.name for path in self.folder.iterdir()} - {
            "secret.txt",
            "victim.txt",
            "tree",
            "net.log",
            "sock",
            "victim.pid",
        }
        found += [f"{name} was made" for name in sorted(extra)]
        if self.victim.poll() is not None or _stopped(self.victim.pid):
            found.append("the victim process was ended or stopped")
        return found


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def traces_left() -> set[str]:
    """What a program could leave on this machine: shared memory, queues, semaphores, sandboxed identities' processes."""
    found = {f"shm {name}" for name in os.listdir("/dev/shm") if not name.startswith("sem.mp-")}  # those: other Pythons
    for kind in ("shm", "sem", "msg"):
        with open(f"/proc/sysvipc/{kind}") as table:
            found |= {f"{kind} {line.split()[1]}" for line in table.read().splitlines()[1:]}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _is_descendant(int(entry)):
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
                children = Path(f"/proc/{entry}/task/{entry}/children").read_text().split()
            except OSError:
                continue
            if b"inside.forkserver" in command and b"bwrap" not in command:
                found |= {f"process {child}" for child in children}
    return found


def _is_descendant(pid: int) -> bool:
    """Whether a process comes from this one: other sandboxes on the machine are not ours to judge."""
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False
