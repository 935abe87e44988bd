"""Figures of a round for trackers: TensorBoard and Weights & Biases if installed, and Ray's metrics if Ray runs.

metrics.json stays the record, and nothing here is read again. A tracker that fails stops no run: it is left out from then on.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WANDB_SECONDS = 20.0  # to reach the server, or find out that there is no network; the package itself waits 90

Figures = dict[str, float]
_LEFT_OUT = ("curve", "alarms", "contaminated_tasks")
_failed: set[str] = set()  # trackers that this process leaves out


def publish(run: Path, name: str, step: int, metrics: dict[str, Any], say: Callable[[str], None]) -> None:
    """Send every number of a round's metrics to the trackers that are there; `step` is the round.

    say: takes a line about a tracker that fails.
    """
    figures = numbers_of(metrics)
    for tracker, send in TRACKERS.items():
        if tracker in _failed:
            continue
        try:
            send(run, name, step, figures)
        except _errors() as error:
            _failed.add(tracker)
            say(f"{tracker} is left out from now on: {error}. metrics.json holds every figure")


def _tensorboard(run: Path, name: str, step: int, figures: Figures) -> None:
    if find_spec("tensorboard"):
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(run / "tensorboard")) as writer:
            for key, value in figures.items():
                writer.add_scalar(key, value, step)


def _wandb(run: Path, name: str, step: int, figures: Figures) -> None:
    """Only if WANDB_API_KEY or WANDB_MODE says that the user wants it."""
    if find_spec("wandb") and (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE")):
        _wandb_run(run, name).log(figures, step=step)


def _ray(run: Path, name: str, step: int, figures: Figures) -> None:
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        from ray.util.metrics import Gauge

        gauge = Gauge("selfplay_round", "a figure of a round's metrics.json", tag_keys=("run", "figure"))
        for key, value in figures.items():
            gauge.set(value, {"run": name, "figure": key})


TRACKERS: dict[str, Callable[[Path, str, int, Figures], None]] = {
    "TensorBoard": _tensorboard,
    "Weights & Biases": _wandb,
    "Ray's metrics": _ray,
}


def _errors() -> tuple[type[Exception], ...]:
    """What trackers raise if they cannot be reached, cannot write, or are installed in part."""
    wandb = sys.modules.get("wandb")
    return (OSError, RuntimeError, ValueError, ImportError, *((wandb.errors.Error,) if wandb else ()))


def _wandb_run(run: Path, name: str) -> Any:
    """The tracked run of this folder, the same one for all rounds that this process plays; a resumed one goes on."""
    import wandb

    place = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:8]  # runs elsewhere may have the same name
    run_id = f"{name}-{place}"
    if wandb.run and wandb.run.id == run_id:
        return wandb.run
    settings = wandb.Settings(silent=True, reinit="finish_previous", init_timeout=WANDB_SECONDS)
    return wandb.init(project="selfplay", id=run_id, name=name, dir=str(run), resume="allow", settings=settings)


def numbers_of(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of nested metrics by their path, such as "evaluation/pass_at_k/16"."""
    found: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, dict) and key not in _LEFT_OUT:
            found |= numbers_of(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            found[f"{prefix}{key}".replace("@", "_at_").replace(" ", "_")] = float(value)
    return found
