"""The leaves of a dataset: the rows of a source, as they are stored, and a part of other rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol, final, runtime_checkable

from blobio.dataset.keeping import KeptReader, Part
from blobio.dataset.manifest import Manifest
from blobio.dataset.plan import NaturalOrder
from blobio.dataset.source import RowRange, Source
from blobio.dataset.tree import Reader, Rows, Span, guess_row_bytes, share
from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    import pyarrow as pa

_EXPANSION: Final = 3.0
"""Bytes in memory for each one stored, where nobody knows better: Parquet with zstd has 2 to 4."""

__all__ = [
    "Filtering",
    "Pinned",
    "Projecting",
    "Sized",
    "SlicedRows",
    "StoredRows",
    "manifest_of",
    "sliced",
]


@runtime_checkable
class Filtering(Protocol):
    """A source that tells whether it drops rows. One that does not tell is taken to drop none."""

    @property
    def filtered(self) -> bool:
        """Batches may have fewer rows than their ranges."""
        ...


@runtime_checkable
class Sized(Protocol):
    """A source that tells what its rows take in memory, for the window of a shuffle."""

    @property
    def row_bytes(self) -> float:
        """Bytes of a decoded row, about. It must not change while the fingerprint stays."""
        ...


@runtime_checkable
class Pinned(Protocol):
    """A source that reads the shards of a manifest."""

    @property
    def manifest(self) -> Manifest:
        """Its shards, and where their blocks are."""
        ...


@runtime_checkable
class Projecting(Protocol):
    """A source that can leave out columns before they are fetched."""

    def select(self, columns: Sequence[str]) -> Source:
        """Return a source of these columns, in this order."""
        ...


@final
@dataclass(frozen=True)
class StoredRows:
    """All rows of a source, block after block."""

    source: Source

    @property
    def schema(self) -> pa.Schema:
        """That of the source."""
        return self.source.schema

    @cached_property
    def num_rows(self) -> int:
        """Rows of all blocks."""
        return sum(self.source.block_rows)

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of the source."""
        return self.source.block_rows

    @cached_property
    def row_bytes(self) -> float:
        """What the source tells, else a guess: from types, and from what is stored.

        Text may be of any length, and no type tells. Better a window too small than one that does
        not fit into memory: columns that are not read count as well.
        """
        if isinstance(self.source, Sized):
            return self.source.row_bytes
        guess = guess_row_bytes(self.source.schema)
        if not isinstance(self.source, Pinned):
            return guess
        shards = self.source.manifest.shards
        stored = sum(block.stop - block.start for shard in shards for block in shard.blocks)
        rows = max(1, sum(shard.num_rows for shard in shards))
        return max(guess, _EXPANSION * stored / rows)

    @property
    def holes(self) -> bool:
        """Whether the source has a filter."""
        return isinstance(self.source, Filtering) and self.source.filtered

    @property
    def parts(self) -> tuple[Rows, ...]:
        """None: it is a leaf."""
        return ()

    @property
    def order(self) -> str:
        """As they are stored: what is stored, the fingerprint tells."""
        return "rows"

    def reader(self, keep: int) -> Reader:
        """Return a reader that keeps `keep` blocks."""
        return KeptReader(_Blocks(self.source), keep)


def manifest_of(rows: Rows) -> Manifest:
    """Return the manifest of rows that are what is stored, and nothing else.

    Raises:
        InvalidConfig: They are in another order, changed, or of no shards.
    """
    if isinstance(rows, StoredRows) and isinstance(rows.source, Pinned):
        return rows.source.manifest
    message = "only a dataset as it was opened has a manifest: freeze it before anything else"
    raise InvalidConfig(message, operation="freeze")


@final
class _Blocks:
    """Blocks as units: each is read whole, the least that can be fetched anyway.

    So it does not matter whether the source drops rows: those that are left of a block are at
    hand, and its positions share them.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows = source.block_rows
        self._starts = NaturalOrder(source.block_rows).starts

    @property
    def schema(self) -> pa.Schema:
        return self._source.schema

    def parts(self, span: Span) -> Iterator[Part[int]]:
        starts, position = self._starts, span.start
        block = bisect_right(starts, position) - 1
        while position < span.stop:
            stop = min(span.stop, starts[block + 1])
            if stop > position:  # a block may be empty
                yield Part(block, position - starts[block], stop - starts[block])
            position, block = stop, block + 1

    def requests(self, unit: int) -> list[RowRange]:
        return [RowRange(unit, 0, self._rows[unit])]

    def fetch(self, requests: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        return self._source.read(requests)

    def load(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        return batches[0]

    def pick(self, loaded: pa.RecordBatch, part: Part[int]) -> pa.RecordBatch:
        start, stop = part.start, part.stop
        positions, survivors = self._rows[part.unit], loaded.num_rows
        if survivors != positions:
            start, stop = share(start, positions, survivors), share(stop, positions, survivors)
        return loaded.slice(start, stop - start)


@final
@dataclass(frozen=True, slots=True)
class SlicedRows:
    """Positions `start` to `stop` of other rows; `stop` is None where these have no end."""

    rows: Rows
    start: int
    stop: int | None

    @property
    def schema(self) -> pa.Schema:
        """That of the rows."""
        return self.rows.schema

    @property
    def num_rows(self) -> int | None:
        """How many positions there are."""
        return None if self.stop is None else self.stop - self.start

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of the rows, the first and the last cut."""
        found, position = [], 0
        for count in self.rows.block_rows:
            start, stop = max(position, self.start), position + count
            position = stop
            stop = stop if self.stop is None else min(stop, self.stop)
            found.append(max(0, stop - start))
        return found

    @property
    def row_bytes(self) -> float:
        """That of the rows."""
        return self.rows.row_bytes

    @property
    def holes(self) -> bool:
        """Whether the rows have some."""
        return self.rows.holes

    @property
    def parts(self) -> tuple[Rows, ...]:
        """The rows."""
        return (self.rows,)

    @property
    def order(self) -> str:
        """Which positions of which order."""
        return f"{self.rows.order}[{self.start}:{'' if self.stop is None else self.stop}]"

    def reader(self, keep: int) -> Reader:
        """Return a reader of the rows, shifted."""
        return self.over(self.rows.reader(keep))

    def over(self, reader: Reader) -> Reader:
        """Return a reader of these positions over one of the rows."""
        return _Shifted(reader, self.start)


@final
class _Shifted:
    def __init__(self, reader: Reader, offset: int) -> None:
        self._reader, self._offset = reader, offset

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        offset = self._offset
        return self._reader.read(
            Span(start + offset, stop + offset, epoch) for start, stop, epoch in spans
        )


def sliced(rows: Rows, start: int, stop: int | None, verb: str) -> SlicedRows:
    """Return positions `start` to `stop` of rows, or to their end."""
    if start < 0 or (stop is not None and stop < 0):
        message = f"{verb} counts from 0 on"
        raise InvalidConfig(message)
    if rows.holes:
        message = (
            f"{verb} after a filter: how many rows pass is not known before they are read; "
            f"{verb}() before the filter, or stop iterating"
        )
        raise InvalidConfig(message)
    have = rows.num_rows
    if have is not None:
        start, stop = min(start, have), have if stop is None else min(stop, have)
    return SlicedRows(rows, start, stop)
