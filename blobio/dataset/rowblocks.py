"""What a writer is given becomes batches of its schema; batches become blocks of even size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import pyarrow as pa

__all__ = ["Gathering", "RowData", "Sizes", "as_batches", "shard_is_full"]

RowData: TypeAlias = "pa.RecordBatch | pa.Table | Sequence[Mapping[str, object]] | object"
"""Arrow batches and tables, row dicts, or anything with `__arrow_c_stream__` (polars, ...)."""

_MAX_BLOCK_BYTES: Final = 32 << 20
_BLOCKS_A_SHARD: Final = 4  # at least, so that a shard can be ended near its size


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large shards and blocks are.

    Attributes:
        shard_bytes: Stored bytes of a shard, about.
        shard_rows: Rows of a shard, exactly; it then takes the place of `shard_bytes`.
        block_bytes: Arrow bytes of a block (row group or record batch); None for a quarter of
            `shard_bytes`, at most 32 MiB.
        block_rows: Most rows of a block, or None.
    """

    shard_bytes: int
    shard_rows: int | None
    block_bytes: int | None
    block_rows: int | None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and value < 1:
                message = f"{name.replace('block', 'row_group')} must be at least 1, not {value}"
                raise ValueError(message)

    @property
    def gather_bytes(self) -> int:
        """Arrow bytes that make a block."""
        most = min(_MAX_BLOCK_BYTES, self.shard_bytes // _BLOCKS_A_SHARD)
        return self.block_bytes or max(1, most)


def shard_is_full(
    sizes: Sizes, *, rows: int, stored_bytes: int, blocks: int, rows_left: int | None
) -> bool:
    """Tell whether a shard ends here, after its last block.

    With a known number of rows all shards come out even, the last one too: what the rest will take
    is guessed from this shard, and dealt out to a whole number of shards.

    Args:
        sizes: What is wanted.
        rows: Of this shard.
        stored_bytes: Of this shard.
        blocks: Of this shard, at least 1.
        rows_left: Rows that are not in a finished shard, those of this one included; None if nobody
            knows how many will come.
    """
    if sizes.shard_rows is not None:
        return rows >= sizes.shard_rows
    if rows_left is None or rows_left < rows:
        # half a block over is as near as half a block under
        return stored_bytes + stored_bytes / blocks / 2 >= sizes.shard_bytes
    shards = max(1, round(stored_bytes * rows_left / rows / sizes.shard_bytes))
    return rows >= rows_left / shards


@final
class Gathering:
    """The rows of the block that is being gathered."""

    def __init__(self, schema: pa.Schema, sizes: Sizes) -> None:
        self._schema = schema
        self._sizes = sizes
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0.0
        self.rows: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time for `take`."""
        limit = self._sizes.block_rows
        return self._bytes >= self._sizes.gather_bytes or (limit is not None and self.rows >= limit)

    def add(self, batch: pa.RecordBatch, most_rows: int | None) -> int:
        """Add the first rows of a batch, as many as there is room for; return how many.

        Args:
            batch: At least one row.
            most_rows: No more than these, at least one.
        """
        row_bytes = max(1.0, batch.nbytes / batch.num_rows)
        room: int = max(1, round((self._sizes.gather_bytes - self._bytes) / row_bytes))
        if self._sizes.block_rows is not None:
            room = min(room, self._sizes.block_rows - self.rows)
        if most_rows is not None:
            room = min(room, most_rows)
        count = min(room, int(batch.num_rows))
        self._batches.append(batch.slice(0, count))
        self._bytes += row_bytes * count
        self.rows += count
        return count

    def take(self) -> pa.Table:
        """Return the rows and start anew."""
        table = pa.Table.from_batches(self._batches, schema=self._schema)
        self.clear()
        return table

    def clear(self) -> None:
        """Forget the rows."""
        self._batches, self._bytes, self.rows = [], 0.0, 0


def as_batches(data: RowData, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield rows as batches of exactly this schema; what a table or list holds is checked first.

    Columns may come in another order, and are cast where no value changes.

    Raises:
        ValueError: Columns are missing or too many, a value does not fit its type, or a column
            that has no nulls holds some.
        TypeError: These are no rows.
    """
    if isinstance(data, pa.RecordBatch):
        yield from _conform(pa.Table.from_batches([data]), schema)
    elif isinstance(data, pa.Table):
        yield from _conform(data, schema)
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        if data:
            yield from _conform(_from_rows(data, schema), schema)
    elif isinstance(data, pa.RecordBatchReader) or hasattr(data, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(data)
        for batch in reader:
            yield from _conform(pa.Table.from_batches([batch]), schema)
    else:
        message = (
            f"rows come as a RecordBatch, a Table, a list of dicts or an Arrow stream, not as "
            f"{type(data).__name__}"
        )
        raise TypeError(message)


def _from_rows(rows: Sequence[object], schema: pa.Schema) -> pa.Table:
    names = set(schema.names)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            message = f"row {number} is a {type(row).__name__}, not a dict"
            raise TypeError(message)
        if not row.keys() <= names:  # pyarrow would drop them without a word
            message = f"row {number} has {sorted(row.keys() - names)}, which the schema has not"
            raise ValueError(message)
    return pa.Table.from_pylist(rows, schema=schema)


def _conform(table: pa.Table, schema: pa.Schema) -> list[pa.RecordBatch]:
    if not table.schema.equals(schema, check_metadata=False):
        if sorted(table.column_names) != sorted(schema.names):
            message = f"the columns are {table.column_names}, and the schema has {schema.names}"
            raise ValueError(message)
        table = pa.Table.from_arrays(
            [_cast(table[field.name], field) for field in schema], schema=schema
        )
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            message = f"column {field.name!r} holds nulls, and its field says that it has none"
            raise ValueError(message)
    return [batch for batch in table.to_batches() if batch.num_rows]


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"column {field.name!r} is {column.type}, not {field.type}: {error}"
        raise ValueError(message) from error
