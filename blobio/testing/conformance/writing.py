"""Cases of `put`."""

from __future__ import annotations

import asyncio
from typing import Final

from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import content, put, read
from blobio.testing.conformance.harness import Harness
from blobio.values import Body, PutOptions

_SIZES: Final = {"empty": 0, "one-byte": 1, "small": 1000, "large": (3 << 20) + 1}
_BODIES: Final[dict[str, Body]] = {
    "bytes": b"abc",
    "bytearray": bytearray(b"abc"),
    "memoryview": memoryview(b"xabcx")[1:4],
    "read-write-view": memoryview(bytearray(b"xabcx"))[1:4],
}


@case_for_each(_SIZES, needs="writable")
async def put_stores_the_bytes(harness: Harness, size: int) -> None:
    data = content(size)
    key = harness.key("blob")

    result = await harness.driver.put(key, data, PutOptions())

    meta = await harness.driver.head(key)
    assert await read(harness.driver, key) == data
    assert meta.size == size
    assert result.version in (None, meta.version)
    assert result.md5 in (None, meta.md5)


@case_for_each(_BODIES, needs="writable")
async def put_takes_any_bytes_like_body(harness: Harness, body: Body) -> None:
    assert await read(harness.driver, await put(harness, "blob", body)) == b"abc"


@case(needs="writable")
async def put_replaces_the_whole_blob(harness: Harness) -> None:
    key = await put(harness, "blob", content(5000, 1))

    await put(harness, "blob", b"short")

    assert await read(harness.driver, key) == b"short"
    assert (await harness.driver.head(key)).size == 5


@case(needs="writable")
async def put_makes_what_lies_between(harness: Harness) -> None:
    key = await put(harness, "a/b/c/d", b"deep")

    assert await read(harness.driver, key) == b"deep"


@case(needs="writable metadata")
async def put_stores_content_type_and_metadata(harness: Harness) -> None:
    metadata = {"colour": "dark green", "blobio-test": "1", "sum": "a=b;c"}
    key = await put(
        harness, "blob", b"abc", PutOptions(content_type="text/x-test", metadata=metadata)
    )

    meta = await harness.driver.head(key)

    assert meta.content_type == "text/x-test"
    assert dict(meta.metadata) == metadata


@case(needs="writable metadata")
async def put_forgets_the_metadata_of_the_blob_it_replaces(harness: Harness) -> None:
    await put(harness, "blob", b"old", PutOptions(metadata={"colour": "green"}))

    key = await put(harness, "blob", b"new")

    assert dict((await harness.driver.head(key)).metadata) == {}


@case(needs="writable")
async def many_puts_run_at_once(harness: Harness) -> None:
    blobs = {f"many/{number:02}": content(1000 + number, number) for number in range(32)}

    async with asyncio.TaskGroup() as group:
        for name, data in blobs.items():
            group.create_task(put(harness, name, data))

    for name, data in blobs.items():
        assert await read(harness.driver, harness.key(name)) == data


@case(Feature.ATOMIC_PUTS, needs="writable")
async def racing_puts_leave_one_of_them_whole(harness: Harness) -> None:
    bodies = [content(200_000 + number, number) for number in range(8)]

    async with asyncio.TaskGroup() as group:
        for data in bodies:
            group.create_task(put(harness, "blob", data))

    assert await read(harness.driver, harness.key("blob")) in bodies


@case(Feature.ATOMIC_PUTS, needs="writable")
async def a_read_during_puts_sees_one_blob_whole(harness: Harness) -> None:
    bodies = [content(100_000 + number, number) for number in range(6)]
    key = await put(harness, "blob", bodies[0])

    async def write_all() -> None:
        for data in bodies[1:]:
            await put(harness, "blob", data)

    writing = asyncio.create_task(write_all())
    seen = []
    while not writing.done():
        seen.append(await read(harness.driver, key))
    await writing

    assert all(data in bodies for data in seen)
    assert await read(harness.driver, key) == bodies[-1]
