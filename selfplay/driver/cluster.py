"""The connection to a Ray cluster, and the watchdog of its head.

Without the watchdog every call of Ray blocks once the head is gone, until Ray ends the process a minute later.
"""

import os
import signal
import socket
import threading
import time
from typing import Any

import ray

from selfplay.driver.interruption import end_now
from selfplay.recipe.sections import Ray
from tasks import UserError

LOOK_SECONDS = 3.0  # between two tries to reach the head
MAX_FAILURES = 5  # tries in a row that may fail before the head counts as gone


def start_watchdog(address: str) -> None:
    """From now on, while this process is connected, end it with a message once nothing answers at host:port."""
    threading.Thread(target=_watch, args=(address,), daemon=True, name="watchdog of the head").start()


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
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own 15 starves the engines if something else runs
    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    if settings.address == "local":
        wanted = settings.num_samplers * settings.sampler_cpus + settings.num_verifiers * settings.verifier_cpus
        options |= {"address": "local", "num_cpus": max(os.cpu_count() or 1, int(wanted + 0.999))}
    else:
        options["address"] = settings.address
    try:
        _probe(settings.address)
        _init(options)
        start_watchdog(ray.get_runtime_context().gcs_address)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot reach Ray at {settings.address!r}: {error}; start it with `ray start --head`, or set [ray] address = "
            '"local". If it runs and wants a token, set RAY_AUTH_MODE=token, with its ~/.ray/auth_token on this machine'
        ) from error


def _init(options: dict[str, Any]) -> None:
    """Call ray.init and keep our handler of SIGTERM, which Ray would replace."""
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(**options)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _probe(address: str) -> None:
    """OSError at once if nothing listens at host:port; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def address() -> str:
    """host:port of the cluster that this process is connected to; empty without one."""
    return ray.get_runtime_context().gcs_address if ray.is_initialized() else ""


def free_gpus() -> float:
    """GPUs of the cluster that no actor holds."""
    return ray.available_resources().get("GPU", 0.0)


def disconnect() -> None:
    """Leave the cluster, or end the local one."""
    ray.shutdown()
