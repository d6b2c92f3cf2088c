from __future__ import annotations

import pytest

from blobio.drivers.base import GetResult
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
from blobio.values import From, GetOptions, Last, Span, Version
from tests.unit.drivers.azure.kit import error, found, md5, scripted, sent, served

NOTHING = error(404, "BlobNotFound")


async def content(result: GetResult) -> bytes:
    async with result:
        return b"".join([chunk async for chunk in result.chunks()])


async def test_whole_blob_is_asked_for_as_a_range_that_tells_its_size() -> None:
    driver, mock = scripted([served(b"data")])

    result = await driver.get("key", GetOptions())

    assert await content(result) == b"data"
    assert mock.requests[0].headers["x-ms-range"] == "bytes=0-"
    assert (result.meta.size, result.span) == (4, Span(0, 4))


async def test_body_that_was_shortened_with_its_length_is_refused() -> None:
    short = served(b"dat", size=4)
    driver, _ = scripted([short])

    with pytest.raises(RequestFailed, match="cannot be trusted"):
        await driver.get("key", GetOptions())


async def test_whole_blob_is_checked_by_its_md5() -> None:
    damaged = served(b"dama")
    damaged.headers = {**damaged.headers, "x-ms-blob-content-md5": md5(b"data")}
    driver, _ = scripted([damaged])
    result = await driver.get("key", GetOptions())

    with pytest.raises(ChecksumMismatch):
        await content(result)


async def test_md5_of_an_append_blob_is_not_believed() -> None:
    appended = served(b"data")
    appended.headers = {
        **appended.headers,
        "x-ms-blob-type": "AppendBlob",
        "x-ms-blob-content-md5": md5(b"da"),
        "x-ms-meta-md5": "0" * 32,
    }
    driver, _ = scripted([appended])

    result = await driver.get("key", GetOptions())

    assert await content(result) == b"data"
    assert result.meta.md5 is None
    assert "md5" not in result.meta.metadata


async def test_page_blob_is_read() -> None:
    pages = served(b"\0" * 512)
    pages.headers = {**pages.headers, "x-ms-blob-type": "PageBlob"}
    driver, _ = scripted([pages])

    assert len(await content(await driver.get("key", GetOptions()))) == 512


async def test_empty_blob_is_read_although_no_range_of_it_can_be() -> None:
    driver, mock = scripted([error(416, "InvalidRange"), found(size=0)])

    assert await content(await driver.get("key", GetOptions())) == b""
    assert sent(mock) == ["GET", "HEAD"]


async def test_range_past_the_end_is_refused() -> None:
    driver, _ = scripted([error(416, "InvalidRange")])

    with pytest.raises(RangeNotSatisfiable):
        await driver.get("key", GetOptions(range=From(10)))


async def test_last_bytes_are_pinned_to_the_version_whose_size_was_seen() -> None:
    driver, mock = scripted([found(etag='"v"', size=10), served(b"789", start=7, size=10)])

    result = await driver.get("key", GetOptions(range=Last(3)))

    assert await content(result) == b"789"
    assert mock.requests[1].headers["x-ms-range"] == "bytes=7-9"
    assert mock.requests[1].headers["if-match"] == '"v"'


@pytest.mark.parametrize("verb", ["head", "get"])
@pytest.mark.parametrize(
    ("there", "kind"), [(found(etag='"w"'), VersionMismatch), (NOTHING, NotFound)]
)
async def test_refused_version_is_told_from_nothing(
    verb: str, there: Response, kind: type[Exception]
) -> None:
    driver, _ = scripted([error(412, "ConditionNotMet"), there])

    version = Version('"v"')
    asked = (
        driver.head("key", version=version)
        if verb == "head"
        else driver.get("key", GetOptions(version=version))
    )

    with pytest.raises(kind):
        await asked


async def test_reply_of_another_version_is_refused() -> None:
    driver, _ = scripted([served(b"data", etag='"w"')])

    with pytest.raises(VersionMismatch):
        await driver.get("key", GetOptions(version=Version('"v"')))


async def test_folder_of_hadoop_is_a_directory() -> None:
    folder = found(size=0)
    folder.headers = {**folder.headers, "x-ms-meta-hdi_isfolder": "true"}
    driver, mock = scripted([folder, NOTHING, folder])

    with pytest.raises(IsDirectory):
        await driver.head("dir")
    meta = await driver.head("dir/")

    assert (meta.key, meta.size) == ("dir/", 0)
    assert mock.requests[-1].url.endswith("/dir")


async def test_blob_without_a_slash_is_no_directory() -> None:
    driver, _ = scripted([NOTHING, found()])

    with pytest.raises(NotFound):
        await driver.head("blob/")


async def test_body_that_breaks_off_is_no_whole_body() -> None:
    cut = served(b"data")
    cut.body = b"da"
    driver, _ = scripted([cut])
    result = await driver.get("key", GetOptions())

    with pytest.raises(TransportFailed):
        await content(result)


async def test_head_without_a_size_is_refused() -> None:
    driver, _ = scripted([Response(status=200, headers={"etag": '"v"'})])

    with pytest.raises(RequestFailed, match="size"):
        await driver.head("key")
