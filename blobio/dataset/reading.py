"""`ShardSource`: the rows of pinned shards, block by block, whatever they are stored in."""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, final, get_args

import pyarrow as pa

from blobio.blocking.binding import Binding
from blobio.core.context import AsyncContext
from blobio.dataset.blocks import Blocks
from blobio.dataset.columns import conform, project, width
from blobio.dataset.engine import Job, Ready, on_thread, ordered
from blobio.dataset.errors import LOSSES, BadShard, OnError, Skipped, told
from blobio.dataset.fetching import fetch, parts
from blobio.dataset.filtering import Filter
from blobio.dataset.formats.base import Decoder, Memory, Plan
from blobio.dataset.formats.parquet import as_file
from blobio.dataset.hedging import Hedges, Tails
from blobio.dataset.local import check_file
from blobio.dataset.lost import Lost, stand_ins
from blobio.dataset.manifest import Manifest
from blobio.dataset.memory import Mapped
from blobio.dataset.opened import OpenShards
from blobio.dataset.rows import Rows
from blobio.dataset.source import RowRange
from blobio.errors import BlobError, InvalidConfig, NotFound, VersionMismatch, redact
from blobio.url import BlobUrl

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from blobio.config import Config

__all__ = ["Cost", "ShardSource"]

_log = logging.getLogger("blobio.dataset")

_SAMPLE: Final = 16
_SKIPPED: Final = 10_000
_TRIES: Final = 64  # of blocks to stand in for one that is lost
_RANGES: Final = 1 << 16  # of one block that are cut from one decoding of it
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
        on_error: What becomes of ranges of a block that is gone, was replaced or is damaged. With
            `"skip"` they give batches without rows; with `"substitute"` as many rows of another
            block, the same for who ever reads. Both are told of in `skipped`, and the block is not
            asked for again. Any other error is raised.
        config: All settings; None for `Config.from_env()`.
        binding: The connections to use, which `config` is for otherwise.

    Attributes:
        manifest: As it was given.
        schema: Of what is read.
        on_error: As it was given.
        lost: The blocks that were found to be lost.

    Raises:
        InvalidConfig: A column is unknown, the filter does not fit, or there is no such `on_error`.
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
        if on_error not in get_args(OnError):
            message = f"on_error is one of {get_args(OnError)}, not {on_error!r}"
            raise InvalidConfig(message, operation="open")
        self.on_error: str = on_error
        self.lost = Lost()
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
        self._expansion: float | None = None
        self._tails = Tails()
        self._skipped: deque[Skipped] = deque(maxlen=_SKIPPED)

    def select(self, columns: Sequence[str]) -> ShardSource:
        """Return a source of some of these columns, in this order, with the same filter.

        Raises:
            InvalidConfig: A column is not among those of this source.
        """
        project(self.schema, columns)
        other = ShardSource.__new__(ShardSource)
        other.__dict__.update(self._state(), lost=Lost())  # damage of a column is none of others
        other._project(columns)  # noqa: SLF001 - of its own class
        other._prepare(self._binding)  # noqa: SLF001
        return other

    def _state(self) -> dict[str, object]:
        left_out = ("_shards", "_skipped", "_tails", "_expansion", "_binding", "row_bytes")
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
        each run of bytes of the columns, cut to 4 MiB.

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
                    self._tell(group[0].block, rows.failure, rows.substitute)
                for one in group:
                    yield rows.cut(one.start, one.stop)

    @property
    def filtered(self) -> bool:
        """Batches may have fewer rows than their ranges: of a filter, or of blocks skipped."""
        return self._filter is not None or self.on_error == "skip"

    @cached_property
    def row_bytes(self) -> float:
        """About how many bytes of memory a row takes: of 16 blocks all over the dataset.

        Parquet tells what its pages hold; values that it numbers may take more in memory.
        """
        step = max(1, len(self._blocks) // _SAMPLE)
        sample = range(0, len(self._blocks), step)[:_SAMPLE]
        rows = sum(self._blocks.rows[block] for block in sample)
        decoded = sum(self.cost(block).decoded for block in sample) / max(1, rows)
        return max(decoded, sum(width(field.type) for field in self.schema))

    def requests(self) -> Cost:
        """Tell what it takes to read all blocks. Parses all footers, sends nothing."""
        return sum((self.cost(block) for block in range(len(self._blocks))), Cost())

    def cost(self, block: int) -> Cost:
        """Tell what it takes to read a block. Sends nothing.

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

    @property
    def skipped(self) -> Sequence[Skipped]:
        """The blocks that readings of this process went on without, the last 10,000 of them."""
        return tuple(self._skipped)

    @property
    def hedges(self) -> Hedges:
        """How many reads of this process were sent a second time: `DatasetConfig.hedge_share`."""
        return self._tails.counts

    def _tell(self, number: int, failure: BlobError, substitute: int | None) -> None:
        index, _ = self._blocks[number]
        url, rows = redact(self.manifest.shards[index].url), self._blocks.rows[number]
        self._skipped.append(Skipped(url, number, rows, failure.message, substitute))
        instead = "" if substitute is None else f" and took block {substitute} instead"
        _log.warning("skipped block %s of %s rows%s: %s", number, rows, instead, failure.message)

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
            if number in self.lost:
                raise BadShard(self.lost.reason(number), url=shard.url, operation="read")
            with told(shard, block):
                if (mapped := self._shards.mapped(index)) is not None:
                    return Ready(partial(self._take, number, mapped))
                decoder, plan = self._plan(index, block)
        except LOSSES as error:
            stored = shard.blocks[block].stop - shard.blocks[block].start
            return Job(
                int(stored * (1 + _EXPANSION)),
                partial(self._stand_in, number, error),
                lambda rows: rows.nbytes,
            )
        cost = plan.fetched + int(plan.decoded * (self._expansion or _EXPANSION))
        return Job(cost, partial(self._make, number, plan, decoder), lambda rows: rows.nbytes)

    def _plan(self, index: int, block: int) -> tuple[Decoder, Plan]:
        size = self.manifest.shards[index].size
        decoder = self._shards.decoder(index)
        plan = decoder.plan(block, self._read)
        ends = [stop for _, stop in plan.spans]
        if max(ends + [start + len(data) for start, data in plan.known], default=0) > size:
            message = f"it has bytes beyond the end of the shard, {size}"
            raise ValueError(message)
        return decoder, plan

    def _take(self, number: int, mapped: Mapped) -> Rows:
        """Return a block of a mapped shard, if the file is still the one that was mapped."""
        index, block = self._blocks[number]
        shard = self.manifest.shards[index]
        try:
            with told(shard, block):
                check_file(BlobUrl.parse(shard.url).key, shard.version)
                return self._decode(index, block, mapped, self._shards.decoder(index))
        except LOSSES as error:
            return self._binding.call(partial(self._stand_in, number, error))

    async def _make(self, number: int, plan: Plan, decoder: Decoder, core: AsyncContext) -> Rows:
        try:
            rows = await self._load(core, number, plan, decoder)
        except LOSSES as error:
            return await self._stand_in(number, error, core)
        if plan.decoded:
            self._expansion = max(self._expansion or 0.0, rows.nbytes / plan.decoded)
        return rows

    async def _load(self, core: AsyncContext, number: int, plan: Plan, decoder: Decoder) -> Rows:
        index, block = self._blocks[number]
        shard = self.manifest.shards[index]
        with told(shard, block):
            memory = await fetch(core, shard, plan, self._tails)
            return await on_thread(partial(self._decode, index, block, memory, decoder))

    async def _stand_in(self, number: int, error: BlobError, core: AsyncContext) -> Rows:
        """Raise an error, or return what stands for the rows that are lost by it."""
        if self.on_error == "raise":
            raise error
        self._remember(number, error)
        if self.on_error == "skip":
            return Rows.lost(self.schema, error)
        others = stand_ins(self.fingerprint, number, len(self._blocks))
        for other in islice((one for one in others if one not in self.lost), _TRIES):
            index, block = self._blocks[other]
            try:
                with told(self.manifest.shards[index], block):
                    decoder, plan = self._plan(index, block)
                rows = await self._load(core, other, plan, decoder)
            except LOSSES as failure:
                self._remember(other, failure)
            else:
                rows.failure, rows.substitute = error, other
                return rows
        error.add_note(f"and no other block can stand in for it: up to {_TRIES} were tried")
        raise error

    def _remember(self, number: int, error: BlobError) -> None:
        """Know that a block is lost, or all of its shard if that is gone."""
        if number not in self.lost:
            is_gone = isinstance(error, NotFound | VersionMismatch)
            index, _ = self._blocks[number]
            self.lost.add(self._blocks.of(index) if is_gone else [number], error.message)

    def _decode(self, index: int, block: int, memory: Memory, decoder: Decoder) -> Rows:
        """Decode a block by what has planned it: another one might look for more."""
        table = decoder.decode(block, self._read, memory)
        wanted = self.manifest.shards[index].blocks[block].num_rows
        if table.num_rows != wanted:
            message = f"{table.num_rows} rows instead of {wanted}"
            raise ValueError(message)
        table = conform(table, self._wanted)
        mask = None if self._filter is None else self._filter.mask(table)
        if self._read != self._columns:
            table = table.select(list(self._columns))
        return Rows(table, mask)

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
