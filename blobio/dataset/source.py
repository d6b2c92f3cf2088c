"""What a plan orders and a stream reads: blocks of rows, whatever they are stored in.

A block is the least that is fetched and decoded at once: a row group of Parquet, a record batch of
an Arrow file, a window of lines of a text file. Rows are counted in the order of the dataset: shard
after shard as they were named, block after block, row after row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowRange", "Source"]


@final
@dataclass(frozen=True, slots=True, order=True)
class RowRange:
    """Rows `start` to `stop` of block number `block`, half-open, counted from the block's first."""

    block: int
    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.block < 0 or self.start < 0 or self.stop < self.start:
            message = f"a range of rows needs 0 <= start <= stop, not {self}"
            raise ValueError(message)

    def __len__(self) -> int:
        return self.stop - self.start


class Source(Protocol):
    """Rows that can be read block by block. Picklable; opens nothing before it is read."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of what is read: after projection, before any operator."""
        ...

    @property
    def block_rows(self) -> Sequence[int]:
        """The rows of each block, before a filter looks at them."""
        ...

    @property
    def fingerprint(self) -> str:
        """Tells this source from one with other shards, versions, columns or filter."""
        ...

    def read(self, ranges: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each range as one batch, in the order of `ranges`.

        `ranges` is consumed lazily, as far ahead as the byte budget of the process lets the source
        fetch. A batch has the rows of its range that pass the filter, maybe none. Leaving the
        iteration stops what runs ahead.
        """
        ...
