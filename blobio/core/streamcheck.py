"""`StreamCheck`: what is read front to back is compared with the store's CRC32C of the whole."""

from __future__ import annotations

import asyncio
from typing import Final, final

from blobio.checksum import crc32c
from blobio.errors import ChecksumMismatch
from blobio.url import BlobUrl
from blobio.values import Body

__all__ = ["StreamCheck"]

_IN_THREAD_BYTES: Final = 16 << 20  # half a millisecond for 8 MiB


@final
class StreamCheck:
    """Follows the reads of one blob, in any order, and knows when they make up the whole.

    What continues where the last one stopped is counted in, what lies elsewhere passes unchecked.
    Reading from byte 0 starts anew.

    Args:
        url: The blob.
        size: Its size in bytes.
        expected: CRC32C that the store has for it.
    """

    def __init__(self, url: BlobUrl, size: int, expected: int) -> None:
        self._url = url
        self._size = size
        self._expected = expected
        self._position = 0
        self._crc = 0

    async def passes(self, start: int, data: Body) -> bool:
        """Take note of the bytes at `start`; False if they end the blob and it is not as stored.

        What failed is not counted in: the same bytes can be had and tried again.
        """
        if start == 0:
            self._position = self._crc = 0
        stop = start + len(data)
        if not start <= self._position < stop:
            return True
        fresh = data if start == self._position else memoryview(data)[self._position - start :]
        if len(fresh) > _IN_THREAD_BYTES:
            crc = await asyncio.to_thread(crc32c, fresh, self._crc)
        else:
            crc = crc32c(fresh, self._crc)
        if stop == self._size and crc != self._expected:
            return False
        self._position, self._crc = stop, crc
        return True

    def failure(self) -> ChecksumMismatch:
        """Return what to raise."""
        message = (
            f"read of {self._url}: the bytes read are not those of the store's CRC32C "
            f"{self._expected:08x}: some changed on the way, read it again from the start"
        )
        return ChecksumMismatch(message, url=self._url, operation="get")
