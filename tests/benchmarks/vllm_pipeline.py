"""Tokens per second of the whole pipeline with the vllm sampler over vLLM's engine alone on the same requests, in one run.

    python -m tests.benchmarks.vllm_pipeline [--tasks 100] [--samples 8] [--rounds 20]

Tasks and checks are the arithmetic source's; the pipeline is that of `selfplay run` with [ray] address = "none": engine
in its own process, checks in threads beside the driver, a journal on disk. Both arms use one and the same engine, since
two engines on one machine take the cores from each other. The bare engine gets prompts encoded beforehand, all requests
at once, and nothing is made of its output. Both draw the same samples and take turns; the median of the ratios counts,
and its error is about that of their mean. Bar: 0.97. The hop through Ray is not in this figure.

On a CPU the engine's arithmetic would use every core, and what the checks and the driver use would count as lost; in
both arms it has one thread (OMP_NUM_THREADS gives it more), as a GPU keeps all cores free. With a thread on each core
they spin at their barriers while one of them waits for its core: the same samples then cost 2.6 to 23 s of CPU here.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.models.tiny_llama import CHARACTERS, create_model
from selfplay.recipe.sections import Ray, Recipe, Sampling, Tasks
from selfplay.records import Request
from selfplay.seeds import number_of
from tasks import load
from tests.benchmarks.vllm_sampler import encoded, engine_alone


def seed_of(task_id: str, index: int) -> int:
    return number_of(0, task_id, index)


def make_recipe(max_tokens: int) -> Recipe:
    engine_options = {"enforce_eager": True, "max_model_len": 256}
    if not _has_gpu():
        engine_options["kv_cache_memory_bytes"] = 2**30
    return Recipe(
        name="benchmark",
        tasks=Tasks(source="arithmetic"),
        sampling=Sampling(engine="vllm", max_tokens=max_tokens, engine_options=engine_options),
        ray=Ray(address="none"),
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def measure(title: str, model: str, recipe: Recipe, options: argparse.Namespace) -> None:
    tasks = list(load("arithmetic", num_tasks=options.tasks))
    indices = tuple(range(options.samples))
    requests = [
        Request(task.id, task.prompt, indices, tuple(seed_of(task.id, index) for index in indices)) for task in tasks
    ]
    rule = Allocation(rule="fixed", samples_per_task=options.samples)
    ratios, alone, through = [], [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        Executor(recipe.sampling, recipe.verification, recipe.ray) as executor,
    ):
        for number in range(options.rounds + 1):  # the first makes the engine and warms up
            stats = executor.run_pass(tasks, SamplingPlan((model,), seed_of), rule, Path(folder) / str(number))
            run, sampler = executor._runner.run, executor._samplers.workers[0]._sampler
            prompts = encoded(sampler, requests)
            run(sampler._engine.reset_prefix_cache())
            start = time.perf_counter()
            num_tokens = run(engine_alone(sampler, prompts))
            seconds = time.perf_counter() - start
            run(sampler._engine.reset_prefix_cache())
            assert stats.num_tokens == num_tokens, (stats.num_tokens, num_tokens)  # the same samples
            if number:
                alone.append(num_tokens / seconds)
                through.append(stats.num_tokens / stats.elapsed_seconds)
                ratios.append(through[-1] / alone[-1])
    error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
    print(
        f"{title:14} {num_tokens / len(requests) / options.samples:5.0f} tokens a sample   "
        f"engine alone {statistics.median(alone):7.0f} tokens/s   pipeline {statistics.median(through):7.0f} tokens/s   "
        f"ratio {statistics.median(ratios):.3f} (mean {statistics.mean(ratios):.3f} ± {error:.3f}, from {min(ratios):.3f} to {max(ratios):.3f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # random weights end a sample with probability 1 / size of the vocabulary at each token
        for title, characters, max_tokens in [("long samples", CHARACTERS, 200), ("short samples", "0123456789+=", 60)]:
            model = create_model(Path(folder) / title, characters=characters, num_heads=2, max_length=256)
            measure(title, str(model), make_recipe(max_tokens), options)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
