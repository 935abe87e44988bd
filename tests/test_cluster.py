"""A pass on a cluster of two nodes (real raylets on this machine): one leaves, another joins."""

import asyncio
import time

import pytest
import ray
from ray.cluster_utils import Cluster

from selfplay import actors
from selfplay.allocation import AllocationRule, make_allocator
from selfplay.crew import Crew
from selfplay.journal import Journal, read_journal
from selfplay.meter import Meter
from selfplay.pipeline import Pipeline
from selfplay.recipe import Ray, Verification
from tests.benchmarks.ray_kill import QueueActor
from tests.benchmarks.streaming import sums
from tests.engines import QueueSampler
from tests.test_pipeline import hiring, keys, seed_of
from tests.test_pipeline import play as play_in_process

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
FAST = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 10}


@pytest.fixture
def cluster():
    if ray.is_initialized():
        ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": FAST, "include_dashboard": False})
    yield cluster
    actors.disconnect()
    cluster.shutdown()


@pytest.mark.timeout(400)
def test_a_node_that_leaves_costs_no_sample_and_one_that_joins_is_used(cluster, tmp_path):
    """Four engines need two nodes: with one node left two of them wait, and a node that joins brings them back."""
    leaving = cluster.add_node(**NODE)
    settings = Ray(address=cluster.address, num_samplers=4, num_verifiers=1, verifier_cpus=0.01)
    actors.connect(settings)
    tasks, disturbed, story = [], asyncio.Event(), []

    def stream():
        for task in sums(100_000):
            if disturbed.is_set():
                return
            tasks.append(task)
            yield task

    async def hire(number):
        return await actors.hire(QueueActor.options(num_cpus=0.45, scheduling_strategy="SPREAD"), 0.2, 8)

    async def reached(crew, size):
        deadline = time.monotonic() + 150
        while len(crew.stations) != size:
            assert time.monotonic() < deadline, f"{len(crew.stations)} engines at work, not {size}; {story}"
            await asyncio.sleep(0.05)
        story.append((size, meter.num_samples))

    async def gone_on():
        """More samples than when the crew last changed: a verifier that left with its node is hired anew first."""
        deadline = time.monotonic() + 150
        while meter.num_samples <= story[-1][1]:
            assert time.monotonic() < deadline, f"nothing was verified after {story}"
            await asyncio.sleep(0.05)

    async def disturb(samplers):
        await reached(samplers, 4)
        cluster.remove_node(leaving, allow_graceful=False)
        await reached(samplers, 2)
        await gone_on()
        cluster.add_node(**NODE)  # from this thread: Ray sets signal handlers
        await reached(samplers, 4)
        await gone_on()
        disturbed.set()

    async def run():
        samplers = Crew("sampler", hire, 4, 16)
        verifiers = Crew("verifier", lambda number: actors.hire_verifier(settings, Verification()), 1, 256)
        journal = Journal(tmp_path / "cluster")
        allocator = make_allocator(AllocationRule(samples_per_task=4))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(disturb(samplers))
                await Pipeline(stream(), allocator, samplers, verifiers, journal, None, seed_of, meter).play()
        finally:
            journal.close()
            await samplers.close(at_once=True)
            await verifiers.close(at_once=True)
        return samplers.num_losses

    meter = Meter()
    assert asyncio.run(run()) >= 2
    rows = list(read_journal(tmp_path / "cluster"))
    (_, before), (_, left), (_, joined) = story
    assert before <= left < joined < len(rows)
    assert keys(rows) == sorted((task.id, index) for task in tasks for index in range(4))
    alone = play_in_process(tmp_path / "alone", hiring(lambda number: QueueSampler()), tasks)[1]
    assert {(s.task_id, s.index): s.text for s, _ in rows} == {(s.task_id, s.index): s.text for s, _ in alone}
