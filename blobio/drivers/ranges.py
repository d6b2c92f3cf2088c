"""From the range asked for to the bytes served, for drivers that know the size beforehand."""

from __future__ import annotations

from blobio.errors import RangeNotSatisfiable
from blobio.values import From, Last, Range, Span

__all__ = ["resolve"]


def resolve(wanted: Range | None, size: int, url: object) -> Span:
    """Return the bytes of a blob of `size` bytes that `wanted` means, cut at the end.

    Args:
        wanted: None for the whole blob.
        size: Bytes of the whole blob.
        url: For the message of the error.

    Raises:
        RangeNotSatisfiable: The range starts at or past the end. A whole blob (None) and `Last` of
            an empty blob are empty instead; `From(0)` of an empty blob is an error, as in HTTP.
    """
    if wanted is None:
        return Span(0, size)
    if isinstance(wanted, Last):
        return Span(max(0, size - wanted.size), size)
    if wanted.start >= size:
        message = f"get of {url}: the range starts at byte {wanted.start}, the blob has {size}"
        raise RangeNotSatisfiable(message, url=url, operation="get")
    if isinstance(wanted, From):
        return Span(wanted.start, size)
    return Span(wanted.start, min(wanted.stop, size))
