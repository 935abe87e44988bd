"""Where a fork-server starts: under bubblewrap, or bare with what the kernel lends (Landlock, seccomp)."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from verifiers.sandbox.packages import NO_PACKAGES, Packages

HERE = Path(__file__).parent
_INSIDE = "/sandbox"
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set is the same in every run
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # a process with threads cannot be forked safely
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LD_BIND_NOW": "1",  # else each child looks up each function of a library anew
    "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of a program's address space, and threads would have one each
    "HOME": "/",
    "PATH": "/nowhere",
    "LC_ALL": "C.UTF-8",
}


def interpreter() -> str:
    """The real interpreter, past a virtual environment's link."""
    return os.path.realpath(sys.executable)


@cache
def numpy_folder() -> str:
    """The folder that numpy is imported from; empty without numpy."""
    spec = importlib.util.find_spec("numpy")
    return str(Path(spec.origin).parent.parent) if spec and spec.origin else ""


def bubblewrap_command(user_namespace: bool, packages: Packages = NO_PACKAGES) -> list[str]:
    """bwrap's command line: own namespaces, read-only interpreter and libraries, nothing else of the machine."""
    command = [shutil.which("bwrap") or "bwrap", "--unshare-ipc", "--unshare-net", "--unshare-pid", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--as-pid-1", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if user_namespace:
        command += ["--unshare-user"]
    else:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_SYS_RESOURCE"):
            command += ["--cap-add", capability]
    for path in _system_paths():
        command += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]
    for path in _interpreter_paths():
        command += ["--ro-bind", path, path]
    masked = [path for path in site_folders() if path.startswith((sys.base_prefix, "/usr/lib"))]
    for path in masked:
        command += ["--tmpfs", path]
    for path in packages.readable:
        command += ["--ro-bind", path, path]
    for path in masked:
        command += ["--remount-ro", path]
    command += ["--ro-bind", str(HERE / "inside"), f"{_INSIDE}/inside"]
    for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
        command += ["--dev-bind", device, device]
    return [*command, "--remount-ro", "/", "--chdir", _INSIDE, "--"]


def _system_paths() -> list[str]:
    candidates = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
    return [path for path in candidates if os.path.exists(path)]


def _interpreter_paths() -> list[str]:
    """The interpreter and its library, where the system's folders do not hold them."""
    paths = [interpreter(), os.path.join(sys.base_prefix, "lib")]
    return [path for path in paths if not path.startswith(("/usr/lib/", "/lib/")) and path != "/usr/lib"]


def site_folders() -> list[str]:
    """The folders of installed packages inside the interpreter's and the system's libraries: not for programs to read."""
    library = sysconfig.get_path("stdlib")
    found = {
        os.path.join(library, "site-packages"),
        os.path.join(library, "dist-packages"),
        "/usr/lib/python3/dist-packages",
    }
    return sorted(path for path in found if os.path.isdir(path))


def start(layers: frozenset[str], uid: int, packages: Packages) -> tuple[subprocess.Popen, socket.socket]:
    """Start a fork-server with the given layers; its process and this end of the control socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    inner_layers = ",".join(sorted(layers))
    command = [interpreter(), "-S", "-s", "-m", "inside.forkserver", str(theirs.fileno()), inner_layers, str(uid)]
    granted = {
        "names": packages.names,
        "folders": packages.folders,
        "readable": packages.readable,
        "hidden": site_folders(),
    }
    command.append(json.dumps(granted))
    if "bubblewrap" in layers:
        command = bubblewrap_command("user_namespace" in layers, packages) + command
    with theirs:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd=HERE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return process, ours
