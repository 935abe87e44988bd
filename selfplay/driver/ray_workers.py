"""Workers in Ray actors. Actors hold no state of the run: all of it is in the driver's journal."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, remove_placement_group

import verifiers
from selfplay.driver.placement import Say, place, room_for
from selfplay.driver.workers import Devices, SamplerWorker, VerifierWorker, Worker, WorkerLost
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.samplers import make_sampler
from tasks import UserError
from tasks.imports import folders, look_in

LOOK_SECONDS = 3.0  # between two looks at what the cluster has free
CLOSE_SECONDS = 10.0  # for an engine to free what it holds


async def start_sampler(settings: Ray, sampling: Sampling, model: str, say: Say = lambda text: None) -> "RayWorker":
    """An engine in an actor; `say` takes what it waits for, or "" once it waits for nothing. WorkerLost if it cannot start."""
    gpus = settings.sampler_gpus
    threads = str(int(settings.sampler_cpus) or 1)
    options: dict[str, Any] = {
        "num_cpus": settings.sampler_cpus,
        "num_gpus": gpus,
        "scheduling_strategy": "SPREAD",
        "runtime_env": {
            "env_vars": {"OMP_NUM_THREADS": threads, "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if gpus else "0"}
        },
    }
    sampler_actor: Any = _SamplerActor  # Any: the types of Ray's decorator know no options
    room = room_for(settings, sampling)
    if room is None:
        needs = {"CPU": settings.sampler_cpus, "GPU": gpus}
        actor_class = sampler_actor.options(**options)
        return await _explained(start_worker(actor_class, sampling, model), "an engine", needs, say)
    engine_options = sampling.engine_options | {"distributed_executor_backend": room.backend}
    group = await place(room, say)
    actor_class = sampler_actor.options(**options | room.actor_options(group))
    changed = sampling.model_copy(update={"engine_options": engine_options})
    return await start_worker(actor_class, changed, model, group=group)


async def start_verifier(settings: Ray, verification: Verification, say: Say = lambda text: None) -> "RayWorker":
    """A pool of verifying threads in an actor; `say` as for `start_sampler`."""
    needs = {"CPU": settings.verifier_cpus}
    verifier_actor: Any = _VerifierActor
    actor_class = verifier_actor.options(num_cpus=settings.verifier_cpus, scheduling_strategy="SPREAD")
    return await _explained(start_worker(actor_class, verification, folders()), "a verifier", needs, say)


async def _explained(
    starting: Coroutine[Any, Any, "RayWorker"], name: str, needs: dict[str, float], say: Say
) -> "RayWorker":
    """The started worker; until then `say` takes which of its needs the cluster has no room for."""
    task = asyncio.ensure_future(starting)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
            say(await asyncio.to_thread(_lack, name, needs))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # it undoes its first steps while Ray is still there
    return task.result()


def _lack(name: str, needs: dict[str, float]) -> str:
    free, whole = ray.available_resources(), ray.cluster_resources()
    lacks = [
        f"{number:g} {resource} ({free.get(resource, 0):g} of the cluster's {whole.get(resource, 0):g} free)"
        for resource, number in needs.items()
        if free.get(resource, 0) < number
    ]
    return f"{name} waits for {' and '.join(lacks)}" if lacks else ""


async def start_worker(actor_class: Any, *arguments: Any, group: PlacementGroup | None = None) -> "RayWorker":
    """A worker in a new actor, ready. Its placement group ends with it, or with the failure to start."""
    worker = RayWorker(actor_class.remote(*arguments), group)
    async with contextlib.AsyncExitStack() as undoing:
        undoing.push_async_callback(worker.close, at_once=True)
        await _result_of(worker.actor.process_id.remote())
        undoing.pop_all()
    return worker


class RayWorker(Worker):
    """A worker in an actor. The death of the actor, its process or its node is a WorkerLost."""

    def __init__(self, actor: Any, group: PlacementGroup | None = None):
        self.actor = actor
        self._group = group
        self._collecting: asyncio.Future | None = (
            None  # a call with an answer nobody took: it outlives a cancelled collect
        )
        self._submitting: set[asyncio.Future] = set()
        self._refused: asyncio.Future | None = None  # done when a submit has failed

    async def submit(self, requests: Sequence[Any]) -> None:
        """Send, and wait for nothing: an actor that is slow to answer must not delay the others."""
        submitting = asyncio.ensure_future(_result_of(self.actor.submit.remote(requests)))
        self._submitting.add(submitting)
        submitting.add_done_callback(self._submitted)

    def _submitted(self, submitting: asyncio.Future) -> None:
        self._submitting.discard(submitting)
        if not submitting.cancelled() and (error := submitting.exception()):
            refused = self._refusal()
            if not refused.done():
                refused.set_exception(error)
                refused.exception()  # mark it as seen: only collect raises it, if anyone collects

    def _refusal(self) -> asyncio.Future:
        if self._refused is None:
            self._refused = asyncio.get_running_loop().create_future()
        return self._refused

    async def collect(self) -> list[Any]:
        if self._collecting is None:
            self._collecting = asyncio.ensure_future(_result_of(self.actor.collect.remote()))
        refused = self._refusal()
        await asyncio.wait([self._collecting, refused], return_when=asyncio.FIRST_COMPLETED)
        if not self._collecting.done():
            return refused.result()
        collecting, self._collecting = self._collecting, None
        return collecting.result()

    async def load(self, model: str) -> None:
        await _result_of(self.actor.load.remote(model))

    async def sleep(self) -> Devices:
        return await _result_of(self.actor.sleep.remote())

    async def close(self, at_once: bool = False) -> None:
        """End the engine, then the actor; `at_once`: kill the actor."""
        with contextlib.suppress(WorkerLost, TimeoutError):
            if not at_once:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await _result_of(self.actor.close.remote())
        ray.kill(self.actor)
        if self._group is not None:
            remove_placement_group(self._group)  # and with it the engine's own actors
        if self._collecting is not None:
            self._collecting.cancel()


class _ActorFacts:
    """Facts about the process of an actor."""

    async def verifiers_file(self) -> str:
        """The file of the package `verifiers` in this process: ours, whatever else the machine has installed."""
        return str(verifiers.__file__)

    async def process_id(self) -> int:
        """Answers once the actor is ready."""
        return os.getpid()


# an actor takes submit and collect at the same time; the pool bounds how much work it holds
@ray.remote(max_concurrency=1000)  # type: ignore[call-overload]
class _SamplerActor(_ActorFacts, SamplerWorker):
    def __init__(self, settings: Sampling, model: str):
        super().__init__(make_sampler(settings, model))

    async def sleep(self) -> Devices:
        await super().sleep()
        context = ray.get_runtime_context()
        return context.get_node_id(), tuple(context.get_accelerator_ids().get("GPU", ()))


@ray.remote(max_concurrency=1000)  # type: ignore[call-overload]
class _VerifierActor(_ActorFacts, VerifierWorker):
    def __init__(self, settings: Verification, module_folders: list[str]):
        look_in(*module_folders)  # references of the user's own kinds are unpickled here
        super().__init__(settings)


async def _result_of(reference: Any) -> Any:
    """The result of a remote call. WorkerLost if its actor died or raised; UserError as the actor raised it."""
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
