"""The binary files of the blocking API that stream: `BlobReader` and `BlobWriter`.

They are `io.BufferedIOBase` over the async files of the core: what lies in their buffer is served
on the caller's thread, everything else crosses to the loop once a block or part.

A writer publishes on `close()` or on leaving its `with` block without an error. A raising `with`
block, `abort()` and garbage collection publish nothing.
"""

from __future__ import annotations

import io
import operator
import os
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, final

from blobio.blocking.portal import abandon, is_current, portal
from blobio.errors import redact

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from blobio.core.files import AsyncReader, AsyncWriter

__all__ = ["BlobReader", "BlobWriter", "leave", "warn_unclosed"]


_UNLIMITED: Final = 1 << 62


@final
class BlobReader(io.BufferedIOBase):
    """A blob open for reading, pinned to the version it had when it was opened.

    Seekable; small reads are served from a buffer, a large `readinto` fills the caller's memory
    from parts fetched side by side. Works after a fork, in parent and child. Not for use from two
    threads at once.

    Args:
        reopen: Returns the async file for this process's loop, pinned to the version given or, with
            None, to the one it was made for; called again after a fork.
    """

    def __init__(self, reopen: Callable[[str | None], AsyncReader]) -> None:
        super().__init__()
        self._reopen = reopen
        self._portal = portal()
        self._file = reopen(None)

    @property
    def name(self) -> str:
        """The URL."""
        return str(self._file.url)

    @property
    def mode(self) -> str:
        """Always `"rb"`."""
        return "rb"

    @property
    def size(self) -> int:
        """Bytes of the blob; with `file_size`, what that said."""
        return self._file.size

    @property
    def version(self) -> str | None:
        """The version that is read, or None if it is not known (yet)."""
        return self._file.version

    def readable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position; past the end is allowed. Raises `ValueError` for a negative one."""
        self._check_open()
        return self._file.seek(operator.index(offset), whence)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if negative or None."""
        self._check_open()
        wanted = -1 if size is None else size
        if wanted >= 0 and (here := self._file.take(wanted)) is not None:
            return here
        file = self._here()
        return self._portal.call(file.read(wanted))

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is in the buffer, up to `size` bytes; one block if there is nothing."""
        self._check_open()
        file = self._here()
        if not file.buffered(1):
            self._portal.call(file.fill())
        here = file.buffered(size if size >= 0 else io.DEFAULT_BUFFER_SIZE)
        return file.take(len(here)) or b""

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill `buffer`; return how many bytes there were before the end."""
        self._check_open()
        view = memoryview(buffer)
        if not view.nbytes:  # an empty array of several dimensions cannot be cast
            return 0
        view = view.cast("B")
        here = self._file.take(len(view))
        if here is not None:
            view[:] = here
            return len(here)
        file = self._here()
        return self._portal.call(file.readinto(view))

    def readinto1(self, buffer: Buffer, /) -> int:
        """Fill `buffer` with what one block gives."""
        view = memoryview(buffer).cast("B")
        data = self.read1(len(view))
        view[: len(data)] = data
        return len(data)

    def peek(self, size: int = 0, /) -> bytes:
        """Return what is in the buffer without moving; empty only at the end."""
        self._check_open()
        file = self._here()
        if not file.buffered(1):
            self._portal.call(file.fill())
        return file.buffered(max(size, io.DEFAULT_BUFFER_SIZE))

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to and with the next newline, at most `size` bytes if that is not negative."""
        self._check_open()
        left = _UNLIMITED if size is None or size < 0 else size
        start = self._file.tell()
        line, ended = self._file.take_line(left)
        if ended:
            return line
        pieces = [line]
        try:
            while not ended:
                left -= len(line)
                file = self._here()
                if not self._portal.call(file.fill()):
                    break
                line, ended = file.take_line(left)
                pieces.append(line)
        except BaseException:
            self._file.seek(start)  # a failed read has read nothing
            raise
        return b"".join(pieces)

    def close(self) -> None:
        """Drop the buffer and what is being fetched ahead. Idempotent."""
        if not self.closed:
            super().close()
            if is_current(self._portal):
                self._portal.submit(self._file.aclose)
            else:
                abandon((self._portal, self._file))

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def _here(self) -> AsyncReader:
        """Return the async file, made again if this process is a fork of the one that opened it."""
        current = portal()
        if current is not self._portal:
            abandon((self._portal, self._file))
            position = self._file.tell()
            self._portal, self._file = current, self._reopen(self._file.version)
            self._file.seek(position)
        return self._file

    def _check_open(self) -> None:
        if self.closed:
            message = f"I/O operation on closed file: {redact(self.name)}"
            raise ValueError(message)


@final
class BlobWriter(io.BufferedIOBase):
    """A blob open for writing, in parts that leave as they fill; it appears, whole, on `close`.

    Not seekable; `flush` sends nothing, since nothing may appear before `close`. Belongs to the
    process that opened it. Not for use from two threads at once.

    Args:
        file: The async file.
        owner: Kept alive as long as this is: a context that is collected aborts its writers.
        partial_writes_on_exc: Publish even if the `with` block raises.
    """

    def __init__(
        self, file: AsyncWriter, *, owner: object, partial_writes_on_exc: bool = False
    ) -> None:
        super().__init__()
        self._owner = owner
        self._portal = portal()
        self._file = file
        self._partial = partial_writes_on_exc

    @property
    def name(self) -> str:
        """The URL."""
        return str(self._file.url)

    @property
    def mode(self) -> str:
        """Always `"wb"`."""
        return "wb"

    @property
    def version(self) -> str | None:
        """The version written, once it is published; None before, or if the store has none."""
        return None if self._file.result is None else self._file.result.version

    def writable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        self._check_open()
        return self._file.tell()

    def write(self, data: Buffer, /) -> int:
        """Write all of `data` and return its size; wait while the parts in flight are too many.

        Raises:
            BlobError: This or an earlier part failed; nothing will be published.
        """
        self._check_open()
        view = memoryview(data)
        if not view.nbytes:  # an empty array of several dimensions cannot be cast
            return 0
        view = view.cast("B")
        size = len(view)
        while len(view):
            view = view[self._file.fill(view) :]
            if self._file.is_full:
                self._portal.call(self._file.send_part())
        return size

    def flush(self) -> None:
        """Do nothing: bytes become visible on `close`, all at once."""
        if self.closed:  # and in a fork that closes it, nothing either
            self._check_open()

    def close(self) -> None:
        """Publish. Idempotent.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost.
            BlobError: Nothing was published.
        """
        if not self.closed:
            super().close()
            if not is_current(self._portal):
                abandon((self._portal, self._file))
            self._check_process()
            self._portal.call(self._file.aclose())

    def abort(self) -> None:
        """Publish nothing and take back the parts that were sent. Idempotent."""
        if not self.closed:
            super().close()
            if is_current(self._portal):
                self._portal.call(self._file.abort())
            else:
                abandon((self._portal, self._file))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self, error, partial=self._partial)

    def __del__(self) -> None:
        if getattr(self, "_file", None) is None or self.closed:
            return
        super().close()
        if is_current(self._portal):
            self._portal.submit(self._file.abort)
            warn_unclosed(self, self.name)
        else:
            abandon((self._portal, self._file))

    def _check_open(self) -> None:
        if self.closed:
            message = f"I/O operation on closed file: {self.name}"
            raise ValueError(message)
        self._check_process()

    def _check_process(self) -> None:
        if not is_current(self._portal):
            message = f"{self.name} was opened for writing before a fork and belongs to the parent"
            raise ValueError(message)


class _Writer(Protocol):
    @property
    def name(self) -> str: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


def leave(writer: _Writer, error: BaseException | None, *, partial: bool) -> None:
    """End the `with` block of a writer: publish, or after an error abort unless `partial`.

    The block's own error goes on; what ending it meets then is added to that as a note.
    """
    if error is None:
        writer.close()
        return
    try:
        if partial:
            writer.close()
        else:
            writer.abort()
    except Exception as failure:  # noqa: BLE001 - told with the error that is under way
        error.add_note(f"afterwards {writer.name} met {type(failure).__name__}: {failure}")


def warn_unclosed(file: object, name: str) -> None:
    """Warn that a writer was dropped without `close`."""
    message = f"{name} was opened for writing and never closed: nothing was published"
    warnings.warn(message, ResourceWarning, source=file, stacklevel=3)
