"""The plan of an epoch, pure: which rows a batch has, for any position and without reading any.

An order puts the rows of a source in a sequence of positions, a cut divides the positions into
batches, a deal gives the batches to ranks and workers. Each of the three answers for any position
or batch without those before it, which is why resuming costs nothing and why nobody's order depends
on how many others take part.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from blobio.dataset.parity import Deal
from blobio.dataset.permutation import Permutation, derive_key
from blobio.dataset.source import RowRange

__all__ = ["Cut", "NaturalOrder", "Order", "ShuffledOrder", "Window", "block_order", "plan"]


class Order(Protocol):
    """A sequence of all rows of some blocks."""

    @property
    def num_rows(self) -> int:
        """How many positions there are."""
        ...

    def locate(self, position: int) -> tuple[int, int]:
        """Return the block at a position, and the row in it: `O(log blocks)`.

        Raises:
            IndexError: There is no such position.
        """
        ...


def _starts(block_rows: Sequence[int], order: Sequence[int]) -> array[int]:
    """Return the position of each block's first row, and that after the last: 8 bytes a block."""
    return array("q", itertools.accumulate((block_rows[i] for i in order), initial=0))


def _check(position: int, num_rows: int) -> None:
    if not 0 <= position < num_rows:
        message = f"position {position} of {num_rows} rows"
        raise IndexError(message)


@final
class NaturalOrder:
    """Rows as they are stored: block after block, row after row."""

    def __init__(self, block_rows: Sequence[int]) -> None:
        self.starts: array[int] = array("q", itertools.accumulate(block_rows, initial=0))

    @property
    def num_rows(self) -> int:
        """How many positions there are."""
        return self.starts[-1]

    def locate(self, position: int) -> tuple[int, int]:
        """Return the block at a position, and the row in it."""
        _check(position, self.num_rows)
        block = bisect_right(self.starts, position) - 1
        return block, position - self.starts[block]


@final
@dataclass(frozen=True, slots=True)
class Window:
    """Blocks that are in memory together, and whose rows are mixed.

    Attributes:
        blocks: Their numbers, in the order in which they are read.
        starts: In the window, the index of each block's first row, and that after the last.
        position: The position in the order at which the window starts.
        rows: Where each of the window's positions finds its row: an index into the blocks' rows.
    """

    blocks: Sequence[int]
    starts: Sequence[int]
    position: int
    rows: Permutation


def block_order(blocks: int, seed: int, epoch: int) -> Permutation:
    """Return in which order an epoch reads so many blocks."""
    return Permutation(blocks, derive_key(seed, epoch, "blocks"))


@final
class ShuffledOrder:
    """Rows shuffled on two levels: the blocks, and the rows of each window of blocks.

    A window is as many consecutive blocks of the shuffled ones as have at most `window_rows` rows,
    and at least one. So reading goes block by block, each read once an epoch, and what is mixed
    comes from blocks of anywhere in the dataset.

    Args:
        block_rows: Rows of each block.
        seed: Which of all orders.
        epoch: Which of the seed's.
        window_rows: Rows of a window, at most.
        blocks: What `block_order` makes of each block, from who computes many at once.

    Attributes:
        starts: The position of each block's first row among the shuffled blocks.
        blocks: The number of each block, shuffled.
    """

    def __init__(
        self,
        block_rows: Sequence[int],
        *,
        seed: int,
        epoch: int,
        window_rows: int,
        blocks: Sequence[int] | None = None,
    ) -> None:
        if window_rows < 1:
            message = f"a window has at least one row, not {window_rows}"
            raise ValueError(message)
        if blocks is None:
            blocks = [*map(block_order(len(block_rows), seed, epoch), range(len(block_rows)))]
        self.blocks: array[int] = array("q", blocks)
        self.starts: array[int] = _starts(block_rows, self.blocks)
        self._seed, self._epoch = seed, epoch
        self._windows = array("q", self._cut(window_rows))
        self._window_starts = array("q", (self.starts[at] for at in self._windows))

    def _cut(self, window_rows: int) -> Iterator[int]:
        """Yield the place of each window's first block, and that after the last block."""
        first = 0
        yield first
        for place in range(1, len(self.blocks)):
            if self.starts[place + 1] - self.starts[first] > window_rows:
                first = place
                yield first
        if self.blocks:
            yield len(self.blocks)

    @property
    def num_rows(self) -> int:
        """How many positions there are."""
        return self.starts[-1]

    @property
    def num_windows(self) -> int:
        """How many windows there are."""
        return len(self._windows) - 1

    def window_at(self, position: int) -> int:
        """Return the number of the window that a position is in."""
        _check(position, self.num_rows)
        return bisect_right(self._window_starts, position) - 1

    def window(self, number: int) -> Window:
        """Return a window by its number."""
        first, stop = self._windows[number], self._windows[number + 1]
        position = self.starts[first]
        starts = array("q", (start - position for start in self.starts[first : stop + 1]))
        key = derive_key(self._seed, self._epoch, "rows", number)
        return Window(self.blocks[first:stop], starts, position, Permutation(starts[-1], key))

    def locate(self, position: int) -> tuple[int, int]:
        """Return the block at a position, and the row in it."""
        window = self.window(self.window_at(position))
        row = window.rows(position - window.position)
        place = bisect_right(window.starts, row) - 1
        return window.blocks[place], row - window.starts[place]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How an order is divided into batches.

    Each batch has `batch_rows` rows, but for the last, which has what is left: it is a batch like
    the others unless `drop_last`. With more than one lane the order is divided into as many runs of
    equal length, and batches are cut from one run after the other: batch b belongs to lane
    `b % lanes`, until the rows that do not go round follow in their order. Who gets every
    `lanes`-th batch then reads the blocks of one run and no others.

    Attributes:
        num_rows: Positions of the order, None if it never ends.
        batch_rows: Rows of a batch.
        lanes: Runs.
        drop_last: Leave out a last batch that is not full.
    """

    num_rows: int | None
    batch_rows: int
    lanes: int = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        for name, value in (("batch_rows", self.batch_rows), ("lanes", self.lanes)):
            if value < 1:
                message = f"{name}={value!r}: it counts from 1"
                raise ValueError(message)

    @property
    def total(self) -> int | None:
        """How many batches there are, None if without end."""
        if self.num_rows is None:
            return None
        return (self.num_rows if self.drop_last else self._padded) // self.batch_rows

    @property
    def _padded(self) -> int:
        return (self.num_rows or 0) + self.batch_rows - 1

    def span(self, batch: int) -> tuple[int, int]:
        """Return the positions of a batch, half-open."""
        first = batch * self.batch_rows
        if self.num_rows is None:
            return first, first + self.batch_rows
        each = self.num_rows // (self.batch_rows * self.lanes)
        if batch < each * self.lanes:
            lane, place = batch % self.lanes, batch // self.lanes
            first = (lane * each + place) * self.batch_rows
        return first, min(first + self.batch_rows, self.num_rows)


def plan(
    order: Order,
    cut: Cut,
    deal: Deal,
    *,
    rank: int = 0,
    worker: int = 0,
    workers: int = 1,
) -> Iterator[tuple[RowRange, ...]]:
    """Yield, for each batch that a worker of a rank gets, the rows it has, in order.

    This is the specification of what a dataset delivers. It takes row by row what reading does by
    the window, reads nothing, and needs nothing but numbers.

    Args:
        order: Where each position's row is.
        cut: Which positions a batch has.
        deal: Who gets which batch, and from which on.
        rank: Of the process.
        worker: Of the process, among its rank's.
        workers: Of each rank.

    Returns:
        For each batch its ranges: rows that follow one another in a block are one range.
    """
    for batch in deal.batches(rank, worker, workers):
        yield tuple(_ranges(map(order.locate, range(*cut.span(batch)))))


def _ranges(rows: Iterator[tuple[int, int]]) -> Iterator[RowRange]:
    current: RowRange | None = None
    for block, row in rows:
        if current is not None and (block, row) == (current.block, current.stop):
            current = RowRange(block, current.start, row + 1)
            continue
        if current is not None:
            yield current
        current = RowRange(block, row, row + 1)
    if current is not None:
        yield current
