"""`BlockReads`: how one block of a source becomes rows, and what stands for one that is lost."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import islice
from typing import Final, TypeAlias, final

from blobio.blocking.binding import Binding
from blobio.core.context import AsyncContext
from blobio.dataset.counting import ReadStats
from blobio.dataset.engine import Job, Ready, on_thread
from blobio.dataset.errors import LOSSES, BadShard, NotCached, told
from blobio.dataset.fetching import Fetcher
from blobio.dataset.formats.base import Decoder, Memory, Plan
from blobio.dataset.local import check_file
from blobio.dataset.lost import Lost, stand_ins
from blobio.dataset.memory import Mapped
from blobio.dataset.opened import OpenShards
from blobio.dataset.paging import PageReads, Try
from blobio.dataset.readyblocks import ReadyBlocks
from blobio.dataset.remembering import Remembered
from blobio.dataset.rows import Rows
from blobio.dataset.selection import Selection
from blobio.dataset.source import RowRange
from blobio.errors import BlobError, NotFound, VersionMismatch
from blobio.url import BlobUrl

__all__ = ["BlockReads"]

_TRIES: Final = 64  # of blocks to stand in for one that is lost
_EXPANSION: Final = 2.0  # of encoded bytes in memory, until one block tells the truth
_Make: TypeAlias = Callable[[AsyncContext], Coroutine[object, object, Rows]]


@final
class BlockReads:
    """Makes rows of blocks, in one process. May be used from any thread.

    Args:
        selection: What is read.
        on_error: What becomes of a block that is lost: see `ShardSource`.
        lost: The blocks that are known to be lost.
        binding: The connections to use.
        fetcher: Fetches bytes, and counts them.
        remembered: Keeps decoded blocks.

    Attributes:
        ready: The blocks that need no waiting.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        on_error: str,
        lost: Lost,
        binding: Binding,
        fetcher: Fetcher,
        remembered: Remembered,
    ) -> None:
        self._selection = selection
        self._on_error = on_error
        self._lost = lost
        self._binding = binding
        # As in blobio.fsspec: held from outside, it is dropped, and closes, only after the rest.
        # Here, because it is these frames that an error holds.
        weakref.finalize(self, _drop, binding).atexit = False
        self._fetcher = fetcher
        self._remembered = remembered
        self._shards = OpenShards(selection.manifest, binding, fetcher.cached)
        self.ready: ReadyBlocks = ReadyBlocks(selection, self._shards, lost, fetcher.tally)
        self._pages = PageReads(selection.read, selection.filter, fetcher)
        self._expansion: float | None = None

    def plan(self, number: int) -> Plan:
        """Return what of a block is fetched, by its column chunks. Sends nothing.

        Raises:
            BadShard: The footer of its shard is damaged.
        """
        index, block = self._selection.blocks[number]
        with told(self._selection.manifest.shards[index], block):
            return self._shards.decoder(index).plan(block, self._selection.read)

    def picks(self, ranges: Sequence[RowRange]) -> float | None:
        """Tell which part of a block is fetched for some rows of it, about; None for all of it."""
        if self._selection.filter is not None:
            return None
        number = ranges[0].block
        plan = self.plan(number)
        less = self._less(number, ranges, plan)
        return None if less is None else less.guess / plan.fetched

    def job(self, ranges: Sequence[RowRange]) -> Job[Rows] | Ready[Rows]:
        """Return what makes the rows of a block, for some ranges of it.

        Raises:
            ValueError: A range lies beyond the block.
        """
        number = ranges[0].block
        rows = self._selection.blocks.rows[number]
        beyond = next((one for one in ranges if one.stop > rows), None)
        if beyond is not None:
            message = f"{beyond} lies beyond its block, which has {rows} rows"
            raise ValueError(message)
        if (known := self._remembered.get(number)) is not None:
            self._fetcher.tally.add(ReadStats(memory_hits=1))
            return Ready(lambda: known)
        index, block = self._selection.blocks[number]
        shard = self._selection.manifest.shards[index]
        try:
            if number in self._lost:
                raise BadShard(self._lost.reason(number), url=shard.url, operation="read")
            with told(shard, block):
                if (mapped := self._shards.mapped(index)) is not None:
                    return Ready(partial(self._take, number, mapped))
                decoder, plan = self._checked_plan(index, block)
        except LOSSES as error:
            stored = shard.blocks[block].stop - shard.blocks[block].start
            stand_in = partial(self._stand_in, number, error)
            return Job(int(stored * (1 + _EXPANSION)), stand_in, lambda rows: rows.nbytes)
        cost = plan.fetched + int(plan.decoded * (self._expansion or _EXPANSION))
        make: _Make = partial(self._make, number, plan, decoder)
        less = self._less(number, ranges, plan)
        if less is not None:
            cost = cost * less.guess // max(1, plan.fetched)
            make = partial(self._make_less, number, less, make)
        return Job(cost, make, lambda rows: rows.nbytes)

    def _less(self, number: int, ranges: Sequence[RowRange], plan: Plan) -> Try | None:
        place = self._selection.blocks[number]
        spans = [(one.start, one.stop) for one in ranges]
        return self._pages.attempt(self._shards.decoder(place[0]), place, spans, plan)

    def _checked_plan(self, index: int, block: int) -> tuple[Decoder, Plan]:
        size = self._selection.manifest.shards[index].size
        decoder = self._shards.decoder(index)
        plan = decoder.plan(block, self._selection.read)
        ends = [stop for _, stop in plan.spans]
        if max(ends + [start + len(data) for start, data in plan.known], default=0) > size:
            message = f"it has bytes beyond the end of the shard, {size}"
            raise ValueError(message)
        return decoder, plan

    def _take(self, number: int, mapped: Mapped) -> Rows:
        """Return a block of a mapped shard, if the file is still the one that was mapped."""
        index, block = self._selection.blocks[number]
        shard = self._selection.manifest.shards[index]
        try:
            with told(shard, block):
                if mapped.keep is None:
                    check_file(BlobUrl.parse(shard.url).key, shard.version)
                else:  # a copy, and in use
                    place = shard.blocks[block]
                    size = place.stop - place.start
                    self._fetcher.tally.add(ReadStats(cache_hits=1, cached_bytes=size))
                return self._decode(index, block, mapped, self._shards.decoder(index))
        except LOSSES as error:
            return self._binding.call(partial(self._stand_in, number, error))

    async def _make_less(self, number: int, less: Try, whole: _Make, core: AsyncContext) -> Rows:
        """Read by pages, or the whole block where that cannot be."""
        shard = self._selection.manifest.shards[less.shard]
        try:
            with told(shard, less.block):
                found = await self._pages.read(core, shard, less)
                if found is not None:
                    return await on_thread(partial(self._selection.rows, *found))
        except LOSSES as error:
            return await self._stand_in(number, error, core)
        return await whole(core)

    async def _make(self, number: int, plan: Plan, decoder: Decoder, core: AsyncContext) -> Rows:
        try:
            rows = await self._load(core, number, plan, decoder)
        except LOSSES as error:
            return await self._stand_in(number, error, core)
        if plan.decoded:
            self._expansion = max(self._expansion or 0.0, rows.nbytes / plan.decoded)
        self._remembered.add(number, rows)
        return rows

    async def _load(self, core: AsyncContext, number: int, plan: Plan, decoder: Decoder) -> Rows:
        index, block = self._selection.blocks[number]
        shard = self._selection.manifest.shards[index]
        with told(shard, block):
            memory = await self._fetcher.fetch(core, shard, plan)
            return await on_thread(partial(self._decode, index, block, memory, decoder))

    def _decode(self, index: int, block: int, memory: Memory, decoder: Decoder) -> Rows:
        """Decode a block by what has planned it: another one might look for more."""
        table = decoder.decode(block, self._selection.read, memory)
        wanted = self._selection.manifest.shards[index].blocks[block].num_rows
        if table.num_rows != wanted:
            message = f"{table.num_rows} rows instead of {wanted}"
            raise ValueError(message)
        return self._selection.rows(table)

    async def _stand_in(self, number: int, error: BlobError, core: AsyncContext) -> Rows:
        """Raise an error, or return what stands for the rows that are lost by it."""
        if self._on_error == "raise" or isinstance(error, NotCached):
            raise error
        self._lose(number, error)
        if self._on_error == "skip":
            return Rows.lost(self._selection.schema, error)
        blocks = self._selection.blocks
        others = stand_ins(self._selection.fingerprint, number, len(blocks))
        for other in islice((one for one in others if one not in self._lost), _TRIES):
            index, block = blocks[other]
            try:
                with told(self._selection.manifest.shards[index], block):
                    decoder, plan = self._checked_plan(index, block)
                rows = await self._load(core, other, plan, decoder)
            except NotCached:
                raise
            except LOSSES as failure:
                self._lose(other, failure)
            else:
                rows.failure, rows.substitute = error, other
                return rows
        error.add_note(f"and no other block can stand in for it: up to {_TRIES} were tried")
        raise error

    def _lose(self, number: int, error: BlobError) -> None:
        """Know that a block is lost, or all of its shard if that is gone."""
        if number not in self._lost:
            is_gone = isinstance(error, NotFound | VersionMismatch)
            blocks = self._selection.blocks
            index, _ = blocks[number]
            self._lost.add(blocks.of(index) if is_gone else [number], error.message)


def _drop(binding: Binding) -> None:
    """Let go of the last reference but the source's own."""
