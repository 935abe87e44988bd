"""Distinguishes a dead server from a slow one, long before every retry of its calls has timed out."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import openai

from tasks import UserError

QUIET_SECONDS = 20.0  # without an answer to any call, before the server is asked for its models
SILENT_SECONDS = 300.0  # without an answer to that either, before the run stops: a restart takes less
MAX_TIMEOUTS = (
    2.0  # of one request: as long, and at least as long as above, several may go unanswered before the run stops too
)
SEVERAL = 8  # requests; fewer that hang cost no more than their samples

Answer = TypeVar("Answer")


class ServerWatch:
    """Runs calls as long as the server gives signs of life; one may last `timeout_seconds`, `max_concurrency` may be open."""

    def __init__(self, client: openai.AsyncOpenAI, timeout_seconds: float, max_concurrency: int):
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._several = min(SEVERAL, max_concurrency)
        self._heard = 0.0  # monotonic clock; when the server last answered anything,
        self._answered = 0.0  # and when it last answered a call, or will after a delay that it asked for
        self._silence = ""  # what came instead of an answer when the server was last asked, in words
        self._num_calls = 0
        self._watching: asyncio.Task[None] | None = None  # while there are calls; ends only by UserError

    async def while_heard(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        """The answer to a call; UserError if the server has been silent for too long before it came."""
        if not self._num_calls:
            self._heard = self._answered = time.monotonic()
            self._watching = asyncio.create_task(self._watch())
        self._num_calls += 1
        calling = asyncio.ensure_future(call)
        try:
            await asyncio.wait((calling, self._watching), return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                self._watching.result()
            answer = await calling
            self.heard()
            return answer
        finally:
            calling.cancel()
            self._num_calls -= 1
            if not self._num_calls:
                self._watching.cancel()

    def heard(self, for_seconds: float = 0.0) -> None:
        """The server has answered a call; and has asked, perhaps, to be left alone for so long."""
        self._heard = time.monotonic()
        self._answered = max(self._answered, self._heard + for_seconds)

    async def _watch(self) -> None:
        while (silence := time.monotonic() - self._heard) < SILENT_SECONDS:
            if silence >= QUIET_SECONDS and await self.lives():
                self._heard = time.monotonic()
            unanswered = time.monotonic() - self._answered
            patience = max(SILENT_SECONDS, MAX_TIMEOUTS * self._timeout_seconds)
            if unanswered >= patience and self._num_calls >= self._several:
                raise UserError(
                    f"{self._client.base_url} has answered no request for a sample for {unanswered:.0f} s. What was acknowledged "
                    f"is on disk; restart the server, or raise [sampling] timeout_seconds = {self._timeout_seconds:g} "
                    "if one sample may take longer, and run the same command again"
                )
            await asyncio.sleep(min(QUIET_SECONDS, SILENT_SECONDS / 4, self._timeout_seconds))
        raise UserError(
            f"{self._client.base_url} has answered nothing for {silence:.0f} s, not even which models it serves{self._silence}. "
            "What was acknowledged is on disk; restart the server and run the same command again"
        )

    async def lives(self) -> bool:
        """Whether the server answers anything."""
        try:
            await self._client.with_options(
                timeout=QUIET_SECONDS
            ).models.with_raw_response.list()  # it need not be a list
        except openai.APIStatusError:
            pass  # an answer, too
        except openai.APIConnectionError as error:  # refused, or silence
            self._silence = f": {str(error.__cause__ or '') or error}"
            return False
        return True
