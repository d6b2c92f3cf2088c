"""Signatures cover what they let happen, and last no longer than asked (row 18)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from blobio.config import Config, S3Config
from blobio.core.context import AsyncContext
from blobio.drivers.s3.copying import CopyLimits
from blobio.errors import InvalidConfig, Unsupported
from blobio.testing.scripted import Received, Reply, ScriptedServer
from blobio.transport.message import Request, Response
from blobio.transport.mock import reply
from blobio.url import BlobUrl
from blobio.values import CreateOnly, GetOptions, MetaPatch, PutOptions, Span, Version
from tests.unit.drivers.s3.kit import STORE, scripted

# What a proxy may change on its way, and nothing of which the store acts on.
UNSIGNED: Final = frozenset({"authorization", "user-agent"})
STORED: Final = {"etag": '"e"', "content-length": "9", "x-amz-meta-a": "b"}
XML: Final = (
    b"<CopyPartResult><ETag>e</ETag></CopyPartResult>",
    b"<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>",
    b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
    b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>",
)


def _store(request: Request) -> Response:
    """Answer everything well."""
    if request.method == "HEAD":
        return Response(status=200, headers=STORED)
    if "uploadId=" in request.url:
        if request.method == "POST":
            return reply(200, XML[2])
        return reply(200, XML[0] if "x-amz-copy-source" in request.headers else b"", {"etag": "e"})
    if request.method == "POST":
        return reply(200, b"<DeleteResult/>" if "delete=" in request.url else XML[1])
    if "x-amz-copy-source" in request.headers:
        return reply(200, XML[3])
    return reply(200, b"123456789" if request.method == "GET" else b"", {"etag": '"e"'})


async def test_every_header_of_every_request_is_signed() -> None:
    """Row 18: `x-amz-copy-source`, conditions, checksums, ranges, keys: all but the agent."""
    s3 = replace(
        STORE, session_token="T", sse_customer_key=b"k" * 32, requester_pays=True, sse="AES256"
    )
    driver, mock = scripted(_store, s3=s3, limits=CopyLimits(whole_bytes=8, part_bytes=5))
    await driver.put("k", b"x", PutOptions(mode=CreateOnly(), metadata={"a": "b"}))
    await driver.head("k", version=Version('"e"'))
    async with await driver.get("k", GetOptions(range=Span(0, 9), version=Version('"e"'))) as got:
        assert got.meta.size == 9
    upload = await driver.begin_upload("k", PutOptions(content_type="text/plain"))
    await upload.complete([await upload.put_part(0, 0, b"x")], size=1)
    await driver.copy(BlobUrl("s3", "bucket", "k"), "l", PutOptions())
    await driver.patch("k", MetaPatch(metadata={"c": "d"}))
    await driver.delete(["a", "b"])

    seen: set[str] = set()
    for request in mock.requests:
        signed = set(
            re.findall(r"SignedHeaders=([^,]*)", request.headers["authorization"])[0].split(";")
        )
        assert "host" in signed
        assert request.headers.keys() - UNSIGNED <= signed
        seen |= signed
    assert seen >= {
        *("x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-range"),
        *("x-amz-checksum-crc32c", "if-none-match", "if-match", "x-amz-security-token"),
        *("x-amz-server-side-encryption-customer-key", "x-amz-content-sha256", "x-amz-date"),
        *("x-amz-copy-source-server-side-encryption-customer-key", "content-md5", "content-type"),
    }


async def test_what_the_client_adds_on_the_way_is_no_header_the_store_acts_on() -> None:
    """Row 18: on the wire, where a header that is not signed could be put in by anybody."""
    with ScriptedServer(lambda _: Reply(headers={"ETag": '"e"'})) as store:
        s3 = S3Config(
            endpoint_url=store.url, region="us-east-1", access_key_id="A", secret_access_key="S"
        )
        async with AsyncContext(Config(s3=s3)) as context:
            await context.write_bytes("s3://bucket/k", b"content", overwrite=False)

        request: Received = store.requests[0]
        signed = (
            request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        )
        assert request.headers.keys() - set(signed) == {
            *("authorization", "user-agent", "accept-encoding", "content-length"),
        } - set(signed)


def _parameters(url: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_signed_url_is_for_one_method(method: str) -> None:
    """Row 18: the signature of one method is not that of another."""
    driver, mock = scripted([])

    urls = {
        one: (await driver.sign_url("k", one, 60)).url for one in ("GET", "HEAD", "PUT", "DELETE")
    }

    signatures = [_parameters(url)["X-Amz-Signature"] for url in urls.values()]
    assert len(set(signatures)) == 4
    assert _parameters(urls[method])["X-Amz-Expires"] == "60"
    assert mock.requests == []


@pytest.mark.parametrize("method", ["POST", "get", "OPTIONS", "GET\r\nHost: evil.com", ""])
async def test_other_methods_are_not_signed(method: str) -> None:
    """Row 18: nor is anything that is no method."""
    driver, _ = scripted([])

    with pytest.raises(Unsupported):
        await driver.sign_url("k", method, 60)


@pytest.mark.parametrize("expires_s", [0, -1, 0.5, 604_801, 1e300, float("inf"), float("nan")])
async def test_signed_url_lives_no_longer_than_allowed(expires_s: float) -> None:
    """Row 18: and has an end."""
    driver, _ = scripted([])

    with pytest.raises(InvalidConfig, match="604800 seconds"):
        await driver.sign_url("k", "GET", expires_s)


async def test_signed_url_lives_an_hour_unless_told_otherwise() -> None:
    """Row 18: the default of the API."""
    async with AsyncContext(Config(s3=STORE)) as context:
        url, expires_at = await context.get_url("s3://bucket/k")

    assert _parameters(url)["X-Amz-Expires"] == "3600"
    assert expires_at is not None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_key_of_the_customer_is_bound_to_the_url_but_not_in_it(method: str) -> None:
    """Rows 5 and 18: who gets the URL must be given the key as well, as a signed header."""
    driver, _ = scripted(
        [], s3=replace(STORE, sse_customer_key=b"c4nary-c4nary-c4nary-c4nary-c4na")
    )

    signed = await driver.sign_url("k", method, 60)

    names = _parameters(signed.url)["X-Amz-SignedHeaders"].split(";")
    assert set(names) == {"host", *signed.headers}
    assert "x-amz-server-side-encryption-customer-key" in names
    assert signed.headers["x-amz-server-side-encryption-customer-key"] not in signed.url
    assert "c4nary" not in signed.url + repr(signed)


async def test_signed_url_says_what_botocore_would() -> None:
    """Row 18: the oracle, for an odd key and a session token."""
    driver, _ = scripted([], s3=replace(STORE, session_token="TO/KEN+=="))

    url = (await driver.sign_url("a b/ü?#%", "GET", 120)).url

    stamp = _parameters(url)["X-Amz-Date"]
    theirs = AWSRequest(method="GET", url=url.partition("?")[0])
    theirs.context["timestamp"] = stamp
    signer = S3SigV4QueryAuth(Credentials("AKID", "SECRET", "TO/KEN+=="), "s3", "us-east-1", 120)
    query = "&".join(sorted(url.partition("?")[2].partition("&X-Amz-Signature=")[0].split("&")))
    canonical = f"GET\n{urlsplit(url).path}\n{query}\nhost:store.example\n\nhost\nUNSIGNED-PAYLOAD"
    signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
    assert _parameters(url)["X-Amz-Signature"] == signature
