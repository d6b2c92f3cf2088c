"""HTTP ranges: ask for one, and account for every byte of what comes back (RFC 9110, 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from blobio.values import Range, Span

__all__ = ["ContentRange", "Served", "parse_content_range", "range_header", "served_span"]


class ContentRange(NamedTuple):
    """A parsed `Content-Range`: `bytes 0-9/100`, `bytes 0-9/*` or (416) `bytes */100`."""

    span: Span | None
    total: int | None


class Served(NamedTuple):
    """What a reply's body holds and how to cut the asked bytes out of it.

    Attributes:
        span: The bytes asked for, cut at the end of the blob, in blob offsets.
        size: Size of the whole blob, or None if the reply does not tell (`/*`).
        body_bytes: Exact length of the body on the wire.
        skip: Bytes of the body before `span` (the store ignored the range).
    """

    span: Span
    size: int | None
    body_bytes: int
    skip: int = 0


def range_header(wanted: Range) -> str:
    """Return the value of a `Range` header. An empty `Span` has none: `ValueError`."""
    raise NotImplementedError


def parse_content_range(text: str) -> ContentRange:
    """Parse a `Content-Range`; malformed raises `RequestFailed`."""
    raise NotImplementedError


def served_span(
    wanted: Range | None, status: int, headers: Mapping[str, str], *, subject: str = ""
) -> Served:
    """Work out which bytes a 200 or 206 carries, or raise `RequestFailed` if they are not ours."""
    raise NotImplementedError
