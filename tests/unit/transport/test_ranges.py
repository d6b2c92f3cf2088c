from __future__ import annotations

import pytest

from blobio.errors import RangeNotSatisfiable, RequestFailed
from blobio.transport.ranges import (
    ContentRange,
    Served,
    body_size,
    parse_content_range,
    range_header,
    requested_span,
    served_span,
)
from blobio.values import From, Last, Range, Span


@pytest.mark.parametrize(
    ("wanted", "header"),
    [
        (Span(0, 1), "bytes=0-0"),
        (Span(5, 10), "bytes=5-9"),
        (From(0), "bytes=0-"),
        (From(7), "bytes=7-"),
        (Last(3), "bytes=-3"),
    ],
)
def test_range_header(wanted: Range, header: str) -> None:
    assert range_header(wanted) == header


def test_empty_span_has_no_header() -> None:
    with pytest.raises(ValueError, match="no range for the empty"):
        range_header(Span(3, 3))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("bytes 0-9/100", ContentRange(Span(0, 10), 100)),
        ("bytes 0-9/*", ContentRange(Span(0, 10), None)),
        ("bytes */100", ContentRange(None, 100)),
        (" BYTES=99-99/100 ", ContentRange(Span(99, 100), 100)),
    ],
)
def test_content_range(text: str, parsed: ContentRange) -> None:
    assert parse_content_range(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes 0-9",
        "bytes 9-0/100",
        "bytes 0-100/100",
        "bytes -1-9/100",
        "bytes 0-9/10x",
        "items 0-9/100",
        "bytes 0-9/100, 20-29/100",
        "bytes \u0661-9/100",
        "bytes 0-" + "9" * 5000 + "/*",
    ],
)
def test_malformed_content_range_is_refused(text: str) -> None:
    with pytest.raises(RequestFailed, match="Content-Range"):
        parse_content_range(text)


@pytest.mark.parametrize(
    ("wanted", "size", "span"),
    [
        (None, 0, Span(0, 0)),
        (None, 10, Span(0, 10)),
        (Last(3), 10, Span(7, 10)),
        (Last(30), 10, Span(0, 10)),
        (Last(3), 0, Span(0, 0)),
        (Span(2, 5), 10, Span(2, 5)),
        (Span(2, 50), 10, Span(2, 10)),
        (From(9), 10, Span(9, 10)),
    ],
)
def test_requested_span(wanted: Range | None, size: int, span: Span) -> None:
    assert requested_span(wanted, size) == span


@pytest.mark.parametrize(
    ("wanted", "size"), [(From(10), 10), (From(0), 0), (Span(10, 11), 10), (Span(0, 5), 0)]
)
def test_range_past_the_end_is_refused(wanted: Range, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable, match=f"it has {size} bytes"):
        requested_span(wanted, size)


@pytest.mark.parametrize(
    ("wanted", "status", "headers", "served"),
    [
        (None, 200, {"content-length": "10"}, Served(Span(0, 10), 10, 10)),
        (None, 200, {"content-length": "0"}, Served(Span(0, 0), 0, 0)),
        (Span(2, 5), 206, {"content-range": "bytes 2-4/10"}, Served(Span(2, 5), 10, 3)),
        (Span(2, 50), 206, {"content-range": "bytes 2-9/10"}, Served(Span(2, 10), 10, 8)),
        (Span(2, 5), 206, {"content-range": "bytes 2-4/*"}, Served(Span(2, 5), None, 3)),
        (From(4), 206, {"content-range": "bytes 4-9/10"}, Served(Span(4, 10), 10, 6)),
        (Last(4), 206, {"content-range": "bytes 6-9/10"}, Served(Span(6, 10), 10, 4)),
        (None, 206, {"content-range": "bytes 0-9/10"}, Served(Span(0, 10), 10, 10)),
        # a 200 that admits to being partial
        (Span(2, 5), 200, {"content-range": "bytes 2-4/10"}, Served(Span(2, 5), 10, 3)),
        # a server that ignores ranges
        (Span(2, 5), 200, {"content-length": "10"}, Served(Span(2, 5), 10, 10, 2)),
        (Span(2, 50), 200, {"content-length": "10"}, Served(Span(2, 10), 10, 10, 2)),
        (Last(4), 200, {"content-length": "10"}, Served(Span(6, 10), 10, 10, 6)),
        (Last(4), 200, {"content-length": "0"}, Served(Span(0, 0), 0, 0)),
        (From(0), 200, {"content-length": "10"}, Served(Span(0, 10), 10, 10)),
    ],
)
def test_served_span(
    wanted: Range | None, status: int, headers: dict[str, str], served: Served
) -> None:
    assert served_span(wanted, status, headers) == served


@pytest.mark.parametrize(
    ("wanted", "status", "headers"),
    [
        (Span(2, 5), 206, {"content-length": "3"}),
        (Span(2, 5), 206, {"content-range": "bytes 0-2/10"}),
        (Span(2, 5), 206, {"content-range": "bytes 2-3/10"}),
        (Span(2, 5), 206, {"content-range": "bytes 2-5/10"}),
        (Span(2, 5), 206, {"content-range": "bytes 2-3/*"}),
        (Span(2, 5), 206, {"content-range": "bytes */10"}),
        (From(2), 206, {"content-range": "bytes 2-9/*"}),
        (From(2), 206, {"content-range": "bytes 2-8/10"}),
        (None, 206, {"content-range": "bytes 0-8/10"}),
        (Last(4), 206, {"content-range": "bytes 0-3/10"}),
        (Span(2, 5), 200, {"content-range": "bytes 0-9/10", "content-length": "10"}),
        (Span(2, 5), 206, {"content-type": "multipart/byteranges; boundary=x"}),
        (None, 200, {}),
        (None, 200, {"transfer-encoding": "chunked", "content-length": "3"}),
        (None, 204, {"content-length": "0"}),
    ],
)
def test_other_bytes_than_asked_for_are_refused(
    wanted: Range | None, status: int, headers: dict[str, str]
) -> None:
    with pytest.raises(RequestFailed, match="the reply to a read of s3://b/k cannot be trusted"):
        served_span(wanted, status, headers, subject="s3://b/k")


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({"content-length": "12"}, 12),
        ({"content-length": "-1"}, None),
        ({"content-length": "1 2"}, None),
        ({}, None),
    ],
)
def test_body_size(headers: dict[str, str], size: int | None) -> None:
    assert body_size(headers) == size
