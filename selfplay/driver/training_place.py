"""Where a training computes: in this process, or by workers on the GPUs of the run's engines."""

from dataclasses import dataclass

from selfplay.recipe.sections import Ray, Sampling, Training
from selfplay.samplers import sampler_class


@dataclass(frozen=True, slots=True)
class TrainingPlace:
    """The workers of a training, and their GPUs."""

    num_workers: int
    gpus_per_worker: float = 0.0  # 0: on CPUs
    # of engines that sleep: node -> its GPUs, one a worker; None: Ray gives GPUs that are free
    devices: dict[str, list[str]] | None = None

    @property
    def num_gpus(self) -> float:
        return self.num_workers * self.gpus_per_worker


def training_place(settings: Ray, sampling: Sampling, training: Training) -> TrainingPlace | None:
    """Where a training computes; None: in this process. The GPUs of the run are those of its engines."""
    if settings.address == "none":
        return None
    gpus = gpus_of_run(settings, sampling)
    if not gpus or not training.gpus_per_worker:
        return TrainingPlace(training.num_workers) if training.num_workers else None
    return TrainingPlace(training.num_workers or max(1, int(gpus / training.gpus_per_worker)), training.gpus_per_worker)


def gpus_of_run(settings: Ray, sampling: Sampling) -> float:
    """GPUs of all engines of a run; 0 if they compute on CPUs."""
    if not settings.sampler_gpus:
        return 0.0
    num = sampler_class(sampling.engine).num_gpus(sampling)
    return settings.num_samplers * (settings.sampler_gpus if num == 1 else float(num))
