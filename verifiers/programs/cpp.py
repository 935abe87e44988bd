"""Programs in C++: compiled confined by the machine's g++, then run confined, a process a case.

g++ itself only starts other programs, which a tool of the sandbox may not; so it is asked once which ones they are (`-###`),
and each is run by itself: cc1plus, as, ld. The program may read the system's libraries and its input, and nothing else.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from verifiers.sandbox import tool
from verifiers.verdict import Reason

STANDARD = "gnu++17"
_COMPILE_SECONDS, _COMPILE_BYTES, _WALL_FACTOR = 30.0, 4 * 2**30, 6.0
_OPTIONS = ["-O2", f"-std={STANDARD}", "-fno-use-linker-plugin", "-w"]
_INCLUDES = ("/usr/include", "/usr/local/include", "/usr/libexec/gcc", "/usr/lib/gcc")
_SHOWN = 300


class NoCompiler(Exception):
    """There is no g++ here, or one that is built otherwise than this module knows."""


@cache
def version() -> str:
    """The compiler as a verdict names it; NoCompiler without one."""
    return f"g++={_ask('-dumpfullversion').strip()}"


def _ask(*options: str) -> str:
    if not shutil.which("g++"):
        raise NoCompiler("g++ is not installed: apt-get install g++")
    try:
        done = subprocess.run(["g++", *options], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"g++ does not run: {error}") from None
    return done.stdout + done.stderr


@cache
def _stages() -> tuple[tuple[str, ...], ...]:
    """The command lines of the compiler, assembler and linker, with main.cpp, main.s, main.o and main as their files."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "main.cpp"
        source.write_text("int main() {}\n")
        told = _ask("-###", *_OPTIONS, str(source), "-o", "main")
    found: dict[str, list[str]] = {}
    for line in told.splitlines():
        words = shlex.split(line) if line.startswith(" ") else []
        if words:
            found[os.path.basename(words[0])] = words
    if not {"cc1plus", "as", "collect2"} <= found.keys():
        raise NoCompiler(f"this g++ has other parts than cc1plus, as and collect2: {', '.join(found)}")
    compiler, assembler, linker = found["cc1plus"], found["as"], found["collect2"]
    compiler = [("main.cpp" if word.endswith("/main.cpp") else word) for word in compiler]
    compiler[compiler.index("-o") + 1] = "main.s"
    assembler[assembler.index("-o") + 1] = "main.o"
    assembler[-1] = "main.s"
    linker = ["main.o" if re.fullmatch(r"/\S*/cc\w+\.o", word) else word for word in linker]
    compiler[0] = os.path.realpath(compiler[0])
    assembler[0] = os.path.realpath(shutil.which("as") or "/usr/bin/as")
    linker[0] = os.path.realpath(shutil.which("ld") or "/usr/bin/ld")
    return tuple(compiler), tuple(assembler), tuple(linker)


@contextmanager
def compiled(program: str) -> Iterator[tuple[Path | None, tuple[Reason, str]]]:
    """The executable of a program while the context is open; None where it does not compile, with the reason.

    Raises NoCompiler, and SandboxError where the sandbox fails.
    """
    stages = _stages()
    readable = tuple(path for path in _INCLUDES if os.path.isdir(path))
    with tool.scratch("selfplay-cpp-") as folder, tempfile.TemporaryDirectory(prefix="selfplay-cpp-") as kept:
        (folder / "main.cpp").write_text(program, encoding="utf-8", errors="replace")
        for stage in stages:
            installation = tool.Installation((stage[0],), readable)
            wall = _WALL_FACTOR * _COMPILE_SECONDS
            done = tool.run(installation, stage, folder, _COMPILE_SECONDS, _COMPILE_BYTES, wall)
            if done.status or done.timed_out:
                errors = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr]
                reason = Reason.TIMEOUT if done.timed_out else Reason.EXCEPTION
                yield None, (reason, f"does not compile: {errors[0]}"[:_SHOWN])
                return
        binary = Path(kept) / "main"
        os.chmod(kept, 0o755)
        shutil.copyfile(folder / "main", binary)
        binary.chmod(0o755)
        yield binary, (Reason.MATCH, "")


def run(binary: Path, stdin: str, cpu_seconds: float, memory_bytes: int, wall_seconds: float) -> tool.Result:
    """Run an executable in an empty folder of its own."""
    with tool.scratch("selfplay-run-") as folder:
        installation = tool.Installation((str(binary),))
        return tool.run(installation, [str(binary)], folder, cpu_seconds, memory_bytes, wall_seconds, stdin)
