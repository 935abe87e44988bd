"""Engines that make room for a training and come back: the protocol of vLLM's sleep, played by an engine without a GPU."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from selfplay.allocation import Allocation
from selfplay.driver import cluster
from selfplay.driver.executor import Executor, first_devices
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.driver.training_place import TrainingPlace
from selfplay.driver.workers import SamplerWorker, WorkerLost
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.samplers.vllm import VllmSampler
from tasks import load
from tests.passes import seed_of


class SleepingEngine:
    """vLLM's AsyncLLM as to its memory: which calls it takes in which state, after vllm/v1/engine/core.py and its
    worker's sleep and wake_up. Weights and cache are given back by level 2, and come back by their tags, empty."""

    def __init__(self, model):
        self.weights, self.has_room, self.has_cache, self.calls = model, True, True, []

    async def is_sleeping(self):
        return not (self.has_room and self.has_cache)

    async def sleep(self, level=1, mode="abort"):
        assert level == 2 and self.has_room and self.has_cache
        self.weights, self.has_room, self.has_cache = None, False, False
        self.calls.append("sleep")

    async def wake_up(self, tags=None):
        for tag in tags or ("weights", "kv_cache"):
            if tag == "weights":
                self.has_room = True
            else:
                assert self.weights, "the cache takes its memory before the weights are there"
                self.has_cache = True
        self.calls.append("wake_up")
        return self.has_room and self.has_cache

    async def collective_rpc(self, method, kwargs):
        assert method == "reload_weights" and self.has_room, "no memory for the weights"
        self.weights = kwargs["weights_path"]

    async def reset_prefix_cache(self, reset_running_requests=False):
        assert self.has_cache


class SleepingSampler(VllmSampler):
    """The vllm sampler's own sleep, load and wake, over that engine."""

    def __init__(self, model):
        self.model, self._engine = model, SleepingEngine(model)
        self._loading, self._idle = asyncio.Lock(), asyncio.Event()
        self._idle.set()

    async def close(self):
        pass


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    shape = {"hidden_size": 16, "num_layers": 1, "max_length": 32}
    return [str(create_model(folder / str(seed), seed=seed, **shape)) for seed in (0, 1)]


def pool_of(num, made):
    async def start(number):
        made.append(SleepingSampler(pool.models[number]))
        return SamplerWorker(made[-1])

    pool = WorkerPool("sampler", start, num, 8)
    return pool


def test_engines_sleep_and_wake_with_the_next_weights_or_with_the_same(models):
    async def play():
        made: list[SleepingSampler] = []
        pool = pool_of(2, made)
        await pool.load([models[0]] * 2)
        await pool.start()
        await asyncio.gather(*pool._starting.values())
        for model in (models[1], models[1]):
            await pool.sleep()
            assert all([await sampler._engine.is_sleeping() for sampler in made])
            await pool.load([model] * 2)
            assert [sampler._engine.weights for sampler in made] == [model] * 2
            assert not any([await sampler._engine.is_sleeping() for sampler in made])
        await pool.close()
        return made

    made = asyncio.run(play())
    assert len(made) == 2
    assert made[0]._engine.calls == ["sleep", "wake_up", "wake_up"] * 2


@pytest.mark.parametrize("step", ["sleep", "wake_up", "collective_rpc"])
def test_an_engine_that_fails_to_sleep_or_to_wake_is_replaced(models, step):
    async def play():
        made: list[SleepingSampler] = []
        pool = pool_of(1, made)
        await pool.load([models[0]])
        await pool.start()

        async def fail(*arguments, **options):
            raise RuntimeError("CUDA out of memory")

        setattr(made[0]._engine, step, fail)
        await pool.sleep()
        await pool.load([models[1]])
        await pool.start()
        await pool.close()
        return made

    made = asyncio.run(play())
    assert len(made) == 2 and made[1]._engine.weights == models[1]


def test_a_worker_without_a_model_cannot_sleep():
    async def sleep():
        with pytest.raises(WorkerLost, match="no attribute"):
            await SamplerWorker(SimpleNamespace()).sleep()

    asyncio.run(sleep())


def test_training_takes_no_more_gpus_of_sleeping_engines_than_it_has_workers():
    devices = {"a": ["0", "1"], "b": ["3"]}
    assert first_devices(devices, 3) == devices
    assert first_devices(devices, 1) == {"a": ["0"]}


def test_engines_that_cannot_sleep_end_for_a_training_only_if_it_needs_their_gpus_and_come_back(models, tmp_path):
    """One engine on a node with two logical GPUs."""
    cluster.disconnect()
    ray.init(
        address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    settings = Ray(sampler_cpus=0.5, sampler_gpus=1.0, num_verifiers=1, verifier_cpus=0.5)
    sampling, plan = Sampling(max_tokens=2), SamplingPlan((models[0],), seed_of)

    def play(executor, name: str):
        tasks = list(load("arithmetic", num_tasks=20))
        return executor.run_pass(tasks, plan, Allocation(samples_per_task=1), Path(tmp_path / name))

    with Executor(sampling, Verification(), settings) as executor:
        assert play(executor, "first").num_samples == 20
        assert executor.make_room(TrainingPlace(1, 1.0)) == TrainingPlace(1, 1.0)
        assert cluster.free_gpus() == 1 and len(executor._samplers.workers) == 1
        assert executor.make_room(TrainingPlace(2)) == TrainingPlace(2)  # on CPUs
        assert len(executor._samplers.workers) == 1
        executor.make_room(TrainingPlace(2, 1.0))
        assert not executor._samplers.workers
        stats = play(executor, "second")
        assert stats.num_samples == 20 and stats.engine_loading_seconds > 0
