"""Compression of `BlobFile`: a compressor of the standard library, or one like it, over a blob.

A writer publishes when it is closed, with what the compressor still held, and nothing if anything
fails. A reader goes through all members of a file that has several, and takes one that ends too
early for an error.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from types import TracebackType
from typing import (
    IO,
    TYPE_CHECKING,
    Final,
    Literal,
    Protocol,
    TypeVar,
    final,
)

from blobio.blocking.file import leave
from blobio.core.formats import GZIP_LEVEL, explained
from blobio.errors import redact

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CompressedReader", "CompressedWriter", "compress"]

T = TypeVar("T")
Mode = Literal["rb", "wb"]


def _gzip(file: IO[bytes], mode: Mode) -> IO[bytes]:
    import gzip

    # without a name and a time, equal content makes equal blobs
    return gzip.GzipFile("", mode, GZIP_LEVEL, file, mtime=0)  # type: ignore[return-value]


def _bz2(file: IO[bytes], mode: Mode) -> IO[bytes]:
    import bz2

    return bz2.BZ2File(file, mode)


def _xz(file: IO[bytes], mode: Mode) -> IO[bytes]:
    import lzma

    return lzma.LZMAFile(file, mode)


def _zstd(file: IO[bytes], mode: Mode) -> IO[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    return zstd.ZstdFile(file, mode)  # type: ignore[return-value]


def _lz4(file: IO[bytes], mode: Mode) -> IO[bytes]:
    import lz4.frame

    opened: IO[bytes] = lz4.frame.LZ4FrameFile(file, mode)
    return opened


_OPENERS: Final[dict[str, Callable[[IO[bytes], Mode], IO[bytes]]]] = {
    "gzip": _gzip,
    "bz2": _bz2,
    "xz": _xz,
    "zstd": _zstd,
    "lz4": _lz4,
}


def compress(
    file: io.BufferedIOBase, compression: str, mode: Mode, *, partial_writes_on_exc: bool = False
) -> CompressedReader | CompressedWriter:
    """Put a format between a binary file and its user; closing closes both.

    Args:
        file: The blob, open for reading or writing.
        compression: As `blobio.core.formats.compression_of` returned it.
        mode: Which way.
        partial_writes_on_exc: Publish even if the `with` block raises.
    """
    start = 0 if mode == "rb" else file.tell()
    coder = _OPENERS[compression](file, mode)  # type: ignore[arg-type]
    if mode == "rb":
        return CompressedReader(coder, file, compression)
    return CompressedWriter(
        coder,
        file,  # type: ignore[arg-type]
        start=start,
        partial_writes_on_exc=partial_writes_on_exc,
    )


@final
class CompressedReader(io.BufferedIOBase):
    """A compressed blob open for reading what it holds.

    Seeking forward reads on, seeking back starts again from the beginning.

    Raises, when it is read:
        EOFError: The data end before their format's end does.
        BlobError: They are not of that format, or damaged.
    """

    def __init__(self, decoder: IO[bytes], file: io.BufferedIOBase, compression: str) -> None:
        self._decoder = decoder
        self._file = file
        self._compression = compression

    @property
    def name(self) -> str:
        """Path or URL."""
        name: str = self._file.name  # type: ignore[attr-defined]  # all files of ours have one
        return name

    @property
    def mode(self) -> str:
        """Always `"rb"`."""
        return "rb"

    @property
    def version(self) -> str | None:
        """The version that is read, or None if it is not known (yet)."""
        version: str | None = getattr(self._file, "version", None)
        return version

    def readable(self) -> bool:
        """Return True."""
        return self._file.readable()

    def seekable(self) -> bool:
        """Return True."""
        return self._file.seekable()

    def tell(self) -> int:
        """Return the position in what the blob holds."""
        return self._decoder.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position in what the blob holds."""
        return self._checked(lambda: self._decoder.seek(offset, whence))

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if negative or None."""
        wanted = -1 if size is None else size
        return self._checked(lambda: self._decoder.read(wanted))

    def read1(self, size: int = -1, /) -> bytes:
        """Read what one step of decompression gives."""
        read1: Callable[[int], bytes] = self._decoder.read1  # type: ignore[attr-defined]
        return self._checked(lambda: read1(size))

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill `buffer`; return how many bytes there were before the end."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read to the end of the line, or of `size` bytes."""
        limit = -1 if size is None else size
        return self._checked(lambda: self._decoder.readline(limit))

    def close(self) -> None:
        """Close. Idempotent."""
        if not self.closed:
            super().close()
            self._decoder.close()
            self._file.close()

    def _checked(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Exception as error:
            told = explained(error, self.name, self._compression)
            if told is error:
                raise
            raise told from error


class _Writer(Protocol):
    """A writer of blobio's."""

    @property
    def name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


@final
class CompressedWriter(io.BufferedIOBase):
    """A writer behind a compressor: closed, and so published, together with it.

    The compressors of the standard library leave the file below them open.

    Args:
        encoder: Writes into `file`.
        file: The blob.
        start: Where `tell` begins: behind 0, text gets no byte order mark.
        partial_writes_on_exc: Publish even if the `with` block raises.
    """

    def __init__(
        self,
        encoder: IO[bytes],
        file: _Writer,
        *,
        start: int = 0,
        partial_writes_on_exc: bool = False,
    ) -> None:
        self._encoder = encoder
        self._file = file
        self._partial = partial_writes_on_exc
        self._position = start

    @property
    def name(self) -> str:
        """Path or URL of what will be written."""
        return self._file.name

    @property
    def mode(self) -> str:
        """Always `"wb"`."""
        return "wb"

    @property
    def version(self) -> str | None:
        """The version written, once it is published; None before, or if the store has none."""
        version: str | None = getattr(self._file, "version", None)
        return version

    @property
    def closed(self) -> bool:
        """Nothing more can be written."""
        return self._file.closed

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Compress and write all of `data`."""
        count = self._encoder.write(memoryview(data).cast("B"))
        self._position += count
        return count

    def tell(self) -> int:
        """Return how many bytes were written, before compression."""
        return self._position

    def flush(self) -> None:
        """Do nothing: bytes become visible on `close`, all at once."""
        if self.closed:
            message = f"I/O operation on closed file: {redact(self.name)}"
            raise ValueError(message)

    def close(self) -> None:
        """Write what the compressor still holds and publish. Idempotent.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost.
            OSError: Nothing was published.
        """
        if self.closed:
            return
        try:
            self._encoder.close()
        except BaseException:
            self.abort()
            raise
        self._file.close()

    def abort(self) -> None:
        """Publish nothing. Idempotent."""
        abort: Callable[[], None] = getattr(self._file, "abort", self._file.close)
        abort()
        with contextlib.suppress(ValueError):  # what it still holds has nowhere to go
            self._encoder.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self, error, partial=self._partial)

    def __del__(self) -> None:
        """Leave it to the writer at the bottom, which publishes nothing and warns."""
