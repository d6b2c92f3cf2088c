"""A dataset by position: what samplers and maps want, each block read once for all that is asked.

Positions are those of the dataset's order, so that a shuffled one gives its shuffled rows.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator, Sequence
from typing import Final, SupportsIndex, final, overload

import pyarrow as pa

from blobio.dataset.picking import picking_reader
from blobio.dataset.standing import fingerprint_of
from blobio.dataset.transforms import empty_batch
from blobio.dataset.tree import Reader, Rows, Span
from blobio.errors import InvalidConfig

__all__ = ["RowView"]

_KEPT_BLOCKS: Final = 4


@final
class RowView:
    """Rows by position: a sequence, torch's map-style dataset and Grain's data source.

    Picklable; any number of threads may use it, one reads at a time.

    Blocks, or windows of a shuffle, that a call needs are read once for it, in their order; the
    last four stay in memory for the next calls. Of Parquet with a page index only the pages of the
    rows are read where that pays, and the row group once they would add up to it.
    """

    def __init__(self, rows: Rows, epoch: int) -> None:
        if rows.holes:
            message = (
                "random access after a filter: which row is at a position is not known before the "
                "rows before it are read"
            )
            raise InvalidConfig(message)
        if rows.num_rows is None:
            message = "random access needs rows with an end: before repeat()"
            raise InvalidConfig(message)
        self._rows, self._epoch = rows, epoch
        self._num_rows: int = rows.num_rows
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Rows, int]:
        return self._rows, self._epoch

    def __setstate__(self, state: tuple[Rows, int]) -> None:
        self.__init__(*state)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch."""
        return self._rows.schema

    def __len__(self) -> int:
        return self._num_rows

    def __repr__(self) -> str:
        """Name all that decides which row is where: Grain compares it with that of a checkpoint."""
        return (
            f"RowView({fingerprint_of(self._rows)}, {self._rows.order}, {self._num_rows} rows, "
            f"epoch {self._epoch})"
        )

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> pa.RecordBatch: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, object] | pa.RecordBatch:
        """Return a row as a dict, or the rows of a slice as a batch, of which a run is not copied.

        Raises:
            IndexError: There is no such row.
        """
        if not isinstance(index, slice):
            position = self._position(index)
            row: dict[str, object]
            (row,) = self._read([Span(position, position + 1, self._epoch)]).to_pylist()
            return row
        start, stop, step = index.indices(self._num_rows)
        if step != 1:
            return self.take(range(start, stop, step))
        return self._read([Span(start, stop, self._epoch)] if start < stop else [])

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[dict[str, object]]:
        """Return the rows at positions as dicts: what torch asks of a dataset for each batch.

        Raises:
            IndexError: There is no such row.
        """
        rows: list[dict[str, object]] = self.take(indices).to_pylist()
        return rows

    def _getitems(self, indices: Sequence[SupportsIndex]) -> list[dict[str, object]]:
        # Grain's name for what torch calls __getitems__.
        return self.__getitems__(indices)

    def take(self, indices: Sequence[SupportsIndex]) -> pa.RecordBatch:
        """Return the rows at positions, in this order.

        Args:
            indices: Positions from 0 on, or from the end on if negative; any may come repeatedly.

        Raises:
            IndexError: There is no such row.
        """
        positions = [self._position(index) for index in indices]
        ordered = sorted(set(positions))
        found = self._read(list(_runs(ordered, self._epoch)))
        if positions == ordered:
            return found
        places = {position: place for place, position in enumerate(ordered)}
        return found.take(pa.array([places[position] for position in positions], pa.int64()))

    def _position(self, index: SupportsIndex) -> int:
        number = operator.index(index)
        position = number + self._num_rows if number < 0 else number
        if not 0 <= position < self._num_rows:
            message = f"row {number} of {self._num_rows}"
            raise IndexError(message)
        return position

    def _read(self, spans: Sequence[Span]) -> pa.RecordBatch:
        if not spans:
            return empty_batch(self.schema)
        with self._lock:
            if self._reader is None:
                self._reader = picking_reader(self._rows, _KEPT_BLOCKS)
            batches = list(self._reader.read(spans))
        return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _runs(positions: Sequence[int], epoch: int) -> Iterator[Span]:
    """Yield the runs of consecutive numbers in ascending ones."""
    start = stop = -1
    for position in positions:
        if position == stop:
            stop += 1
            continue
        if stop > start:
            yield Span(start, stop, epoch)
        start, stop = position, position + 1
    if stop > start:
        yield Span(start, stop, epoch)
