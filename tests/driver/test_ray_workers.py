"""The same pass on Ray: real actors, real deaths."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

import verifiers
from selfplay.allocation import Allocation, make_allocator
from selfplay.driver import cluster
from selfplay.driver import ray_workers as actors
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.pool import WorkerPool
from selfplay.journal import Journal, read_journal
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Ray, Sampling, Verification
from tasks import UserError, load
from tests.passes import ONE_MODEL, keys

SETTINGS = Ray(num_samplers=2, sampler_cpus=0.5, num_verifiers=2, verifier_cpus=0.5)
SAMPLING = Sampling(max_tokens=12, batch_size=16)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    cluster.connect(SETTINGS)
    yield str(create_model(tmp_path_factory.mktemp("model"), max_length=64))
    cluster.disconnect()


def play(folder, model, disturb=None, num_tasks=60):
    """One pass with two engines and two verifiers in actors; `disturb(samplers, verifiers, stats)` runs meanwhile."""

    async def run():
        samplers = WorkerPool("sampler", lambda number: actors.start_sampler(SETTINGS, SAMPLING, model), 2, 32)
        verifiers = WorkerPool("verifier", lambda number: actors.start_verifier(SETTINGS, Verification()), 2, 256)
        journal = Journal(folder)
        try:
            allocator = make_allocator(Allocation(samples_per_task=4))
            pipeline = Pipeline(ONE_MODEL, allocator, samplers, verifiers, journal)
            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                playing = group.create_task(pipeline.run(load("arithmetic", num_tasks=num_tasks)))
                if disturb:
                    disturbing = group.create_task(disturb(samplers, verifiers, pipeline.stats))
                await playing
                if disturb:
                    disturbing.cancel()
        finally:
            journal.close()
            await samplers.close()
            await verifiers.close()
        return samplers, verifiers

    pools = asyncio.run(run())
    return pools, list(read_journal(folder))


def test_workers_take_the_package_verifiers_from_this_project(model):
    async def ask():
        worker = await actors.start_verifier(SETTINGS, Verification())
        answer = await worker.actor.verifiers_file.remote()
        await worker.close()
        return answer

    ours = Path(__file__).resolve().parents[2] / "verifiers" / "__init__.py"
    assert Path(verifiers.__file__).resolve() == ours
    assert Path(asyncio.run(ask())).resolve() == ours


def test_a_pass_on_ray_gives_every_sample_once(model, tmp_path):
    _, rows = play(tmp_path, model)
    assert len(keys(rows)) == len(set(keys(rows))) == 240


def test_killed_actors_are_replaced_and_lose_no_sample(model, tmp_path):
    async def kill_one_of_each(samplers, verifiers, stats):
        for pool, at_least in ((samplers, 20), (verifiers, 60)):
            while stats.num_samples < at_least:
                await asyncio.sleep(0.002)
            os.kill(await pool.workers[0].actor.process_id.remote(), signal.SIGKILL)
        await asyncio.sleep(1000)

    (samplers, _verifiers), rows = play(tmp_path, model, kill_one_of_each, num_tasks=400)
    assert samplers.num_losses >= 1
    assert len(keys(rows)) == len(set(keys(rows))) == 1600


def test_a_model_that_is_not_there_stops_with_its_cause(tmp_path):
    with pytest.raises(ExceptionGroup) as caught:
        play(tmp_path, str(tmp_path / "absent"))
    assert "absent" in str(caught.value.exceptions[0])


def test_an_address_where_no_ray_is_says_how_to_start_one():
    cluster.disconnect()
    with pytest.raises(UserError, match="ray start"):
        cluster.connect(Ray(address="127.0.0.1:1"))
