"""Room for engines with several GPUs: one placement group each, made before the engine and removed with it.

The number of an engine's GPUs follows from its vLLM options: tensor x pipeline x data parallel size. If one node has that
many, the engine's workers are processes of its actor, which holds all GPUs in one bundle (vLLM's "mp" executor). Otherwise
vLLM's "ray" executor starts the workers as actors of its own, each in a bundle of one GPU; the engine's actor sits in the
first bundle, without a GPU, and vLLM finds the group by ray.util.get_current_placement_group (its engine/arg_utils.py and
v1/executor/ray_utils.py). `distributed_executor_backend` in engine_options overrides this choice.

Tried: "mp" with two real workers of vLLM's CPU build, its GPUs logical ones. Never run: any of this on GPUs, and the
"ray" executor, which knows no CPU; it is written after the source of vLLM 0.32.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from selfplay.progress import duration
from selfplay.recipe.sections import Ray, Sampling
from selfplay.samplers import sampler_class
from tasks import UserError

PATIENCE_SECONDS = 60.0  # with a cluster that is too small: nodes may still be joining
CHECK_SECONDS = 2.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Room:
    """What an engine needs of the cluster at once."""

    num_gpus: int
    cpus: float  # of the engine's actor
    spread: bool  # over bundles of one GPU, which may lie on several nodes

    @property
    def bundles(self) -> list[dict[str, float]]:
        """One bundle for the engine, or one for each GPU; the first holds the engine's actor too."""
        parts = [1.0] * self.num_gpus if self.spread else [float(self.num_gpus)]
        return [{"GPU": parts[0], "CPU": self.cpus}, *({"GPU": gpus} for gpus in parts[1:])]

    def actor_options(self, group: PlacementGroup) -> dict[str, Any]:
        """Options that put the engine's actor into the group; with "ray" the GPUs are left to vLLM's workers."""
        return {
            "num_gpus": 0 if self.spread else self.num_gpus,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(
                group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
            ),
        }

    @property
    def backend(self) -> str:
        """vLLM's distributed_executor_backend."""
        return "ray" if self.spread else "mp"


def room_for(settings: Ray, sampling: Sampling) -> Room | None:
    """The room that an engine needs, None if an actor without a placement group suffices. Ray must be connected."""
    num = sampler_class(sampling.engine).num_gpus(sampling)
    if num == 1 or not settings.sampler_gpus:
        return None
    backend = sampling.engine_options.get("distributed_executor_backend")
    if sampling.engine_options.get("data_parallel_size", 1) > 1:
        backend = "mp"  # with "ray" vLLM would make further placement groups of its own
    spread = backend == "ray" if backend else max(_gpus_by_node(), default=0) < num <= sum(_gpus_by_node())
    return Room(num, settings.sampler_cpus, spread)


async def place(room: Room, say: Say) -> PlacementGroup:
    """Wait for the room and reserve it; meanwhile `say` takes what is missing. UserError if the cluster is too small for it."""
    group = placement_group(room.bundles, strategy="PACK")
    with contextlib.ExitStack() as undoing:
        undoing.callback(remove_placement_group, group)
        started = time.monotonic()
        while not await _ready(group):
            seconds = time.monotonic() - started
            nodes = _gpus_by_node()
            if (sum(nodes) if room.spread else max(nodes, default=0)) < room.num_gpus and seconds > PATIENCE_SECONDS:
                raise UserError(f"{_needed(room, nodes)}; add a node, or set tensor_parallel_size to fewer")
            say(f"{_needed(room, nodes)}: waiting for {duration(seconds)}")
        say("")
        undoing.pop_all()
    return group


async def _ready(group: PlacementGroup) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await group.ready()
    except TimeoutError:
        return False
    return True


def _needed(room: Room, nodes: list[int]) -> str:
    place = "together" if room.spread else "on one node"
    free = int(ray.available_resources().get("GPU", 0))
    has = " and ".join(map(str, nodes)) or "no"
    return f"an engine needs {room.num_gpus} GPUs {place}; the cluster's nodes have {has}, of which {free} are free"


def _gpus_by_node() -> list[int]:
    """Of the nodes that are alive and have any, the most first."""
    gpus = (int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"])
    return sorted(filter(None, gpus), reverse=True)
