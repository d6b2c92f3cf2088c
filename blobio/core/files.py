"""Files of the async API: `AsyncReader` and `AsyncWriter`, binary, over any driver."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeVar, final

from blobio.config import Config
from blobio.core.prefetch import SequentialWindow
from blobio.core.reader import RangeReader
from blobio.core.streamcheck import StreamCheck
from blobio.core.writer import PartBuffer, PartWriter
from blobio.errors import redact
from blobio.url import BlobUrl
from blobio.values import Body, PutResult, Version

__all__ = ["AsyncReader", "AsyncWriter"]

B = TypeVar("B", bytes, memoryview)

_DIRECT_BLOCKS: Final = 4  # a read of so many blocks is cut into parts at once, past the window


@final
class AsyncReader:
    """A blob open for reading, pinned to one version. Use as an async context manager.

    Iterating yields the rest of the blob in blocks of `bytes`. Reads that together go from front to
    back are checked against the store's CRC32C, where it has one: the last of them raises
    `ChecksumMismatch` instead of giving its bytes.
    """

    def __init__(self, reader: RangeReader, config: Config, block_bytes: int) -> None:
        self._reader = reader
        self._window = SequentialWindow(reader, block_bytes=block_bytes, window=config.read.window)
        self._block_bytes = block_bytes
        self._check: StreamCheck | None = None
        if reader.crc32c is not None and reader.size is not None:
            self._check = StreamCheck(reader.url, reader.size, reader.crc32c)
        self._position = 0
        self._block = b""
        self._block_start = 0
        self._closed = False

    @property
    def url(self) -> BlobUrl:
        """The blob."""
        return self._reader.url

    @property
    def size(self) -> int:
        """Its size in bytes, fixed when it was opened."""
        return self._reader.size or 0

    @property
    def version(self) -> Version | None:
        """The version that is read, or None if the store has no such thing."""
        return self._reader.version

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; one past the end is allowed and reads as the end.

        Raises:
            ValueError: The position would be negative, or `whence` is unknown.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            message = (
                f"seek to {offset} (whence {whence}) in {redact(str(self.url))} is not a position"
            )
            raise ValueError(message)
        self._position = base + offset
        return self._position

    def take(self, size: int) -> bytes | None:
        """Read `size` bytes if they are here already, else return None and do nothing."""
        offset = self._position - self._block_start
        stop = offset + size
        if offset < 0 or stop > len(self._block) or self._closed:
            return None
        self._position += size
        return self._block[offset:stop]

    def take_line(self, limit: int) -> tuple[bytes, bool]:
        """Read up to `limit` bytes of what is here, to the end of the line at most.

        Returns:
            The bytes, and whether the line or the limit ended them.
        """
        offset = self._position - self._block_start
        if not 0 <= offset < len(self._block):
            return b"", limit == 0
        stop = self._block.find(b"\n", offset, offset + limit) + 1
        ended = stop > 0
        line = self._block[offset : stop if ended else offset + limit]
        self._position += len(line)
        return line, ended or len(line) == limit

    def buffered(self, limit: int) -> bytes:
        """Return up to `limit` bytes of what is here from the position on, without moving."""
        offset = self._position - self._block_start
        return self._block[offset : offset + limit] if offset >= 0 else b""

    async def fill(self, wanted: int = 0) -> bool:
        """Fetch the block at the position unless it is here; False at the end of the blob.

        Args:
            wanted: Bytes that will be needed from there on, as far as the caller knows.
        """
        self._check_open()
        offset = self._position - self._block_start
        if 0 <= offset < len(self._block):
            return True
        if self._position >= self.size:
            return False
        block = await self._checked(lambda: self._window.block(self._position, wanted))
        self._block, self._block_start = block, self._position
        return bool(block)

    async def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if `size` is negative."""
        self._check_open()
        left = self.size - self._position
        if size >= 0:
            left = min(left, size)
        pieces: list[bytes] = []
        start = self._position
        try:
            while left > 0:
                here = self.buffered(left)
                if not here and left >= _DIRECT_BLOCKS * self._block_bytes:
                    stop = self._position + left
                    here = await self._checked(partial(self._reader.read, self._position, stop))
                elif not here:
                    await self.fill(left)
                    continue
                pieces.append(here)
                self._position += len(here)
                left -= len(here)
        except BaseException:
            self._position = start
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer` from the position on; return how many bytes there were before the end.

        A buffer of a block or more is filled from the socket, without another copy.
        """
        self._check_open()
        view = memoryview(buffer).cast("B")
        if len(view) >= self._block_bytes:
            filled = await self._checked(lambda: self._fill_in_place(view))
            self._position += len(filled)
            return len(filled)
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while block := await self.read(self._block_bytes):
            yield block

    async def __aenter__(self) -> AsyncReader:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what is being fetched ahead. Idempotent."""
        self._closed = True
        self._block = b""
        await self._window.aclose()

    async def _fill_in_place(self, view: memoryview) -> memoryview:
        return view[: await self._reader.readinto(self._position, view)]

    async def _checked(self, fetch: Callable[[], Awaitable[B]]) -> B:
        """Return the bytes at the position; of a whole blob that is not as stored, once more."""
        data = await fetch()
        if self._check is None or await self._check.passes(self._position, data):
            return data
        if self._position == 0:
            data = await fetch()
            if await self._check.passes(0, data):
                return data
        raise self._check.failure()

    def _check_open(self) -> None:
        if self._closed:
            message = f"read of a closed file: {redact(str(self.url))}"
            raise ValueError(message)


@final
class AsyncWriter:
    """A blob open for writing; it appears, whole, when the `async with` body ends without an error.

    If the body raises or is cancelled, or `abort` is called, nothing appears. A writer that is
    dropped without either publishes nothing; its parts are taken back when the context closes.
    """

    def __init__(self, writer: PartWriter) -> None:
        self._writer = writer
        self._buffer = PartBuffer(writer.next_part_bytes)
        self._position = 0
        self._closed = False
        self.result: PutResult | None = None

    @property
    def url(self) -> BlobUrl:
        """The blob."""
        return self._writer.url

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._position

    async def write(self, data: Body) -> int:
        """Write `data`, which may change once this has returned; wait while the window is full."""
        if self._closed:
            message = f"write to a closed file: {self.url}"
            raise ValueError(message)
        view = memoryview(data).cast("B")
        size = len(view)
        while len(view):
            view = view[self.fill(view) :]
            if self.is_full:
                await self.send_part()
        return size

    def fill(self, view: memoryview) -> int:
        """Take what the current part has room for; return how much."""
        count = self._buffer.fill(view)
        self._position += count
        return count

    @property
    def is_full(self) -> bool:
        """Whether the current part is full and must be sent before more is taken."""
        return self._buffer.is_full

    async def send_part(self) -> None:
        """Send the current part; wait while the window is full."""
        self._buffer.part_bytes = await self._writer.write_part(self._buffer.take())

    async def aclose(self) -> None:
        """Publish. Idempotent.

        Raises:
            BlobError: Nothing was published, see `PartWriter.finish`.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.result = await self._writer.finish(self._buffer.take())
        except BaseException:
            await self._writer.abort()
            raise

    async def abort(self) -> None:
        """Drop what was written. Idempotent; nothing after `aclose`."""
        self._closed = True
        await self._writer.abort()

    async def __aenter__(self) -> AsyncWriter:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            await self.aclose()
        else:
            await self.abort()
