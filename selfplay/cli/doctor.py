"""`selfplay doctor`: what works on this machine, and what to do about what does not."""

import importlib.metadata
import importlib.util
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from selfplay.samplers import sampler_class
from verifiers.kinds import VERIFIERS, verifier_of_kind


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    works: bool
    evidence: str
    cure: str = ""  # how to fix it if it does not work
    needed: bool = True  # false: only some recipes need it


def examine(folder: Path) -> list[Finding]:
    """One finding for each part; `folder` is where runs would be written."""
    return [_python(), _torch(), _gpu(), _vllm(), _ray(), *_sandbox(), *_verifiers(), _disk(folder)]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding(
        "Python", sys.version_info >= (3, 11), f"{version}, {os.cpu_count()} cores", "install Python 3.11 or later"
    )


def _torch() -> Finding:
    import torch
    import transformers

    return Finding(
        "torch and transformers", True, f"torch {torch.__version__}, transformers {transformers.__version__}"
    )


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return Finding("GPU", True, ", ".join(names), needed=False)
    cure = "the transformers engine works on the CPU; for a GPU, install its driver and a CUDA build of torch"
    return Finding("GPU", False, "torch sees none", cure, needed=False)


def _vllm() -> Finding:
    if importlib.util.find_spec("vllm") is None:
        return Finding(
            "vllm", False, "not installed", ".venv/bin/pip install -e '.[vllm]', for engine = \"vllm\"", needed=False
        )
    names = sampler_class("vllm").distributions
    version = next((importlib.metadata.version(name) for name in names if _installed(name)), "of unknown version")
    return Finding("vllm", True, version, needed=False)


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _ray() -> Finding:
    import ray

    try:
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        answer = ray.get(ray.remote(lambda: __import__("verifiers").__file__).remote(), timeout=60)
    except (ConnectionError, RuntimeError, OSError, ray.exceptions.RayError) as error:
        return Finding(
            "Ray", False, f"{type(error).__name__}: {error}"[:200], '[ray] address = "none" runs in one process'
        )
    finally:
        ray.shutdown()
    ours = Path(__file__).resolve().parents[2] / "verifiers" / "__init__.py"
    if Path(str(answer)).resolve() != ours:
        cure = "uninstall PyPI's package `verifiers`, which is another project's, from this environment"
        return Finding("Ray", False, f"a worker takes `verifiers` from {answer}", cure)
    return Finding("Ray", True, f"{ray.__version__}, a local worker answers")


def _sandbox() -> list[Finding]:
    from verifiers.sandbox.doctor import examine as layers

    return [Finding(f"sandbox: {row.layer}", row.works, row.evidence, row.cure, needed=row.needed) for row in layers()]


def _verifiers() -> list[Finding]:
    """What single kinds of references need beside the package, such as a prover."""
    verifiers = dict.fromkeys(map(verifier_of_kind, VERIFIERS))
    parts = [part for verifier in verifiers for part in verifier.parts()]
    return [Finding(part.name, part.works, part.evidence, part.cure, needed=False) for part in parts]


def _disk(folder: Path) -> Finding:
    present = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(present).free
    works = free > 2**30 and os.access(present, os.W_OK)
    return Finding(
        "disk", works, f"{free / 2**30:.0f} GiB free for {folder}", "free some space, or choose another `output`"
    )
