"""Figures of a round for those who watch elsewhere: TensorBoard and Weights & Biases where installed, Ray's metrics where it runs.

metrics.json stays the record; nothing here is read again.
"""

import hashlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_LEFT_OUT = ("curve", "alarms", "contaminated_tasks")


def publish(run: Path, name: str, step: int, metrics: dict[str, Any]) -> None:
    """Give every number of a round's metrics to the trackers that are there; `step` is the round.

    Weights & Biases is used where WANDB_API_KEY or WANDB_MODE says that the user wants it.
    """
    figures = numbers_of(metrics)
    if find_spec("tensorboard"):
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(run / "tensorboard")) as writer:
            for key, value in figures.items():
                writer.add_scalar(key, value, step)
    if find_spec("wandb") and (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE")):
        _wandb_run(run, name).log(figures, step=step)
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        from ray.util.metrics import Gauge

        gauge = Gauge("selfplay_round", "a figure of a round's metrics.json", tag_keys=("run", "figure"))
        for key, value in figures.items():
            gauge.set(value, {"run": name, "figure": key})


def _wandb_run(run: Path, name: str) -> Any:
    """The tracked run of this folder, the same one for all rounds that this process plays; a resumed one goes on."""
    import wandb

    place = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:8]  # runs elsewhere may have the same name
    run_id = f"{name}-{place}"
    if wandb.run and wandb.run.id == run_id:
        return wandb.run
    settings = wandb.Settings(silent=True, reinit="finish_previous")
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
