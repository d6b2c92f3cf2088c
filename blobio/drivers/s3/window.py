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

    The first failure cancels the rest, waits for them, and is raised as it is.
    """
    window = asyncio.Semaphore(in_flight)

    async def one(item: T) -> R:
        async with window:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
