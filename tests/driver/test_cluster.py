"""Passes on a cluster (real raylets on this machine): a node leaves, another joins; one too small; its head is gone."""

import asyncio
import subprocess
import sys
import time

import pytest
import ray
from ray.cluster_utils import Cluster

from selfplay.allocation import Allocation, make_allocator
from selfplay.driver import cluster as connection
from selfplay.driver import ray_workers as actors
from selfplay.driver.executor import Executor
from selfplay.driver.pipeline import Pipeline
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.pool import WorkerPool
from selfplay.journal import Journal, read_journal
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Ray, Recipe, Sampling, Tasks, Verification
from tests.benchmarks.ray_kill import QueueActor
from tests.benchmarks.streaming import sums
from tests.engines import QueueSampler
from tests.passes import ONE_MODEL, keys, seed_of, starting
from tests.passes import play as play_in_process

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
FAST = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 10}


@pytest.fixture
def cluster():
    if ray.is_initialized():
        ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": FAST, "include_dashboard": False})
    yield cluster
    connection.disconnect()
    cluster.shutdown()


@pytest.mark.timeout(400)
def test_a_node_that_leaves_costs_no_sample_and_one_that_joins_is_used(cluster, tmp_path):
    """Four engines need two nodes: with one node left two of them wait, and a node that joins brings them back."""
    leaving = cluster.add_node(**NODE)
    settings = Ray(address=cluster.address, num_samplers=4, num_verifiers=1, verifier_cpus=0.01)
    connection.connect(settings)
    tasks, disturbed, story = [], asyncio.Event(), []

    def stream():
        for task in sums(100_000):
            if disturbed.is_set():
                return
            tasks.append(task)
            yield task

    async def start_worker(number):
        return await actors.start_worker(QueueActor.options(num_cpus=0.45, scheduling_strategy="SPREAD"), 0.2, 8)

    async def reached(pool, size, stats):
        deadline = time.monotonic() + 150
        while len(pool.workers) != size:
            assert time.monotonic() < deadline, f"{len(pool.workers)} engines at work, not {size}; {story}"
            await asyncio.sleep(0.05)
        story.append((size, stats.num_samples))

    async def gone_on(stats):
        """More samples than when the pool last changed: a verifier that left with its node must start again first."""
        deadline = time.monotonic() + 150
        while stats.num_samples <= story[-1][1]:
            assert time.monotonic() < deadline, f"nothing was verified after {story}"
            await asyncio.sleep(0.05)

    async def disturb(samplers, stats):
        await reached(samplers, 4, stats)
        cluster.remove_node(leaving, allow_graceful=False)
        await reached(samplers, 2, stats)
        await gone_on(stats)
        cluster.add_node(**NODE)  # from this thread: Ray sets signal handlers
        await reached(samplers, 4, stats)
        await gone_on(stats)
        disturbed.set()

    async def run():
        samplers = WorkerPool("sampler", start_worker, 4, 16)
        verifiers = WorkerPool("verifier", lambda number: actors.start_verifier(settings, Verification()), 1, 256)
        journal = Journal(tmp_path / "cluster")
        pipeline = Pipeline(ONE_MODEL, make_allocator(Allocation(samples_per_task=4)), samplers, verifiers, journal)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(disturb(samplers, pipeline.stats))
                await pipeline.run(stream())
        finally:
            journal.close()
            await samplers.close(at_once=True)
            await verifiers.close(at_once=True)
        return samplers.num_losses

    assert asyncio.run(run()) >= 2
    rows = list(read_journal(tmp_path / "cluster"))
    (_, before), (_, left), (_, joined) = story
    assert before <= left < joined < len(rows)
    assert keys(rows) == sorted((task.id, index) for task in tasks for index in range(4))
    alone = play_in_process(tmp_path / "alone", starting(lambda number: QueueSampler()), tasks)[1]
    assert {(s.task_id, s.index): s.text for s, _ in rows} == {(s.task_id, s.index): s.text for s, _ in alone}


def test_a_cluster_without_room_for_all_gets_one_engine_and_one_verifier_first_and_says_what_the_others_lack(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(actors, "LOOK_SECONDS", 0.2)
    model = create_model(tmp_path / "model", hidden_size=16, num_layers=1, max_length=32)
    wanted = Ray(address=cluster.address, num_samplers=3, sampler_cpus=0.5, num_verifiers=3, verifier_cpus=0.5)
    recipe = Recipe(
        name="small", tasks=Tasks(source="arithmetic"), sampling=Sampling(max_tokens=4, batch_size=16), ray=wanted
    )
    said, tasks = set(), []
    with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:

        def stream():
            for task in sums(1_000_000):
                said.update(filter(None, executor._waiting.values()))
                if len(said) == 2:
                    return
                tasks.append(task)
                yield task

        rule = Allocation(samples_per_task=1)
        stats = executor.run_pass(stream(), SamplingPlan((str(model),), seed_of), rule, tmp_path / "journal")
    lack = "waits for 0.5 CPU (0 of the cluster's 1 free)"
    assert said == {f"an engine {lack}", f"a verifier {lack}"}
    assert stats.num_samples == len(tasks) and len(keys(list(read_journal(tmp_path / "journal")))) == len(tasks)


HEADLESS = """
import socket, time
from selfplay.driver import cluster
cluster.LOOK_SECONDS = 0.05
cluster._is_connected = lambda address: True
with socket.create_server(("127.0.0.1", 0)) as head:
    cluster.start_watchdog(f"127.0.0.1:{head.getsockname()[1]}")
    time.sleep(1)
    print("the head is there", flush=True)
time.sleep(60)
"""


def test_a_head_that_is_gone_ends_the_process_with_the_cure_and_one_that_is_there_does_not():
    done = subprocess.run([sys.executable, "-c", HEADLESS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "the head is there\n"
    assert "is gone. Everything acknowledged is on disk" in done.stderr and "Traceback" not in done.stderr
