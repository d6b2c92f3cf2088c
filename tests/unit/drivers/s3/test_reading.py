from __future__ import annotations

from dataclasses import replace

import pytest

from blobio.drivers.s3.driver import S3Driver
from blobio.errors import (
    ChecksumMismatch,
    IsDirectory,
    NotFound,
    RangeNotSatisfiable,
    RequestFailed,
    TransportFailed,
    VersionMismatch,
)
from blobio.transport.message import Response
from blobio.transport.mock import ScriptedStream, reply
from blobio.values import From, GetOptions, Last, Span, Version
from tests.unit.drivers.s3.kit import STORE, error, found, methods, scripted

ETAG = {"etag": '"v1"'}
CHECK = b"123456789"


async def _read(driver: S3Driver, options: GetOptions | None = None) -> bytes:
    async with await driver.get("k", options or GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


def _part(body: bytes, span: str, **headers: str) -> Response:
    extra = {name.replace("_", "-"): headers[name] for name in headers}
    return reply(206, body, ETAG | {"content-range": f"bytes {span}"} | extra)


async def test_whole_blob_is_read_and_described() -> None:
    headers = ETAG | {"content-type": "text/plain", "x-amz-meta-a": "1"}
    driver, mock = scripted([reply(200, b"content", headers), found(size=7, etag='"v1"')])

    async with await driver.get("k", GetOptions()) as result:
        body = b"".join([chunk async for chunk in result.chunks()])

    assert body == b"content"
    assert result.span == Span(0, 7)
    assert (result.meta.size, result.meta.version) == (7, '"v1"')
    assert (result.meta.content_type, result.meta.metadata) == ("text/plain", {"a": "1"})
    assert mock.requests[0].headers["x-amz-checksum-mode"] == "ENABLED"
    assert "range" not in mock.requests[0].headers


async def test_range_is_asked_for_and_cut_at_the_end() -> None:
    driver, mock = scripted([_part(b"89", "8-9/10")])

    async with await driver.get("k", GetOptions(range=Span(8, 100))) as result:
        body = b"".join([chunk async for chunk in result.chunks()])

    assert (body, result.span, result.meta.size) == (b"89", Span(8, 10), 10)
    assert mock.requests[0].headers["range"] == "bytes=8-99"


async def test_ignored_range_is_sliced() -> None:
    driver, _ = scripted([reply(200, b"0123456789", ETAG)])

    assert await _read(driver, GetOptions(range=Span(2, 5))) == b"234"


async def test_200_with_the_right_content_range_is_taken() -> None:
    """That is how rclone answers."""
    answer = reply(200, b"234", ETAG | {"content-range": "bytes 2-4/10"})
    driver, _ = scripted([answer])

    assert await _read(driver, GetOptions(range=Span(2, 5))) == b"234"


async def test_other_range_than_asked_for_is_refused_and_closed() -> None:
    stream = ScriptedStream([b"345"])
    answer = Response(status=206, headers=ETAG | {"content-range": "bytes 3-5/10"}, stream=stream)
    driver, _ = scripted([answer])

    with pytest.raises(RequestFailed, match=r"s3://bucket/k"):
        await driver.get("k", GetOptions(range=Span(2, 5)))
    assert stream.closed


async def test_short_body_is_an_error() -> None:
    answer = reply(206, b"23", ETAG | {"content-range": "bytes 2-4/10", "content-length": "2"})
    driver, _ = scripted([answer])

    with pytest.raises(TransportFailed):
        await _read(driver, GetOptions(range=Span(2, 5)))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-crc32c": "4waSgw=="},
        {"x-amz-checksum-crc32": "y/Q5Jg=="},
        {"etag": '"25f9e794323b453885f5181f1b624d0b"'},
    ],
    ids=["crc32c", "crc32", "md5"],
)
async def test_flipped_byte_of_a_whole_blob_is_found(headers: dict[str, str]) -> None:
    driver, _ = scripted(
        [reply(200, CHECK, ETAG | headers), reply(200, b"123456788", ETAG | headers)]
    )

    assert await _read(driver) == CHECK
    with pytest.raises(ChecksumMismatch):
        await _read(driver)


async def test_range_that_is_the_whole_blob_is_checked_too() -> None:
    driver, _ = scripted([_part(b"123456788", "0-8/9", x_amz_checksum_crc32c="4waSgw==")])

    with pytest.raises(ChecksumMismatch):
        await _read(driver, GetOptions(range=Span(0, 100)))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-crc32c": "AAAAAA==-2"},
        {"x-amz-checksum-crc32c": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"},
        {
            "etag": '"00000000000000000000000000000000"',
            "x-amz-server-side-encryption": "aws:kms",
        },
    ],
)
async def test_what_is_no_checksum_of_the_bytes_is_not_compared(
    headers: dict[str, str],
) -> None:
    etag = headers.get("etag", ETAG["etag"])
    driver, _ = scripted([reply(200, CHECK, ETAG | headers), found(size=9, etag=etag)])

    assert await _read(driver) == CHECK


async def test_blob_without_a_checksum_is_asked_for_its_size_after_its_last_byte() -> None:
    driver, mock = scripted([reply(200, CHECK, ETAG), found(size=9, etag='"v1"')])

    async with await driver.get("k", GetOptions()) as result:
        assert [chunk async for chunk in result.chunks()] == [CHECK]
    assert methods(mock) == ["GET", "HEAD"]
    assert mock.requests[1].headers["if-match"] == '"v1"'


@pytest.mark.parametrize(
    "answer",
    [
        found(size=10, etag='"v1"'),
        error(412, "PreconditionFailed"),
        error(404, "NoSuchKey"),
        error(403, "AccessDenied"),
    ],
    ids=["longer", "another", "gone", "refused"],
)
async def test_blob_without_a_checksum_that_may_be_cut_is_refused(answer: Response) -> None:
    driver, _ = scripted([reply(200, CHECK, ETAG), answer])

    with pytest.raises(ChecksumMismatch):
        await _read(driver)


async def test_blob_without_a_checksum_that_is_not_read_to_its_end_is_one_request() -> None:
    driver, mock = scripted([reply(200, CHECK, ETAG)])

    async with await driver.get("k", GetOptions()) as result:
        async for _ in result.chunks():
            break
    assert methods(mock) == ["GET"]


async def test_part_of_a_blob_is_not_compared_with_the_checksum_of_all() -> None:
    driver, _ = scripted([_part(b"234", "1-3/9", x_amz_checksum_crc32c="4waSgw==")])

    async with await driver.get("k", GetOptions(range=Span(1, 4))) as result:
        assert b"".join([chunk async for chunk in result.chunks()]) == b"234"
    assert result.meta.crc32c is None


async def test_checksums_off_compares_nothing() -> None:
    headers = ETAG | {"x-amz-checksum-crc32c": "AAAAAA=="}
    driver, mock = scripted([reply(200, CHECK, headers)], s3=replace(STORE, checksums="off"))

    assert await _read(driver) == CHECK
    assert "x-amz-checksum-mode" not in mock.requests[0].headers


async def test_pinned_read_sends_the_version() -> None:
    driver, mock = scripted([reply(200, b"x", ETAG), found(size=1, etag='"v1"')])

    await _read(driver, GetOptions(version=Version('"v1"')))

    assert mock.requests[0].headers["if-match"] == '"v1"'


async def test_changed_blob_is_told_by_the_store() -> None:
    driver, _ = scripted([error(412, "PreconditionFailed")])

    with pytest.raises(VersionMismatch):
        await driver.get("k", GetOptions(version=Version('"v1"')))


async def test_changed_blob_is_seen_where_the_store_ignores_the_condition() -> None:
    stream = ScriptedStream([b"x"])
    answer = Response(status=200, headers={"etag": '"v2"', "content-length": "1"}, stream=stream)
    driver, _ = scripted([answer, found(etag='"v2"')])

    with pytest.raises(VersionMismatch, match='"v2"'):
        await driver.get("k", GetOptions(version=Version('"v1"')))
    assert stream.closed
    with pytest.raises(VersionMismatch):
        await driver.head("k", version=Version('"v1"'))


async def test_range_past_the_end_is_not_satisfiable() -> None:
    driver, _ = scripted([error(416, "InvalidRange")])

    with pytest.raises(RangeNotSatisfiable):
        await driver.get("k", GetOptions(range=From(10)))


async def test_tail_of_an_empty_blob_is_empty() -> None:
    driver, mock = scripted([error(416, "InvalidRange"), found(size=0)])

    async with await driver.get("k", GetOptions(range=Last(5))) as result:
        assert [chunk async for chunk in result.chunks()] == []
    assert (result.span, result.meta.size) == (Span(0, 0), 0)
    assert methods(mock) == ["GET", "HEAD"]


async def test_tail_longer_than_the_blob_is_the_blob() -> None:
    described = [found(size=3, etag='"v1"'), found(size=3, etag='"v1"')]
    driver, mock = scripted(
        [error(416, "InvalidRange"), described[0], reply(200, b"abc", ETAG), described[1]]
    )

    assert await _read(driver, GetOptions(range=Last(5))) == b"abc"
    assert mock.requests[2].headers["if-match"] == '"v1"'


async def test_tail_refused_without_reason_stays_refused() -> None:
    driver, _ = scripted([error(416, "InvalidRange"), found(size=100)])

    with pytest.raises(RangeNotSatisfiable):
        await driver.get("k", GetOptions(range=Last(5)))


async def test_empty_range_needs_only_a_head() -> None:
    driver, mock = scripted([found(size=9)])

    async with await driver.get("k", GetOptions(range=Span(3, 3))) as result:
        assert [chunk async for chunk in result.chunks()] == []
    assert result.span == Span(3, 3)
    assert methods(mock) == ["HEAD"]


async def test_empty_range_past_the_end_is_not_satisfiable() -> None:
    driver, _ = scripted([found(size=3)])

    with pytest.raises(RangeNotSatisfiable):
        await driver.get("k", GetOptions(range=Span(3, 3)))


async def test_missing_blob_is_not_found() -> None:
    driver, _ = scripted([error(404, "NoSuchKey"), Response(status=404, headers={})])

    with pytest.raises(NotFound):
        await driver.get("k", GetOptions())
    with pytest.raises(NotFound):
        await driver.head("k")


async def test_head_describes() -> None:
    driver, _ = scripted([found(size=9, x_amz_checksum_crc32c="4waSgw==")])

    meta = await driver.head("k")

    assert (meta.size, meta.version, meta.crc32c) == (9, '"new"', 0xE3069283)


async def test_head_without_a_size_is_refused() -> None:
    driver, _ = scripted([Response(status=200, headers=ETAG)])

    with pytest.raises(RequestFailed, match="size"):
        await driver.head("k")


async def test_bucket_itself_is_a_directory() -> None:
    driver, mock = scripted([])

    with pytest.raises(IsDirectory):
        await driver.head("")
    with pytest.raises(IsDirectory):
        await driver.get("", GetOptions())
    assert mock.requests == []


async def test_failed_read_is_retried_with_a_fresh_signature() -> None:
    answers = [error(503, "SlowDown"), reply(200, b"x", ETAG), found(size=1, etag='"v1"')]
    driver, mock = scripted(answers)

    assert await _read(driver) == b"x"
    assert len(mock.requests) == 3
    assert all("authorization" in request.headers for request in mock.requests)
