from __future__ import annotations

from dataclasses import replace

import pytest

from blobio.config import Config
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3 import make
from blobio.drivers.s3.driver import capabilities_of
from blobio.errors import (
    InvalidConfig,
    InvalidUrl,
    IsDirectory,
    NotFound,
    PermissionDenied,
    RequestFailed,
    Unsupported,
)
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport, Step, reply
from blobio.url import BlobUrl
from blobio.values import CreateOnly, ListOptions, PutOptions, ReplaceIf, Version
from tests.unit.drivers.s3.kit import AWS, STORE, error, methods, scripted

DELETED = reply(200, b"<DeleteResult/>")


def test_limits_are_those_of_s3() -> None:
    can = capabilities_of(STORE)

    assert (can.create_only, can.replace_if, can.pinned_reads) == (True, True, True)
    assert (can.server_copy, can.patch, can.cheap_patch, can.sign_url) == (True, True, False, True)
    assert (can.min_part_bytes, can.max_part_bytes) == (5 << 20, 5 << 30)
    assert (can.max_parts, can.max_put_bytes, can.delete_batch) == (10_000, 5 << 30, 1000)
    assert not can.delete_tells_missing
    assert not can.equal_parts
    assert capabilities_of(replace(STORE, equal_parts=True)).equal_parts


async def test_store_without_conditions_gets_no_conditional_write() -> None:
    config = replace(STORE, conditional_writes=False)
    driver, mock = scripted([reply(200, headers={"etag": '"a"'})], s3=config)
    create = PutOptions(mode=CreateOnly())
    replace_one = PutOptions(mode=ReplaceIf(Version('"a"')))

    for options in (create, replace_one):
        with pytest.raises(Unsupported, match="conditional_writes=False"):
            await driver.put("key", b"", options)
        with pytest.raises(Unsupported, match="overwrite=True"):
            await driver.begin_upload("key", options)
        with pytest.raises(Unsupported):
            await driver.copy(BlobUrl("s3", "bucket", "other"), "key", options)
    assert not mock.requests
    assert not driver.capabilities.create_only
    assert not driver.capabilities.replace_if

    await driver.put("key", b"", PutOptions())
    assert methods(mock) == ["PUT"]


def test_directory_buckets_are_refused() -> None:
    def connect(**_: object) -> Transport:
        return MockTransport([])

    services = DriverServices(Config(s3=STORE), connect)

    with pytest.raises(Unsupported, match="directory bucket"):
        make(BlobUrl("s3", "name--use1-az4--x-s3", ""), services)


async def test_list_page() -> None:
    body = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>t</NextContinuationToken><Contents><Key>a/b</Key>"
        b"<LastModified>2009-10-12T17:50:30.000Z</LastModified><Size>3</Size></Contents>"
        b"</ListBucketResult>"
    )
    driver, mock = scripted([reply(200, body)], s3=replace(STORE, requester_pays=True))

    page = await driver.list_page("a/", ListOptions(delimiter="/", page_size=10), "tok")

    assert ([blob.key for blob in page.blobs], page.token) == (["a/b"], "t")
    (request,) = mock.requests
    assert request.url == (
        "https://store.example/bucket?continuation-token=tok&delimiter=%2F&encoding-type=url"
        "&list-type=2&max-keys=10&prefix=a%2F"
    )
    assert request.headers["x-amz-request-payer"] == "requester"


async def test_listing_a_missing_bucket_is_an_error() -> None:
    driver, _ = scripted([error(404, "NoSuchBucket")])

    with pytest.raises(NotFound, match="NoSuchBucket"):
        await driver.list_page("", ListOptions(), None)


async def test_damaged_page_is_never_an_empty_one() -> None:
    driver, _ = scripted([reply(200, b"<html>welcome</html>")])

    with pytest.raises(RequestFailed):
        await driver.list_page("", ListOptions(), None)


async def test_one_key_is_one_delete() -> None:
    driver, mock = scripted([reply(204)])

    (result,) = await driver.delete(["a b"])

    assert (result.key, result.error) == ("a b", None)
    assert [(r.method, r.url) for r in mock.requests] == [
        ("DELETE", "https://store.example/bucket/a%20b")
    ]


async def test_many_keys_are_one_post() -> None:
    driver, mock = scripted([DELETED])

    results = await driver.delete(["b", "a", "b"])

    assert [result.key for result in results] == ["b", "a", "b"]
    assert [(r.method, r.url) for r in mock.requests] == [
        ("POST", "https://store.example/bucket?delete=")
    ]


async def test_keys_that_xml_cannot_carry_go_alone() -> None:
    driver, mock = scripted(lambda r: DELETED if r.method == "POST" else reply(204))

    results = await driver.delete(["a", "x\x01", "b", "y\x02"])

    assert [(result.key, result.error) for result in results] == [
        (key, None) for key in ("a", "x\x01", "b", "y\x02")
    ]
    assert sorted(methods(mock)) == ["DELETE", "DELETE", "POST"]


async def test_keys_that_failed_for_now_are_tried_alone() -> None:
    body = (
        b"<DeleteResult><Error><Key>a</Key><Code>SlowDown</Code></Error>"
        b"<Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    driver, mock = scripted([reply(200, body), error(503, "SlowDown"), reply(204)])

    a, b, c = await driver.delete(["a", "b", "c"])

    assert a.error is None
    assert isinstance(b.error, PermissionDenied)
    assert c.error is None
    assert methods(mock) == ["POST", "DELETE", "DELETE"]


async def test_error_of_one_key_is_its_result() -> None:
    driver, _ = scripted([error(403, "AccessDenied"), Response(status=404, headers={})])

    (denied,) = await driver.delete(["a"])
    (missing,) = await driver.delete(["b"])

    assert isinstance(denied.error, PermissionDenied)
    assert missing.error is None


async def test_error_of_the_batch_is_raised() -> None:
    driver, _ = scripted([error(404, "NoSuchBucket"), error(404, "NoSuchBucket")])

    with pytest.raises(NotFound):
        await driver.delete(["a", "b"])
    with pytest.raises(NotFound):
        await driver.delete(["a"])


async def test_error_hidden_in_a_batch_is_no_success() -> None:
    driver, mock = scripted([error(200, "InternalError"), DELETED])

    await driver.delete(["a", "b"])

    assert methods(mock) == ["POST", "POST"]


async def test_batch_larger_than_the_stores_is_refused_unsent() -> None:
    driver, mock = scripted([])

    with pytest.raises(ValueError, match="1001"):
        await driver.delete([str(n) for n in range(1001)])
    with pytest.raises(IsDirectory):
        await driver.delete(["a", ""])
    with pytest.raises(InvalidUrl):
        await driver.delete(["a", "x" * 1025])
    assert mock.requests == []
    assert await driver.delete([]) == []


async def test_signed_url_needs_no_request() -> None:
    driver, mock = scripted([])

    signed = await driver.sign_url("a b", "PUT", 60.9)

    assert mock.requests == []
    assert signed.url.startswith(
        "https://store.example/bucket/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    )
    assert "X-Amz-Expires=60&" in signed.url
    assert signed.expires_at is not None
    assert signed.headers == {}


async def test_signed_url_of_requester_pays_and_customer_key() -> None:
    config = replace(STORE, requester_pays=True, sse_customer_key=bytes(32))
    driver, _ = scripted([], s3=config)

    get = await driver.sign_url("k", "GET", 60)
    delete = await driver.sign_url("k", "DELETE", 60)

    assert "x-amz-request-payer=requester&" in get.url
    assert "x-amz-server-side-encryption-customer-key" in get.headers
    assert "x-amz-server-side-encryption-customer-key%3B" in get.url
    assert delete.headers == {}


async def test_anonymous_url_is_plain_and_never_expires() -> None:
    config = replace(STORE, anonymous=True, access_key_id=None, secret_access_key=None)
    driver, _ = scripted([], s3=config)

    signed = await driver.sign_url("a b", "GET", 60)

    assert (signed.url, signed.expires_at) == ("https://store.example/bucket/a%20b", None)


@pytest.mark.parametrize("expires_s", [0, 0.5, -1, 604_801])
async def test_url_cannot_live_longer_than_a_week(expires_s: float) -> None:
    driver, _ = scripted([])

    with pytest.raises(InvalidConfig, match="604800"):
        await driver.sign_url("k", "GET", expires_s)


async def test_url_of_an_unknown_method_or_no_key_is_refused() -> None:
    driver, _ = scripted([])

    with pytest.raises(Unsupported, match="POST"):
        await driver.sign_url("k", "POST", 60)
    with pytest.raises(IsDirectory):
        await driver.sign_url("", "GET", 60)


async def test_signed_url_is_for_the_region_the_bucket_is_in() -> None:
    """A URL is used by others, who cannot follow the bucket."""
    moved = Response(status=400, headers={"x-amz-bucket-region": "eu-west-1"})
    driver, mock = scripted([moved, reply(200)], s3=replace(AWS, region=None))

    signed = await driver.sign_url("k", "GET", 60)
    await driver.sign_url("k", "GET", 60)

    assert signed.url.startswith("https://bucket.s3.eu-west-1.amazonaws.com/k?")
    assert "%2Feu-west-1%2Fs3%2F" in signed.url
    assert methods(mock) == ["HEAD", "HEAD"]
    assert mock.requests[1].url == "https://bucket.s3.eu-west-1.amazonaws.com/"


async def test_customer_key_is_not_sent_in_the_open() -> None:
    def refuse(request: Request) -> Step:
        raise AssertionError(request)

    config = replace(STORE, endpoint_url="http://store.example", sse_customer_key=bytes(32))
    driver, _ = scripted(refuse, s3=config)

    with pytest.raises(InvalidConfig, match="https"):
        await driver.head("k")


async def test_keys_are_exact_on_the_wire() -> None:
    driver, mock = scripted(lambda _: reply(204))

    for key in ("a//b", "a/../b", "./x", "/y", "#?%", "ä"):
        await driver.delete([key])

    assert [
        request.url.removeprefix("https://store.example/bucket/") for request in mock.requests
    ] == [
        "a//b",
        "a/../b",
        "./x",
        "/y",
        "%23%3F%25",
        "%C3%A4",
    ]


async def test_closing_twice_is_fine() -> None:
    driver, _ = scripted([])

    await driver.aclose()
    await driver.aclose()
