"""`ShardSource`: the rows of pinned shards, block by block, whatever they are stored in."""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, TypeAlias, final

import pyarrow as pa

from blobio.blocking.binding import Binding
from blobio.core.context import AsyncContext
from blobio.dataset.blocks import Blocks
from blobio.dataset.conforming import conform, project
from blobio.dataset.engine import Job, Ready, on_thread, ordered
from blobio.dataset.errors import LOSSES, OnError, Skipped, told
from blobio.dataset.fetching import fetch, parts
from blobio.dataset.filtering import Filter
from blobio.dataset.formats.base import Decoder, Memory, Plan
from blobio.dataset.formats.parquet import as_file
from blobio.dataset.local import check_file
from blobio.dataset.manifest import Manifest
from blobio.dataset.memory import Mapped
from blobio.dataset.opened import OpenShards
from blobio.dataset.paging import PageReads, Try
from blobio.dataset.rows import Rows
from blobio.dataset.source import RowRange
from blobio.errors import BlobError, redact
from blobio.url import BlobUrl

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from blobio.config import Config

__all__ = ["Cost", "ShardSource"]

_log = logging.getLogger("blobio.dataset")

_SAMPLE: Final = 16
_SKIPPED: Final = 10_000
_RANGES: Final = 1 << 16  # of one block that are cut from one decoding of it
_Make: TypeAlias = Callable[[AsyncContext], Coroutine[object, object, Rows]]
_EXPANSION: Final = 2.0  # of encoded bytes in memory, until one block tells the truth


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it takes to read some blocks, each of them once.

    Attributes:
        count: Requests, where the shards are not local.
        fetched: Bytes that they bring.
        needed: Bytes of them that are looked at: the rest lies in holes between the columns.
        decoded: About how many bytes of memory all the rows take.
    """

    count: int = 0
    fetched: int = 0
    needed: int = 0
    decoded: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            count=self.count + other.count,
            fetched=self.fetched + other.fetched,
            needed=self.needed + other.needed,
            decoded=self.decoded + other.decoded,
        )


@final
class ShardSource:
    """The shards of a manifest as a `Source`.

    Blocks whose statistics show that no row passes the filter are left out of `block_rows`. It may
    be used from any thread, goes on in a fork, and pickles with its manifest.

    Args:
        manifest: The shards and their schema.
        columns: Names of the columns to read, in this order; None for all.
        filter: A condition on rows, on any columns; None for all rows.
        on_error: With `"skip"`, ranges of a block that is gone, was replaced or is damaged give
            batches without rows, and are told of in `skipped`. Any other error is raised.
        config: All settings; None for `Config.from_env()`.
        binding: The connections to use, which `config` is for otherwise.

    Raises:
        InvalidConfig: A column is unknown, or the filter does not fit.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        on_error: OnError = "raise",
        config: Config | None = None,
        binding: Binding | None = None,
    ) -> None:
        self.manifest = manifest
        self._on_error = on_error
        self._filter = None if filter is None else Filter(filter, manifest.schema)
        self._project(columns)
        self._prepare(Binding(config) if binding is None else binding)
        self._blocks = Blocks(manifest.shards, None if self._filter is None else self._kept)

    def _project(self, columns: Sequence[str] | None) -> None:
        whole = self.manifest.schema
        self._columns = tuple(whole.names if columns is None else columns)
        self.schema: pa.Schema = whole if columns is None else project(whole, self._columns)
        extra = [] if self._filter is None else self._filter.columns
        self._read = tuple(dict.fromkeys([*self._columns, *extra]))
        self._wanted = whole if self._read == tuple(whole.names) else project(whole, self._read)

    def _prepare(self, binding: Binding) -> None:
        self._binding = binding
        # As in blobio.fsspec: held from outside, it is dropped, and closes, only after the rest.
        weakref.finalize(self, _drop, binding).atexit = False
        self._shards = OpenShards(self.manifest, binding)
        self._pages = PageReads(self._read, self._filter)
        self._expansion: float | None = None
        self._skipped: deque[Skipped] = deque(maxlen=_SKIPPED)

    def select(self, columns: Sequence[str]) -> ShardSource:
        """Return a source of some of these columns, in this order, with the same filter.

        Raises:
            InvalidConfig: A column is not among those of this source.
        """
        project(self.schema, columns)
        other = ShardSource.__new__(ShardSource)
        other.__dict__.update(self._state())
        other._project(columns)  # noqa: SLF001 - of its own class
        other._prepare(self._binding)  # noqa: SLF001
        return other

    def _state(self) -> dict[str, object]:
        left_out = ("_shards", "_pages", "_skipped", "_expansion", "_binding", "row_bytes")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __getstate__(self) -> dict[str, object]:
        return {**self._state(), "_config": self._binding.given}

    def __setstate__(self, state: dict[str, object]) -> None:
        config = state.pop("_config")
        self.__dict__.update(state)
        self._prepare(Binding(config))  # type: ignore[arg-type] # what `__getstate__` put there

    @property
    def block_rows(self) -> Sequence[int]:
        """The rows of each block, before the filter looks at them."""
        return self._blocks.rows

    @property
    def fingerprint(self) -> str:
        """64 hex digits, of shards, versions, schema, columns and filter."""
        digest = hashlib.sha256()
        for shard in self.manifest.shards:
            facts = (shard.url, shard.size, shard.version, shard.format, shard.compression)
            digest.update(repr((facts, [block.num_rows for block in shard.blocks])).encode())
        digest.update(repr(self._columns).encode())
        digest.update(self.schema.remove_metadata().serialize())
        if self._filter is not None:
            digest.update(self._filter.identity)
        return digest.hexdigest()

    def read(self, ranges: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each range as one batch; see `Source.read`.

        A block is fetched and decoded once for ranges of it that follow on one another: 1 GET for
        each run of bytes of the columns, cut to 4 MiB. Where Parquet has a page index, and it pays
        (see `paging`), only the pages of the rows of the ranges are fetched, and of these no pages
        that the filter rules out: 1 GET more for the indexes of a shard, which are kept.

        Raises:
            NotFound, VersionMismatch: A shard is gone, or was replaced since it was indexed.
            BadShard: Its bytes are not what its footer or the schema of the dataset says.
            ValueError: A range lies beyond its block.
        """
        waiting: deque[list[RowRange]] = deque()

        def jobs() -> Iterator[Job[Rows] | Ready[Rows]]:
            for _, same in groupby(ranges, key=lambda one: one.block):
                while group := list(islice(same, _RANGES)):
                    job = self._job(group)
                    waiting.append(group)
                    yield job

        with closing(ordered(self._binding, jobs())) as blocks:
            for rows in blocks:
                group = waiting.popleft()
                if rows.failure is not None:
                    self._skip(group[0].block, rows.failure)
                for one in group:
                    yield rows.cut(one.start, one.stop)

    @property
    def filtered(self) -> bool:
        """Batches may have fewer rows than their ranges: of a filter, or of blocks skipped."""
        return self._filter is not None or self._on_error == "skip"

    @cached_property
    def row_bytes(self) -> float:
        """About how many bytes of memory a row takes: of 16 blocks all over the dataset.

        Parquet tells what its pages hold; values that it numbers may take more in memory.
        """
        step = max(1, len(self._blocks) // _SAMPLE)
        sample = range(0, len(self._blocks), step)[:_SAMPLE]
        rows = sum(self._blocks.rows[block] for block in sample)
        decoded = sum(self.cost(block).decoded for block in sample) / max(1, rows)
        return max(decoded, sum(_width(field.type) for field in self.schema))

    def requests(self) -> Cost:
        """Tell what it takes to read all blocks. Parses all footers, sends nothing."""
        return sum((self.cost(block) for block in range(len(self._blocks))), Cost())

    def cost(self, block: int) -> Cost:
        """Tell what it takes to read a block by its column chunks. Sends nothing.

        Raises:
            BadShard: The footer of its shard is damaged.
        """
        index, number = self._blocks[block]
        with told(self.manifest.shards[index], number):
            plan = self._shards.decoder(index).plan(number, self._read)
        wanted = parts(plan.spans)
        return Cost(
            count=len(wanted),
            fetched=sum(stop - start for start, stop in wanted),
            needed=plan.fetched,
            decoded=plan.decoded,
        )

    def picks(self, ranges: Sequence[RowRange]) -> float | None:
        """Tell which part of a block is fetched for some rows of it, about; None for all of it."""
        if self._filter is not None:
            return None
        index, block = self._blocks[ranges[0].block]
        with told(self.manifest.shards[index], block):
            decoder = self._shards.decoder(index)
            plan = decoder.plan(block, self._read)
        spans = [(one.start, one.stop) for one in ranges]
        less = self._pages.attempt(decoder, (index, block), spans, plan)
        return None if less is None else less.guess / plan.fetched

    @property
    def skipped(self) -> Sequence[Skipped]:
        """The blocks that readings of this process went on without, the last 10,000 of them."""
        return tuple(self._skipped)

    def _skip(self, number: int, failure: BlobError) -> None:
        index, _ = self._blocks[number]
        url, rows = redact(self.manifest.shards[index].url), self._blocks.rows[number]
        self._skipped.append(Skipped(url, number, rows, failure.message))
        _log.warning("skipped block %s of %s rows: %s", number, rows, failure.message)

    def _job(self, ranges: Sequence[RowRange]) -> Job[Rows] | Ready[Rows]:
        number = ranges[0].block
        rows = self._blocks.rows[number]
        beyond = next((one for one in ranges if one.stop > rows), None)
        if beyond is not None:
            message = f"{beyond} lies beyond its block, which has {rows} rows"
            raise ValueError(message)
        index, block = self._blocks[number]
        shard = self.manifest.shards[index]
        try:
            with told(shard, block):
                if (mapped := self._shards.mapped(index)) is not None:
                    return Ready(partial(self._take, index, block, mapped))
                decoder = self._shards.decoder(index)
                plan = decoder.plan(block, self._read)
                if any(stop > shard.size for _, stop in plan.spans):
                    message = f"it has bytes beyond the end of the shard, {shard.size}"
                    raise ValueError(message)
        except LOSSES as error:
            return Ready(partial(self._lost, error))
        cost = plan.fetched + int(plan.decoded * (self._expansion or _EXPANSION))
        spans = [(one.start, one.stop) for one in ranges]
        less = self._pages.attempt(decoder, (index, block), spans, plan)
        make: _Make = partial(self._make, index, block, plan, decoder)
        if less is not None:
            cost = cost * less.guess // max(1, plan.fetched)
            make = partial(self._make_less, index, less, make)
        return Job(cost, make, lambda rows: rows.nbytes)

    def _lost(self, error: BlobError) -> Rows:
        """Raise an error, or return what stands for the rows that are lost by it."""
        if self._on_error == "raise":
            raise error
        return Rows.lost(self.schema, error)

    def _take(self, index: int, block: int, mapped: Mapped) -> Rows:
        """Return a block of a mapped shard, if the file is still the one that was mapped."""
        shard = self.manifest.shards[index]
        try:
            with told(shard, block):
                check_file(BlobUrl.parse(shard.url).key, shard.version)
                return self._decode(index, block, mapped, self._shards.decoder(index))
        except LOSSES as error:
            return self._lost(error)

    async def _make_less(
        self,
        index: int,
        less: Try,
        whole: _Make,
        core: AsyncContext,
    ) -> Rows:
        shard = self.manifest.shards[index]
        try:
            with told(shard, less.block):
                found = await self._pages.read(core, shard, less)
                if found is not None:
                    return await on_thread(partial(self._rows, *found))
        except LOSSES as error:
            return self._lost(error)
        return await whole(core)

    async def _make(
        self, index: int, block: int, plan: Plan, decoder: Decoder, core: AsyncContext
    ) -> Rows:
        shard = self.manifest.shards[index]
        try:
            with told(shard, block):
                memory = await fetch(core, shard, plan)
                rows = await on_thread(partial(self._decode, index, block, memory, decoder))
        except LOSSES as error:
            return self._lost(error)
        if plan.decoded:
            self._expansion = max(self._expansion or 0.0, rows.nbytes / plan.decoded)
        return rows

    def _decode(self, index: int, block: int, memory: Memory, decoder: Decoder) -> Rows:
        """Decode a block by what has planned it: another one might look for more."""
        table = decoder.decode(block, self._read, memory)
        wanted = self.manifest.shards[index].blocks[block].num_rows
        if table.num_rows != wanted:
            message = f"{table.num_rows} rows instead of {wanted}"
            raise ValueError(message)
        return self._rows(table, None)

    def _rows(self, table: pa.Table | None, spans: Sequence[tuple[int, int]] | None) -> Rows:
        """Return the rows of a table that pass; None for none of them."""
        table = self._wanted.empty_table() if table is None else conform(table, self._wanted)
        mask = None if self._filter is None else self._filter.mask(table)
        if self._read != self._columns:
            table = table.select(list(self._columns))
        return Rows(table, mask, spans)

    def _kept(self, index: int) -> Sequence[int]:
        """Return the blocks of a shard that can have rows that pass."""
        shard = self.manifest.shards[index]
        assert self._filter is not None
        if shard.format != "parquet":
            return range(len(shard.blocks))
        try:
            return self._filter.row_groups(as_file(shard.footer))
        except (pa.ArrowException, OSError):  # of another schema, or damaged: reading it tells
            return range(len(shard.blocks))


def _drop(binding: Binding) -> None:
    """Let go of the last reference but the source's own."""


def _width(kind: pa.DataType) -> float:
    """Return how many bytes a value takes, 0 where that is not the same for all."""
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return 0.0
