"""Run the same request for many items, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

__all__ = ["for_each"]

T = TypeVar("T")
R = TypeVar("R")


async def for_each(
    work: Callable[[T], Awaitable[R]], items: Sequence[T], in_flight: int
) -> list[R]:
    """Return `work(item)` for each item, in order, at most `in_flight` at a time.

    The first failure stops the rest, waits for them, and is raised as it is.
    """
    waiting = iter(enumerate(items))
    results: dict[int, R] = {}

    async def worker() -> None:
        for index, item in waiting:
            results[index] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(in_flight, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [results[index] for index in range(len(items))]
