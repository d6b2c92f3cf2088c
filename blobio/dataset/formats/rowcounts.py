"""The rows of the record batches of an Arrow file, of which there may be tens of thousands.

The footer does not have them: each stands in the header of its batch. But who writes a file writes
all headers alike, so that a look at the first one tells where in the others the rows are.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from typing import final

from blobio.dataset.formats.arrow import prefix_bytes
from blobio.dataset.formats.flatbuffer import Places, read_message

__all__ = ["count_rows"]


def count_rows(headers: Iterable[tuple[bytes | memoryview, int, int]]) -> array[int]:
    """Return the rows of each batch.

    A header is parsed unless it has the same bytes as the last one that was, wherever the parser
    looked but for two numbers: 0.4 us instead of 5.

    Args:
        headers: Some bytes, where in them the header of a batch begins, and where it ends.

    Raises:
        ValueError: One is damaged.
    """
    counted = array("q")
    mould = _Mould()
    unpack, frame, size = mould.unpack, mould.frame, -1
    for data, start, stop in headers:
        if stop - start == size:
            before, body_bytes, between, rows, after = unpack(data, start)
            if (before, between, after) == frame and body_bytes >= 0 <= rows:
                counted.append(rows)
                continue
        mould = _Mould()
        counted.append(mould.parse(data[start:stop]))
        unpack, frame, size = mould.unpack, mould.frame, mould.size
    return counted


@final
class _Mould:
    """The form of a header.

    Attributes:
        size: Its bytes; -1 if nothing is known of others.
        frame: What is before, between and after the two numbers, as far as it was looked at.
        unpack: Takes a header of this size apart.
    """

    def __init__(self) -> None:
        self.size = -1
        self.frame: tuple[bytes, bytes, bytes] = (b"", b"", b"")
        self.unpack = struct.Struct("").unpack_from

    def parse(self, header: bytes | memoryview) -> int:
        """Return the rows of a header, and take its form."""
        prefix, length = prefix_bytes(header)
        message, places = read_message(header[prefix : prefix + length])
        if places is not None and places.body_bytes + 8 <= places.rows:
            self._take(header, prefix, places)
        return message.rows

    def _take(self, header: bytes | memoryview, prefix: int, places: Places) -> None:
        before = prefix + places.body_bytes
        between = places.rows - places.body_bytes - 8
        after = max(0, places.end - places.rows - 8)
        self.unpack = struct.Struct(f"<{before}sq{between}sq{after}s").unpack_from
        found = self.unpack(header)
        self.frame, self.size = (found[0], found[2], found[4]), len(header)
