"""The files of `open_async`: blobio's own, with fsspec's words."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, final

from blobio.core.files import AsyncReader, AsyncWriter

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from blobio.core.opening import Opening

__all__ = ["AsyncFile"]


@final
class AsyncFile:
    """A file of `open_async`, with fsspec's words for `AsyncReader` and `AsyncWriter`."""

    def __init__(
        self,
        opening: Opening[AsyncReader] | Opening[AsyncWriter],
        file: AsyncReader | AsyncWriter,
        mode: str,
    ) -> None:
        self._opening = opening
        self._file = file
        self.mode = mode
        self.closed: bool = False

    @property
    def size(self) -> int:
        """Bytes of the blob, or written so far."""
        return self._file.size if isinstance(self._file, AsyncReader) else self._file.tell()

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of a file open for reading."""
        return self._reader.seek(offset, whence)

    async def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if it is negative."""
        return await self._reader.read(size)

    async def write(self, data: Buffer) -> int:
        """Write all of `data`."""
        if not isinstance(self._file, AsyncWriter):
            message = "this file was opened for reading"
            raise io.UnsupportedOperation(message)
        view = memoryview(data).cast("B")
        await self._file.write(view)
        return len(view)

    async def flush(self, force: bool = False) -> None:
        """Do nothing: bytes become visible all at once."""

    async def close(self) -> None:
        """Publish what was written. Idempotent."""
        if not self.closed:
            self.closed = True
            await self._opening.__aexit__(None, None, None)

    async def __aenter__(self) -> AsyncFile:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.closed:
            self.closed = True
            await self._opening.__aexit__(kind, error, trace)

    @property
    def _reader(self) -> AsyncReader:
        if not isinstance(self._file, AsyncReader):
            message = "this file was opened for writing"
            raise io.UnsupportedOperation(message)
        return self._file
