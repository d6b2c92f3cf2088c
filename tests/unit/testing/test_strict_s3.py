from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError
from botocore.session import Session

from blobio.config import Config, HttpConfig, RetryConfig
from blobio.core.context import AsyncContext
from blobio.errors import BlobError, Unauthenticated
from blobio.testing.strict_s3 import Fault, RequestHead, StrictS3, Strike, strict_s3

MIB = 1 << 20
ONCE = RetryConfig(attempts=1)
LOST_BEFORE = [Strike.RESET, Strike.RESET_UPLOAD, Strike.REFUSE, Strike.STALL]
LOST_AFTER = [Strike.DROP_REPLY, Strike.FAIL_AFTER, Strike.STALL_REPLY]


@contextmanager
def _client(server: StrictS3) -> Iterator[Any]:
    """A client of another house: it shares no code with the server, nor with blobio."""
    s3 = server.config().s3
    client = Session().create_client(
        "s3",
        region_name=s3.region,
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
        config=ClientConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def server() -> Iterator[StrictS3]:
    with strict_s3() as running:
        running.make_bucket("bucket")
        yield running


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


# As S3 does it, asked by botocore


def test_object_comes_back_with_its_metadata(server: StrictS3) -> None:
    with _client(server) as client:
        client.put_object(Bucket="bucket", Key="a b/ü+#", Body=b"data", Metadata={"n": "v"})

        found = client.get_object(Bucket="bucket", Key="a b/ü+#", Range="bytes=1-2")

        assert found["Body"].read() == b"at"
        assert found["ContentRange"] == "bytes 1-2/4"
        assert found["Metadata"] == {"n": "v"}


def test_conditions_of_a_write_are_decided(server: StrictS3) -> None:
    with _client(server) as client:
        first = client.put_object(Bucket="bucket", Key="k", Body=b"1", IfNoneMatch="*")
        client.put_object(Bucket="bucket", Key="k", Body=b"2", IfMatch=first["ETag"])

        with pytest.raises(ClientError) as taken:
            client.put_object(Bucket="bucket", Key="k", Body=b"3", IfNoneMatch="*")
        with pytest.raises(ClientError) as stale:
            client.put_object(Bucket="bucket", Key="k", Body=b"4", IfMatch=first["ETag"])
        with pytest.raises(ClientError) as gone:
            client.put_object(Bucket="bucket", Key="no", Body=b"5", IfMatch=first["ETag"])

        codes = [_code(one) for one in (taken, stale, gone)]
        assert codes == ["PreconditionFailed", "PreconditionFailed", "NoSuchKey"]


def test_wrong_checksum_is_refused(server: StrictS3) -> None:
    with _client(server) as client:
        with pytest.raises(ClientError) as crc:
            client.put_object(Bucket="bucket", Key="k", Body=b"1", ChecksumCRC32C="AAAAAA==")
        with pytest.raises(ClientError) as md5:
            client.put_object(
                Bucket="bucket", Key="k", Body=b"1", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="
            )

        assert [_code(crc), _code(md5)] == ["BadDigest", "BadDigest"]


def test_upload_in_parts_is_put_together(server: StrictS3) -> None:
    with _client(server) as client:
        begun = client.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
        place = {"Bucket": "bucket", "Key": "k", "UploadId": begun}
        bodies = [b"a" * 5 * MIB, b"end"]
        parts = [
            {
                "PartNumber": number,
                "ETag": client.upload_part(**place, PartNumber=number, Body=body)["ETag"],
            }
            for number, body in enumerate(bodies, 1)
        ]
        client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})

        assert client.head_object(Bucket="bucket", Key="k")["ContentLength"] == 5 * MIB + 3
        assert server.orphans("bucket") == []


def test_completion_is_checked(server: StrictS3) -> None:
    with _client(server) as client:
        begun = client.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
        place = {"Bucket": "bucket", "Key": "k", "UploadId": begun}
        etags = [
            client.upload_part(**place, PartNumber=number, Body=b"small")["ETag"]
            for number in (1, 2)
        ]

        def complete(*rows: tuple[int, str]) -> str:
            parts = [{"PartNumber": number, "ETag": etag} for number, etag in rows]
            with pytest.raises(ClientError) as caught:
                client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
            return _code(caught)

        assert complete((1, etags[0]), (2, etags[1])) == "EntityTooSmall"
        assert complete((2, etags[1]), (1, etags[0])) == "InvalidPartOrder"
        assert complete((1, '"another"')) == "InvalidPart"
        assert complete((3, etags[0])) == "InvalidPart"
        assert [upload.key for upload in server.orphans("bucket")] == ["k"]


def test_abort_forgets_the_upload(server: StrictS3) -> None:
    with _client(server) as client:
        begun = client.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
        client.abort_multipart_upload(Bucket="bucket", Key="k", UploadId=begun)

        with pytest.raises(ClientError) as caught:
            client.abort_multipart_upload(Bucket="bucket", Key="k", UploadId=begun)

        assert _code(caught) == "NoSuchUpload"
        assert server.orphans("bucket") == []


def test_listing_goes_on_from_page_to_page(server: StrictS3) -> None:
    keys = ["a", "d/1", "d/2", "e/1", "f&g", "z"]
    with _client(server) as client:
        for key in keys:
            client.put_object(Bucket="bucket", Key=key, Body=b"")

        def listed(**options: object) -> tuple[list[str], list[str]]:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket="bucket", PaginationConfig={"PageSize": 2}, **options
            )
            names: tuple[list[str], list[str]] = ([], [])
            for page in pages:
                names[0].extend(entry["Key"] for entry in page.get("Contents", ()))
                names[1].extend(entry["Prefix"] for entry in page.get("CommonPrefixes", ()))
            return names

        assert listed() == (keys, [])
        assert listed(Delimiter="/") == (["a", "f&g", "z"], ["d/", "e/"])
        assert listed(Prefix="d/") == (["d/1", "d/2"], [])
        assert listed(StartAfter="d/1") == (keys[2:], [])


def test_batch_of_deletions_and_a_copy(server: StrictS3) -> None:
    with _client(server) as client:
        client.put_object(Bucket="bucket", Key="a&b", Body=b"data")
        source = {"Bucket": "bucket", "Key": "a&b"}
        client.copy_object(Bucket="bucket", Key="copy", CopySource=source)
        client.delete_objects(
            Bucket="bucket", Delete={"Objects": [{"Key": "a&b"}, {"Key": "missing"}]}
        )

        assert client.get_object(Bucket="bucket", Key="copy")["Body"].read() == b"data"
        with pytest.raises(ClientError) as caught:
            client.copy_object(Bucket="bucket", Key="copy", CopySource=source)
        assert _code(caught) == "NoSuchKey"


def test_other_secret_is_refused(server: StrictS3) -> None:
    async def read() -> None:
        config = server.config()
        other = replace(config, s3=replace(config.s3, secret_access_key="other"), retry=ONCE)
        async with AsyncContext(other) as context:
            await context.read_bytes("s3://bucket/k")

    with pytest.raises(Unauthenticated, match="SignatureDoesNotMatch"):
        asyncio.run(read())


def test_other_languages_are_hung_up_on(server: StrictS3) -> None:
    port = int(server.url.rpartition(":")[2])

    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"HELO there\r\n\r\n")

        assert line.recv(1) == b""


# Faults


@pytest.fixture
async def breaking() -> AsyncIterator[StrictS3]:
    async with StrictS3(min_part_bytes=1) as running:
        running.make_bucket("bucket")
        yield running


def _quick(server: StrictS3, attempts: int = 1) -> Config:
    return replace(
        server.config(),
        retry=RetryConfig(attempts=attempts, base_s=0.001, max_s=0.001),
        http=HttpConfig(stall_timeout_s=0.05),
    )


def _first(fault: Fault, operation: str) -> Callable[[RequestHead], Fault | None]:
    """Strike the first request of `operation`."""
    left = [fault]
    return lambda head: left.pop() if left and head.operation == operation else None


@pytest.mark.parametrize("strike", [*LOST_BEFORE, *LOST_AFTER])
async def test_fault_strikes_before_or_after_the_store_acts(
    breaking: StrictS3, strike: Strike
) -> None:
    breaking.hook = _first(Fault(strike, at=0.5), "PutObject")
    bucket = breaking.make_bucket("bucket")
    async with AsyncContext(_quick(breaking)) as context:
        with pytest.raises(BlobError):
            await context.write_bytes("s3://bucket/k", b"data")

    assert ("k" in bucket.objects) == (strike in LOST_AFTER)
    assert breaking.strikes == {strike: 1}


async def test_late_request_takes_effect_when_the_client_is_gone(breaking: StrictS3) -> None:
    breaking.hook = _first(Fault(Strike.LATE), "PutObject")
    bucket = breaking.make_bucket("bucket")
    async with AsyncContext(_quick(breaking)) as context:
        with pytest.raises(BlobError):
            await context.write_bytes("s3://bucket/k", b"data")
        breaking.land(lambda head: head.key == "k")

    assert bucket.objects["k"].body == b"data"


@pytest.mark.parametrize("strike", sorted({*Strike} - {Strike.ERROR_IN_200}, key=str))
async def test_single_fault_of_a_read_is_survived(breaking: StrictS3, strike: Strike) -> None:
    data = bytes(range(256))
    async with AsyncContext(_quick(breaking, attempts=3)) as context:
        await context.write_bytes("s3://bucket/k", data)
        breaking.hook = _first(Fault(strike, at=0.5, seconds=0.001), "GetObject")

        if strike is Strike.UNBOUNDED:  # loud: nothing tells how long the blob is
            with pytest.raises(BlobError):
                await context.read_bytes("s3://bucket/k")
        else:
            assert await context.read_bytes("s3://bucket/k") == data


async def test_upload_nobody_was_told_of_is_no_orphan(breaking: StrictS3) -> None:
    breaking.hook = _first(Fault(Strike.DROP_REPLY), "CreateMultipartUpload")
    bucket = breaking.make_bucket("bucket")
    async with (
        AsyncContext(_quick(breaking, attempts=3)) as context,
        context.open("s3://bucket/k", "wb") as file,
    ):
        await file.write(bytes(9 * MIB))

    assert len(bucket.uploads) == 1
    assert breaking.orphans("bucket") == []
    assert len(bucket.objects["k"].body) == 9 * MIB


@pytest.mark.parametrize("repeats", [False, True])
async def test_completion_that_comes_twice_succeeds_or_finds_no_upload(repeats: bool) -> None:
    async with StrictS3(repeats_completion=repeats) as server:
        server.make_bucket("bucket")
        server.hook = _first(Fault(Strike.TWICE), "CompleteMultipartUpload")
        async with (
            AsyncContext(_quick(server)) as context,
            context.open("s3://bucket/k", "wb") as file,
        ):
            await file.write(bytes(9 * MIB))

        assert server.requests["HeadObject"] == (0 if repeats else 1)
