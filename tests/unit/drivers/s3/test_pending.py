"""What is pending: parts of an upload and uploads of a bucket, page by page."""

from __future__ import annotations

import pytest

from blobio.drivers.resumable import SentPart
from blobio.drivers.s3.upload import S3Upload
from blobio.drivers.unfinished import Leftover
from blobio.errors import NotFound, PermissionDenied, RequestFailed, UploadLost
from blobio.transport.message import Response
from blobio.transport.mock import reply
from blobio.values import PartToken, PutOptions
from tests.unit.drivers.s3.kit import error, found, scripted

STATE = {"upload_id": "id/+", "token": "t", "crc32c": "whole"}
SENT = {
    0: SentPart(0, 5, 7, PartToken('5 00000007 "a"')),
    1: SentPart(5, 3, 8, PartToken('3 00000008 "b"')),
}


def parts(*rows: str, more: str = "") -> Response:
    """Return a page of ListParts; each row is `number size etag [crc]`."""
    xml = ""
    for row in rows:
        number, size, etag, *crc = row.split()
        xml += f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>{etag}</ETag>"
        xml += "".join(f"<ChecksumCRC32C>{one}</ChecksumCRC32C>" for one in crc) + "</Part>"
    if more:
        xml += f"<IsTruncated>true</IsTruncated><NextPartNumberMarker>{more}</NextPartNumberMarker>"
    return reply(200, f"<ListPartsResult>{xml}</ListPartsResult>".encode())


def uploads(rows: str) -> Response:
    """Return a page of ListMultipartUploads."""
    text = f"<ListMultipartUploadsResult>{rows}</ListMultipartUploadsResult>"
    return reply(200, text.encode())


async def test_an_upload_is_found_with_its_parts_page_by_page() -> None:
    driver, mock = scripted([parts('1 5 "a"', more="1"), parts('2 3 "b" AAAACA==')])

    resumed = await driver.resume_upload("key", PutOptions(), STATE, SENT)

    assert resumed.parts == {0, 1}
    assert isinstance(resumed.upload, S3Upload)
    assert resumed.upload.state == STATE
    assert [request.url.partition("?")[2] for request in mock.requests] == [
        "max-parts=1000&uploadId=id%2F%2B",
        "max-parts=1000&part-number-marker=1&uploadId=id%2F%2B",
    ]
    await resumed.upload.leave()


@pytest.mark.parametrize("row", ['1 4 "a"', '1 5 "other"', '1 5 "a" AAAACA==', '2 5 "a"'], ids=repr)
async def test_a_part_that_is_another_is_not_done(row: str) -> None:
    driver, _ = scripted([parts(row)])

    resumed = await driver.resume_upload("key", PutOptions(), STATE, {0: SENT[0]})

    assert resumed.parts == frozenset()
    assert resumed.upload is not None
    await resumed.upload.leave()


@pytest.mark.parametrize("gone", [error(404, "NoSuchUpload"), reply(404, b"")], ids=["code", "-"])
async def test_an_upload_that_is_gone_may_have_been_published(gone: Response) -> None:
    driver, _ = scripted([gone, found("t", size=8)])

    resumed = await driver.resume_upload("key", PutOptions(), STATE, SENT)

    assert resumed.upload is None
    assert resumed.published is not None
    assert resumed.published.version == '"new"'


@pytest.mark.parametrize("there", [found("other"), error(404, "NoSuchKey")], ids=["other", "-"])
async def test_an_upload_that_is_gone_is_lost(there: Response) -> None:
    driver, _ = scripted([error(404, "NoSuchUpload"), there])

    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), STATE, SENT)


@pytest.mark.parametrize("state", [{}, {**STATE, "crc32c": "?"}, {**STATE, "upload_id": ""}])
async def test_what_is_no_state_is_lost_without_a_request(state: dict[str, str]) -> None:
    driver, mock = scripted([])

    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), state, SENT)
    assert not mock.requests


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(403, "AccessDenied"), PermissionDenied),
        (error(404, "NoSuchBucket"), NotFound),
        (reply(200, b"<ListPartsResult><Part/></ListPartsResult>"), RequestFailed),
    ],
)
async def test_parts_that_are_not_told_leave_the_upload_alone(
    answer: Response, kind: type[Exception]
) -> None:
    driver, mock = scripted([answer])

    with pytest.raises(kind):
        await driver.resume_upload("key", PutOptions(), STATE, SENT)
    await driver.aclose()
    assert [request.method for request in mock.requests] == ["GET"]


async def test_uploads_are_listed_page_by_page() -> None:
    first = (
        "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<NextKeyMarker>a+b</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
        "<Upload><Key>a+b</Key><UploadId>1</UploadId>"
        "<Initiated>2026-11-28T00:00:00.000Z</Initiated></Upload>"
    )
    second = "<Upload><Key>c+d</Key><UploadId>2</UploadId><Initiated>?</Initiated></Upload>"
    driver, mock = scripted([uploads(first), uploads(second)])

    page = await driver.list_leftovers("p/", None)
    last = await driver.list_leftovers("p/", page.token)

    kind = "multipart upload"
    assert page.leftovers == [Leftover(key="a b", kind=kind, name="1", since=1795824000.0)]
    assert last.leftovers == [Leftover(key="c+d", kind=kind, name="2")]
    assert last.token is None
    assert [request.url.partition("?")[2] for request in mock.requests] == [
        "encoding-type=url&max-uploads=1000&prefix=p%2F&uploads=",
        "encoding-type=url&key-marker=a%20b&max-uploads=1000&prefix=p%2F&upload-id-marker=1&uploads=",
    ]


@pytest.mark.parametrize("rows", ["<Upload/>", "<IsTruncated>true</IsTruncated>"])
async def test_a_list_of_uploads_that_tells_too_little_is_refused(rows: str) -> None:
    driver, _ = scripted([uploads(rows)])

    with pytest.raises(RequestFailed):
        await driver.list_leftovers("", None)


async def test_a_store_that_knows_no_upload_has_none() -> None:
    driver, _ = scripted([error(404, "NoSuchUpload")])

    assert (await driver.list_leftovers("", None)).leftovers == ()


@pytest.mark.parametrize("answer", [reply(204), error(404, "NoSuchUpload")], ids=["204", "404"])
async def test_an_upload_is_dropped_once_or_again(answer: Response) -> None:
    driver, mock = scripted([answer])

    await driver.drop_leftover(Leftover(key="k", kind="multipart upload", name="1"))

    assert [request.method for request in mock.requests] == ["DELETE"]


async def test_an_upload_that_cannot_be_dropped_is_said() -> None:
    driver, _ = scripted([error(403, "AccessDenied")])

    with pytest.raises(PermissionDenied):
        await driver.drop_leftover(Leftover(key="k", kind="multipart upload", name="1"))
