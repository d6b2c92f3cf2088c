"""Cases of `head` and of whole-blob `get`."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from blobio.errors import BlobError, NotFound
from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import content, put, raises, read
from blobio.testing.conformance.harness import Harness
from blobio.values import From, GetOptions, Last, Span

_SIZES: Final = {"empty": 0, "one-byte": 1, "small": 1000, "large": (3 << 20) + 1}


@case_for_each(_SIZES)
async def get_yields_the_bytes_that_were_stored(harness: Harness, size: int) -> None:
    data = content(size)
    key = await harness.seed("blob", data)

    async with await harness.driver.get(key, GetOptions()) as result:
        got = b"".join([chunk async for chunk in result.chunks()])

    assert got == data
    assert result.span == Span(0, size)
    assert result.meta.size == size
    assert result.meta.key == key


@case()
async def every_byte_value_survives(harness: Harness) -> None:
    data = bytes(range(256)) * 3 + b"\r\n\0\xff\xfe"

    assert await read(harness.driver, await harness.seed("blob", data)) == data


@case_for_each({"empty": 0, "one-byte": 1, "large": (1 << 20) + 1})
async def head_describes_the_blob(harness: Harness, size: int) -> None:
    key = await harness.seed("blob", content(size))

    meta = await harness.driver.head(key)

    assert (meta.key, meta.size) == (key, size)


@case(Feature.TIMES)
async def head_tells_when_the_blob_was_written(harness: Harness) -> None:
    meta = await harness.driver.head(await harness.seed("blob", b"content"))

    assert abs(meta.mtime - time.time()) < 3600, "mtime is not in seconds since the epoch"
    assert abs(meta.ctime - time.time()) < 3600, "ctime is not in seconds since the epoch"


@case(needs="pinned_reads")
async def head_and_get_tell_the_same_version(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")

    meta = await harness.driver.head(key)
    async with await harness.driver.get(key, GetOptions()) as result:
        pass
    async with await harness.driver.get(key, GetOptions(range=From(3))) as part:
        pass

    assert meta.version is not None
    assert result.meta.version == meta.version
    assert part.meta.version == meta.version


@case()
async def md5_is_that_of_the_bytes_if_told(harness: Harness) -> None:
    key = await harness.seed("blob", b"hello world")

    meta = await harness.driver.head(key)

    assert meta.md5 in (None, "5eb63bbbe01eeed093cb22bb8f5acdc3")
    assert meta.crc32c in (None, 0xC9_94_65_AA)


@case()
async def head_of_nothing_is_not_found(harness: Harness) -> None:
    with raises(NotFound) as raised:
        await harness.driver.head(harness.key("nothing"))

    assert isinstance(raised[0], FileNotFoundError)
    assert isinstance(raised[0], BlobError)
    assert "nothing" in str(raised[0]), "the message does not name the blob"


@case_for_each({"whole": None, "span": Span(0, 5), "from": From(3), "last": Last(3)})
async def get_of_nothing_is_not_found(harness: Harness, wanted: Span | From | Last | None) -> None:
    with raises(NotFound) as raised:
        await harness.driver.get(harness.key("nothing"), GetOptions(range=wanted))

    assert "nothing" in str(raised[0]), "the message does not name the blob"


@case(without="directories")
async def a_prefix_alone_is_not_a_blob(harness: Harness) -> None:
    await harness.seed("dir/blob", b"content")

    for name in ("dir", "di", "dir/blo"):
        with raises(NotFound):
            await harness.driver.head(harness.key(name))
        with raises(NotFound):
            await harness.driver.get(harness.key(name), GetOptions())


@case()
async def a_result_closed_early_leaves_the_driver_usable(harness: Harness) -> None:
    data = content(4 << 20)
    key = await harness.seed("blob", data)

    for _ in range(3):
        result = await harness.driver.get(key, GetOptions())
        async for _chunk in result.chunks():
            break
        await result.stream.aclose()
        await result.stream.aclose()

    assert await read(harness.driver, key) == data


@case()
async def a_result_never_read_can_be_closed(harness: Harness) -> None:
    key = await harness.seed("blob", content(1 << 20))

    for _ in range(3):
        async with await harness.driver.get(key, GetOptions()):
            pass

    assert len(await read(harness.driver, key)) == 1 << 20


@case()
async def many_gets_run_at_once(harness: Harness) -> None:
    data = content(300_000)
    key = await harness.seed("blob", data)
    spans = [Span(start, start + 50_000) for start in range(0, 256_000, 4_000)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(harness.driver, key, span)) for span in spans]

    assert [task.result() for task in tasks] == [data[span.start : span.stop] for span in spans]


@case()
async def two_drivers_see_the_same_store(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")

    other = await harness.another_driver()

    assert await read(other, key) == b"content"


@case()
async def closing_twice_is_harmless(harness: Harness) -> None:
    other = await harness.another_driver()

    await other.aclose()
    await other.aclose()


@case(needs="writable")
async def an_open_read_never_mixes_two_blobs(harness: Harness) -> None:
    old, new = content(6 << 20, 1), content(6 << 20, 2)
    key = await put(harness, "blob", old)

    async with await harness.driver.get(key, GetOptions()) as result:
        chunks = result.chunks()
        got = await anext(chunks)
        await put(harness, "blob", new)
        try:
            async for chunk in chunks:
                got += chunk
        except BlobError:
            return  # refusing to go on is as good as the old bytes

    assert got == old
