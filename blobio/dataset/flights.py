"""One fetch for all who miss the same bytes at once: threads, workers and processes of one cache.

Whoever misses makes room in the cache first, which is a lock that ends with its process, and then
fetches. Others find that room taken, and wait for what comes there; but not for ever, as processes
are stopped and connections stall: who has waited long enough fetches the bytes itself. Nobody waits
while others wait for it: what is waited for depends on the store alone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, final

from blobio.dataset.cachefiles import Partial
from blobio.dataset.engine import on_thread

if TYPE_CHECKING:
    from blobio.dataset.cachedreads import CachedReads
    from blobio.dataset.manifest import Shard
    from blobio.dataset.memory import Packed, Sparse

__all__ = ["Flights"]

_PATIENCE_S: Final = 10.0  # for a part of 4 MiB
_REST_S: Final = 60.0  # in which nobody is waited for, after one was for too long
_MOST: Final = 64  # that one process has room for at once: each holds a file open
_LOOK_S: Final = 0.5  # until it is found out whether who fetches still lives
_PAUSES_S: Final = (0.002, 0.05)

Part: TypeAlias = "tuple[int, int]"


@final
class Flights:
    """Fetches parts of shards that a cache has missed. Its coroutines run on one loop at a time.

    Args:
        cached: The cache.
    """

    def __init__(self, cached: CachedReads) -> None:
        self._cached = cached
        self._rest_until = 0.0
        self._leading, self._process = 0, os.getpid()

    async def fetch(
        self,
        shard: Shard,
        part: Part,
        memory: Sparse | Packed,
        get: Callable[[], Awaitable[object]],
    ) -> bool:
        """Fill memory with a part by `get`, and put it into the cache; or by what others fetch.

        They are waited for at most 10 s, and after that nobody for a minute.

        Cancelled, it leaves no room taken.

        Returns:
            Whether others have fetched it.
        """
        if self._is_full():
            await get()
            await on_thread(partial(self._cached.store, shard, part, memory))
            return False
        claim, begun = partial(self._cached.claim, shard, part), time.monotonic()
        while (claimed := await on_thread(claim)) == "fetched" and self._may_wait(begun):
            await self._watch(shard, part)
        if isinstance(claimed, Partial):
            await self._lead(claimed, part, memory, get)
            return False
        if claimed == "there" and not await on_thread(
            partial(self._cached.load, shard, [part], memory)
        ):
            return True
        await get()
        return False

    async def _lead(
        self,
        claimed: Partial,
        part: Part,
        memory: Sparse | Packed,
        get: Callable[[], Awaitable[object]],
    ) -> None:
        self._leading += 1
        try:
            await get()
        except BaseException:
            # should that be cancelled as well, the lock still ends with the last reference to it
            await on_thread(partial(self._cached.drop, claimed))
            raise
        else:
            await on_thread(partial(self._cached.finish, claimed, part, memory))
        finally:
            self._leading -= 1

    def _is_full(self) -> bool:
        if self._process != os.getpid():  # what was on its way is the parent's
            self._leading, self._process = 0, os.getpid()
        return self._leading >= _MOST

    def _may_wait(self, begun: float) -> bool:
        now = time.monotonic()
        if now - begun > _PATIENCE_S:
            self._rest_until = now + _REST_S
        return now >= self._rest_until

    async def _watch(self, shard: Shard, part: Part) -> None:
        """Return when a part is not coming any more, or when it is time to look who fetches it."""
        pause, most = _PAUSES_S
        until = time.monotonic() + _LOOK_S
        # one look takes 2 us, and crossing over to a thread 50
        while self._cached.is_coming(shard, part) and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
