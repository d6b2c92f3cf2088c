"""Cases of checksums: whatever a store tells of a blob's bytes must be true of them."""

from __future__ import annotations

import hashlib

from blobio.checksum import crc32c
from blobio.testing.conformance.case import case
from blobio.testing.conformance.checks import content, part_sizes, put, send_parts
from blobio.testing.conformance.harness import Harness
from blobio.values import BlobMeta, PutOptions, PutResult


def _check(told: BlobMeta | PutResult, data: bytes) -> None:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert told.md5 in (None, md5), f"MD5 {told.md5} was told, it is {md5}"
    crc = crc32c(data)
    assert told.crc32c in (None, crc), f"CRC32C {told.crc32c} was told, it is {crc}"


@case()
async def checksums_that_head_tells_are_those_of_the_bytes(harness: Harness) -> None:
    for data in (b"", b"x", content(100_000)):
        key = await harness.seed("blob", data)

        _check(await harness.driver.head(key), data)


@case(needs="writable")
async def checksums_that_put_tells_are_those_of_the_bytes(harness: Harness) -> None:
    for data in (b"", b"x", content(100_000)):
        result = await harness.driver.put(harness.key("blob"), data, PutOptions())

        _check(result, data)


@case(needs="writable")
async def checksums_of_an_upload_are_those_of_the_whole(harness: Harness) -> None:
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions(size=len(data)))
    tokens = await send_parts(upload, data, sizes)

    result = await upload.complete(tokens, size=len(data))

    _check(result, data)
    _check(await harness.driver.head(key), data)


@case(needs="writable server_copy")
async def checksums_that_copy_tells_are_those_of_the_bytes(harness: Harness) -> None:
    for data in (b"", content(100_000)):
        source, target = await put(harness, "source", data), harness.key("target")

        result = await harness.driver.copy(harness.url(source), target, PutOptions())

        _check(result, data)
        _check(await harness.driver.head(target), data)
