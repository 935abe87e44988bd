"""Run a tool of the owner's, such as a prover, on text that a model wrote: one process a call, under the best tier here.

The tool may read its own installation, write one scratch folder, start nothing, and reach no network. As for programs, a
tier is proven by attacking it: the interpreter plays the tool, with every attack of the self-test.
"""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from verifiers.sandbox import launch, pool, selftest
from verifiers.sandbox.errors import SandboxError, SandboxUnavailable
from verifiers.sandbox.tiers import Settings, candidates, spare_uid

STACK_BYTES = 256 * 2**20  # deep terms recurse deeply
FILE_BYTES = 256 * 2**20  # largest file that a tool may write
OUTPUT_BYTES = 2**22  # of its standard output and error that is read
_COULD_NOT_START = 125  # exit status of inside/tool.py
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/urandom", "/dev/zero")
_KILLED = {signal.SIGKILL, signal.SIGXCPU}


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a tool lies: the files that may be run, and what is read to run them."""

    executables: tuple[str, ...]  # real paths of files, the dynamic loader aside
    readable: tuple[str, ...] = ()  # files and folders beside the system's libraries
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """How a tool ended and what it wrote."""

    status: int  # exit status; negative: minus the number of the signal
    stdout: str
    stderr: str
    cpu_seconds: float
    wall_seconds: float
    timed_out: str  # "CPU time" or "wall time" where it was ended for that; else empty


@dataclass(frozen=True, slots=True)
class ToolTier:
    """A tier that tools run under, proven here."""

    name: str
    layers: frozenset[str]


def run(
    installation: Installation,
    command: Sequence[str],
    folder: Path,
    cpu_seconds: float,
    memory_bytes: int,
    wall_seconds: float,
    stdin: str = "",
    held_by: ToolTier | None = None,
) -> Result:
    """Run one command with `folder` as its current directory, the only place that it can write.

    The command names files there without their folder. SandboxError where it could not be started.
    """
    tier = held_by or tool_tier()
    start = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode(errors="replace"))
        given.seek(0)
        try:
            process = subprocess.Popen(
                _command_line(installation, list(command), folder, cpu_seconds, memory_bytes, tier.layers),
                stdin=given,
                stdout=out,
                stderr=err,
                env={"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"},
                cwd=launch.HERE,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"no process could be started: {error}") from None
        status, used, late = _wait(process, start + wall_seconds)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(OUTPUT_BYTES).decode(errors="replace"))
    stdout, stderr = texts
    if status == _COULD_NOT_START or (status == 1 and stderr.startswith("bwrap: ")):
        raise SandboxError(stderr.strip()[:300])
    spent = used >= 0.95 * cpu_seconds and -status in _KILLED
    timed_out = "CPU time" if spent else "wall time" if late else ""
    if not timed_out and status == -signal.SIGKILL:
        raise SandboxError("the machine killed a tool; it may be out of memory")
    return Result(status, stdout, stderr, used, time.monotonic() - start, timed_out)


def _wait(process: subprocess.Popen, end: float) -> tuple[int, float, bool]:
    """Exit status, CPU seconds, and whether the wall limit ended it."""
    timer = threading.Timer(max(0.0, end - time.monotonic()), _kill_group, [process.pid])
    timer.daemon = True
    timer.start()
    _, raw, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(raw)
    status = process.returncode
    if status > 128:  # bubblewrap's way to pass a signal on
        status = 128 - status
    return status, usage.ru_utime + usage.ru_stime, time.monotonic() >= end and status == -signal.SIGKILL


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself meanwhile


def _command_line(
    installation: Installation, command: list[str], folder: Path, cpu_seconds: float, memory_bytes: int, layers
) -> list[str]:
    executables = [*installation.executables, *_loaders()]
    inside = "/scratch" if "bubblewrap" in layers else str(folder)
    job = {
        "layers": sorted(layers),
        "uid": folder.stat().st_uid if "uid" in layers else -1,
        "readable": [path for path in (*_SYSTEM, *installation.readable) if os.path.exists(path)],
        "executables": executables,
        "folder": inside,
        "cpu_seconds": max(1, round(cpu_seconds + 0.5)),
        "memory_bytes": memory_bytes,
        "file_bytes": FILE_BYTES,
        "stack_bytes": STACK_BYTES,
        "command": command,
        "environment": {"HOME": inside, "LC_ALL": "C.UTF-8", "PATH": "/nowhere"} | dict(installation.environment),
    }
    inner = [launch.interpreter(), "-S", "-s", "-m", "inside.tool", json.dumps(job)]
    if "bubblewrap" not in layers:
        return inner
    outer = launch.bubblewrap_command("user_namespace" in layers)
    binds = ["--die-with-parent"]
    for path in (*installation.executables, *installation.readable):
        if os.path.exists(path) and not path.startswith(("/usr/lib/", "/lib/")):
            binds += ["--ro-bind", path, path]
    binds += ["--bind", str(folder), inside]
    for link in ("/proc/self/exe", "/proc/1/exe"):  # how a program finds its own folder; there is no other /proc
        binds += ["--symlink", command[0], link]
    place = len(outer) - 1 - outer[::-1].index("--remount-ro")  # the last one, of the whole
    return [*outer[:place], *binds, *outer[place:], *inner]


@cache
def _loaders() -> tuple[str, ...]:
    """The dynamic loaders, which the kernel execs for a program: the names that programs give, resolved."""
    names = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
    return tuple(os.path.realpath(name) for name in names if os.path.exists(name))


@contextmanager
def scratch(prefix: str = "selfplay-tool-") -> Iterator[Path]:
    """A folder that a tool may write, and no other user read; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        if "uid" in tool_layers():
            uid = spare_uid()
            os.chown(folder, uid, uid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_lock = threading.Lock()
_tiers: dict[Settings, ToolTier | str] = {}  # what was found for each setting: a tier, or why there is none


def tool_tier() -> ToolTier:
    """The best tier that holds a tool under attack; SandboxUnavailable, with the reasons, where none does."""
    settings = pool.pool().settings
    with _lock:
        if settings not in _tiers:
            _tiers[settings] = _choose(settings)
        found = _tiers[settings]
    if isinstance(found, str):
        raise SandboxUnavailable(found)
    return found


def tool_layers() -> frozenset[str]:
    """The layers of the tier in use, those of the best candidate while it is being proven."""
    found = _tiers.get(pool.pool().settings)
    if isinstance(found, ToolTier):
        return found.layers
    return next((layers for _, layers in candidates(pool.pool().settings)), frozenset())


def _choose(settings: Settings) -> ToolTier | str:
    refused = []
    for name, layers in candidates(settings):
        tier = ToolTier(name, layers)
        try:
            through = attack(tier)
        except SandboxError as error:
            refused.append(f"{name}: {error}")
            continue
        if not through or name == "unsafe":
            return tier
        refused.append(f"{name}: {'; '.join(through)}")
    return (
        "no prover is run: no sandbox holds one here ("
        + ("; ".join(refused) or "neither bubblewrap nor Landlock with seccomp is here")
        + "). Install bubblewrap or use a kernel with Landlock and seccomp; unsafe = true runs provers unheld."
    )


def attack(tier: ToolTier) -> list[str]:
    """Play a tool that turns on its owner; what got through, in words."""
    python = launch.interpreter()
    paths = {sysconfig.get_path("stdlib"), os.path.join(os.path.realpath(sysconfig.get_config_var("prefix")), "lib")}
    installation = Installation((python,), tuple(sorted(path for path in paths if path)))
    with tempfile.TemporaryDirectory(prefix="selfplay-probe-") as name:
        probe = Path(name)
        probe.chmod(0o777)
        (probe / "secret.txt").write_text("secret")
        (probe / "victim.txt").write_text("intact")
        (probe / "victim.txt").chmod(0o666)
        folder = Path(tempfile.mkdtemp(prefix="selfplay-tool-"))
        try:
            script = selftest.script(str(probe))
            (folder / "attack.py").write_text(script)
            if "uid" in tier.layers:
                uid = spare_uid()
                os.chown(folder, uid, uid)
            command = [python, "-S", "-s", "-B", "attack.py"]
            result = run(installation, command, folder, 10, 2**30, 60, held_by=tier)
            loop = run(
                installation, [python, "-S", "-s", "-c", "while True: pass"], folder, 0.4, 2**30, 20, held_by=tier
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            answers = json.loads(result.stdout)
        except ValueError:
            raise SandboxError(f"the self-test did not run: {result.stderr.strip()[-200:]}") from None
        through = [name for name in selftest.NAMES if answers.get(name) is not False]
        if (probe / "victim.txt").read_text() != "intact":
            through.append("a file was changed")
    return through + ([] if loop.timed_out == "CPU time" else ["an endless loop was not ended"])
