"""Watches the head of a Ray cluster: without it every call of Ray blocks, until Ray ends the process a minute later."""

import socket
import threading
import time

import ray

from selfplay.interruption import end_now

LOOK_SECONDS = 3.0
MAX_FAILURES = 5  # in a row, to reach the head


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
