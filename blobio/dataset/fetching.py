"""The bytes of one block, by parallel ranges, straight to where its decoder will look for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, final

from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.dataset.cachedreads import CachedReads
from blobio.dataset.counting import ReadStats, Tally
from blobio.dataset.engine import on_thread
from blobio.dataset.flights import Flights
from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.hedging import Tails
from blobio.dataset.local import expect, map_file
from blobio.dataset.manifest import Shard
from blobio.dataset.memory import Mapped, Packed, Sparse
from blobio.dataset.runs import join_runs

__all__ = ["HOLE_BYTES", "PART_BYTES", "Fetcher", "parts"]

PART_BYTES: Final = 4 << 20
"""Most bytes of one request: a row group comes over several connections."""

HOLE_BYTES: Final = 64 << 10
"""Bytes that are fetched and not needed, rather than one request more."""

_AT_ONCE: Final = 8


def parts(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that lie at most `HOLE_BYTES` apart, and cut them to at most `PART_BYTES`.

    Args:
        spans: Half-open, in order of their start.
    """
    runs: list[tuple[int, int]] = []
    for start, stop in spans:
        if runs and start - runs[-1][1] <= HOLE_BYTES:
            runs[-1] = runs[-1][0], max(stop, runs[-1][1])
        elif stop > start:
            runs.append((start, stop))
    cut: list[tuple[int, int]] = []
    for start, stop in runs:
        pieces = -(-(stop - start) // PART_BYTES)
        size = -(-(stop - start) // pieces)
        cut += [(at, min(at + size, stop)) for at in range(start, stop, size)]
    return cut


@final
class Fetcher:
    """Fetches bytes of shards, through a cache if there is one, and counts what that costs.

    What a cache misses is fetched once by all who use it: see `flights`.

    Args:
        cached: What reads through a cache, None for none.

    Attributes:
        cached: As it was given.
        tally: What was fetched so far, and what was cached.
        tails: Sends reads again that take too long.
    """

    def __init__(self, cached: CachedReads | None = None) -> None:
        self.cached = cached
        self.tally: Tally = Tally()
        self.tails: Tails = Tails()
        self._flights = None if cached is None else Flights(cached)

    @property
    def stats(self) -> ReadStats:
        """What was fetched and cached so far, and how much of it was asked for twice."""
        counts = self.tails.counts
        return self.tally.stats() + ReadStats(
            hedges=counts.sent, hedges_won=counts.won, hedged_bytes=counts.sent_bytes
        )

    async def fetch(self, core: AsyncContext, shard: Shard, plan: Plan) -> Memory:
        """Fetch what a plan names: 1 GET for each of its `parts` that is not cached.

        Eight at once, and a slow one again. A local shard is mapped instead, and the kernel told
        what will be looked at.

        Raises:
            NotFound, VersionMismatch: The shard is gone, or is another one than was indexed.
            NotCached: Offline, and not all of it is cached.
        """
        wanted, cached = parts(plan.spans), self.cached
        driver, url = core.stores.blob(shard.url, "read")
        if driver.capabilities.local_paths:
            return await on_thread(partial(_map, url.key, shard, wanted))
        if cached is not None:
            whole = await on_thread(partial(cached.whole, shard))
            if whole is not None:
                size = sum(stop - start for start, stop in wanted)
                self.tally.add(ReadStats(cache_hits=len(wanted), cached_bytes=size))
                return whole
        memory = _room(shard, plan, wanted)
        if cached is not None:
            found = wanted
            wanted = await on_thread(partial(cached.load, shard, wanted, memory))
            size = sum(stop - start for start, stop in found if (start, stop) not in wanted)
            hits = len(found) - len(wanted)
            counted = ReadStats(cache_hits=hits, cache_misses=len(wanted), cached_bytes=size)
            self.tally.add(counted)
        place, share = (url.scheme, url.authority), core.stores.config.dataset.hedge_share
        reader = core.stores.reader(shard.url, size=shard.size, version=shard.version)

        async def get(part: tuple[int, int]) -> None:
            with memory.view(*part) as view:
                await self.tails.readinto(reader, part[0], view, place=place, share=share)
            self.tally.add(ReadStats(requests=1, fetched_bytes=part[1] - part[0]))

        async def one(part: tuple[int, int]) -> None:
            if self._flights is None:
                await get(part)
            elif await self._flights.fetch(shard, part, memory, partial(get, part)):
                self.tally.add(ReadStats(shared_fetches=1, cached_bytes=part[1] - part[0]))

        await each(one, wanted, window=max(1, min(_AT_ONCE, len(wanted))))
        return memory


def _room(shard: Shard, plan: Plan, wanted: Sequence[tuple[int, int]]) -> Sparse | Packed:
    """Return memory for what will be fetched."""
    if not plan.whole:
        return Packed(wanted)
    memory = Sparse(shard.size)
    memory.fill(plan.known)
    for start, stop in join_runs(wanted):  # a part alone is less than large pages are for
        memory.expect(start, stop)
    return memory


def _map(path: str, shard: Shard, wanted: Iterable[tuple[int, int]]) -> Mapped:
    mapped = map_file(path, shard.version, shard.size)
    expect(path, wanted)
    return mapped
