"""Which layers hold a program here. A tier is proven by attacking it, never assumed.

bubblewrap  own namespaces (files, network, processes, IPC) and everything of the next tier that the kernel has
landlock    no namespaces (pods): Landlock for files, network and signals, seccomp for system calls, limits
unsafe      whatever works of these; only where the recipe says so
"""

import os
import shutil
from dataclasses import dataclass, replace

from tasks import UserError
from verifiers.sandbox.controller import ForkServer
from verifiers.sandbox.errors import SandboxError, SandboxUnavailable
from verifiers.sandbox.inside import landlock, seccomp
from verifiers.sandbox.selftest import attack

TIERS = ("bubblewrap", "landlock", "unsafe")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the recipe asks for."""

    unsafe: bool = False  # run programs even where they cannot be held
    tier: str | None = None  # only this one; None takes the best that holds


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier that was started and attacked here."""

    name: str
    layers: frozenset[str]
    evidence: str  # what the self-attack saw

    def start(self, packages: tuple[str, ...] = ()) -> ForkServer:
        return ForkServer(self.layers, spare_uid() if "uid" in self.layers else -1, packages)


def settings_from_environment() -> Settings:
    """SELFPLAY_SANDBOX=bubblewrap|landlock|unsafe, for workers that were not configured."""
    wanted = os.environ.get("SELFPLAY_SANDBOX", "")
    if wanted and wanted not in TIERS:
        raise UserError(f"SELFPLAY_SANDBOX={wanted!r} is no tier; allowed: {', '.join(TIERS)}")
    return Settings(unsafe=wanted == "unsafe", tier=wanted or None)


def spare_uid() -> int:
    """An identity that no other process has, so that the limit on processes counts one sandbox alone."""
    wanted = 2_000_000_000 + int.from_bytes(os.urandom(3), "big")
    with open("/proc/self/uid_map") as lines:
        ranges = [tuple(map(int, line.split())) for line in lines]
    mapped = any(first <= wanted < first + count for first, _, count in ranges)
    return wanted if mapped else 65534


def kernel_layers() -> frozenset[str]:
    """What the kernel and this process's rights lend without namespaces."""
    layers = {"limits"}
    if landlock.abi():
        layers.add("landlock")
    if seccomp.supported():
        layers.add("seccomp")
    if os.geteuid() == 0:
        layers.add("uid")
    return frozenset(layers)


def candidates(settings: Settings) -> list[tuple[str, frozenset[str]]]:
    """Tiers to try, best first, with their layers."""
    kernel = kernel_layers()
    found = []
    if shutil.which("bwrap") and "seccomp" in kernel:
        if os.geteuid() == 0:
            found.append(("bubblewrap", kernel | {"bubblewrap"}))
        found.append(("bubblewrap", (kernel - {"uid"}) | {"bubblewrap", "user_namespace"}))
    if {"landlock", "seccomp"} <= kernel:
        found.append(("landlock", kernel))
    if settings.unsafe:
        found.append(("unsafe", kernel))
    return [(name, layers) for name, layers in found if settings.tier in (None, name)]


def choose(settings: Settings) -> Tier:
    """The best tier that holds under attack; SandboxUnavailable, with the reasons, where none does."""
    refused = []
    for name, layers in candidates(settings):
        tier = Tier(name, layers, "")
        try:
            findings = attack(tier.start)
        except SandboxError as error:
            refused.append(f"{name}: {error}")
            continue
        if not findings or name == "unsafe":
            evidence = "; ".join(findings) or "every attack of the self-test was stopped"
            return replace(tier, evidence=evidence)
        refused.append(f"{name}: {'; '.join(findings)}")
    raise SandboxUnavailable(
        "programs are not run: no sandbox holds here ("
        + ("; ".join(refused) or "neither bubblewrap nor Landlock with seccomp is here")
        + "). Install bubblewrap or use a kernel with Landlock and seccomp; unsafe = true runs programs unheld."
    )
