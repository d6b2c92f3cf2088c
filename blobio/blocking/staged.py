"""`StagedWriter`: a seekable file on disk that becomes the blob when it is closed.

Local files are always written so, and remote ones with `streaming=False` or in append mode. As with
every writer, a raising `with` block, `abort()` and garbage collection publish nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, final

from blobio.blocking.file import leave, warn_unclosed

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["StagedWriter"]


@final
class StagedWriter(io.BufferedIOBase):
    """A seekable file on disk that becomes the blob, or the local file, when it is closed.

    Args:
        name: Path or URL.
        file: An open binary file, positioned where writing starts.
        publish: Makes the blob out of it and returns the version; called once, on `close`.
        discard: Removes it; called after `publish` or instead of it. Idempotent.
        partial_writes_on_exc: Publish even if the `with` block raises.
    """

    def __init__(
        self,
        name: str,
        file: io.BufferedRandom,
        publish: Callable[[], str | None],
        discard: Callable[[], None],
        *,
        partial_writes_on_exc: bool = False,
    ) -> None:
        super().__init__()
        self._name = name
        self._file = file
        self._publish = publish
        self._discard = discard
        self._partial = partial_writes_on_exc
        self._process = os.getpid()
        self._version: str | None = None

    @property
    def name(self) -> str:
        """Path or URL of what will be written."""
        return self._name

    @property
    def mode(self) -> str:
        """Always `"wb"`."""
        return "wb"

    @property
    def version(self) -> str | None:
        """The version written, once it is published; None before, or if the store has none."""
        return self._version

    def fileno(self) -> int:
        """Return the descriptor of the file on disk."""
        return self._file.fileno()

    def writable(self) -> bool:
        """Return True."""
        return self._file.writable()

    def seekable(self) -> bool:
        """Return True."""
        return self._file.seekable()

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position."""
        self._check_process()
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or extend what was written so far."""
        self._check_process()
        return self._file.truncate(size)

    def write(self, data: Buffer, /) -> int:
        """Write all of `data` to the file on disk and return its size."""
        self._check_process()
        return self._file.write(data)

    def flush(self) -> None:
        """Flush to the file on disk, not to the blob."""
        if self.closed:
            message = f"I/O operation on closed file: {self.name}"
            raise ValueError(message)
        if not self._file.closed and os.getpid() == self._process:
            self._file.flush()

    def close(self) -> None:
        """Publish. Idempotent.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost.
            OSError: Nothing was published.
        """
        if self.closed:
            return
        try:
            self._check_process()
            self._file.flush()
            self._version = self._publish()
        finally:
            self._drop()

    def abort(self) -> None:
        """Publish nothing and remove the file on disk. Idempotent."""
        if not self.closed:
            self._drop()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self, error, partial=self._partial)

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None and not self.closed:
            owner = os.getpid() == self._process
            self.abort()
            if owner:
                warn_unclosed(self, self.name)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            message = f"{self.name} was opened for writing before a fork and belongs to the parent"
            raise ValueError(message)

    def _drop(self) -> None:
        if os.getpid() == self._process:
            with contextlib.suppress(OSError):  # a full disk also fails the flush of closing
                self._file.close()
            self._discard()
        else:
            self._drop_copy()
        super().close()

    def _drop_copy(self) -> None:
        """Close a fork's copy: what its buffer holds must not reach the file of the parent."""
        if not self._file.closed:
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, self._file.fileno(), inheritable=False)
            os.close(nowhere)
            self._file.close()
