"""`SequentialWindow`: blocks of a blob for a reader that mostly goes forward.

A first block is small, so that a look at a header or a footer costs little; each further block
that follows on the one before is larger, up to the buffer size, and more of them are fetched ahead,
up to `window`. A jump drops what was fetched ahead and starts small again, but with all that is
wanted there: one read at random is one request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, final

from blobio.core.flow import settle
from blobio.core.reader import RangeReader

__all__ = ["SequentialWindow"]

_FIRST_BYTES: Final = 1 << 20
_JUMP_BYTES: Final = 256 << 10
_GROWTH: Final = 4


@final
@dataclass(frozen=True, slots=True)
class _Ahead:
    start: int
    stop: int
    task: asyncio.Task[bytes]


@final
class SequentialWindow:
    """Fetches blocks in order and ahead of their use. Not for use from two tasks at once.

    Args:
        reader: Where the bytes come from.
        block_bytes: Size of a block at full speed; the memory held is at most `window + 1` blocks.
        window: Most blocks in flight.
    """

    def __init__(self, reader: RangeReader, *, block_bytes: int, window: int) -> None:
        self._reader = reader
        self._block_bytes = block_bytes
        self._window = window
        self._ahead: deque[_Ahead] = deque()
        self._expected: int | None = None
        self._streak = 0
        self._next_bytes = min(block_bytes, _FIRST_BYTES)

    async def block(self, start: int, wanted: int = 0) -> bytes:
        """Return some bytes from `start` on, `b""` only at the end of the blob.

        Args:
            start: Where the block begins.
            wanted: Bytes that will be needed from there on, as far as the caller knows.

        Raises:
            BlobError: What the read of these bytes met; a later call may succeed.
        """
        if start == self._expected:
            self._streak += 1
            self._next_bytes = min(self._block_bytes, self._next_bytes * _GROWTH)
        elif self._expected is not None:
            self._streak = 0
            self._next_bytes = min(self._block_bytes, _JUMP_BYTES)
        if not self._ahead or self._ahead[0].start != start:
            await self.aclose()
            self._launch(start, max(self._next_bytes, min(wanted, self._block_bytes)))
        current = self._ahead.popleft()
        if self._reader.size is not None:
            while len(self._ahead) < min(self._streak, self._window - 1):
                stop = self._ahead[-1].stop if self._ahead else current.stop
                if stop >= self._reader.size:
                    break
                self._launch(stop, self._next_bytes)
        self._expected = None
        data = await current.task
        self._expected = start + len(data)
        return data

    async def aclose(self) -> None:
        """Drop what was fetched ahead."""
        ahead = [entry.task for entry in self._ahead]
        self._ahead.clear()
        await settle(ahead)

    def _launch(self, start: int, size: int) -> None:
        task = asyncio.ensure_future(self._reader.read(start, start + size))
        self._ahead.append(_Ahead(start, start + size, task))
