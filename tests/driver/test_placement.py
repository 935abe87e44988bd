"""Placement groups of engines with several GPUs, on a Ray whose GPUs are made up: room is waited for, used and given back."""

import asyncio
import contextlib
import os
import signal

import pytest
import ray
from ray.util import get_current_placement_group, placement_group_table

from selfplay.driver import cluster, placement
from selfplay.driver import ray_workers as actors
from selfplay.driver.placement import Room, place, room_for
from selfplay.driver.pool import WorkerPool
from selfplay.driver.workers import WorkerLost
from selfplay.recipe.sections import Ray, Sampling
from tasks import UserError
from tests.benchmarks.ray_kill import QueueActor

SECONDS = 60.0  # for Ray to do what it does in one


@ray.remote(max_concurrency=1000)
class Placed(QueueActor.__ray_metadata__.modified_class):
    """Knows its place."""

    def __init__(self, fails: bool = False):
        super().__init__(0.0, 8)
        if fails:
            raise WorkerLost("no such model")

    async def place(self) -> tuple[str, int]:
        return get_current_placement_group().id.hex(), len(ray.get_gpu_ids())


@pytest.fixture(scope="module", autouse=True)
def two_gpus():
    if ray.is_initialized():
        ray.shutdown()
    ray.init(
        address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    yield
    cluster.disconnect()


def groups(state="CREATED"):
    return {key for key, row in placement_group_table().items() if row["state"] == state}


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def engine(room, say=lambda text: None, *arguments):
    group = await place(room, say)
    return await actors.start_worker(
        Placed.options(num_cpus=room.cpus, **room.actor_options(group)), *arguments, group=group
    )


@pytest.mark.parametrize(("spread", "num_gpus_of_actor"), [(False, 2), (True, 0)])
def test_an_engine_sits_in_its_group_which_ends_with_it(spread, num_gpus_of_actor):
    async def life():
        room = Room(2, 0.5, spread)
        worker = await engine(room)
        (group,) = groups()
        assert await worker.actor.place.remote() == (group, num_gpus_of_actor)
        assert list(placement_group_table()[group]["bundles"].values()) == room.bundles
        await worker.close()
        await until(lambda: not groups())

    asyncio.run(life())


def test_room_that_is_taken_is_waited_for_and_said(monkeypatch):
    monkeypatch.setattr(placement, "CHECK_SECONDS", 0.05)
    said = []

    async def life():
        first = await engine(Room(2, 0.5, False))
        second = asyncio.create_task(engine(Room(2, 0.5, False), said.append))
        await until(lambda: said)
        assert "an engine needs 2 GPUs on one node; the cluster's nodes have 2, of which 0 are free: waiting" in said[0]
        await first.close()
        await (await second).close()
        assert said[-1] == ""  # it waits no more
        await until(lambda: not groups() | groups("PENDING"))

    asyncio.run(life())


def test_a_cluster_that_is_too_small_is_told_and_nothing_stays_behind(monkeypatch):
    monkeypatch.setattr(placement, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(placement, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(
        UserError, match="needs 3 GPUs together; the cluster's nodes have 2.*tensor_parallel_size to fewer"
    ):
        asyncio.run(place(Room(3, 0.5, True), lambda text: None))
    asyncio.run(until(lambda: not groups() | groups("PENDING")))


def test_a_lost_engine_gives_its_room_to_its_successor():
    async def life():
        pool = WorkerPool("sampler", lambda number: engine(Room(2, 0.5, True)), 1, 8)
        replaced = asyncio.Event()

        async def lost(keys, error):
            pass  # it held nothing

        async def joined():
            replaced.set()

        await pool.start()
        (before,) = groups()
        running = asyncio.create_task(pool.run(None, lost, joined))
        os.kill(await pool.workers[0].actor.process_id.remote(), signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            await replaced.wait()
        await until(lambda: groups() and before not in groups())
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await pool.close()
        await until(lambda: not groups())

    asyncio.run(life())


def test_an_engine_that_cannot_start_leaves_no_group():
    with pytest.raises(WorkerLost, match="no such model"):
        asyncio.run(engine(Room(2, 0.5, False), lambda text: None, True))
    asyncio.run(until(lambda: not groups()))


@pytest.mark.parametrize(
    ("options", "gpus", "room"),
    [
        ({}, 1, None),
        ({"tensor_parallel_size": 2}, 0, None),  # on a CPU
        ({"tensor_parallel_size": 2}, 1, Room(2, 1.0, False)),
        ({"tensor_parallel_size": 2, "distributed_executor_backend": "ray"}, 1, Room(2, 1.0, True)),
        (
            {"tensor_parallel_size": 2, "pipeline_parallel_size": 2},
            1,
            Room(4, 1.0, False),
        ),  # no node has 4: place says so
        ({"data_parallel_size": 2, "distributed_executor_backend": "ray"}, 1, Room(2, 1.0, False)),
    ],
)
def test_the_room_of_an_engine_follows_from_its_options(options, gpus, room):
    assert room_for(Ray(sampler_gpus=gpus), Sampling(engine="vllm", engine_options=options)) == room
