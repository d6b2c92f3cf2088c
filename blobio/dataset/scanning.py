"""Indexing by reading a file once from end to end: what has no table of contents to look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from blobio.core.compression import AsyncCompressedReader
from blobio.core.context import AsyncContext
from blobio.core.files import AsyncReader
from blobio.core.formats import compression_of
from blobio.dataset.engine import on_thread
from blobio.dataset.errors import BadShard
from blobio.dataset.formats import arrow, text
from blobio.dataset.formats.flatbuffer import DICTIONARY, RECORD_BATCH, SCHEMA, Message, message_of
from blobio.dataset.manifest import Block, Format, Shard
from blobio.values import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Found", "Indexed", "scan_stream", "scan_text"]

WINDOW_BYTES: Final = 4 << 20
_LINE_BYTES: Final = 64 << 20  # the longest line
_SKIP_BYTES: Final = 1 << 20  # bodies longer than that are not read


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to become a shard.

    Attributes:
        url: Where it is.
        size: Bytes, if a listing told.
        version: The version, if a listing told.
    """

    url: str
    size: int | None = None
    version: Version | None = None


@final
@dataclass(frozen=True, slots=True)
class Indexed:
    """A shard and the schema of all its columns."""

    shard: Shard
    schema: pa.Schema


def _damaged(url: str, row: int, what: object) -> BadShard:
    message = f"open of {url}: it is damaged from row {row} on: {what}"
    bad = BadShard(message, url=url, operation="open")
    bad.row = row
    return bad


async def scan_stream(core: AsyncContext, file: Found) -> Indexed:
    """Find the batches of an IPC stream: 1 HEAD, and GETs from end to end.

    Bodies of batches of more than 1 MiB are skipped.

    Raises:
        BadShard: It is no stream, or cut short.
    """
    scan = _StreamScan(file.url)
    async with core.open(file.url) as reader:
        try:
            while await scan.message(reader):
                pass
        except (pa.ArrowException, ValueError) as error:
            raise _damaged(file.url, scan.rows, error) from error
        shard = Shard(
            url=file.url,
            size=reader.size,
            version=reader.version,
            format="arrow_stream",
            blocks=tuple(scan.blocks),
            footer=arrow.pack_spans(scan.later_dictionaries),
        )
    if scan.schema is None:
        raise _damaged(file.url, 0, "there is no schema at its beginning")
    return Indexed(shard, scan.schema)


@final
class _StreamScan:
    """Where the batches of a stream are, as far as it was read."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.schema: pa.Schema | None = None
        self.blocks: list[Block] = []
        self.later_dictionaries: list[tuple[int, int]] = []
        self.rows = 0

    async def message(self, reader: AsyncReader) -> bool:
        """Go past one message; return False at the end of the stream."""
        start = reader.tell()
        begin = await reader.read(8)
        if not begin:
            return False  # a stream may end without saying so
        prefix, length = arrow.prefix_bytes(begin)
        if length == 0:
            return False
        if length < 0 or start + prefix + length > reader.size:
            message = f"a message of {length} bytes at byte {start} of {reader.size}"
            raise ValueError(message)
        reader.seek(start)
        head = await reader.read(prefix + length)
        message_ = message_of(arrow.message_span(head))
        stop = start + prefix + length + message_.body_bytes
        if stop > reader.size:
            message = f"a body of {message_.body_bytes} bytes at byte {start} of {reader.size}"
            raise ValueError(message)
        self._take(message_, head, start, stop)
        if message_.body_bytes > _SKIP_BYTES:
            reader.seek(stop)
        else:
            await reader.read(message_.body_bytes)
        return True

    def _take(self, message: Message, head: bytes, start: int, stop: int) -> None:
        if message.kind == SCHEMA and self.schema is None:
            self.schema = arrow.message_schema(head)
        elif message.kind == RECORD_BATCH and self.schema is not None:
            self.blocks.append(Block(message.rows, start, stop))
            self.rows += message.rows
        elif message.kind == DICTIONARY and self.schema is not None:
            if self.blocks:
                self.later_dictionaries.append((start, stop))
        else:
            what = f"a message of kind {message.kind} at byte {start}"
            raise ValueError(what)


async def scan_text(core: AsyncContext, file: Found, kind: Format) -> Indexed:
    """Cut CSV or NDJSON into windows of 4 MiB and count their rows: 1 HEAD, then GETs to the end.

    A compressed file is one block.

    Raises:
        BadShard: A line is longer than 64 MiB, or CSV has lines of another number of columns.
    """
    compression = compression_of(file.url, "infer")
    scan = _TextScan(file.url, kind)
    async with core.open(file.url) as reader:
        source = AsyncCompressedReader(reader, compression)
        try:
            while window := await source.read(WINDOW_BYTES):
                await scan.add(window)
            await scan.end()
        except (pa.ArrowException, ValueError, EOFError) as error:
            raise _damaged(file.url, scan.rows, error) from error
        blocks: Sequence[Block] = scan.blocks
        if compression is not None:
            blocks = [Block(scan.rows, 0, reader.size)] if scan.rows else []
        shard = Shard(
            url=file.url,
            size=reader.size,
            version=reader.version,
            format=kind,
            compression=compression,
            blocks=tuple(blocks),
            footer=scan.header or b"",
        )
    return Indexed(shard, scan.schema or pa.schema([]))


@final
class _TextScan:
    """The windows of a text, as far as it was read.

    Attributes:
        header: The first line of CSV, or None if it was not seen yet.
    """

    def __init__(self, url: str, kind: Format) -> None:
        self._url = url
        self._kind: Format = kind
        self._pending = b""
        self._position = 0
        self.header: bytes | None = None if kind == "csv" else b""
        self.schema: pa.Schema | None = None
        self.blocks: list[Block] = []
        self.rows = 0

    async def add(self, data: bytes) -> None:
        """Take what follows on what was seen."""
        self._pending += data
        end = text.cut(self._pending, self._kind)
        if end:
            await self._window(end)
        elif len(self._pending) > _LINE_BYTES:
            message = f"a line of more than {_LINE_BYTES} bytes at byte {self._position}"
            raise ValueError(message)

    async def end(self) -> None:
        """Take what is left, a last line without an end."""
        if self._pending or self.schema is None:
            await self._window(len(self._pending))

    async def _window(self, end: int) -> None:
        lines, self._pending = self._pending[:end], self._pending[end:]
        if self.header is None:
            self.header = text.header_of(lines)
            self._position += len(self.header)
            lines = lines[len(self.header) :]
        arguments = (lines, self._kind, self._url, self.header)
        if self.schema is None:
            self.schema = await on_thread(partial(text.infer, *arguments))
        rows = await on_thread(partial(text.count_rows, *arguments))
        if rows:
            self.blocks.append(Block(rows, self._position, self._position + len(lines)))
        self._position += len(lines)
        self.rows += rows
