"""The files fsspec hands out: blobio's own, with the attributes that fsspec's clients look for."""

from __future__ import annotations

import io
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, final

import fsspec.core

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer


__all__ = ["ReadFile", "WriteFile"]


@final
class ReadFile(io.BufferedIOBase):
    """A blob open for reading, pinned to one version.

    Attributes:
        fs: The file system.
        path: Its name there.
        mode: `"rb"`.
        size: Bytes.
        blocksize: Bytes of one block of a sequential read.
    """

    mode = "rb"

    def __init__(self, fs: Any, path: str, file: io.BufferedIOBase, blocksize: int) -> None:
        self.fs = fs
        self.path = path
        self.blocksize = blocksize
        self._file = file
        self.size: int = _size(file)

    @property
    def name(self) -> str:
        """The path, as fsspec's own files have it."""
        return self.path

    @property
    def loc(self) -> int:
        """The position."""
        return self.tell()

    @property
    def details(self) -> dict[str, Any]:
        """What the file system says of this file now."""
        found: dict[str, Any] = self.fs.info(self.path)
        return found

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if negative or None."""
        return self._file.read(size)

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill `buffer`; return how many bytes there were before the end."""
        return self._file.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read to the end of the line, or of `size` bytes."""
        return self._file.readline(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position; past the end is allowed."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is here already, or one block."""
        return self._file.read1(size)

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes without moving."""
        peeked: bytes = self._file.peek(size)  # type: ignore[attr-defined]
        return peeked

    def readuntil(self, char: bytes = b"\n", blocks: int | None = None) -> bytes:
        """Read to the first `char`, with it, or to the end; look at `blocks` bytes at once."""
        found: list[bytes] = []
        step = blocks or self.blocksize
        while block := self.read(step):
            stop = block.find(char)
            if stop >= 0:
                self.seek(stop + len(char) - len(block), io.SEEK_CUR)
                found.append(block[: stop + len(char)])
                break
            found.append(block)
        return b"".join(found)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close. Idempotent."""
        super().close()
        self._file.close()


def _size(file: io.BufferedIOBase) -> int:
    size = getattr(file, "size", None)
    if size is None:  # Python's own file, of the local disk
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
    return int(size)


class _Writer(Protocol):
    """blobio's own writers, of a store or of the disk."""

    @property
    def closed(self) -> bool: ...
    def write(self, data: Buffer, /) -> int: ...
    def tell(self) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


@final
class WriteFile(io.BufferedIOBase):
    """A blob being written, published by `close`, or by `commit` inside a transaction.

    A `with` block that raises, of this file or of `fsspec.open`, publishes nothing.

    Attributes:
        fs: The file system.
        path: Its name there.
        mode: `"wb"`, `"xb"` or `"ab"`.
        autocommit: False inside a transaction.
        blocksize: Bytes sent at once.
    """

    def __init__(
        self, fs: Any, path: str, mode: str, file: _Writer, blocksize: int, *, autocommit: bool
    ) -> None:
        self.fs = fs
        self.path = path
        self.mode = mode
        self.blocksize = blocksize
        self.autocommit = autocommit
        self._file = file
        self._closed = False

    @property
    def name(self) -> str:
        """The path, as fsspec's own files have it."""
        return self.path

    @property
    def version(self) -> str | None:
        """The version written, once it is published; None before, or if the store has none."""
        version: str | None = getattr(self._file, "version", None)
        return version

    @property
    def closed(self) -> bool:
        """Nothing more can be written."""
        return self._closed

    @property
    def loc(self) -> int:
        """How many bytes were written."""
        return self._file.tell()

    size = loc

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._file.tell()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write all of `data`; see `BlobWriter.write`."""
        return self._file.write(data)

    def flush(self, force: bool = False) -> None:
        """Do nothing: bytes become visible all at once."""
        if not self._closed:
            self._file.flush()

    def close(self) -> None:
        """Publish, or inside a transaction leave that to `commit`. Idempotent.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition of the mode lost.
        """
        if self._closed:
            return
        if _block_has_failed():
            self.discard()
            return
        self._closed = True
        if self.autocommit:
            self._file.close()

    def commit(self) -> None:
        """Publish what a transaction has gathered."""
        self._closed = True
        self._file.close()

    def discard(self) -> None:
        """Publish nothing and take back what was sent. Idempotent."""
        self._closed = True
        abort: Callable[[], None] = getattr(self._file, "abort", self._file.close)
        abort()

    def abort(self) -> None:
        """As `discard`, under blobio's own name."""
        self.discard()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        """Leave it to the writer below, which publishes nothing and warns."""


def _block_has_failed() -> bool:
    """Tell if this is the end of a `with fsspec.open(...)` block that has raised.

    `OpenFile.__exit__` closes its files without a word about the error it was given, so that every
    other file system publishes half a file; its arguments are looked up one frame further out.
    """
    own = sys._getframe().f_back  # noqa: SLF001 - that of `close`
    closing = own and own.f_back  # None on a thread of C++, of pyarrow's for one
    leaving = closing and closing.f_back
    if closing is None or leaving is None:
        return False
    if closing.f_code is not fsspec.core.OpenFile.close.__code__:
        return False
    if leaving.f_code is not fsspec.core.OpenFile.__exit__.__code__:
        return False
    return any(argument is not None for argument in leaving.f_locals.get("args", ()))
