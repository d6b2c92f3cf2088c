"""Versions at three stores, from replies as these write them."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from blobio.drivers.versions import BlobVersion, Versioned
from blobio.errors import NotFound, PermissionDenied, RequestFailed, Unsupported
from blobio.transport.mock import reply
from tests.unit.drivers.azure import kit as azure
from tests.unit.drivers.gcs import kit as gcs
from tests.unit.drivers.s3 import kit as s3

S3_PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Name>bucket</Name><Prefix>d%2F</Prefix><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated>
<NextKeyMarker>d%2Fb+c</NextKeyMarker><NextVersionIdMarker>v3</NextVersionIdMarker>
<Version><Key>d%2Fa</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>
<LastModified>2024-01-01T00:00:01.000Z</LastModified><ETag>"e"</ETag><Size>7</Size></Version>
<DeleteMarker><Key>d%2Fa</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>
<LastModified>2024-01-01T00:00:02.000Z</LastModified></DeleteMarker>
</ListVersionsResult>"""
AZURE_PAGE = b"""\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults><Blobs>
<Blob><Name>d/a</Name><VersionId>2024-01-01T00:00:00.0000000Z</VersionId><Properties>
<Last-Modified>Mon, 01 Jan 2024 00:00:01 GMT</Last-Modified><Content-Length>7</Content-Length>
</Properties></Blob>
<Blob><Name>d/a</Name><VersionId>2024-01-02T00:00:00.0000000Z</VersionId>
<IsCurrentVersion>true</IsCurrentVersion><Properties>
<Last-Modified>Tue, 02 Jan 2024 00:00:00 GMT</Last-Modified><Content-Length>8</Content-Length>
</Properties></Blob>
</Blobs><NextMarker>more</NextMarker></EnumerationResults>"""
MONDAY = 1_704_067_201.0


def version(key: str, name: str, *, is_current: bool = False) -> BlobVersion:
    return BlobVersion(key=key, id=name, size=1, mtime=0.0, is_current=is_current)


def query(url: str) -> dict[str, str]:
    found = parse_qs(urlsplit(url).query, keep_blank_values=True)
    return {name: values[0] for name, values in found.items()}


def test_drivers_of_clouds_know_versions() -> None:
    for kit in (s3, gcs, azure):
        assert isinstance(kit.scripted([])[0], Versioned)


async def test_s3_lists_versions_and_markers_and_goes_on_after_both() -> None:
    last = S3_PAGE.replace(b"<IsTruncated>true", b"<IsTruncated>false")
    driver, mock = s3.scripted([reply(200, S3_PAGE), reply(200, last)])

    page = await driver.list_versions("d/", None)
    end = await driver.list_versions("d/", page.token)

    old, marker = page.versions
    assert old == BlobVersion(key="d/a", id="v2", size=7, mtime=MONDAY, is_current=False)
    assert (marker.id, marker.size, marker.is_current, marker.is_marker) == ("v1", 0, True, True)
    assert end.token is None
    first, second = (query(request.url) for request in mock.requests)
    assert first == {"versions": "", "encoding-type": "url", "max-keys": "1000", "prefix": "d/"}
    assert second == first | {"key-marker": "d/b c", "version-id-marker": "v3"}


async def test_s3_deletes_versions_in_one_request_and_tells_of_each() -> None:
    body = (
        b"<DeleteResult><Error><Key>a</Key><VersionId>v2</VersionId><Code>AccessDenied</Code>"
        b"<Message>no</Message></Error><Error><Key>b</Key><VersionId>v3</VersionId>"
        b"<Code>NoSuchKey</Code></Error></DeleteResult>"
    )
    driver, mock = s3.scripted([reply(200, body)])

    results = await driver.delete_versions(
        [version("a", "v1"), version("a", "v2"), version("b", "v3")]
    )

    assert [type(result.error) for result in results] == [type(None), PermissionDenied, type(None)]
    sent = bytes(mock.requests[0].content).decode()
    assert "<Object><Key>a</Key><VersionId>v1</VersionId></Object>" in sent
    assert mock.requests[0].url.endswith("?delete=")


async def test_s3_deletes_what_xml_cannot_carry_by_itself() -> None:
    driver, mock = s3.scripted([reply(204), reply(404)])

    results = await driver.delete_versions([version("a\x01", "v1"), version("b\x01", "")])

    assert [result.error for result in results] == [None, None]
    assert {(r.method, urlsplit(r.url).query) for r in mock.requests} == {
        ("DELETE", "versionId=v1"),
        ("DELETE", ""),
    }


async def test_s3_failure_of_what_was_not_asked_for_is_a_failure_of_all() -> None:
    body = b"<DeleteResult><Error><Key>z</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    driver, _ = s3.scripted([reply(200, body)])

    with pytest.raises(PermissionDenied):
        await driver.delete_versions([version("a", "v1")])


async def test_s3_server_without_versions_is_told_of() -> None:
    driver, _ = s3.scripted([reply(501, b"<Error><Code>NotImplemented</Code></Error>")])

    with pytest.raises(Unsupported, match="does not know versions"):
        await driver.list_versions("", None)


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult/>",
        b"<ListVersionsResult><Version><Size>7</Size></Version></ListVersionsResult>",
        S3_PAGE.replace(b"<Size>7", b"<Size>x"),
        S3_PAGE.replace(b"<NextKeyMarker>d%2Fb+c</NextKeyMarker>", b""),
    ],
)
async def test_s3_reply_that_makes_no_sense_is_refused(body: bytes) -> None:
    driver, _ = s3.scripted([reply(200, body)])

    with pytest.raises(RequestFailed):
        await driver.list_versions("", None)


async def test_google_lists_generations_and_hides_parts_of_uploads() -> None:
    described = {"size": "7", "generation": "5", "updated": "2024-01-01T00:00:01Z"}
    items = [
        {"name": ".blobio-components/x", **described},
        {"name": "d/a", **described, "timeDeleted": "2024-01-02T00:00:00Z"},
        {"name": "d/a", **described, "generation": "6"},
    ]
    body = json.dumps({"items": items, "nextPageToken": "more"}).encode()
    driver, mock = gcs.scripted([reply(200, body)])

    page = await driver.list_versions("", "before")

    old, current = page.versions
    assert old == BlobVersion(key="d/a", id="5", size=7, mtime=MONDAY, is_current=False)
    assert (current.id, current.is_current) == ("6", True)
    assert page.token == "more"
    asked = query(mock.requests[0].url)
    assert (asked["versions"], asked["pageToken"]) == ("true", "before")


async def test_google_deletes_each_generation_by_its_number() -> None:
    driver, mock = gcs.scripted([reply(204), gcs.error(404), gcs.error(403)])

    wanted = [version("a", "5"), version("a", "6", is_current=True), version("b", "7")]
    results = await driver.delete_versions(wanted)

    assert [type(result.error) for result in results] == [type(None), type(None), PermissionDenied]
    assert [(r.method, query(r.url)) for r in mock.requests] == [
        ("DELETE", {"generation": "5"}),
        ("DELETE", {"generation": "6"}),
        ("DELETE", {"generation": "7"}),
    ]


@pytest.mark.parametrize("body", [b'{"items": 1}', b'{"items": [{"size": "1"}]}', b"[]"])
async def test_google_reply_that_makes_no_sense_is_refused(body: bytes) -> None:
    driver, _ = gcs.scripted([reply(200, body)] * 3)

    with pytest.raises(RequestFailed):
        await driver.list_versions("", None)


async def test_azure_lists_versions() -> None:
    driver, mock = azure.scripted([reply(200, AZURE_PAGE)])

    page = await driver.list_versions("d/", "before")

    old, current = page.versions
    name = "2024-01-01T00:00:00.0000000Z"
    assert old == BlobVersion(key="d/a", id=name, size=7, mtime=MONDAY, is_current=False)
    assert (current.size, current.is_current) == (8, True)
    assert page.token == "more"
    asked = query(mock.requests[0].url)
    assert (asked["include"], asked["marker"], asked["prefix"]) == ("versions", "before", "d/")


async def test_azure_makes_the_current_version_an_old_one_and_deletes_that() -> None:
    refused = azure.error(403, "OperationNotAllowedOnRootBlob")
    driver, mock = azure.scripted([reply(202), refused, reply(202), reply(202)])

    wanted = [version("a", "old"), version("b", "new", is_current=True)]
    results = [(await driver.delete_versions([each]))[0] for each in wanted]

    assert [result.error for result in results] == [None, None]
    assert [query(request.url) for request in mock.requests] == [
        {"versionid": "old"},
        {"versionid": "new"},
        {},
        {"versionid": "new"},
    ]


async def test_azure_never_deletes_more_than_the_version_that_was_listed() -> None:
    """It has become current since: somebody has promoted it, and wants it."""
    refused = azure.error(403, "OperationNotAllowedOnRootBlob")
    driver, mock = azure.scripted([refused])

    (result,) = await driver.delete_versions([version("a", "old")])

    assert isinstance(result.error, PermissionDenied)
    assert len(mock.requests) == 1


async def test_azure_blob_without_versions_is_deleted_as_it_is() -> None:
    driver, mock = azure.scripted([reply(202)])

    (result,) = await driver.delete_versions([version("a", "", is_current=True)])

    assert result.error is None
    assert query(mock.requests[0].url) == {}


@pytest.mark.parametrize("kit", [s3, gcs, azure])
async def test_bucket_that_is_not_there(kit: object) -> None:
    replies = {
        s3: reply(404, b"<Error><Code>NoSuchBucket</Code></Error>"),
        gcs: gcs.error(404),
        azure: azure.error(404, "ContainerNotFound"),
    }
    driver, _ = kit.scripted([replies[kit]])  # type: ignore[attr-defined,index]  # a module

    with pytest.raises(NotFound):
        await driver.list_versions("", None)
