"""The seam between operators: rows in an order, read by spans of positions.

A dataset is a tree of these. Its leaves are sources, each operator is rows made of rows, and
whatever stands in the tree, position p is the same row for everybody: so an order can be cut, dealt
and resumed without knowing what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

__all__ = ["Reader", "Rows", "Span", "even_blocks", "guess_row_bytes", "share"]

_LIST_BYTES: Final = 64
"""What a value without a fixed width is guessed to take, where the source does not tell."""


class Span(NamedTuple):
    """Positions `start` to `stop` of an epoch's order, half-open and not empty."""

    start: int
    stop: int
    epoch: int


class Reader(Protocol):
    """Reads rows, and keeps what the next call may need. For one thread at a time."""

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each span as one batch.

        `spans` is consumed ahead of what was yielded, maybe on another thread, but never by two
        at once. A batch is shorter than its span, maybe empty, where a filter dropped rows.
        """
        ...


class Rows(Protocol):
    """Rows in an order. Immutable and picklable; nothing is opened before it is read."""

    @property
    def schema(self) -> pa.Schema:
        """Of every batch."""
        ...

    @property
    def num_rows(self) -> int | None:
        """How many positions there are, None if there is no end."""
        ...

    @property
    def block_rows(self) -> Sequence[int]:
        """Runs of positions that are read together, for a shuffle to move about.

        Raises:
            InvalidConfig: The rows have no end.
        """
        ...

    @property
    def row_bytes(self) -> float:
        """What a row takes in memory, about."""
        ...

    @property
    def holes(self) -> bool:
        """A filter drops the rows of some positions, nobody knows which before reading."""
        ...

    @property
    def parts(self) -> tuple[Rows, ...]:
        """The rows that these are made of."""
        ...

    @property
    def order(self) -> str:
        """In words, all that decides which row is at a position, but not what it is made into."""
        ...

    def reader(self, keep: int) -> Reader:
        """Return a reader for an access that goes round `keep` places of the order."""
        ...


def share(position: int, positions: int, survivors: int) -> int:
    """Return how many of `survivors` rows stand before a position, if all positions had the same.

    Where a filter left fewer rows than there are positions, those that are left are spread evenly:
    every row is at exactly one position, and neighbouring batches are about equally long.
    """
    return -(-position * survivors // positions) if positions else 0


def even_blocks(num_rows: int, size: int) -> list[int]:
    """Return `num_rows` as blocks of `size`, the last of what is left."""
    size = max(1, size)
    return [min(size, num_rows - start) for start in range(0, num_rows, size)]


def guess_row_bytes(schema: pa.Schema) -> float:
    """Return what a row of a schema may take in memory: widths where fixed, else a guess."""
    return max(1.0, sum(_guess(field.type) for field in schema))


def _guess(kind: pa.DataType) -> float:
    if pa.types.is_fixed_size_list(kind):
        return float(kind.list_size * _guess(kind.value_type))
    if pa.types.is_struct(kind):
        return sum(_guess(kind.field(index).type) for index in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        return _guess(kind.index_type)
    if pa.types.is_null(kind):
        return 0.0
    try:
        return float(kind.bit_width) / 8
    except ValueError:  # no fixed width
        return float(_LIST_BYTES)
