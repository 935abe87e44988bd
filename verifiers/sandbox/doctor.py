"""What holds programs on this machine, layer by layer, with the evidence and the cure for what is missing."""

import os
import shutil
from dataclasses import dataclass

from verifiers.sandbox import launch
from verifiers.sandbox.errors import SandboxError
from verifiers.sandbox.inside import landlock
from verifiers.sandbox.tiers import Settings, candidates, choose


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer and whether it works here."""

    layer: str
    works: bool
    evidence: str
    cure: str  # what to do where it does not work; empty where it does
    needed: bool = False  # by every recipe: none, since mathematics runs without programs


def examine(settings: Settings | None = None) -> list[Layer]:
    """Try every tier and layer here; the first row says what programs run under. Takes about a second a tier."""
    settings = settings or Settings()
    rows = []
    try:
        chosen = choose(settings)
        rows.append(Layer(f"tier in use: {chosen.name}", chosen.name != "unsafe", chosen.evidence, ""))
    except SandboxError as error:
        chosen = None
        rows.append(Layer("tier in use: none", False, str(error), "see the tiers below"))
    rows += [_tier_row(name) for name in ("bubblewrap", "landlock")]
    rows.append(_landlock_row())
    rows.append(_cgroup_row(chosen))
    rows.append(_identity_row())
    has_numpy = bool(launch.numpy_folder())
    evidence, cure = launch.numpy_folder() or "not installed", "" if has_numpy else "pip install numpy"
    rows.append(Layer("numpy for programs", has_numpy, evidence, cure))
    return rows


def _tier_row(name: str) -> Layer:
    cure = {
        "bubblewrap": "apt-get install bubblewrap, and allow user namespaces (kernel.unprivileged_userns_clone=1)",
        "landlock": "use Linux 5.13 or newer with landlock in its lsm= list, and a container that lets seccomp be called",
    }[name]
    if name == "bubblewrap" and not shutil.which("bwrap"):
        return Layer("tier bubblewrap", False, "bwrap is not installed", cure)
    if not candidates(Settings(tier=name)):
        return Layer(f"tier {name}", False, "the kernel lacks a layer of it", cure)
    try:
        tier = choose(Settings(tier=name))
    except SandboxError as error:
        return Layer(f"tier {name}", False, str(error), cure)
    return Layer(f"tier {name}", True, f"{', '.join(sorted(tier.layers))}: {tier.evidence}", "")


def _landlock_row() -> Layer:
    version = landlock.abi()
    missing = "" if version >= 6 else "Linux 6.12 or newer also keeps signals and abstract sockets inside"
    return Layer("Landlock", version > 0, f"ABI {version}" if version else "not in this kernel", missing)


def _cgroup_row(chosen) -> Layer:
    cure = "run as root, or under systemd-run --user --scope -p Delegate=yes; without it limits hold each program alone"
    if chosen is None:
        return Layer("control group", False, "no tier to try it with", cure)
    server = chosen.start()
    try:
        works = server.in_cgroup
    finally:
        server.close()
    return Layer("control group", works, "memory and pids" if works else "none can be made here", "" if works else cure)


def _identity_row() -> Layer:
    root = os.geteuid() == 0
    evidence = "children drop to an identity of their own" if root else "not root: children keep this user's identity"
    return Layer("identity", True, evidence, "")
