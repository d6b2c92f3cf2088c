"""Every verb against moto and rclone: a smoke test. What they promise is tested in conformance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest

from blobio.config import Config
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3.copying import CopyLimits
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import AlreadyExists, NotFound, VersionMismatch
from blobio.testing.emulators import S3Server
from blobio.transport.base import Transport
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import connect, stack
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    GetOptions,
    Last,
    ListOptions,
    MetaPatch,
    PutOptions,
    SignedUrl,
    Span,
)
from tests.unit.drivers.calls import read, write

pytestmark = pytest.mark.slow

BUCKET = "smoke"
PARTS = [bytes([n]) * (5 << 20) for n in range(2)] + [b"the end"]


@pytest.fixture(scope="session", params=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    found.make_bucket(BUCKET)
    return found


@asynccontextmanager
async def _driver(
    server: S3Server, *, limits: CopyLimits | None = None, config: Config | None = None
) -> AsyncIterator[S3Driver]:
    config = config or server.config()
    base = connect(config)

    def own(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(base, config, RetryBudget(100), signer=signer, judge=judge)

    driver = S3Driver(BUCKET, DriverServices(config, own), limits=limits)
    try:
        yield driver
    finally:
        await driver.aclose()
        await base.aclose()


async def _upload(driver: S3Driver, key: str) -> None:
    upload = await driver.begin_upload(key, PutOptions(content_type="text/x", metadata={"a": "1"}))
    offset = 0
    tokens = []
    for index, body in enumerate(PARTS):
        tokens.append(await upload.put_part(index, offset, body))
        offset += len(body)
    await upload.complete(tokens, size=offset)


@pytest.mark.parametrize("checksums", ["crc32c", "md5", "off"])
async def test_put_head_get_delete(server: S3Server, checksums: str) -> None:
    base = server.config()
    config = {
        "crc32c": base,
        "md5": replace(base, s3=replace(base.s3, checksums="md5")),
        "off": replace(base, s3=replace(base.s3, checksums="off")),
    }[checksums]
    async with _driver(server, config=config) as driver:
        options = PutOptions(content_type="text/x", metadata={"colour": "grün "})
        result = await driver.put("dir/a b", b"0123456789", options)

        meta = await driver.head("dir/a b")
        assert (meta.size, meta.version) == (10, result.version)
        assert (meta.content_type, meta.metadata) == ("text/x", {"colour": "grün "})
        assert await read(driver, "dir/a b") == b"0123456789"
        assert await read(driver, "dir/a b", GetOptions(range=Span(2, 5))) == b"234"
        assert await read(driver, "dir/a b", GetOptions(range=Last(99))) == b"0123456789"
        await driver.delete(["dir/a b"])
        with pytest.raises(NotFound):
            await driver.head("dir/a b")


async def test_upload_in_parts(server: S3Server) -> None:
    async with _driver(server) as driver:
        await _upload(driver, "parts")

        assert await read(driver, "parts") == b"".join(PARTS)
        assert (await driver.head("parts")).metadata == {"a": "1"}


async def test_aborted_upload_leaves_nothing(server: S3Server) -> None:
    async with _driver(server) as driver:
        upload = await driver.begin_upload("aborted", PutOptions())
        await upload.put_part(0, 0, b"x")
        await upload.abort()
        await upload.abort()

        with pytest.raises(NotFound):
            await driver.head("aborted")


async def test_listing_and_batched_delete(server: S3Server) -> None:
    async with _driver(server) as driver:
        keys = ["list/a+b", "list/a b", "list/d/x", "list/é&<", "list/z"]
        for key in keys:
            await write(driver, key)

        page = await driver.list_page("list/", ListOptions(delimiter="/"), None)
        assert {blob.key for blob in page.blobs} == set(keys) - {"list/d/x"}
        assert list(page.prefixes) == ["list/d/"]
        results = await driver.delete(keys)
        assert [result.error for result in results] == [None] * 5
        assert (await driver.list_page("list/", ListOptions(), None)).blobs == []


async def test_copy_whole(server: S3Server) -> None:
    async with _driver(server) as driver:
        await driver.put("src ä", b"content", PutOptions(metadata={"a": "1"}))

        result = await driver.copy(BlobUrl("s3", BUCKET, "src ä"), "dst", PutOptions())

        assert await read(driver, "dst") == b"content"
        assert (await driver.head("dst")).version == result.version
        assert (await driver.head("dst")).metadata["a"] == "1"


async def test_patch(server: S3Server) -> None:
    async with _driver(server) as driver:
        await driver.put("patched", b"content", PutOptions(metadata={"a": "1", "b": "2"}))

        meta = await driver.patch("patched", MetaPatch(metadata={"b": "3"}, mtime=12.5))

        assert await read(driver, "patched") == b"content"
        head = await driver.head("patched")
        assert head.version == meta.version
        assert {"a": "1", "b": "3", "blobfile-mtime": "12.5"}.items() <= head.metadata.items()


async def test_signed_urls_work_without_credentials(server: S3Server) -> None:
    async with _driver(server) as driver:
        put = await driver.sign_url("signed ä", "PUT", 60)
        get = await driver.sign_url("signed ä", "GET", 60)

        await asyncio.to_thread(_fetch, put, b"via url")
        assert await asyncio.to_thread(_fetch, get) == b"via url"


def _fetch(signed: SignedUrl, data: bytes | None = None) -> bytes:
    headers = {**signed.headers, "Content-Type": "text/x"}
    method = "GET" if data is None else "PUT"
    request = Request(signed.url, data=data, method=method, headers=headers)  # noqa: S310 - http
    with urlopen(request, timeout=10) as reply:  # noqa: S310 - http, loopback
        content: bytes = reply.read()
    return content


async def test_copy_by_parts_on_moto(moto: S3Server) -> None:
    """rclone has no UploadPartCopy."""
    moto.make_bucket(BUCKET)
    limits = CopyLimits(whole_bytes=6 << 20, part_bytes=5 << 20, window=2)
    async with _driver(moto, limits=limits) as driver:
        await _upload(driver, "large")

        await driver.copy(BlobUrl("s3", BUCKET, "large"), "copied", PutOptions(mode=CreateOnly()))

        assert await read(driver, "copied") == b"".join(PARTS)
        head = await driver.head("copied")
        assert (head.content_type, head.metadata) == ("text/x", {"a": "1"})
        meta = await driver.patch("large", MetaPatch(metadata={"a": None, "b": "2"}))
        assert meta.metadata == {"b": "2"}
        with pytest.raises(AlreadyExists):
            await driver.copy(
                BlobUrl("s3", BUCKET, "large"), "copied", PutOptions(mode=CreateOnly())
            )


async def test_pinned_read_of_a_blob_that_changed(server: S3Server) -> None:
    async with _driver(server) as driver:
        version = await write(driver, "pinned", b"old")
        await write(driver, "pinned", b"new")

        with pytest.raises(VersionMismatch):
            await driver.get("pinned", GetOptions(version=version))
