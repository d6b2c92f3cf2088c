"""Which parts of an upload were sent, for drivers that put them together themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from blobio.errors import RequestFailed
from blobio.values import PartToken

__all__ = ["PartTable"]


@final
class PartTable:
    """The offset and size of each part by its index. A part sent again replaces the first.

    Args:
        url: Of the blob being written, for messages.
    """

    def __init__(self, url: object) -> None:
        self._url = url
        self._parts: dict[int, tuple[int, int]] = {}

    def add(self, index: int, offset: int, size: int) -> PartToken:
        """Note that part `index` holds `size` bytes that belong at `offset`."""
        self._parts[index] = (offset, size)
        return PartToken(str(index))

    def check(self, tokens: Sequence[PartToken], size: int) -> None:
        """Check that `tokens` name all the parts and that these make a blob of `size` bytes.

        Raises:
            RequestFailed: The parts named are not all that were sent, in index order, each starting
                where the one before ended; or they do not add up to `size`.
        """
        indexes = range(len(self._parts))
        sent = sorted(self._parts)
        if sent != list(indexes) or list(tokens) != [str(index) for index in indexes]:
            raise self._refused(f"parts {list(tokens)} were named, {sent} were sent")
        end = 0
        for index in indexes:
            offset, length = self._parts[index]
            if offset != end:
                raise self._refused(f"part {index} starts at byte {offset}, not {end}")
            end += length
        if end != size:
            raise self._refused(f"the parts hold {end} bytes, not {size}")

    def _refused(self, why: str) -> RequestFailed:
        return RequestFailed(f"upload of {self._url}: {why}", url=self._url, operation="put")
