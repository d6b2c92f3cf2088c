"""Many reads at a time: the same way for every library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.peers.base import EatOne

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["in_tasks", "in_threads"]


async def in_tasks(
    read: Callable[[str], Awaitable[Buffer]], keys: Sequence[str], concurrency: int, eat: EatOne
) -> None:
    """Read all keys by `concurrency` tasks of this loop."""
    left = iter(keys)

    async def work() -> None:
        for key in left:
            eat(key, await read(key))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())


def in_threads(
    read: Callable[[str], Buffer], keys: Sequence[str], pool: ThreadPoolExecutor, eat: EatOne
) -> None:
    """Read all keys by the threads of `pool`; `eat` is called on them."""
    for _ in pool.map(lambda key: eat(key, read(key)), keys):
        pass
