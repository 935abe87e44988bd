"""Live progress: a few lines that change on a terminal, or plain lines now and then in a log."""

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_SECONDS = 10.0  # between two plain lines of the same step


class Progress:
    """Says what runs now, and leaves one line of each step that has ended."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._last_plain = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def step(self, title: str):
        """A step with a live line; the block calls the given function with its text as often as it likes."""
        started = time.monotonic()
        self._last_plain = started
        last = ""

        def show(text: str) -> None:
            nonlocal last
            last = text
            line = Text(f"{title}: {text}", overflow="ellipsis", no_wrap=True)
            if self.console.is_terminal:
                live.update(line)
            elif time.monotonic() - self._last_plain > PLAIN_SECONDS:
                self._last_plain = time.monotonic()
                self.console.print(line, soft_wrap=True)

        with Live(Text(title), console=self.console, transient=True, refresh_per_second=4) as live:
            yield show
        self.say(f"{title}: {last}{', ' if last else ''}{duration(time.monotonic() - started)}")
        sys.stderr.flush()


Show = Callable[[str], None]


def duration(seconds: float) -> str:
    """4.2 s, 3 min 20 s, 5 h 12 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def quantity(number: float) -> str:
    """950, 12.3k, 4.56M, up to exa."""
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{number:.0f}"
