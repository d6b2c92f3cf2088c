"""Readers for random access: few rows of a block by themselves, where its source can pick them.

Whoever asks for single rows will often ask for more of the same block. So what was picked of a
block is added up, and once that is as much as the block, the block is read whole, and kept: never
more than twice what the better of both ways would have fetched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, final, runtime_checkable

import pyarrow as pa

from blobio.dataset.atonce import AtOnce, AtOnceReader
from blobio.dataset.plan import NaturalOrder
from blobio.dataset.source import RowRange, Source
from blobio.dataset.stored import SlicedRows, StoredRows
from blobio.dataset.transforms import ChangedRows
from blobio.dataset.tree import Reader, Rows, Span

if TYPE_CHECKING:
    from blobio.dataset.reading import ShardSource

__all__ = ["Picking", "picking_reader"]

_MOST_COUNTED: Final = 4096  # blocks of which is known how much was picked


@runtime_checkable
class Picking(Protocol):
    """A source that may fetch less than a block for some of its rows."""

    def picks(self, ranges: Sequence[RowRange]) -> float | None:
        """Return which part of a block fetching some rows of it takes, about; None for all of it.

        Args:
            ranges: Of one block.
        """
        ...


def picking_reader(rows: Rows, keep: int) -> Reader:
    """Return a reader of rows that are asked for here and there; it keeps `keep` whole blocks."""
    if isinstance(rows, SlicedRows | ChangedRows):
        return rows.over(picking_reader(rows.rows, keep))
    if isinstance(rows, StoredRows) and isinstance(rows.source, Picking):
        picking = _PickingReader(rows, rows.source, keep)
        if isinstance(rows.source, AtOnce):
            return AtOnceReader(rows.source, picking.starts, keep, picking)
        return picking
    return rows.reader(keep)


class _Piece(NamedTuple):
    """Rows of a block, and where they begin in the order."""

    rows: RowRange
    position: int


@final
class _PickingReader:
    def __init__(self, rows: StoredRows, picking: Picking, keep: int) -> None:
        self._source: Source = rows.source
        self._picking = picking
        self._blocks = rows.reader(keep)
        self._keep = keep
        self.starts = NaturalOrder(rows.block_rows).starts
        self._whole: OrderedDict[int, None] = OrderedDict()  # those that `_blocks` keeps
        self._spent: OrderedDict[int, float] = OrderedDict()

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each span as one batch. All spans are taken at once."""
        entries = [(span, list(self._pieces(span))) for span in spans]
        asked: dict[int, list[RowRange]] = {}
        for _, pieces in entries:
            for piece in pieces:
                asked.setdefault(piece.rows.block, []).append(piece.rows)
        picked = {block for block, ranges in asked.items() if self._pays(block, ranges)}
        flat = [(span.epoch, piece) for span, pieces in entries for piece in pieces]
        some = self._source.read(piece.rows for _, piece in flat if piece.rows.block in picked)
        others = self._blocks.read(
            Span(position, position + rows.stop - rows.start, epoch)
            for epoch, (rows, position) in flat
            if rows.block not in picked
        )
        try:
            for _, pieces in entries:
                found = [next(some if piece.rows.block in picked else others) for piece in pieces]
                yield found[0] if len(found) == 1 else pa.concat_batches(found)
        finally:
            for stream in (some, others):
                if isinstance(stream, Generator):
                    stream.close()

    def _pieces(self, span: Span) -> Iterator[_Piece]:
        starts, position = self.starts, span.start
        block = bisect_right(starts, position) - 1
        while position < span.stop:
            stop = min(span.stop, starts[block + 1])
            if stop > position:  # a block may be empty
                start = position - starts[block]
                yield _Piece(RowRange(block, start, start + stop - position), position)
            position, block = stop, block + 1

    def _pays(self, block: int, ranges: Sequence[RowRange]) -> bool:
        """Tell whether rows are picked, and count them, or that the block is read whole."""
        if block not in self._whole:
            share = self._picking.picks(ranges)
            spent = self._spent.pop(block, 0.0) + (1.0 if share is None else share)
            if spent < 1:
                self._spent[block] = spent
                if len(self._spent) > _MOST_COUNTED:
                    self._spent.popitem(last=False)
                return True
        self._whole[block] = None
        self._whole.move_to_end(block)
        if len(self._whole) > self._keep:
            self._whole.popitem(last=False)
        return False


if TYPE_CHECKING:

    def _fits(source: ShardSource) -> Picking:
        return source
