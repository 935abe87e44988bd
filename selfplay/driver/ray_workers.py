"""Stations in Ray actors: where the two slow steps run. Actors are stateless; all state is in the driver's journal."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, remove_placement_group

from selfplay.driver.placement import Say, place, room_for
from selfplay.driver.workers import SamplerStation, StationLost, VerifierStation
from selfplay.interruption import end_now
from selfplay.recipe.sections import Ray, Sampling, Verification
from selfplay.samplers import make_sampler
from tasks import UserError

LOOK_SECONDS = 3.0  # between two looks at the cluster or its head
MAX_FAILURES = 5  # in a row, to reach the head
CLOSE_SECONDS = 10.0  # for an engine to give back what it holds


def watch_head(address: str) -> None:
    """From now on, as long as this process is connected: end it, with a message, once nothing answers at host:port."""
    threading.Thread(target=_watch, args=(address,), daemon=True, name="head watch").start()


def _watch(address: str) -> None:
    host, _, port = address.rpartition(":")
    num_failures = 0
    while num_failures < MAX_FAILURES:
        time.sleep(LOOK_SECONDS)
        if not _is_connected(address):
            return
        try:
            socket.create_connection((host, int(port)), LOOK_SECONDS).close()
            num_failures = 0
        except OSError:
            num_failures += 1
    end_now(
        2,
        f"selfplay: Ray's head at {address} is gone. Everything acknowledged is on disk; start it again (`ray start --head`) and run "
        "the same command again",
    )


def _is_connected(address: str) -> bool:
    return ray.is_initialized() and ray.get_runtime_context().gcs_address == address


def connect(settings: Ray) -> None:
    """Join the cluster at the recipe's address, or start a local one that is large enough for the actors."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own 15 starves the engines where something else runs
    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    if settings.address == "local":
        wanted = settings.num_samplers * settings.sampler_cpus + settings.num_verifiers * settings.verifier_cpus
        options |= {"address": "local", "num_cpus": max(os.cpu_count() or 1, int(wanted + 0.999))}
    else:
        options["address"] = settings.address
    try:
        _probe(settings.address)
        _init(options)
        watch_head(ray.get_runtime_context().gcs_address)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot reach Ray at {settings.address!r}: {error}; start it with `ray start --head`, or set [ray] address = "
            '"local". Where it runs and wants a token, set RAY_AUTH_MODE=token, with its ~/.ray/auth_token on this machine'
        ) from error


def _init(options: dict[str, Any]) -> None:
    """ray.init, which would put a handler of its own for SIGTERM in place of ours."""
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(**options)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _probe(address: str) -> None:
    """OSError at once where nothing listens at host:port; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def disconnect() -> None:
    ray.shutdown()


async def hire_sampler(ray_settings: Ray, sampling: Sampling, model: str, say: Say = lambda text: None) -> "RayStation":
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
        return await _telling(hire(_SamplerActor.options(**options), sampling, model), "an engine", needs, say)
    engine_options = sampling.engine_options | {"distributed_executor_backend": room.backend}
    group = await place(room, say)
    actor = _SamplerActor.options(**options | room.actor_options(group))
    return await hire(actor, sampling.model_copy(update={"engine_options": engine_options}), model, group=group)


async def hire_verifier(ray_settings: Ray, verification: Verification, say: Say = lambda text: None) -> "RayStation":
    """A pool of checkers in an actor; `say` is told what it waits for."""
    hiring = hire(
        _VerifierActor.options(num_cpus=ray_settings.verifier_cpus, scheduling_strategy="SPREAD"), verification
    )
    return await _telling(hiring, "a verifier", {"CPU": ray_settings.verifier_cpus}, say)


async def _telling(
    hiring: Coroutine[Any, Any, "RayStation"], what: str, needs: dict[str, float], say: Say
) -> "RayStation":
    """The station that is hired; meanwhile `say` is told which of its needs the cluster has no room for."""
    task = asyncio.ensure_future(hiring)
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


async def hire(actor_class: Any, *arguments: Any, group: PlacementGroup | None = None) -> "RayStation":
    """An actor that is ready, as a station; the placement group that it sits in ends with it, or with the attempt."""
    station = RayStation(actor_class.remote(*arguments), group)
    async with contextlib.AsyncExitStack() as undoing:
        undoing.push_async_callback(station.close, at_once=True)
        await _await(station.actor.process_id.remote())
        undoing.pop_all()
    return station


class RayStation:
    """An actor as a station: a death of the actor, its process or its node is a StationLost."""

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
        with contextlib.suppress(StationLost, TimeoutError):
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


# An actor must take submit and collect at the same time; the crew bounds how much work it holds.
@ray.remote(max_concurrency=1000)
class _SamplerActor(_ActorFacts, SamplerStation):
    def __init__(self, settings: Sampling, model: str):
        super().__init__(make_sampler(settings, model))


@ray.remote(max_concurrency=1000)
class _VerifierActor(_ActorFacts, VerifierStation):
    pass


async def _await(reference: Any) -> Any:
    try:
        return await reference
    except RayActorError as error:
        cause = getattr(error, "cause", None) or getattr(error, "__cause__", None)
        raise StationLost(_last_line(cause or error)) from error
    except RayTaskError as error:
        if isinstance(error.cause, (UserError, StationLost)):
            raise error.cause from None
        raise StationLost(_last_line(error.cause or error)) from error
    except RayError as error:
        raise StationLost(_last_line(error)) from error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:500]
