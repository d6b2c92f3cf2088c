"""A manifest: which shards a dataset has, in which versions, and where their rows are.

Who has a manifest lists nothing and reads no footer: the shards are pinned, their rows are counted,
and the plan of an epoch follows from it without a request.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, final, overload

from blobio.values import Version

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Block", "BlockTable", "Format", "Manifest", "Shard", "Split"]

Format: TypeAlias = Literal["parquet", "arrow", "arrow_stream", "csv", "ndjson"]
"""How the rows of a shard are stored; `arrow` is the IPC file, `arrow_stream` the IPC stream."""


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a shard that are fetched and decoded together.

    Attributes:
        num_rows: Rows.
        start: The first byte in the shard that belongs to them.
        stop: The first byte that does not any more.
    """

    num_rows: int
    start: int
    stop: int


@final
class BlockTable(Sequence[Block]):
    """Blocks as columns of numbers, for shards that have tens of thousands: 24 bytes each.

    It equals, and hashes as, a tuple of the same blocks. Immutable and picklable.

    Args:
        num_rows: Of each block.
        starts: Of each block.
        stops: Of each block.

    Raises:
        ValueError: There are not as many of each.
    """

    __slots__ = ("_starts", "_stops", "num_rows")

    def __init__(
        self, num_rows: Iterable[int], starts: Iterable[int], stops: Iterable[int]
    ) -> None:
        self.num_rows: Sequence[int] = array("q", num_rows)
        self._starts = array("q", starts)
        self._stops = array("q", stops)
        if not len(self.num_rows) == len(self._starts) == len(self._stops):
            message = (
                f"{len(self.num_rows)} rows, {len(self._starts)} starts and "
                f"{len(self._stops)} stops of blocks"
            )
            raise ValueError(message)

    def __reduce__(self) -> tuple[object, ...]:
        return BlockTable, (self.num_rows, self._starts, self._stops)

    def __len__(self) -> int:
        return len(self.num_rows)

    @overload
    def __getitem__(self, number: int) -> Block: ...
    @overload
    def __getitem__(self, number: slice) -> BlockTable: ...
    def __getitem__(self, number: int | slice) -> Block | BlockTable:
        """Return a block, or some of them."""
        rows, starts, stops = self.num_rows, self._starts, self._stops
        if isinstance(number, slice):
            return BlockTable(rows[number], starts[number], stops[number])
        return Block(rows[number], starts[number], stops[number])

    def __iter__(self) -> Iterator[Block]:
        return map(Block, self.num_rows, self._starts, self._stops)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BlockTable):
            mine = (self.num_rows, self._starts, self._stops)
            return mine == (other.num_rows, other._starts, other._stops)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"BlockTable({len(self)} blocks, {sum(self.num_rows)} rows)"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One file of a dataset, pinned.

    Attributes:
        url: Where it is: an absolute URL or path.
        size: Bytes.
        version: The version that was indexed, None where the store has none.
        format: How rows are stored.
        compression: By which the whole file is compressed (`gzip`, `zstd`, ...), None if it is not.
        blocks: Its row groups, record batches or windows of lines, in order: a tuple, or a table.
        footer: The metadata at its end as it is stored (Parquet's thrift, Arrow's flatbuffer),
            empty where the format has none.
    """

    url: str
    size: int
    version: Version | None
    format: Format
    compression: str | None = None
    blocks: Sequence[Block] = ()
    footer: bytes = field(default=b"", repr=False)

    @property
    def num_rows(self) -> int:
        """Rows of all blocks."""
        return sum(self.block_rows)

    @property
    def block_rows(self) -> Sequence[int]:
        """Rows of each block."""
        if isinstance(self.blocks, BlockTable):
            return self.blocks.num_rows
        return [block.num_rows for block in self.blocks]


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Shards `start` to `stop` of a manifest, half-open: a named part of the dataset."""

    start: int
    stop: int


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Manifest:
    """A pinned dataset.

    Attributes:
        schema: Of all shards.
        shards: In the order of their rows.
        splits: By name, such as `train`; empty if the dataset is not split.
        license: As an SPDX identifier or words, or None.
        tags: Words to find it by.
        description: For people.
    """

    schema: pa.Schema
    shards: tuple[Shard, ...]
    splits: Mapping[str, Split] = field(default_factory=dict)
    license: str | None = None
    tags: tuple[str, ...] = ()
    description: str = ""

    @property
    def num_rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.num_rows for shard in self.shards)

    def __repr__(self) -> str:
        """Say how much there is: ten thousand shards fill a screen."""
        splits = f", splits {', '.join(self.splits)}" if self.splits else ""
        counts = f"{len(self.shards):,} shards, {self.num_rows:,} rows"
        return f"Manifest({counts}, columns {', '.join(self.schema.names)}{splits})"
