"""A memory and pids control group for each fork-server, where this process may make one. cgroups(7), versions 1 and 2."""

import os
import re
import time
from pathlib import Path

from verifiers.sandbox.inside.confinement import MAX_THREADS

_ROOT = Path("/sys/fs/cgroup")
_MAX_PROCESSES = 2 * MAX_THREADS + 16
_MEMORY_BYTES = 4 * 2**30  # programs have limits of their own; this holds what those miss
_NAME = "selfplay-{pid}-{number}"
_number = 0


class Cgroup:
    """The control group of one fork-server; `folders` is empty where none could be had."""

    def __init__(self):
        global _number
        _number += 1
        name = _NAME.format(pid=os.getpid(), number=_number)
        self.memory_bytes = _MEMORY_BYTES
        self.folders: dict[str, Path] = {}
        for controller, parent in _parents().items():
            try:
                _sweep(parent)
                (parent / name).mkdir(exist_ok=True)
                self.folders[controller] = parent / name
            except OSError:
                continue
        if not self._limit():
            self.remove()

    def _limit(self) -> bool:
        try:
            for controller, folder in self.folders.items():
                if controller in ("memory", "both"):
                    modern = (folder / "memory.max").exists()
                    (folder / ("memory.max" if modern else "memory.limit_in_bytes")).write_text(str(self.memory_bytes))
                if controller in ("pids", "both"):
                    (folder / "pids.max").write_text(str(_MAX_PROCESSES))
        except OSError:
            return False
        return True

    def make_room(self, program_bytes: int) -> None:
        """Raise the memory limit where a program may use more than is left to it: two run side by side."""
        if self.folders and 3 * program_bytes > self.memory_bytes:
            self.memory_bytes = 3 * program_bytes
            self._limit()

    def add(self, pid: int) -> bool:
        """Put a process and its children in; whether that worked."""
        try:
            for child in _tree(pid):
                for folder in self.folders.values():
                    (folder / "cgroup.procs").write_text(str(child))
        except OSError:
            self.remove()
        return bool(self.folders)

    def remove(self) -> None:
        """Remove the group; its processes must have ended."""
        for folder in self.folders.values():
            _remove(folder, patience_seconds=2.0)
        self.folders = {}


def _parents() -> dict[str, Path]:
    """The folders of this process's own groups, by controller; "both" for version 2."""
    found = {}
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            folder = _ROOT / path.lstrip("/")
            if {"memory", "pids"} <= set(_words(folder / "cgroup.subtree_control")):
                return {"both": folder}
        for controller in {"memory", "pids"} & set(controllers.split(",")):
            found[controller] = _ROOT / controller / path.lstrip("/")
    return {name: folder for name, folder in found.items() if folder.is_dir()}


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _tree(pid: int) -> list[int]:
    pids = [pid]
    for one in pids:
        pids += map(int, _words(Path(f"/proc/{one}/task/{one}/children")))
    return pids


def _sweep(parent: Path) -> None:
    """Remove groups whose owner was killed before it could."""
    for folder in parent.glob("selfplay-*"):
        match = re.fullmatch(r"selfplay-(\d+)-\d+", folder.name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            _remove(folder, patience_seconds=0.0)


def _remove(folder: Path, patience_seconds: float) -> None:
    end = time.monotonic() + patience_seconds
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() >= end:
                return
            time.sleep(0.01)
