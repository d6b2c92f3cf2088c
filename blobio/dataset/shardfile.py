"""One shard being written: Arrow tables become a Parquet or Arrow file, block by block.

pyarrow writes into memory of ours; what it has written for one block is then handed on to the
store, so that never more than a block is here, and an error of the store never passes through
pyarrow. Where the blocks lie and what the footer says is known without reading anything back.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, final

import pyarrow as pa
import pyarrow.parquet as pq

from blobio.dataset.manifest import Block
from blobio.errors import Unsupported

__all__ = [
    "ArrowFile",
    "Encoder",
    "Encoding",
    "ParquetFile",
    "Piece",
    "encoding_of",
    "make_encoder",
]

_PARQUET_CODECS: Final = frozenset({None, "zstd", "snappy", "lz4", "gzip", "brotli"})
_ARROW_CODECS: Final = frozenset({None, "zstd", "lz4"})

Piece: TypeAlias = "bytes | pa.Buffer"
"""Bytes that do not change any more, as pyarrow hands them out."""

_PARQUET_END: Final = 8  # length of the metadata, then PAR1
_ARROW_END: Final = 10  # length of the footer, then ARROW1
_SCHEMA_START: Final = (
    8  # ARROW1 and two zeros; then 0xFFFFFFFF, the length of the schema, the schema
)


@final
@dataclass(frozen=True, slots=True)
class Encoding:
    """How a shard is encoded.

    Attributes:
        format: `parquet`, or `arrow` for the IPC file.
        compression: Of the pages or buffers (`zstd`, `snappy`, `lz4`, ...), or None.
        content_defined_chunking: Cut Parquet pages where the values say so, so that a shard whose
            rows shift keeps most of its bytes.
    """

    format: Literal["parquet", "arrow"]
    compression: str | None
    content_defined_chunking: bool

    @property
    def extension(self) -> str:
        """How the name of a file ends."""
        return self.format


def encoding_of(
    form: Literal["parquet", "arrow"], compression: str | None, *, chunking: bool | None
) -> Encoding:
    """Return an encoding; `compression` may be `auto`, and None as `chunking` says where it can be.

    Raises:
        ValueError: There is no such format, or pyarrow no such compression for it.
    """
    if form not in ("parquet", "arrow"):
        message = f"a shard is written as 'parquet' or 'arrow', not {form!r}"
        raise ValueError(message)
    if compression == "auto":
        compression = "zstd" if form == "parquet" else None
    known = _PARQUET_CODECS if form == "parquet" else _ARROW_CODECS
    if compression not in known:
        message = f"{form} is compressed with {', '.join(sorted(filter(None, known)))} or None, "
        raise ValueError(message + f"not {compression!r}")
    if chunking is None:
        chunking = form == "parquet" and _can_chunk()
    elif chunking and not (form == "parquet" and _can_chunk()):
        message = (
            "content-defined chunking is for Parquet and pyarrow 21 or later, not for "
            f"{form} with {pa.__version__}"
        )
        raise Unsupported(message, operation="put")
    return Encoding(form, compression, chunking)


def _can_chunk() -> bool:
    """Tell whether pyarrow has content-defined chunking, which came with 21."""
    return "use_content_defined_chunking" in inspect.signature(pq.write_table).parameters


class Encoder(Protocol):
    """A file in the making. `take` is called after each `write`, and after `finish`."""

    @property
    def blocks(self) -> list[Block]:
        """What was written so far."""
        ...

    def write(self, table: pa.Table) -> None:
        """Encode a table as the next block or blocks."""
        ...

    def finish(self) -> bytes:
        """Encode the end of the file; return its metadata as the manifest keeps it."""
        ...

    def take(self) -> list[Piece]:
        """Return what was encoded since the last call, in its order."""
        ...


def make_encoder(schema: pa.Schema, encoding: Encoding) -> Encoder:
    """Start a file."""
    if encoding.format == "parquet":
        return ParquetFile(schema, encoding)
    return ArrowFile(schema, encoding)


@final
class _Memory:
    """The file that pyarrow writes to."""

    def __init__(self) -> None:
        self.closed: bool = False
        # as they come: putting them together would be one more copy of everything
        self._pieces: list[Piece] = []
        self._size = 0

    def write(self, data: Piece) -> int:
        size = memoryview(data).nbytes
        self._pieces.append(data)
        self._size += size
        return size

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def take(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def number(self, offset: int) -> int:
        """Return the number that is stored at `offset` of the file, of which nothing is taken."""
        head = b""
        for piece in self._pieces:
            head += bytes(memoryview(piece)[: offset + 4])
            if len(head) >= offset + 4:
                break
        return int.from_bytes(head[offset : offset + 4], "little")

    def last(self, size: int, end: int) -> bytes:
        """Return `size` bytes that lie `end` bytes before the end, of what is not taken."""
        return b"".join(self._pieces)[-end - size : -end]


@final
class ParquetFile:
    """A Parquet file; each table is one row group. The page index is written."""

    def __init__(self, schema: pa.Schema, encoding: Encoding) -> None:
        self._memory = _Memory()
        self._file = pa.PythonFile(self._memory, mode="w")
        options = (
            {"use_content_defined_chunking": True} if encoding.content_defined_chunking else {}
        )
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression=encoding.compression or "none",
            write_page_index=True,
            **options,
        )
        self._rows: list[int] = []
        self.blocks: list[Block] = []

    def write(self, table: pa.Table) -> None:
        """See `Encoder`."""
        start = self._memory.tell()
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.blocks.append(Block(table.num_rows, start, self._memory.tell()))

    def finish(self) -> bytes:
        """See `Encoder`: the thrift of the metadata, without its length and the magic word."""
        self._writer.close()
        self._file.close()
        size = int.from_bytes(self._memory.last(4, 4), "little")
        footer = self._memory.last(size, _PARQUET_END)
        self.blocks = list(_row_groups(footer))
        return footer

    def take(self) -> list[Piece]:
        """See `Encoder`."""
        return self._memory.take()


def _row_groups(footer: bytes) -> Iterator[Block]:
    """Yield where the column chunks of each row group lie, from the metadata itself."""
    tail = footer + len(footer).to_bytes(4, "little") + b"PAR1"
    metadata = pq.read_metadata(pa.BufferReader(b"PAR1" + tail))
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(index) for index in range(group.num_columns)]
        starts = [
            min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
            for column in columns
        ]
        stops = [
            start + column.total_compressed_size
            for start, column in zip(starts, columns, strict=True)
        ]
        yield Block(group.num_rows, min(starts, default=0), max(stops, default=0))


@final
class ArrowFile:
    """An Arrow IPC file; each batch is a block, which starts with the dictionaries it brings."""

    def __init__(self, schema: pa.Schema, encoding: Encoding) -> None:
        self._memory = _Memory()
        self._file = pa.PythonFile(self._memory, mode="w")
        options = pa.ipc.IpcWriteOptions(
            compression=encoding.compression, emit_dictionary_deltas=True
        )
        self._writer = pa.ipc.new_file(self._file, schema, options=options)
        self.blocks: list[Block] = []

    def write(self, table: pa.Table) -> None:
        """See `Encoder`."""
        for batch in table.unify_dictionaries().combine_chunks().to_batches():
            start = self._memory.tell()
            self._writer.write_batch(batch)
            # pyarrow writes the schema with the first batch
            start = start or _SCHEMA_START + 8 + self._memory.number(_SCHEMA_START + 4)
            self.blocks.append(Block(batch.num_rows, start, self._memory.tell()))

    def finish(self) -> bytes:
        """See `Encoder`: the flatbuffer of the footer, without its length and the magic word."""
        self._writer.close()
        self._file.close()
        size = int.from_bytes(self._memory.last(4, 6), "little")
        return self._memory.last(size, _ARROW_END)

    def take(self) -> list[Piece]:
        """See `Encoder`."""
        return self._memory.take()
