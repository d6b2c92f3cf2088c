"""`GrowingBytes`: a large `bytes` filled in place, whose store is not believed about its size."""

from __future__ import annotations

import io
from typing import Final, final

__all__ = ["TRUSTED_BYTES", "GrowingBytes"]

TRUSTED_BYTES: Final = 128 << 20
"""Memory reserved for a blob on nothing but the word of its store."""

_GROWTH: Final = 4


@final
class GrowingBytes:
    """A `bytes` of a size that is said, not proven: what is reserved follows what has arrived.

    At most `TRUSTED_BYTES` are reserved before anything is there, then at most four times what is:
    a header that claims a terabyte costs nobody a terabyte. Each step is a wait for all parts of
    the one before, so they are few: a blob of 2 GiB has three.

    `BytesIO.getvalue` hands out its own buffer when nothing else holds it, so a large read costs
    one copy from the socket's chunks and none at the end.

    Attributes:
        size: Bytes in the end.
        view: The memory reserved so far, never none for a size above 0.
    """

    def __init__(self, size: int, *, first: int = TRUSTED_BYTES) -> None:
        self.size: int = size
        self._buffer = io.BytesIO()
        self._reserve(min(size, first))

    def grow(self) -> None:
        """Reserve more, after `view` has been filled; slices of it are no longer part of this."""
        filled = len(self.view)
        self.view.release()
        wanted = min(self.size, max(TRUSTED_BYTES, _GROWTH * filled))
        try:
            self._reserve(wanted)
        except BufferError:  # a slice is still alive, in a traceback say: leave it the old memory
            self._buffer = io.BytesIO(self._buffer.getvalue())
            self._reserve(wanted)

    def take(self, size: int) -> bytes:
        """Return the first `size` bytes, which have been filled; the view is gone."""
        self.view.release()
        taken = self._buffer.getvalue()
        return taken if len(taken) == size else taken[:size]

    def _reserve(self, size: int) -> None:
        if size:
            self._buffer.seek(size - 1)
            self._buffer.write(b"\0")
        self.view: memoryview = self._buffer.getbuffer()
