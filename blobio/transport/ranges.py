"""HTTP ranges: ask for one, and account for every byte of what comes back.

The rules are those of RFC 9110, section 14 (https://www.rfc-editor.org/rfc/rfc9110#section-14, read
2026-11-24), without what a server may do but no store needs: several ranges in one reply, and parts
other than the one asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, assert_never

from blobio.errors import RangeNotSatisfiable, RequestFailed, redact
from blobio.values import From, Last, Range, Span

__all__ = [
    "ContentRange",
    "Served",
    "body_size",
    "parse_content_range",
    "range_header",
    "requested_span",
    "served_span",
]

_OK: Final = 200
_PARTIAL: Final = 206
# 18 digits are more than any blob has, and keep `int` from work that grows with the header.
_CONTENT_RANGE: Final = re.compile(
    r"bytes[ =](?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE
)
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)


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
    """Return the value of a `Range` header.

    Raises:
        ValueError: `wanted` is an empty `Span`: HTTP cannot ask for nothing.
    """
    match wanted:
        case Span(start=start, stop=stop):
            if start == stop:
                message = f"HTTP has no range for the empty {wanted}"
                raise ValueError(message)
            return f"bytes={start}-{stop - 1}"
        case From(start=start):
            return f"bytes={start}-"
        case Last(size=size):
            return f"bytes=-{size}"
        case _:
            assert_never(wanted)


def parse_content_range(text: str, *, subject: str = "") -> ContentRange:
    """Parse a `Content-Range`.

    Raises:
        RequestFailed: It is malformed, or contradicts itself.
    """
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise _bad_reply(f"Content-Range {text[:80]!r} cannot be read", subject)
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return ContentRange(None, total)
    start, stop = int(first), int(last) + 1
    if stop <= start or (total is not None and stop > total):
        raise _bad_reply(f"Content-Range {text[:80]!r} contradicts itself", subject)
    return ContentRange(Span(start, stop), total)


def body_size(headers: Mapping[str, str]) -> int | None:
    """Return the length the reply announces, or None: chunked, or until the connection closes."""
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "")
    return int(text) if _DIGITS.fullmatch(text) else None


def requested_span(wanted: Range | None, size: int, *, subject: str = "") -> Span:
    """Return which bytes of a blob of `size` bytes `wanted` means.

    Raises:
        RangeNotSatisfiable: It starts at or past the end. (The whole blob and `Last` never do.)
    """
    match wanted:
        case None:
            return Span(0, size)
        case Last(size=last):
            return Span(max(0, size - last), size)
        case Span(start=start, stop=stop):
            pass
        case From(start=start):
            stop = size
        case _:
            assert_never(wanted)
    if start >= size:
        name = redact(subject) or "a blob"
        message = f"{wanted} of {name} starts past its end: it has {size} bytes"
        raise RangeNotSatisfiable(message, url=subject or None, operation="get")
    return Span(start, min(stop, size))


def served_span(
    wanted: Range | None, status: int, headers: Mapping[str, str], *, subject: str = ""
) -> Served:
    """Work out which bytes a 200 or 206 carries.

    A 206, and a 200 with a `Content-Range` (rclone sends those), must carry exactly what was asked,
    cut at the end of the blob. A plain 200 carries the whole blob, to be sliced.

    Args:
        wanted: The range the request asked for, or None.
        status: 200 or 206.
        headers: Of the reply, names in lower case.
        subject: The blob's URL, for errors.

    Raises:
        RequestFailed: Other bytes than those asked for, several ranges, no way to tell which bytes
            these are, or a status that is neither.
        RangeNotSatisfiable: A 200 shows that the range starts at or past the end.
    """
    if status not in (_OK, _PARTIAL):
        raise _bad_reply(f"status {status} carries no part of a blob", subject)
    if headers.get("content-type", "").lower().startswith("multipart/byteranges"):
        raise _bad_reply("several ranges in one reply", subject)
    text = headers.get("content-range")
    if text is not None:
        return _partial(wanted, parse_content_range(text, subject=subject), subject)
    if status == _PARTIAL:
        raise _bad_reply("status 206 without a Content-Range", subject)
    size = body_size(headers)
    if size is None:
        raise _bad_reply("status 200 without a Content-Length", subject)
    span = requested_span(wanted, size, subject=subject)
    return Served(span, size, body_bytes=size, skip=span.start)


def _partial(wanted: Range | None, served: ContentRange, subject: str) -> Served:
    span, total = served
    if span is None:
        raise _bad_reply("a Content-Range without a range", subject)
    if total is not None:
        expected = requested_span(wanted, total, subject=subject)
    elif isinstance(wanted, Span):
        # Nothing tells where the blob ends, so a shorter part could be cut anywhere.
        expected = wanted
    else:
        raise _bad_reply("a Content-Range that does not tell the size of the blob", subject)
    if span != expected:
        raise _bad_reply(
            f"bytes [{span.start}, {span.stop}) of {total} came where "
            f"[{expected.start}, {expected.stop}) were asked for",
            subject,
        )
    return Served(span, total, body_bytes=len(span))


def _bad_reply(what: str, subject: str) -> RequestFailed:
    name = redact(subject) or "a blob"
    message = f"the reply to a read of {name} cannot be trusted: {what}"
    return RequestFailed(message, url=subject or None, operation="get")
