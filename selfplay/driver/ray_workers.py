"""Workers in Ray actors. Actors are stateless; all state is in the driver's journal."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, remove_placement_group

from selfplay.driver.placement import Say, place, room_for
from selfplay.driver.workers import SamplerWorker, VerifierWorker, WorkerLost
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.samplers import make_sampler
from tasks import UserError

LOOK_SECONDS = 3.0  # between two looks at what the cluster has free
CLOSE_SECONDS = 10.0  # for an engine to give back what it holds


async def start_sampler(ray_settings: Ray, sampling: Sampling, model: str, say: Say = lambda text: None) -> "RayWorker":
    """An engine in an actor; `say` is told what it waits for."""
    gpus = ray_settings.sampler_gpus
    threads = str(int(ray_settings.sampler_cpus) or 1)
    options = {
        "num_cpus": ray_settings.sampler_cpus,
        "num_gpus": gpus,
        "scheduling_strategy": "SPREAD",
        "runtime_env": {
            "env_vars": {"OMP_NUM_THREADS": threads, "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if gpus else "0"}
        },
    }
    room = room_for(ray_settings, sampling)
    if room is None:
        needs = {"CPU": ray_settings.sampler_cpus, "GPU": gpus}
        return await _telling(start_worker(_SamplerActor.options(**options), sampling, model), "an engine", needs, say)
    engine_options = sampling.engine_options | {"distributed_executor_backend": room.backend}
    group = await place(room, say)
    actor = _SamplerActor.options(**options | room.actor_options(group))
    return await start_worker(actor, sampling.model_copy(update={"engine_options": engine_options}), model, group=group)


async def start_verifier(ray_settings: Ray, verification: Verification, say: Say = lambda text: None) -> "RayWorker":
    """A pool of checkers in an actor; `say` is told what it waits for."""
    starting = start_worker(
        _VerifierActor.options(num_cpus=ray_settings.verifier_cpus, scheduling_strategy="SPREAD"), verification
    )
    return await _telling(starting, "a verifier", {"CPU": ray_settings.verifier_cpus}, say)


async def _telling(
    starting: Coroutine[Any, Any, "RayWorker"], what: str, needs: dict[str, float], say: Say
) -> "RayWorker":
    """The worker that is hired; meanwhile `say` is told which of its needs the cluster has no room for."""
    task = asyncio.ensure_future(starting)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
            say(await asyncio.to_thread(_lack, what, needs))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # it undoes what it began while Ray is still there
    return task.result()


def _lack(what: str, needs: dict[str, float]) -> str:
    free, whole = ray.available_resources(), ray.cluster_resources()
    lacks = [
        f"{number:g} {name} ({free.get(name, 0):g} of the cluster's {whole.get(name, 0):g} free)"
        for name, number in needs.items()
        if free.get(name, 0) < number
    ]
    return f"{what} waits for {' and '.join(lacks)}" if lacks else ""


async def start_worker(actor_class: Any, *arguments: Any, group: PlacementGroup | None = None) -> "RayWorker":
    """An actor that is ready, as a worker; the placement group that it sits in ends with it, or with the attempt."""
    worker = RayWorker(actor_class.remote(*arguments), group)
    async with contextlib.AsyncExitStack() as undoing:
        undoing.push_async_callback(worker.close, at_once=True)
        await _await(worker.actor.process_id.remote())
        undoing.pop_all()
    return worker


class RayWorker:
    """An actor as a worker: a death of the actor, its process or its node is a WorkerLost."""

    def __init__(self, actor: Any, group: PlacementGroup | None = None):
        self.actor = actor
        self._group = group
        self._collecting: Any = None  # a call whose answer nobody has taken yet: it outlives a cancelled collect
        self._submitting: set[asyncio.Future] = set()
        self._refused: asyncio.Future | None = None  # done when a submit has failed

    async def submit(self, items: Sequence[Any]) -> None:
        """Send, and wait for nothing: an actor that is slow to answer must not hold up the others."""
        submitting = asyncio.ensure_future(_await(self.actor.submit.remote(items)))
        self._submitting.add(submitting)
        submitting.add_done_callback(self._submitted)

    def _submitted(self, submitting: asyncio.Future) -> None:
        self._submitting.discard(submitting)
        if not submitting.cancelled() and (error := submitting.exception()):
            refused = self._refusal()
            if not refused.done():
                refused.set_exception(error)
                refused.exception()  # seen: collect raises it, if anyone collects

    def _refusal(self) -> asyncio.Future:
        if self._refused is None:
            self._refused = asyncio.get_running_loop().create_future()
        return self._refused

    async def collect(self) -> list[Any]:
        if self._collecting is None:
            self._collecting = asyncio.ensure_future(_await(self.actor.collect.remote()))
        refused = self._refusal()
        await asyncio.wait([self._collecting, refused], return_when=asyncio.FIRST_COMPLETED)
        if not self._collecting.done():
            return refused.result()
        collecting, self._collecting = self._collecting, None
        return collecting.result()

    async def load(self, model: str) -> None:
        await _await(self.actor.load.remote(model))

    async def close(self, at_once: bool = False) -> None:
        """End the engine, then the actor; `at_once`: kill the actor."""
        with contextlib.suppress(WorkerLost, TimeoutError):
            if not at_once:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await _await(self.actor.close.remote())
        ray.kill(self.actor)
        if self._group is not None:
            remove_placement_group(self._group)  # and with it the engine's own actors
        if self._collecting is not None:
            self._collecting.cancel()


class _ActorFacts:
    """What any actor tells of itself."""

    async def verifiers_file(self) -> str:
        """Where this process takes the package `verifiers` from: ours, whatever else the machine has installed."""
        import verifiers

        return verifiers.__file__

    async def process_id(self) -> int:
        return os.getpid()


# An actor must take submit and collect at the same time; the pool bounds how much work it holds.
@ray.remote(max_concurrency=1000)
class _SamplerActor(_ActorFacts, SamplerWorker):
    def __init__(self, settings: Sampling, model: str):
        super().__init__(make_sampler(settings, model))


@ray.remote(max_concurrency=1000)
class _VerifierActor(_ActorFacts, VerifierWorker):
    pass


async def _await(reference: Any) -> Any:
    try:
        return await reference
    except RayActorError as error:
        cause = getattr(error, "cause", None) or getattr(error, "__cause__", None)
        raise WorkerLost(_last_line(cause or error)) from error
    except RayTaskError as error:
        if isinstance(error.cause, (UserError, WorkerLost)):
            raise error.cause from None
        raise WorkerLost(_last_line(error.cause or error)) from error
    except RayError as error:
        raise WorkerLost(_last_line(error)) from error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:500]
