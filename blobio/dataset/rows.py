"""`Rows`: a decoded block, of which rows are cut without copying, those a filter drops left out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import final

import pyarrow as pa
import pyarrow.compute as pc

from blobio.errors import BlobError

__all__ = ["Rows"]


@final
class Rows:
    """The rows of one block. Rows are numbered as they are stored, whatever a filter says.

    Args:
        table: All rows of the block.
        mask: Which of them pass, as booleans without nulls; None for all.
        spans: Which rows of the block the table has, in order and apart; None for all. The others
            are not asked for, or do not pass.

    Attributes:
        nbytes: What they hold.
        failure: Why these are not the rows that were asked for.
        substitute: The block that they are of instead; None, with a failure, if there are none.
    """

    def __init__(
        self,
        table: pa.Table,
        mask: pa.ChunkedArray | None = None,
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self._starts = None if spans is None else [start for start, _ in spans]
        self._before = [0, *accumulate(stop - start for start, stop in spans or ())]
        self._passed: pa.Array | None = None
        self._num_rows: int = table.num_rows
        if mask is not None:
            table = table.filter(mask)
            counts = pc.cumulative_sum(mask.cast(pa.int64()))
            self._passed = counts.combine_chunks() if counts.num_chunks != 1 else counts.chunk(0)
        self._table = table.combine_chunks()
        batches = self._table.to_batches()
        self._batch = batches[0] if len(batches) == 1 else None
        self.nbytes: int = table.nbytes
        self.failure: BlobError | None = None
        self.substitute: int | None = None

    @classmethod
    def lost(cls, schema: pa.Schema, failure: BlobError) -> Rows:
        """Return what stands for a block that could not be read: none of its rows."""
        rows = cls(schema.empty_table())
        rows.failure = failure
        return rows

    def cut(self, start: int, stop: int) -> pa.RecordBatch:
        """Return rows `start` to `stop`, without those the filter drops.

        Rows that stand for others start again from the first where these are more.
        """
        if self.failure is not None and self.substitute is None:
            start = stop = 0
        if self.substitute is None or stop <= self._num_rows:
            return self._cut(start, stop)
        pieces, count = [], self._num_rows
        while start < stop:
            first = start % count
            last = min(count, first + stop - start)
            pieces.append(self._cut(first, last))
            start += last - first
        return pa.concat_batches(pieces)

    def _cut(self, start: int, stop: int) -> pa.RecordBatch:
        start, stop = self._position(start), self._position(stop)
        if self._batch is not None:
            return self._batch.slice(start, stop - start)
        batches = self._table.slice(start, stop - start).combine_chunks().to_batches()
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return pa.RecordBatch.from_pylist([], schema=self._table.schema)
        message = f"{stop - start} rows have more text than fits into one batch: ask for fewer"
        raise pa.ArrowCapacityError(message)

    def _position(self, row: int) -> int:
        """Return how many rows before `row` pass the filter."""
        if self._starts is not None:
            at = bisect_right(self._starts, row)  # of these spans some rows are before it
            inside = row - self._starts[at - 1] if at else 0
            row = min(self._before[max(0, at - 1)] + inside, self._before[at])
        if self._passed is None or row == 0:
            return row
        return int(self._passed[row - 1].as_py())
