"""Training by a Ray Train job: the workers of a cluster, each a process that calls `FineTuning.fit`.

A worker, its node or the driver may die: the job starts again and goes on from the last checkpoint in the folder of the run,
which all machines must see, as they must for the engines. Ray Train (its V2) places the workers, makes their process group and
sees their deaths; it is not asked to keep checkpoints.

Tried: several workers on CPUs (gloo), their deaths, that of the driver and of a node. Never run: GPUs, nccl, and FSDP on them.
"""

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from selfplay.driver import cluster
from selfplay.driver.training_place import TrainingPlace
from selfplay.recipe.sections import Ray
from selfplay.training.rows import AnyRow
from selfplay.training.sft import FineTuning, Fit, OnStep
from tasks import UserError

MAX_FAILURES = 6  # of a job in a row, without a checkpoint between them
LOOK_SECONDS = 0.5  # between two looks at the progress of a job
CHECK_SECONDS = "0.5"  # between two looks of Ray Train at its workers
WAIT_SECONDS = (
    "600"  # for room for all workers: an engine that ends frees its GPUs in some seconds, a new node comes later
)


@dataclass(frozen=True, slots=True)
class RayTrainJob:
    """Runs trainings on a cluster. `place` says how many workers, and which GPUs."""

    settings: Ray
    place: TrainingPlace
    variables: dict[str, str] = field(default_factory=dict)  # of the workers' environment

    def fit(self, job: FineTuning, rows: list[AnyRow], on_step: OnStep) -> Fit:
        """Train by workers; UserError if they fail MAX_FAILURES times in a row."""
        cluster.connect(self.settings)
        content = ray.put((job, rows))
        failures, last = 0, job.checkpoints(rows).last
        while True:
            try:
                return self._try(job.out, content, on_step)
            except ray.train.TrainingFailedError as error:
                if isinstance(cause := _cause_of(error), UserError):
                    raise cause from None
                reached = job.checkpoints(rows).last
                failures, last = (failures + 1 if reached == last else 1), reached
                if failures >= MAX_FAILURES:
                    raise UserError(
                        f"training failed {failures} times in a row; the last error: {_last_line(cause)}. Its checkpoint is on disk; "
                        "fix the cause and run the same command again"
                    ) from error

    def _try(self, out: Path, content: Any, on_step: OnStep) -> Fit:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        place, folder = self.place, out.with_name("ray_train")
        board = _Board.options(num_cpus=0).remote()
        devices = place.devices or {}
        uses_gpus = bool(place.gpus_per_worker and not devices)  # those that Ray gives
        scaling = ScalingConfig(
            num_workers=place.num_workers,
            use_gpu=uses_gpus,
            # engines wait while a model trains, so that their CPUs are free
            resources_per_worker={"CPU": 0.01} | ({"GPU": place.gpus_per_worker} if uses_gpus else {}),
            placement_strategy="PACK" if place.gpus_per_worker else "SPREAD",
            label_selector=[{"ray.io/node-id": node} for node, ids in devices.items() for _ in ids] or None,
        )
        trainer = TorchTrainer(
            _work,
            train_loop_config={"content": [content], "board": board, "devices": devices},
            torch_config=TorchConfig(backend="nccl" if place.gpus_per_worker else "gloo"),
            scaling_config=scaling,
            run_config=RunConfig(
                name=out.parent.name,
                storage_path=str(folder.absolute()),
                failure_config=FailureConfig(max_failures=0),
                worker_runtime_env={"env_vars": self.variables},
            ),
        )
        try:
            with _settings_of_ray_train(), _shown(board, on_step):
                return trainer.fit().return_value
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            out.with_name(f"{out.name}.lock").unlink(missing_ok=True)


@ray.remote
class _Board:
    """The latest progress of a job, written by its first worker and read by the driver."""

    def __init__(self) -> None:
        self._latest: tuple[int, int, float] | None = None

    def write(self, *progress: Any) -> None:
        self._latest = progress  # type: ignore[assignment]

    def read(self) -> tuple[int, int, float] | None:
        return self._latest


def _work(config: dict[str, Any]) -> Fit:
    """One worker, in a process of its own; the group of all workers is there."""
    import ray.train
    import torch

    context = ray.train.get_context()
    _see(config["devices"].get(ray.get_runtime_context().get_node_id(), []), context.get_local_rank())
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))
    job, rows = ray.get(config["content"][0])
    first = context.get_world_rank() == 0
    with _alone(job.out) if first else _with_others():
        return job.fit(rows, lambda *progress: config["board"].write.remote(*progress))


def _see(devices: list[str], local_rank: int) -> None:
    """Compute on the GPUs of engines that sleep, which Ray counts as theirs. Nothing to do without such GPUs."""
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
        os.environ["ACCELERATE_TORCH_DEVICE"] = f"cuda:{local_rank}"


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Wait until no worker of a driver that was killed writes to this folder any more."""
    with out.with_name(f"{out.name}.lock").open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError:  # a file system without record locks
            pass
        yield


@contextmanager
def _with_others() -> Iterator[None]:
    yield


@contextmanager
def _settings_of_ray_train() -> Iterator[None]:
    """Ray Train reads these from the driver's environment, and speaks only of what the user must know."""
    import ray.train

    settings = {
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": CHECK_SECONDS,
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": WAIT_SECONDS,
        "RAY_TRAIN_METRICS_ENABLED": "0",
    }
    new = settings.keys() - os.environ.keys()
    os.environ.update({name: settings[name] for name in new})
    logging.getLogger(ray.train.__name__).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


@contextmanager
def _shown(board: Any, on_step: OnStep) -> Iterator[None]:
    """Report the progress on the board until the job has ended."""
    ended, shown = threading.Event(), None

    def look() -> None:
        nonlocal shown
        progress = ray.get(board.read.remote())
        if progress and progress != shown:
            shown = progress
            on_step(*progress)

    def look_on() -> None:
        while not ended.wait(LOOK_SECONDS):
            look()

    looking = threading.Thread(target=look_on, daemon=True)
    looking.start()
    try:
        yield
        ended.set()
        looking.join()
        look()
    finally:
        ended.set()
        looking.join()
        ray.kill(board)


def _cause_of(error: Any) -> BaseException:
    """The first worker's error, or that of the job itself."""
    failures = getattr(error, "worker_failures", None)
    cause = next(iter(failures.values())) if failures else error
    return getattr(cause, "cause", None) or cause


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:500]
