"""Group commit: forces many rows of the journal to the disk at once, in a thread, so that the disk delays nobody."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from selfplay.journal.journal import Journal

COMMIT_ROWS = 256
COMMIT_SECONDS = 1.0


class GroupCommit:
    """Commits as soon as COMMIT_ROWS rows wait, and at least every COMMIT_SECONDS; awaits `committed()` after each commit."""

    def __init__(self, journal: Journal, committed: Callable[[], Awaitable[None]]):
        self._journal = journal
        self._committed = committed
        self._due = asyncio.Event()

    def note(self) -> None:
        """Call this after each appended row."""
        if self._journal.num_uncommitted >= COMMIT_ROWS:
            self._due.set()

    async def run(self) -> None:
        """Commit until cancelled. UserError if the disk fails."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "commit") as thread:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(COMMIT_SECONDS):
                        await self._due.wait()
                self._due.clear()
                await loop.run_in_executor(thread, self._journal.commit)
                await self._committed()
