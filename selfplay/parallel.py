"""Work on a stream in several processes: results in order, few pieces in memory, and processes may die."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[list[Item]], list[Result]],
    chunks: Iterable[list[Item]],
    num_workers: int,
    died: Callable[[Item], Result],
    prepare: Callable[[], Any] | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in order. `work` returns one result an item; `died` makes that of an item which kills its process.

    Each process calls `prepare` before its first work. With one worker the work is done in this process.
    """
    chunks = iter(chunks)
    if num_workers == 1:
        if prepare:
            prepare()
        for chunk in chunks:
            yield from zip(chunk, work(chunk), strict=True)
        return
    pool = _pool(num_workers, prepare)
    waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
    try:
        while True:
            for chunk in islice(chunks, max(0, 3 * num_workers - len(waiting))):
                waiting.append((chunk, _submit(pool, work, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                results = future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False)
                results = _apart(work, chunk, died, prepare)
                pool = _pool(num_workers, prepare)
                waiting = deque((chunk, _submit(pool, work, chunk)) for chunk, _ in waiting)
            yield from zip(chunk, results, strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[list[Item]], list[Result]], chunk: list[Item]
) -> Future[list[Result]]:
    """The future of a chunk. It has failed already if an earlier chunk has killed the pool."""
    try:
        return pool.submit(work, chunk)
    except BrokenProcessPool as error:
        future: Future[list[Result]] = Future()
        future.set_exception(error)
        return future


def _apart(
    work: Callable[[list[Item]], list[Result]],
    chunk: list[Item],
    died: Callable[[Item], Result],
    prepare: Callable[[], Any] | None,
) -> list[Result]:
    """The results of a chunk of which an item may kill its process: each item on its own, and a new process after each death."""
    results: list[Result] = []
    while len(results) < len(chunk):
        with _pool(1, prepare) as pool:
            try:
                for item in chunk[len(results) :]:
                    results += pool.submit(work, [item]).result()
            except BrokenProcessPool:
                results.append(died(chunk[len(results)]))
    return results


def _pool(num_workers: int, prepare: Callable[[], Any] | None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=prepare)
