"""The Python files below pyarrow's: one that knows its end already, one that knows of failures."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol, final

from blobio.blocking.binding import Binding
from blobio.blocking.file import BlobReader
from blobio.core.files import AsyncReader
from blobio.errors import VersionMismatch
from blobio.pyarrow.looking import Seen
from blobio.url import BlobUrl

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from blobio.core.context import AsyncContext

__all__ = ["InputFile", "OutputFile"]

_RUN: Final = 2  # reads in a row that go on where the last one ended, before more is read ahead


@final
class InputFile:
    """A blob for random access, pinned to the version that was seen.

    Its end is in memory. What lies before it is fetched as it is asked for, no more and no less,
    large reads in parts side by side; reads that go on from one another are read ahead of.
    pyarrow lets one thread in at a time.

    Args:
        binding: Reaches the store.
        url: The blob.
        seen: What is known of it.
        on_change: Called if it turns out to be another version now.
    """

    def __init__(
        self, binding: Binding, url: BlobUrl, seen: Seen, on_change: Callable[[], None]
    ) -> None:
        self.closed: bool = False
        self._binding = binding
        self._url = url
        self._seen = seen
        self._on_change = on_change
        self._tail = seen.tail or b""
        self._tail_start = seen.size - len(self._tail)
        self._position = 0
        self._expected = -1
        self._run = 0
        self._stream: BlobReader | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; past the end is allowed."""
        base = (0, self._position, self._seen.size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if negative or None.

        Raises:
            VersionMismatch: The blob was replaced since it was seen; open it again.
        """
        start, stop = self._position, self._seen.size
        if size is not None and size >= 0:
            stop = min(stop, start + size)
        if start >= stop:
            return b""
        middle = min(stop, max(start, self._tail_start))
        try:
            head = self._fetch(start, middle) if start < middle else b""
        except VersionMismatch:
            self._on_change()
            raise
        offset = self._tail_start
        data = head if middle == stop else head + self._tail[middle - offset : stop - offset]
        self._position = start + len(data)
        return data

    def close(self) -> None:
        """Drop what was fetched ahead. Idempotent."""
        self.closed = True
        if self._stream is not None:
            self._stream.close()

    def _fetch(self, start: int, stop: int) -> bytes:
        self._run = self._run + 1 if start == self._expected else 0
        self._expected = stop
        if self._run < _RUN:
            return self._binding.call(lambda core: self._exactly(core, start, stop))
        if self._stream is None:
            self._stream = BlobReader(self._reopen)
        self._stream.seek(start)
        return self._stream.read(stop - start)

    async def _exactly(self, core: AsyncContext, start: int, stop: int) -> bytes:
        seen = self._seen
        reader = core.stores.reader(str(self._url), size=seen.size, version=seen.version)
        return await reader.read(start, stop)

    def _reopen(self, pinned: str | None) -> AsyncReader:
        self._binding.capabilities(self._url)  # makes the driver, on the loop
        core, seen = self._binding.core(), self._seen
        reader = core.stores.reader(
            str(self._url), size=seen.size, version=pinned or seen.version, crc32c=seen.crc32c
        )
        return AsyncReader(reader, core.config, core.config.buffer_bytes)


class _Writer(Protocol):
    """blobio's own writers, of a store or of the disk."""

    @property
    def closed(self) -> bool: ...
    def write(self, data: Buffer, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


@final
class OutputFile:
    """A blob being written: published by `close`, unless that ends a `with` block that raised.

    pyarrow's files, and its `ParquetWriter`, close what is below them without a word about the
    error they leave with, and so publish half a table. Python knows, see `_block_has_failed`.
    """

    def __init__(self, writer: _Writer, on_end: Callable[[], None]) -> None:
        self._writer = writer
        self._on_end = on_end
        self._handled = sys.exception()

    @property
    def closed(self) -> bool:
        """Nothing more can be written."""
        return self._writer.closed

    def readable(self) -> bool:
        """Return False."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return False."""
        return False

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._writer.tell()

    def write(self, data: Buffer) -> int:
        """Write all of `data`."""
        return self._writer.write(data)

    def flush(self) -> None:
        """Do nothing: bytes become visible all at once."""

    def close(self) -> None:
        """Publish, or nothing if a `with` block has failed. Idempotent."""
        if self._writer.closed:
            return
        try:
            if _block_has_failed(self._handled, sys._getframe().f_back):  # noqa: SLF001
                self._writer.abort()
            else:
                self._writer.close()
        finally:
            self._on_end()


def _block_has_failed(handled: BaseException | None, frame: FrameType | None) -> bool:
    """Tell if this is the end of a `with` block that has raised, however many calls further out.

    Then an exception is being handled that was not when the file was opened, and some caller stands
    at the instruction that hands it to `__exit__`. Closing a file in an `except` or `finally`
    clause is no failure of the file's.

    Args:
        handled: What was being handled when the file was opened.
        frame: Where to begin; None on a thread of pyarrow's, which no block is left on.
    """
    error = sys.exception()
    if error is None or error is handled:
        return False
    while frame is not None:
        if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _LEAVE_WITH_ERROR:
            return True
        frame = frame.f_back
    return False


# Of CPython 3.11 to 3.13; an interpreter without it publishes as pyarrow has it.
_LEAVE_WITH_ERROR: Final = dis.opmap.get("WITH_EXCEPT_START", -1)
