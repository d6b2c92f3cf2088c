"""The text layer: `io.TextIOWrapper` that passes a failure on, instead of publishing half a text.

The standard wrapper closes the file below when its `with` block raises and when it is collected,
which for a blob would publish what was written so far.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, final

from blobio.blocking.file import leave

if TYPE_CHECKING:
    from blobio.blocking.compression import CompressedWriter
    from blobio.blocking.file import BlobWriter
    from blobio.blocking.staged import StagedWriter

__all__ = ["TextWriter"]


@final
class TextWriter(io.TextIOWrapper):
    """A text file over a blob writer: publishes on `close`, and only then.

    Args:
        writer: The binary file below.
        encoding: As in `open`.
        errors: As in `open`.
        newline: As in `open`.
        partial_writes_on_exc: Publish even if the `with` block raises.
    """

    def __init__(
        self,
        writer: BlobWriter | StagedWriter | CompressedWriter,
        *,
        encoding: str,
        errors: str | None,
        newline: str | None,
        partial_writes_on_exc: bool = False,
    ) -> None:
        # The base class asks for the position, to write a byte order mark at 0 only, but takes one
        # that cannot seek for the middle of a stream: UTF-16 would have no mark at all
        # (CPython: `_textiowrapper_fix_encoder_state` in Modules/_io/textio.c).
        writer.seekable = lambda: True  # type: ignore[method-assign]  # until it has asked
        try:
            super().__init__(writer, encoding=encoding, errors=errors, newline=newline)
        finally:
            del writer.seekable
        self._writer = writer
        self._partial = partial_writes_on_exc

    @property
    def version(self) -> str | None:
        """The version written, once it is published; None before, or if the store has none."""
        return self._writer.version

    def close(self) -> None:
        """Publish. Idempotent.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost.
            BlobError: Nothing was published.
        """
        if not self.closed:
            try:
                self.flush()
            except BaseException:  # the base class would publish without what it could not flush
                self.abort()
                raise
        super().close()

    def abort(self) -> None:
        """Publish nothing. Idempotent."""
        self._writer.abort()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self, error, partial=self._partial)

    def __del__(self) -> None:
        # The base class would close, and so publish. Dropping the writer aborts it and warns.
        writer = getattr(self, "_writer", None)
        if writer is not None and not writer.closed:
            writer.__del__()
