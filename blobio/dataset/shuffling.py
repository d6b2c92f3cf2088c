"""A shuffle of rows: windows of blocks in memory, whose rows come out in a computed order.

See `plan.ShuffledOrder` for the order itself. Nothing of a window has to be saved to go on later:
which row is next follows from the position.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import pyarrow as pa

from blobio.dataset.keeping import KeptReader, Part
from blobio.dataset.permutation import Permutation
from blobio.dataset.plan import NaturalOrder, ShuffledOrder, Window, block_order
from blobio.dataset.tree import Reader, Rows, Span, even_blocks, share
from blobio.dataset.vectors import permute
from blobio.errors import InvalidConfig

__all__ = ["ShuffledRows", "shuffled"]

_RUN: Final = 1 << 14
"""Rows whose places are computed together: a call of a kernel costs more than what it does to a
batch. 8 bytes each."""

_Unit: TypeAlias = tuple[int, int]  # an epoch, and the number of a window in it


@final
@dataclass(frozen=True, slots=True)
class ShuffledRows:
    """Other rows in an order of their own for each epoch.

    Attributes:
        rows: What is shuffled.
        seed: Which of all orders.
        window_rows: At most how many rows are mixed, unless one block has more.
    """

    rows: Rows
    seed: int
    window_rows: int

    @property
    def schema(self) -> pa.Schema:
        """That of the rows."""
        return self.rows.schema

    @property
    def num_rows(self) -> int | None:
        """As many as before."""
        return self.rows.num_rows

    @property
    def block_rows(self) -> Sequence[int]:
        """Runs as long as a window: where one starts depends on the epoch."""
        return even_blocks(sum(self.rows.block_rows), self.window_rows)

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
        """The seed is in it, and how many rows make a window."""
        return f"{self.rows.order}.shuffle({self.seed}, {self.window_rows} rows)"

    def epoch_order(self, epoch: int) -> ShuffledOrder:
        """Return the order of an epoch."""
        block_rows = self.rows.block_rows
        shuffled = block_order(len(block_rows), self.seed, epoch)
        return ShuffledOrder(
            block_rows,
            seed=self.seed,
            epoch=epoch,
            window_rows=self.window_rows,
            blocks=permute(shuffled, 0, shuffled.size).to_pylist() if block_rows else (),
        )

    def reader(self, keep: int) -> Reader:
        """Return a reader that keeps `keep` windows."""
        return KeptReader(_Windows(self, keep), keep)


def shuffled(rows: Rows, seed: int, window_bytes: int) -> ShuffledRows:
    """Return rows shuffled in windows of so many bytes."""
    if window_bytes < 1 or rows.num_rows is None:
        message = "shuffle needs rows with an end and a window of some bytes: before repeat()"
        raise InvalidConfig(message)
    try:
        operator.index(seed)
    except TypeError as error:
        message = f"shuffle: seed={seed!r} is no integer"
        raise InvalidConfig(message) from error
    return ShuffledRows(rows, seed, max(1, int(window_bytes // max(1.0, rows.row_bytes))))


@final
class _Windows:
    def __init__(self, shuffled: ShuffledRows, keep: int) -> None:
        self._schema = shuffled.schema
        self._reader = shuffled.rows.reader(1)
        self._blocks = NaturalOrder(shuffled.rows.block_rows).starts
        # Two epochs meet where one ends: the reader is ahead in the second.
        self._order: Callable[[int], ShuffledOrder] = functools.lru_cache(2)(shuffled.epoch_order)
        self._window = functools.lru_cache(keep + 8)(self._make_window)
        self._run = functools.lru_cache(keep + 1)(self._make_run)

    def _make_window(self, unit: _Unit) -> Window:
        epoch, number = unit
        return self._order(epoch).window(number)

    def _make_run(self, unit: _Unit, size: int, start: int) -> pa.Array:
        rows = Permutation(size, self._window(unit).rows.key)
        return permute(rows, start, min(size, start + _RUN))

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def parts(self, span: Span) -> Iterator[Part[_Unit]]:
        position = span.start
        number = self._order(span.epoch).window_at(position)
        while position < span.stop:
            window = self._window((span.epoch, number))
            stop = min(span.stop, window.position + window.rows.size)
            if stop > position:  # the blocks of a window may all be empty
                start = position - window.position
                yield Part((span.epoch, number), start, start + stop - position)
            position, number = stop, number + 1

    def requests(self, unit: _Unit) -> list[Span]:
        spans = (
            Span(self._blocks[block], self._blocks[block + 1], unit[0])
            for block in self._window(unit).blocks
        )
        return [span for span in spans if span.stop > span.start]

    def fetch(self, requests: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        return self._reader.read(requests)

    def load(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        return batches[0] if len(batches) == 1 else pa.concat_batches(batches)

    def pick(self, loaded: pa.RecordBatch, part: Part[_Unit]) -> pa.RecordBatch:
        size, start, stop = loaded.num_rows, part.start, part.stop
        positions = self._window(part.unit).rows.size
        if size != positions:
            start, stop = share(start, positions, size), share(stop, positions, size)
        if start == stop:
            return loaded.slice(0, 0)
        runs = [
            self._run(part.unit, size, first).slice(max(0, start - first), stop - max(first, start))
            for first in range(start - start % _RUN, stop, _RUN)
        ]
        return loaded.take(runs[0] if len(runs) == 1 else pa.concat_arrays(runs))
