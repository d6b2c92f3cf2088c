"""Arrow IPC: record batches are the blocks, and a batch in memory needs no decoding.

A batch is fetched whole, whatever columns are wanted: its columns are slices of what was fetched.
Where there are dictionaries, a batch is read as a stream of its own: the schema, the dictionaries
that were sent before it, the batch.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, final

import pyarrow as pa
from pyarrow import ipc

from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.formats.flatbuffer import (
    Pieces,
    footer_batches,
    footer_dictionaries,
    message_of,
)
from blobio.dataset.manifest import Shard

__all__ = [
    "END_BYTES",
    "MAGIC",
    "ArrowDecoder",
    "batch_pieces",
    "file_schema",
    "message_schema",
    "message_span",
    "pack_spans",
    "prefix_bytes",
]

MAGIC: Final = b"ARROW1"
END_BYTES: Final = 10  # the length of the footer and the magic
_START_BYTES: Final = 8  # the magic and two zeros; what follows is a stream
_CONTINUATION: Final = b"\xff\xff\xff\xff"
_SPAN: Final = struct.Struct("<qq")
_END_OF_STREAM: Final = _CONTINUATION + bytes(4)


def prefix_bytes(start: bytes | memoryview) -> tuple[int, int]:
    """Return the length of what stands before a message, and that of its flatbuffer.

    Streams of before Arrow 0.15 have the length alone.
    """
    if start[:4] == _CONTINUATION:
        return 8, int.from_bytes(start[4:8], "little", signed=True)
    return 4, int.from_bytes(start[:4], "little", signed=True)


def message_span(data: bytes | memoryview) -> bytes | memoryview:
    """Return the flatbuffer of a message that begins `data`."""
    prefix, length = prefix_bytes(data)
    return data[prefix : prefix + length]


def file_schema(footer: bytes) -> pa.Schema:
    """Return the schema in the footer of an Arrow file, of which nothing else is there.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: It is damaged.
    """
    ending = footer + len(footer).to_bytes(4, "little") + MAGIC
    schema = ipc.open_file(pa.BufferReader(MAGIC + b"\0\0" + ending)).schema
    schema.names  # noqa: B018 - looked at here, where names that are no text are met
    return schema


def message_schema(data: bytes) -> pa.Schema:
    """Return the schema in the first message of a stream.

    Raises:
        pyarrow.ArrowException, ValueError: It is damaged.
    """
    try:
        schema = ipc.read_schema(pa.py_buffer(data))
    except OSError as error:
        raise ValueError(*error.args) from error
    schema.names  # noqa: B018 - as above
    return schema


def batch_pieces(footer: bytes, size: int) -> Pieces:
    """Return where the record batches of a file of `size` bytes are.

    Raises:
        ValueError: The footer is damaged, or speaks of bytes that the file has not.
    """
    pieces = footer_batches(footer)
    if not (pieces.within(size) and footer_dictionaries(footer).within(size)):
        message = f"batches lie beyond its end, at byte {size}"
        raise ValueError(message)
    return pieces


def pack_spans(spans: Sequence[tuple[int, int]]) -> bytes:
    """Write where the dictionaries of a stream are, as the footer that it has not."""
    return b"".join(_SPAN.pack(*span) for span in spans)


@final
class ArrowDecoder:
    """An IPC file or stream; see `Decoder`."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._schema: pa.Schema | None = None
        self._first = shard.blocks[0].start if shard.blocks else 0
        self._dictionaries: list[tuple[int, int]] = []
        if shard.format == "arrow":
            self._schema = file_schema(shard.footer)
            pieces = footer_dictionaries(shard.footer)
            self._dictionaries = sorted(zip(pieces.starts, pieces.stops, strict=True))
            self._first = min([self._first, *(start for start, _ in self._dictionaries)])
            self._start = _START_BYTES
        else:
            self._start = 0
            self._dictionaries = [
                span for span in _SPAN.iter_unpack(shard.footer) if span[0] >= self._first
            ]

    def is_ready(self, memory: Memory) -> bool:
        """Tell whether a block of a mapped shard needs neither decompression nor a copy."""
        if not self._shard.blocks or self.plain_schema(memory) is None:
            return False
        first = self._shard.blocks[0]
        head = memoryview(memory.slice(first.start, first.stop)).cast("B")
        return not message_of(message_span(head)).is_compressed

    def plan(self, block: int, columns: Sequence[str]) -> Plan:
        """Plan a whole batch, and what must be read before it."""
        del columns
        spans = self._spans(block)
        size = spans[-1][1] - spans[-1][0]
        return Plan(spans=tuple(sorted(spans)), decoded=size)

    def _spans(self, block: int) -> list[tuple[int, int]]:
        """Return what a stream of this batch alone consists of, the batch last."""
        place = self._shard.blocks[block]
        batch = (place.start, place.stop)
        if self._schema is not None and not self._dictionaries:
            return [batch]
        before = [(self._start, self._first)]
        is_file = self._shard.format == "arrow"
        before += [span for span in self._dictionaries if is_file or span[1] <= place.start]
        return [*before, batch]

    def plain_schema(self, memory: Memory) -> pa.Schema | None:
        """Return the schema if a batch can be taken by itself: if there are no dictionaries."""
        if self._dictionaries:
            return None
        if self._schema is None:
            begin = memory.slice(self._start, self._first)
            prefix, length = prefix_bytes(memoryview(begin).cast("B")[:8].tobytes())
            if prefix + length == self._first - self._start:
                self._schema = ipc.read_schema(begin)
        return self._schema

    def decode(self, block: int, columns: Sequence[str], memory: Memory) -> pa.Table:
        """Take a batch for what it is, without a copy where there are no dictionaries."""
        return pa.Table.from_batches([self.batch(block, memory)]).select(list(columns))

    def batch(self, block: int, memory: Memory) -> pa.RecordBatch:
        """Return a batch with all of its columns; see `decode`."""
        schema = self.plain_schema(memory)
        if schema is not None:
            place = self._shard.blocks[block]
            batch = ipc.read_record_batch(memory.slice(place.start, place.stop), schema)
        else:
            stream = _joined([memory.slice(*span) for span in self._spans(block)])
            options = ipc.IpcReadOptions(use_threads=False)
            batch = ipc.open_stream(pa.BufferReader(stream), options=options).read_next_batch()
        batch.validate()  # that lengths and offsets fit; looking at each value would be reading it
        return batch


def _joined(pieces: Sequence[pa.Buffer]) -> pa.Buffer:
    """Return pieces as one stream, in memory of pyarrow's own, see `Packed`."""
    joined = pa.allocate_buffer(sum(piece.size for piece in pieces) + len(_END_OF_STREAM))
    view, at = memoryview(joined).cast("B"), 0
    for piece in [*pieces, _END_OF_STREAM]:
        data = memoryview(piece).cast("B")
        view[at : at + len(data)] = data
        at += len(data)
    return joined
