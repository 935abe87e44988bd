"""The samples of a request as a stream, in the order in which they finish."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def as_finished(draws: Iterable[Coroutine[None, None, Result]]) -> AsyncIterator[Result]:
    """Run all at once and yield each result as it comes; the first exception is raised.

    An exception cancels what still runs; so does whoever stops listening, if it closes the stream (contextlib.aclosing).
    """
    running = [asyncio.ensure_future(draw) for draw in draws]
    try:
        for finished in asyncio.as_completed(running):
            yield await finished
    finally:
        for draw in running:
            draw.cancel()
        await asyncio.gather(*running, return_exceptions=True)
