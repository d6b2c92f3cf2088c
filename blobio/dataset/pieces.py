"""A dataset in pieces for tasks: runs of rows that can be shipped, each with no more than it needs.

A piece is a dataset of its own. Of the shards of a manifest it has those that its rows are in, so
that a task is sent a plan of a few kilobytes, however long the list of all shards is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol, final, runtime_checkable

from blobio.dataset.delivering import Delivery
from blobio.dataset.gathering import ConcatRows, repeated
from blobio.dataset.source import Source
from blobio.dataset.stored import SlicedRows, StoredRows
from blobio.dataset.transforms import ChangedRows
from blobio.dataset.tree import Rows
from blobio.errors import InvalidConfig, redact

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.dataset.dataset import Dataset

__all__ = ["DEFAULT_TASK_BYTES", "Divisible", "Piece", "batches_of", "divide"]

DEFAULT_TASK_BYTES: Final = 256 << 20
_BATCH_BYTES: Final = 16 << 20
_BATCH_ROWS: Final = 1 << 16


@runtime_checkable
class Divisible(Protocol):
    """A source of shards, of which it can leave some out."""

    def shard_blocks(self) -> Sequence[tuple[str, Sequence[int]]]:
        """Return the URL of each shard, and the rows of each block of it that is read."""
        ...

    def part(self, first: int, stop: int) -> Source:
        """Return a source of shards `first` to `stop` alone, half-open."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive rows of a dataset, as a dataset.

    Attributes:
        dataset: Its rows.
        start: The position of its first row in the whole.
        stop: The position after its last row.
        nbytes: About what its rows take in memory.
        shards: The URLs of the shards that its rows are in, as far as is known.
    """

    dataset: Dataset
    start: int
    stop: int
    nbytes: int
    shards: tuple[str, ...]

    def __str__(self) -> str:
        rows = f"rows {self.start} to {self.stop}"
        if not self.shards:
            return rows
        first, last = redact(self.shards[0]), redact(self.shards[-1])
        if len(self.shards) == 1:
            return f"{rows}, in {first}"
        return f"{rows}, in {len(self.shards)} shards from {first} to {last}"


def divide(dataset: Dataset, task_bytes: int, verb: str) -> list[Piece]:
    """Return the rows of a dataset in pieces of about `task_bytes` in memory, in their order.

    Small shards come together; a shard is divided, between two blocks, only if it is larger than
    that by itself. Of a dataset that was sharded, these are the pieces of one rank: all ranks have
    runs that follow one another, divided so that each has some, if there are blocks enough.

    Args:
        dataset: What to divide. How it cuts batches and where it stands has no say.
        task_bytes: At least 1.
        verb: Who asks, for the message of an error.

    Raises:
        InvalidConfig: There is no end, or ranks are to get equally many batches.
    """
    delivery = dataset.delivery
    if task_bytes < 1:
        message = f"{verb}: task_bytes is at least 1, not {task_bytes}"
        raise InvalidConfig(message)
    rows = repeated(dataset.tree, delivery.epochs) if delivery.epochs is not None else None
    if rows is None or rows.num_rows is None:
        message = f"{verb} of a dataset without an end: give repeat() a number, or take() some rows"
        raise InvalidConfig(message)
    rank, world = delivery.rank, delivery.world
    if world > 1 and delivery.remainder != "uneven":
        message = (
            f"{verb} gives each row to one rank, so their numbers differ: "
            f'shard(..., remainder="uneven"), not {delivery.remainder!r}'
        )
        raise InvalidConfig(message)
    if world > 1:
        task_bytes = min(task_bytes, max(1, int(rows.row_bytes * rows.num_rows / world)))
    runs = _runs(rows)
    spans = list(_spans(runs, max(1, int(task_bytes / max(1.0, rows.row_bytes)))))
    mine = spans[len(spans) * rank // world : len(spans) * (rank + 1) // world]
    return list(_pieces(dataset, rows, runs, mine))


def batches_of(dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """Return all rows in batches for who does not care: of 16 MiB in memory, about."""
    rows = int(_BATCH_BYTES / max(1.0, dataset.tree.row_bytes))
    return dataset.batches(max(1, min(_BATCH_ROWS, rows)))


def _pieces(
    dataset: Dataset, rows: Rows, runs: Sequence[_Run], spans: Sequence[tuple[int, int]]
) -> Iterator[Piece]:
    delivery = dataset.delivery
    plain = Delivery(batch_rows=delivery.batch_rows, first_epoch=delivery.first_epoch)
    cutter, ends = _Cutter(), list(accumulate(sum(run.blocks) for run in runs))
    for start, stop in spans:
        touched = runs[bisect_right(ends, start) : bisect_left(ends, stop) + 1]
        yield Piece(
            dataset=dataset.with_rows(cutter.cut(rows, start, stop), plain),
            start=start,
            stop=stop,
            nbytes=int(rows.row_bytes * (stop - start)),
            shards=tuple(dict.fromkeys(run.url for run in touched if run.url)),
        )


@final
@dataclass(frozen=True, slots=True)
class _Run:
    """Blocks that are better not divided among tasks: those of a shard."""

    url: str
    blocks: Sequence[int]


def _runs(rows: Rows) -> list[_Run]:
    """Return the positions of rows as runs; all of them, in order."""
    if isinstance(rows, ChangedRows):
        return _runs(rows.rows)
    if isinstance(rows, ConcatRows):
        return [run for part in rows.parts for run in _runs(part)]
    if isinstance(rows, SlicedRows) and rows.stop is not None:
        return _clipped(_runs(rows.rows), rows.start, rows.stop)
    if isinstance(rows, StoredRows) and isinstance(rows.source, Divisible):
        return [_Run(url, blocks) for url, blocks in rows.source.shard_blocks()]
    return [_Run("", (count,)) for count in rows.block_rows]


def _clipped(runs: Sequence[_Run], start: int, stop: int) -> list[_Run]:
    found, position = [], 0
    for run in runs:
        blocks = []
        for count in run.blocks:
            blocks.append(max(0, min(stop, position + count) - max(start, position)))
            position += count
        found.append(_Run(run.url, blocks))
    return found


def _spans(runs: Sequence[_Run], most: int) -> Iterator[tuple[int, int]]:
    """Yield runs, put together to `most` rows or divided where one has more."""
    start = position = 0
    for run in runs:
        whole = sum(run.blocks)
        if position > start and position - start + whole > most:
            yield start, position
            start = position
        if whole <= most:
            position += whole
            continue
        for count in run.blocks:
            if position > start and position - start + count > most:
                yield start, position
                start = position
            position += count
        yield start, position
        start = position
    if position > start:
        yield start, position


@final
class _Cutter:
    """Takes parts of rows; remembers where the shards of a source start."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = {}

    def cut(self, rows: Rows, start: int, stop: int) -> Rows:
        """Return positions `start` to `stop`, which are some, of rows that are as small as can be.

        They deliver what `SlicedRows` of the whole would.
        """
        if isinstance(rows, ChangedRows):
            return ChangedRows(self.cut(rows.rows, start, stop), rows.change)
        if isinstance(rows, SlicedRows):
            return self.cut(rows.rows, rows.start + start, rows.start + stop)
        if isinstance(rows, ConcatRows):
            return self._of_parts(rows, start, stop)
        if isinstance(rows, StoredRows) and isinstance(rows.source, Divisible):
            return self._of_shards(rows.source, start, stop)
        return _part(rows, start, stop)

    def _of_parts(self, rows: ConcatRows, start: int, stop: int) -> Rows:
        ends = list(accumulate(part.num_rows or 0 for part in rows.parts))
        cuts = [
            self.cut(part, max(0, start - end + count), min(count, stop - end + count))
            for part, end in zip(rows.parts, ends, strict=True)
            if (count := part.num_rows or 0) and end > start and end - count < stop
        ]
        return cuts[0] if len(cuts) == 1 else ConcatRows(tuple(cuts))

    def _of_shards(self, source: Divisible, start: int, stop: int) -> Rows:
        starts = self._starts.get(id(source))
        if starts is None:
            counts = (sum(blocks) for _, blocks in source.shard_blocks())
            starts = self._starts[id(source)] = list(accumulate(counts, initial=0))
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, stop)
        return _part(
            StoredRows(source.part(first, last)), start - starts[first], stop - starts[first]
        )


def _part(rows: Rows, start: int, stop: int) -> Rows:
    return rows if (start, stop) == (0, rows.num_rows) else SlicedRows(rows, start, stop)
