"""The bytes of one block, by parallel ranges, straight to where its decoder will look for them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.dataset.engine import on_thread
from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.hedging import Tails
from blobio.dataset.local import expect, map_file
from blobio.dataset.manifest import Shard
from blobio.dataset.memory import Mapped, Packed, Sparse

__all__ = ["HOLE_BYTES", "PART_BYTES", "fetch", "parts"]

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


async def fetch(core: AsyncContext, shard: Shard, plan: Plan, tails: Tails) -> Memory:
    """Fetch what a plan names: 1 GET for each of its `parts`, eight at once; 2 for a slow one.

    A local shard is mapped instead, and the kernel told what will be looked at.

    Raises:
        NotFound, VersionMismatch: The shard is gone, or is another one than was indexed.
    """
    wanted = parts(plan.spans)
    driver, url = core.stores.blob(shard.url, "read")
    if driver.capabilities.local_paths:
        return await on_thread(partial(_map, url.key, shard, wanted))
    memory: Sparse | Packed
    if plan.whole:
        memory = Sparse(shard.size)
        memory.fill(plan.known)
        for start, stop in wanted:
            memory.expect(start, stop)
    else:
        memory = Packed(wanted)
    place, share = (url.scheme, url.authority), core.stores.config.dataset.hedge_share
    reader = core.stores.reader(shard.url, size=shard.size, version=shard.version)

    async def one(part: tuple[int, int]) -> None:
        with memory.view(*part) as view:
            await tails.readinto(reader, part[0], view, place=place, share=share)

    await each(one, wanted, window=min(_AT_ONCE, len(wanted)))
    return memory


def _map(path: str, shard: Shard, wanted: Iterable[tuple[int, int]]) -> Mapped:
    mapped = map_file(path, shard.version, shard.size)
    expect(path, wanted)
    return mapped
