"""Headers of any content are read, or refused with an error of blobio, in linear time (row 26)."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blobio.config import S3Config
from blobio.core.metadata import to_stat
from blobio.dataset.hubcard import BadCard, Subset, parse_card
from blobio.dataset.hubchoice import choose_files
from blobio.drivers.dates import http_time
from blobio.drivers.http import wire
from blobio.drivers.hub.api import next_query
from blobio.drivers.hub.wire import Facts
from blobio.drivers.markup import parse
from blobio.drivers.s3 import copying, headers, multipart, replies
from blobio.errors import BlobError, RangeNotSatisfiable, RequestFailed
from blobio.transport.message import Response
from blobio.transport.ranges import body_size, parse_content_range, served_span
from blobio.transport.retry import quota_wait_s, retry_after_s
from blobio.values import BlobMeta, From, Last, Range, Span, Version

HUGE: Final = 1 << 62
NOW: Final = 1_700_000_000.0

# Headers arrive as latin-1 with surrogates for what is none; CR, LF and NUL cannot arrive.
_CHARACTERS: Final = st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0") | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
_ANY: Final = st.text(_CHARACTERS, max_size=40)
_NUMBERS: Final = st.sampled_from(
    ["0", "1", "9", "00", "-1", "+1", "1_0", "٣", "²", "1e3", "0x1", str(HUGE), "9" * 18, "9" * 19]
) | st.integers(0, HUGE).map(str)

HUB_HEADERS: Final = (
    *("x-repo-commit", "x-linked-etag", "etag", "x-linked-size", "content-range"),
    *("content-length", "transfer-encoding"),
)


def _made_of(*pieces: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces) | _NUMBERS, max_size=12).map("".join)


_CONTENT_RANGES: Final = _ANY | _made_of("bytes", " ", "=", "-", "/", "*", "BYTES", "items", ",")
_DATES: Final = _ANY | _made_of(
    *("Mon, ", "Sun", " Jan ", "Feb", " 2024 ", "0000", "9999", " ", ":", "00:00:00", "24:61:61"),
    *(
        "GMT",
        " +0000",
        "-9999",
        "+99999999",
        " UTC",
        "Z",
        "EST",
        ",",
        "(",
        ")",
        "\\",
        '"',
        ".",
        "/",
    ),
)
_ETAGS: Final = _ANY | _made_of('"', "W/", "a", "-2", "d41d8cd98f00b204e9800998ecf8427e", "*", ",")
_RANGES: Final = (
    st.none()
    | st.builds(
        lambda start, size: Span(start, start + size), st.integers(0, HUGE), st.integers(1, HUGE)
    )
    | st.builds(From, st.integers(0, HUGE))
    | st.builds(Last, st.integers(1, HUGE))
)


def _assert_short(refused: BlobError) -> None:
    assert len(str(refused)) < 500


@given(_CONTENT_RANGES)
@example(f"bytes 0-{10**18 - 1}/{10**18}")
@example("bytes 0-0/" + "9" * 5_000)
@example("bytes */*")
def test_content_range_is_read_or_refused(text: str) -> None:
    """Row 26."""
    try:
        span, total = parse_content_range(text)
    except RequestFailed as refused:
        _assert_short(refused)
        return
    assert total is None or 0 <= total < 10**18
    assert span is None or 0 <= span.start < span.stop <= (total or 10**18)


@given(
    wanted=_RANGES,
    status=st.sampled_from([200, 206, 204, 304]),
    content_range=st.none() | _CONTENT_RANGES,
    length=st.none() | _NUMBERS | _ANY,
    kind=st.sampled_from(["", "text/plain", "Multipart/Byteranges; boundary=x"]),
)
def test_reply_to_a_read_is_accounted_for_or_refused(
    wanted: Range | None, status: int, content_range: str | None, length: str | None, kind: str
) -> None:
    """Row 26: never more bytes than were asked for, never a negative number of them."""
    found: Mapping[str, str | None] = {
        "content-range": content_range,
        "content-length": length,
        "content-type": kind,
    }
    try:
        served = served_span(
            wanted, status, {name: value for name, value in found.items() if value is not None}
        )
    except (RequestFailed, RangeNotSatisfiable):
        return
    assert 0 <= served.skip <= served.skip + len(served.span) <= served.body_bytes < 10**18
    if isinstance(wanted, Span):
        assert served.span.start == wanted.start
        assert served.span.stop <= wanted.stop


@given(_NUMBERS | _ANY)
def test_content_length_is_a_size_or_nothing(text: str) -> None:
    """Row 26: digits only, and no more than eighteen."""
    size = body_size({"content-length": text})

    assert size is None or (0 <= size < 10**18 and text.isdecimal() and text.isascii())


@given(_DATES)
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@example("Mon, 99 Jan 9999 99:99:99 GMT")
@example("Mon, 01 Jan 2024 00:00:00 +99999999")
@example("Mon, 01 Jan 1 00:00:00 -0000")
@example("")
def test_date_is_a_finite_time_or_none(text: str) -> None:
    """Row 26: as `Last-Modified`, `Date` and `Retry-After`, of a web server and of S3."""
    times = [
        http_time(text),
        wire.describe("k", {"last-modified": text}, 1).mtime,
        retry_after_s({"retry-after": text}, NOW) or 0.0,
        retry_after_s({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT", "date": text}, NOW) or 0.0,
    ]

    assert all(type(one) is float for one in times)
    assert not any(math.isnan(one) for one in times)
    assert all(one >= 0 for one in times[2:])


@given(_NUMBERS | _ANY)
@example("9" * 400)
def test_retry_after_is_never_negative(text: str) -> None:
    """Row 26: a number that is larger than any is longer than what is waited for."""
    seconds = retry_after_s({"retry-after": text}, NOW)

    assert seconds is None or seconds >= 0


@given(_ETAGS, _ANY)
def test_etag_is_a_version_or_none(etag: str, other: str) -> None:
    """Row 26: of S3 with quotes; of a web server only a strong one."""
    found = {"etag": etag, "x-amz-server-side-encryption": other, "content-md5": other}
    s3 = replies.meta_of("k", found, S3Config(), size=1)
    web = wire.describe("k", found, 1)

    assert s3.version is None or (s3.version.endswith('"') and etag)
    assert s3.md5 is None or s3.md5 in etag
    assert web.version is None or web.version.startswith('"')
    assert wire.is_version(found, Version('"e"'), partial=True) is (etag == '"e"')


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(
                    "x-amz-meta-a",
                    "x-amz-meta-blobfile-mtime",
                    "x-amz-meta-",
                    "x-amz-checksum-crc32c",
                ),
                *("x-amz-checksum-type", "x-amz-tagging-count", "content-type", "etag"),
            ]
        ),
        _ANY
        | _made_of(
            "=?", "utf-8", "UTF-7", "zip", "?B?", "?q?", "?=", "=", "=C3", "w6Q=", " ", "_", "?"
        ),
    )
)
@example({"x-amz-meta-a": "=?utf-8?B?/w==?="})
@example({"x-amz-meta-a": "=?unicode_escape?Q?=5Cd?= =?zip?B?eJw=?="})
@example({"x-amz-meta-blobfile-mtime": "nan"})
@example({"x-amz-meta-blobfile-mtime": "9" * 5_000})
def test_metadata_is_text(found: Mapping[str, str]) -> None:
    """Row 26: of a stranger's object; what cannot be decoded stays as it is."""
    meta = replies.meta_of("k", found, S3Config(), size=1)

    assert all(type(value) is str for value in meta.metadata.values())
    assert type(to_stat(meta).mtime) is float
    assert meta.crc32c is None or 0 <= meta.crc32c < 1 << 32


@given(_ANY | _DATES)
def test_time_of_a_copy_is_a_time_or_none(text: str) -> None:
    """Row 26: in the XML of a reply."""
    escaped = "".join(f"&#{ord(char)};" for char in text if char.isprintable())
    root = parse(f"<C><LastModified>{escaped}</LastModified></C>".encode(), "C", "s")

    time_of = copying._time(root)
    assert time_of is None or type(time_of) is float


@given(st.text(max_size=20) | _made_of("AAAAAA==", "-", "=", "A", "/"))
def test_checksum_of_a_completion_is_right_or_refused(text: str) -> None:
    """Row 26."""
    try:
        multipart.check_completion(text, [multipart.Part(1, '"e"', 7)], "s")
    except BlobError:
        return
    assert text in ("", "AAAABw==", multipart.composite_crc32c([multipart.Part(1, '"e"', 7)]))


@given(st.dictionaries(st.sampled_from(HUB_HEADERS), _ANY | _CONTENT_RANGES, max_size=5))
def test_facts_of_a_file_at_the_hub_are_read_or_left_out(found: dict[str, str]) -> None:
    """Row 26."""
    for status in (200, 206, 302):
        facts = Facts().with_reply(status, found)
        assert facts.size is None or facts.size >= 0
        assert facts.etag != ""


@example('<https://[bad?a>; rel="next"')
@given(_ANY | _made_of("<", ">", ";", ",", 'rel="next"', "https://h/?a", " "))
def test_link_to_the_next_page_of_a_tree_is_read_or_left_out(text: str) -> None:
    """Row 26."""
    query = next_query(Response(status=200, headers={"link": text}))
    assert query is None or "#" not in query


@given(
    st.text(max_size=60)
    | _made_of(
        "configs:", "\n", "- ", "data_files: ", "{", "}", "split: ", "path: ", "a", "&x ", "*x "
    )
)
def test_card_is_understood_or_refused(text: str) -> None:
    """Row 26."""
    with contextlib.suppress(BadCard):
        parse_card(f"---\n{text}\n---\n", "s")


SIZE: Final = 500_000
LONG: Final[Mapping[str, Callable[[], object]]] = {
    "digits": lambda: parse_content_range("bytes 0-" + "9" * SIZE),
    "spaces": lambda: parse_content_range(" " * SIZE + "x"),
    "length": lambda: body_size({"content-length": "9" * SIZE}),
    "retry digits": lambda: retry_after_s({"retry-after": "9" * SIZE}, NOW),
    "quotas": lambda: quota_wait_s({"ratelimit": ";r=0;t=9" * SIZE}),
    "quota digits": lambda: quota_wait_s({"ratelimit": ";r=0;t=" + "9" * SIZE}),
    "head of a card": lambda: parse_card("---\n" + "-" * SIZE, "s"),
    "lines of a card": lambda: parse_card("---\n" + "--\n" * (SIZE // 3), "s"),
    "name of a file": lambda: choose_files(
        Subset(name="x"), ["-" * SIZE + "/" + "train" * 1000], "s"
    ),
    "link": lambda: next_query(Response(status=200, headers={"link": "<;" * SIZE})),
    "date digits": lambda: http_time("Mon, " + "9" * SIZE),
    "date spaces": lambda: http_time("Mon, 01 Jan" + " " * SIZE + "2024"),
    "date comments": lambda: http_time("(" * 1_000 + "Mon, 01 Jan 2024"),
    "etag": lambda: replies.md5_of({"etag": "a" * SIZE}, S3Config()),
    "words": lambda: headers.user_metadata({"x-amz-meta-a": "=?utf-8?B?" * (SIZE // 10)}),
    "open words": lambda: headers.user_metadata({"x-amz-meta-a": "=?utf-8?Q?" + "=" * SIZE}),
    "whole words": lambda: headers.user_metadata({"x-amz-meta-a": "=?utf-8?Q?a?=" * (SIZE // 13)}),
    "percents": lambda: wire.legal("https://h/" + "%" * SIZE),
    "mtime": lambda: to_stat(
        BlobMeta(key="k", size=0, mtime=0.0, ctime=0.0, metadata={"blobfile-mtime": "9" * SIZE})
    ),
}


@pytest.mark.parametrize("what", LONG)
def test_long_header_takes_linear_time(what: str) -> None:
    """Row 26: half a megabyte, which is more than the client lets through."""
    started = time.process_time()

    try:
        LONG[what]()
    except BlobError as refused:
        _assert_short(refused)

    assert time.process_time() - started < 1.0
