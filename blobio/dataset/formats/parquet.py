"""Parquet: row groups are the blocks, and each column of one is a run of bytes of its own.

pyarrow decodes from memory in which only the planned runs are filled. It is given no file object of
Python's, and none of its threads: a process that exits while they hold Python's memory aborts
(apache/arrow issues 45214 and 50482, as the reference of this project tells).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from blobio.dataset.errors import BadShard
from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.formats.paged import Paged
from blobio.dataset.formats.pages import chunk_span
from blobio.dataset.manifest import Block, Shard
from blobio.errors import Unsupported
from blobio.values import Version

if TYPE_CHECKING:
    from blobio.core.tail import Tail

__all__ = [
    "ENCRYPTED",
    "END_BYTES",
    "MAGIC",
    "ParquetDecoder",
    "as_file",
    "footer_bytes",
    "shard_of",
]

MAGIC: Final = b"PAR1"
ENCRYPTED: Final = b"PARE"
END_BYTES: Final = 8  # the length of the footer and the magic
_OLD_PADDING: Final = 100


def footer_bytes(url: str, tail: Tail) -> int:
    """Return how long the footer is of which `tail` has the end, the last 8 bytes left out.

    Raises:
        BadShard: It is no Parquet file, or its end is missing.
        Unsupported: It is encrypted.
    """
    magic = tail.data[-4:]
    if magic == ENCRYPTED:
        message = f"open of {url}: encrypted Parquet is not read"
        raise Unsupported(message, url=url, operation="open")
    length = int.from_bytes(tail.data[-8:-4], "little")
    if magic != MAGIC or length + END_BYTES + len(MAGIC) > tail.size:
        message = (
            f"open of {url}: this is no Parquet file, or its end is missing: "
            f"{tail.size} bytes, the last of them {magic!r}"
        )
        raise BadShard(message, url=url, operation="open")
    return length


def shard_of(
    url: str, size: int, version: Version | None, footer: bytes
) -> tuple[Shard, pa.Schema]:
    """Index a shard from its footer; return it with the schema of all its columns.

    Raises:
        BadShard: The footer is damaged, or speaks of bytes that the shard has not.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(as_file(footer)))
        schema = metadata.schema.to_arrow_schema()
        schema.names  # noqa: B018 - looked at here, where names that are no text are met
        blocks = tuple(_block(metadata, number) for number in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"open of {url}: the Parquet footer is damaged ({error})"
        raise BadShard(message, url=url, operation="open") from error
    if any(block.stop > size for block in blocks):
        message = f"open of {url}: row groups lie beyond its end, at byte {size}"
        raise BadShard(message, url=url, operation="open")
    shard = Shard(
        url=url, size=size, version=version, format="parquet", blocks=blocks, footer=footer
    )
    return shard, schema


def as_file(footer: bytes) -> bytes:
    """Return a footer as a file with nothing before it."""
    return MAGIC + _ending(footer)


def _ending(footer: bytes) -> bytes:
    return footer + len(footer).to_bytes(4, "little") + MAGIC


def _block(metadata: pq.FileMetaData, number: int) -> Block:
    group = metadata.row_group(number)
    spans = [chunk_span(group.column(index)) for index in range(group.num_columns)]
    start = min((start for start, _ in spans), default=0)
    return Block(group.num_rows, start, max((stop for _, stop in spans), default=start))


@final
class ParquetDecoder:
    """A Parquet shard; see `Decoder`."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._metadata = pq.read_metadata(pa.BufferReader(as_file(shard.footer)))
        self._schema: pa.Schema = self._metadata.schema.to_arrow_schema()
        self._paths: list[str] = [
            self._metadata.schema.column(index).path for index in range(self._metadata.num_columns)
        ]
        # PARQUET-816: old writers left the header of the dictionary out of the size
        old = self._metadata.created_by.startswith("parquet-mr") or not self._metadata.created_by
        self._padding = _OLD_PADDING if old else 0

    @cached_property
    def paged(self) -> Paged | None:
        """What reads pages instead of column chunks; None if the shard has no index for that."""
        group = self._metadata.row_group(0) if self._metadata.num_row_groups else None
        indexed = group is not None and any(
            group.column(index).has_offset_index for index in range(group.num_columns)
        )
        if self._padding or not indexed:  # those that need the padding have no index
            return None
        try:
            return Paged(self._shard.footer, self._shard.size, self._metadata)
        except ValueError:
            return None

    @property
    def schema(self) -> pa.Schema:
        """All columns."""
        return self._schema

    def plan(self, block: int, columns: Sequence[str]) -> Plan:
        """Plan the column chunks of a row group."""
        group = self._metadata.row_group(block)
        size = self._shard.size
        spans: list[tuple[int, int]] = []
        decoded = 0
        for index in self._leaves(columns):
            chunk = group.column(index)
            start, stop = chunk_span(chunk)
            spans.append((start, max(stop, min(size, stop + self._padding))))
            decoded += chunk.total_uncompressed_size
        ending = _ending(self._shard.footer)
        known = ((0, MAGIC), (size - len(ending), ending))
        return Plan(spans=tuple(sorted(spans)), decoded=decoded, whole=True, known=known)

    def decode(self, block: int, columns: Sequence[str], memory: Memory) -> pa.Table:
        """Decode a row group on this thread."""
        file = pq.ParquetFile(
            pa.BufferReader(memory.slice(0, self._shard.size)),
            metadata=self._metadata,
            pre_buffer=False,
        )
        table = file.read_row_group(block, columns=list(columns), use_threads=False)
        return table.select(list(columns))

    def _leaves(self, columns: Sequence[str]) -> list[int]:
        """Return the columns of the file that those of the table consist of, as pyarrow does."""
        wanted = set(columns)
        return [
            index
            for index, path in enumerate(self._paths)
            if path in wanted
            or any(path[:end] in wanted for end, letter in enumerate(path) if letter == ".")
        ]
