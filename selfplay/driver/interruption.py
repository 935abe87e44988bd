"""Ctrl-C and SIGTERM: a clean stop, which a few seconds end whatever the process is doing."""

import os
import signal
import sys
import threading
import time

STOP_SECONDS = 3.0
STOPPED = "selfplay: stopped; everything acknowledged is on disk, and the same command goes on from there"
STATUS = 128 + signal.SIGINT


def stop_in_time() -> None:
    """Take SIGTERM for Ctrl-C, and end the process STOP_SECONDS after either, if it still runs then.

    A batch or a step of training in C code may keep the main thread from hearing of the signal for long. Nothing is lost by
    not waiting for it: what is acknowledged is on disk, as it is under kill -9.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # written at once, whatever the main thread does
    threading.Thread(target=_end_late, args=(reader,), daemon=True, name="interruption").start()


def _end_late(reader: int) -> None:
    while os.read(reader, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    time.sleep(STOP_SECONDS)
    end_now(STATUS, STOPPED)


def end_now(status: int, text: str) -> None:
    """End the process whatever its main thread is doing, with last words. What is acknowledged is on disk, as under kill -9."""
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # the live progress hides it
    os.write(2, f"{show_cursor}\n{text}\n".encode())
    os._exit(status)
