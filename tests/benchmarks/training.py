"""Training by several workers on CPUs: throughput, and what a kill -9 of a worker, of the driver or of a node leaves.

    python -m tests.benchmarks.training [--part throughput] [--part worker] [--part driver] [--part node]

Each kill is compared with an undisturbed training on the same number of workers, weight by weight. A ratio of throughputs
means something on idle cores only.
"""

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import ray
import torch
from ray.cluster_utils import Cluster
from transformers import AutoModelForCausalLM

from selfplay.driver import cluster as connection
from selfplay.driver.training_place import TrainingPlace
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Ray, Training
from selfplay.training.ray_job import RayTrainJob
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning

LARGE = {"hidden_size": 256, "num_layers": 6, "num_heads": 4, "max_length": 128}  # 4.7M weights
SMALL = {"hidden_size": 64, "num_layers": 2, "max_length": 64}
ROWS = [
    TrainingExample([{"role": "user", "content": f"{a}+{b}="}], f"{a}+{b}={a + b}####{a + b}" * 4)
    for a in range(20)
    for b in range(20)
]
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20}


def job_of(folder: Path, name: str, settings: Training, checkpoint_seconds: float = 1e9) -> FineTuning:
    return FineTuning(
        str(folder / "model"), folder / name / "model", settings, 0, checkpoint_seconds=checkpoint_seconds
    )


def is_same(job: FineTuning, other: FineTuning) -> bool:
    one, two = (AutoModelForCausalLM.from_pretrained(done.out).state_dict() for done in (job, other))
    return all(torch.equal(one[name], two[name]) for name in one)


def training_workers() -> list[psutil.Process]:
    """The training processes of this process's own cluster."""
    return [
        child for child in psutil.Process().children(recursive=True) if "RayTrainWorker" in " ".join(child.cmdline())
    ]


def throughput(folder: Path) -> None:
    create_model(folder / "model", **LARGE)
    settings, seconds = Training(steps=40, batch_size=64, micro_batch_size=16, learning_rate=1e-3), {}
    for workers in (1, 2):
        result = job_of(folder, str(workers), settings).run(
            ROWS, lambda *progress: None, RayTrainJob(Ray(), TrainingPlace(workers))
        )
        seconds[workers] = result.seconds
        print(
            f"{workers} workers: {result.num_tokens / result.seconds:,.0f} tokens/s, loss {result.loss:.6f}", flush=True
        )
    print(f"ratio {seconds[1] / seconds[2]:.2f}")


KILLED = Training(steps=300, batch_size=16, micro_batch_size=4, learning_rate=1e-3)


def undisturbed(folder: Path, settings: Ray) -> FineTuning:
    create_model(folder / "model", **SMALL)
    job = job_of(folder, "whole", KILLED)
    job.run(ROWS, lambda *progress: None, RayTrainJob(settings, TrainingPlace(2)))
    return job


def once_at(step: int, act):
    """An observer that acts at the first progress from this step on, and remembers every step."""
    steps: list[int] = []

    def on_step(now: int, *rest) -> None:
        if now >= step and not any(before >= step for before in steps):
            act()
        steps.append(now)

    return on_step, steps


def kill_a_worker(folder: Path) -> None:
    whole = undisturbed(folder, Ray())
    on_step, steps = once_at(50, lambda: os.kill(training_workers()[-1].pid, signal.SIGKILL))
    job = job_of(folder, "killed", KILLED, checkpoint_seconds=0)
    job.run(ROWS, on_step, RayTrainJob(Ray(), TrainingPlace(2)))
    print(f"a worker killed: same weights {is_same(whole, job)}; steps seen {steps[:3]} ... {steps[-1]}", flush=True)


def train_until_killed(folder: Path) -> None:
    """In a process of its own: kill -9 of itself, the driver."""
    on_step, _ = once_at(50, lambda: os.kill(os.getpid(), signal.SIGKILL))
    job_of(folder, "killed", KILLED, checkpoint_seconds=0).run(ROWS, on_step, RayTrainJob(Ray(), TrainingPlace(2)))


def kill_the_driver(folder: Path) -> None:
    whole = undisturbed(folder, Ray())
    driver = multiprocessing.get_context("spawn").Process(target=train_until_killed, args=(folder,))
    driver.start()
    driver.join()
    job, steps = job_of(folder, "killed", KILLED, checkpoint_seconds=0), []
    job.run(ROWS, lambda step, *rest: steps.append(step), RayTrainJob(Ray(), TrainingPlace(2)))
    print(
        f"the driver killed ({driver.exitcode}): same weights {is_same(whole, job)}; went on at {steps[0]}", flush=True
    )


def kill_a_node(folder: Path) -> None:
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    leaving = nodes.add_node(**NODE)
    settings = Ray(address=nodes.address)
    connection.connect(settings)
    whole = undisturbed(folder, settings)
    on_step, steps = once_at(50, lambda: nodes.remove_node(leaving, allow_graceful=False))
    job = job_of(folder, "killed", KILLED, checkpoint_seconds=0)
    job.run(ROWS, on_step, RayTrainJob(settings, TrainingPlace(2)))
    print(f"a node killed: same weights {is_same(whole, job)}; steps seen {steps[:3]} ... {steps[-1]}", flush=True)
    connection.disconnect()
    nodes.shutdown()


PARTS = {"throughput": throughput, "worker": kill_a_worker, "driver": kill_the_driver, "node": kill_a_node}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--part", action="append", choices=PARTS)
    parts = options.parse_args().part or list(PARTS)
    for part in parts:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            if len(parts) > 1:  # Ray starts once a process
                subprocess.run([sys.executable, "-m", "tests.benchmarks.training", "--part", part], check=True)
            else:
                PARTS[part](Path(folder))
                print(f"{part}: {time.monotonic() - started:.0f} s")
    if ray.is_initialized():
        connection.disconnect()


if __name__ == "__main__":
    main()
