"""`ShardSource`: the rows of pinned shards, block by block, whatever they are stored in."""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, final, get_args

from blobio.blocking.binding import Binding
from blobio.dataset.blockreads import BlockReads
from blobio.dataset.cachedreads import CachedReads
from blobio.dataset.columns import check_list, width
from blobio.dataset.counting import ReadStats
from blobio.dataset.engine import Job, Ready, ordered
from blobio.dataset.errors import OnError, Skipped
from blobio.dataset.fetching import Fetcher, parts
from blobio.dataset.filtering import Filter
from blobio.dataset.hedging import Hedges
from blobio.dataset.lost import Lost
from blobio.dataset.manifest import Manifest
from blobio.dataset.remembering import Remembered
from blobio.dataset.rows import Rows
from blobio.dataset.selection import Selection
from blobio.dataset.source import RowRange
from blobio.errors import BlobError, InvalidConfig, redact

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

    from blobio.config import Config

__all__ = ["Cost", "ShardSource"]

_log = logging.getLogger("blobio.dataset")

_SAMPLE: Final = 16
_SKIPPED: Final = 10_000
_RANGES: Final = 1 << 16  # of one block that are cut from one decoding of it


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
        cached: What reads through a cache on disk, None for none.
        in_memory_max_bytes: Keep all decoded blocks in memory if they take about as much or less.

    Attributes:
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
        cached: CachedReads | None = None,
        in_memory_max_bytes: int = 0,
    ) -> None:
        if on_error not in get_args(OnError):
            message = f"on_error is one of {get_args(OnError)}, not {on_error!r}"
            raise InvalidConfig(message, operation="open")
        if columns is not None:
            check_list(columns, "columns")
        condition = None if filter is None else Filter(filter, manifest.schema)
        chosen = None if columns is None else tuple(columns)
        self._selection = Selection(manifest, chosen, condition)
        self._cached = cached
        self._in_memory_max_bytes = in_memory_max_bytes
        self.on_error: str = on_error
        self.lost: Lost = Lost()
        self._prepare(Binding(config) if binding is None else binding)
        _ = self.block_rows  # all footers are looked at now, if there is a filter

    def _prepare(self, binding: Binding) -> None:
        self._binding = binding
        self._fetcher = Fetcher(self._cached)
        decoded = partial(_decoded_bytes, weakref.ref(self))  # no cycle, which would keep it open
        self._reads = BlockReads(
            self._selection,
            on_error=self.on_error,
            lost=self.lost,
            binding=binding,
            fetcher=self._fetcher,
            remembered=Remembered(self._in_memory_max_bytes, decoded),
        )
        self._skipped: deque[Skipped] = deque(maxlen=_SKIPPED)

    def _with(self, selection: Selection) -> ShardSource:
        other = ShardSource.__new__(ShardSource)
        # Damage of a column is none of others, and other shards number their blocks anew.
        other.__dict__.update(self._state(), _selection=selection, lost=Lost())
        other._prepare(self._binding)  # noqa: SLF001 - of its own class
        return other

    @property
    def manifest(self) -> Manifest:
        """The shards and their schema."""
        return self._selection.manifest

    @property
    def schema(self) -> pa.Schema:
        """Of what is read."""
        return self._selection.schema

    def select(self, columns: Sequence[str]) -> ShardSource:
        """Return a source of some of these columns, in this order, with the same filter.

        Raises:
            InvalidConfig: A column is not among those of this source.
        """
        return self._with(self._selection.select(columns))

    def shard_blocks(self) -> Sequence[tuple[str, Sequence[int]]]:
        """Return the URL of each shard, and the rows of each block of it that is read."""
        found: list[list[int]] = [[] for _ in self.manifest.shards]
        for block, rows in enumerate(self.block_rows):
            found[self._selection.blocks[block][0]].append(rows)
        return [(shard.url, rows) for shard, rows in zip(self.manifest.shards, found, strict=True)]

    def part(self, first: int, stop: int) -> ShardSource:
        """Return a source of shards `first` to `stop` alone, half-open."""
        return self._with(self._selection.part(first, stop))

    def _state(self) -> dict[str, object]:
        kept = ("_selection", "_cached", "_in_memory_max_bytes", "on_error", "lost")
        return {name: self.__dict__[name] for name in kept}

    def __getstate__(self) -> dict[str, object]:
        return {**self._state(), "_config": self._binding.given}

    def __setstate__(self, state: dict[str, object]) -> None:
        config = state.pop("_config")
        self.__dict__.update(state)
        self._prepare(Binding(config))  # type: ignore[arg-type] # what `__getstate__` put there

    @property
    def block_rows(self) -> Sequence[int]:
        """The rows of each block, before the filter looks at them."""
        return self._selection.blocks.rows

    @property
    def fingerprint(self) -> str:
        """64 hex digits, of shards, versions, schema, columns and filter."""
        return self._selection.fingerprint

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
                    job = self._reads.job(group)
                    waiting.append(group)
                    yield job

        with closing(ordered(self._binding, jobs())) as blocks:
            for rows in self._fetcher.tally.timed(blocks):
                group = waiting.popleft()
                if rows.failure is not None:
                    self._tell(group[0].block, rows.failure, rows.substitute)
                for one in group:
                    yield rows.cut(one.start, one.stop)

    @property
    def filtered(self) -> bool:
        """Batches may have fewer rows than their ranges: of a filter, or of blocks skipped."""
        return self._selection.filter is not None or self.on_error == "skip"

    @cached_property
    def row_bytes(self) -> float:
        """About how many bytes of memory a row takes: of 16 blocks all over the dataset.

        Parquet tells what its pages hold; values that it numbers may take more in memory.
        """
        rows = self.block_rows
        sample = range(0, len(rows), max(1, len(rows) // _SAMPLE))[:_SAMPLE]
        decoded = sum(self.cost(block).decoded for block in sample)
        told = decoded / max(1, sum(rows[block] for block in sample))
        return max(told, sum(width(field.type) for field in self.schema))

    def requests(self) -> Cost:
        """Tell what it takes to read all blocks. Parses all footers, sends nothing."""
        return sum((self.cost(block) for block in range(len(self.block_rows))), Cost())

    def cost(self, block: int) -> Cost:
        """Tell what it takes to read a block by its column chunks. Sends nothing.

        Raises:
            BadShard: The footer of its shard is damaged.
        """
        plan = self._reads.plan(block)
        wanted = parts(plan.spans)
        return Cost(
            count=len(wanted),
            fetched=sum(stop - start for start, stop in wanted),
            needed=plan.fetched,
            decoded=plan.decoded,
        )

    def picks(self, ranges: Sequence[RowRange]) -> float | None:
        """Tell which part of a block is fetched for some rows of it, about; None for all of it."""
        return self._reads.picks(ranges)

    def ready(self, block: int) -> pa.RecordBatch | None:
        """Return all rows of a block of a mapped Arrow shard; None if it has to be read.

        Of a cache, it is counted; a file is checked to be the one that was indexed.
        """
        return self._reads.ready.get(block)

    @property
    def skipped(self) -> Sequence[Skipped]:
        """The blocks that readings of this process went on without, the last 10,000 of them."""
        return tuple(self._skipped)

    @property
    def stats(self) -> ReadStats:
        """What readings of this process have cost so far."""
        return self._fetcher.stats

    @property
    def hedges(self) -> Hedges:
        """How many reads of this process were sent a second time: `DatasetConfig.hedge_share`."""
        return self._fetcher.tails.counts

    def _tell(self, number: int, failure: BlobError, substitute: int | None) -> None:
        self._fetcher.tally.add(ReadStats(skipped_blocks=1))
        index, _ = self._selection.blocks[number]
        url, rows = redact(self.manifest.shards[index].url), self.block_rows[number]
        self._skipped.append(Skipped(url, number, rows, failure.message, substitute))
        instead = "" if substitute is None else f" and took block {substitute} instead"
        _log.warning("skipped block %s of %s rows%s: %s", number, rows, instead, failure.message)


def _decoded_bytes(reference: weakref.ref[ShardSource]) -> float:
    source = reference()
    return 0.0 if source is None else source.row_bytes * sum(source.block_rows)
