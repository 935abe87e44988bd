"""Stations in Ray actors: where the two slow steps run. Actors are stateless; all state is in the driver's journal."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from selfplay.recipe import Ray, Sampling, Verification
from selfplay.samplers import make_sampler
from selfplay.stations import SamplerStation, StationLost, VerifierStation
from tasks import UserError


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
        ray.init(**options)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot reach Ray at {settings.address!r}: {error}; start it with `ray start --head`, or set "
            '[ray] address = "local"'
        ) from error


def _probe(address: str) -> None:
    """OSError at once where nothing listens at host:port; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def disconnect() -> None:
    ray.shutdown()


async def hire_sampler(ray_settings: Ray, sampling: Sampling, model: str) -> "RayStation":
    gpus = ray_settings.sampler_gpus
    threads = str(int(ray_settings.sampler_cpus) or 1)
    actor = _SamplerActor.options(
        num_cpus=ray_settings.sampler_cpus,
        num_gpus=gpus,
        scheduling_strategy="SPREAD",
        runtime_env={"env_vars": {"OMP_NUM_THREADS": threads, "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if gpus else "0"}},
    ).remote(sampling, model)
    return await _ready(actor)


async def hire_verifier(ray_settings: Ray, verification: Verification) -> "RayStation":
    actor = _VerifierActor.options(num_cpus=ray_settings.verifier_cpus, scheduling_strategy="SPREAD").remote(verification)
    return await _ready(actor)


class RayStation:
    """An actor as a station: a death of the actor, its process or its node is a StationLost."""

    def __init__(self, actor: Any):
        self.actor = actor
        self._collecting: Any = None  # a call whose answer nobody has taken yet: it outlives a cancelled collect

    async def submit(self, items: Sequence[Any]) -> None:
        await _await(self.actor.submit.remote(items))

    async def collect(self) -> list[Any]:
        if self._collecting is None:
            self._collecting = self.actor.collect.remote()
        results = await _await(self._collecting)
        self._collecting = None
        return results

    async def load(self, model: str) -> None:
        await _await(self.actor.load.remote(model))

    async def close(self) -> None:
        try:
            await asyncio.wait_for(_await(self.actor.close.remote()), 10)
        except (StationLost, TimeoutError):
            pass
        ray.kill(self.actor)


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


async def _ready(actor: Any) -> RayStation:
    station = RayStation(actor)
    await _await(actor.process_id.remote())
    return station


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
