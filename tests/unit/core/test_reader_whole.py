from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.config import ReadConfig
from blobio.drivers.base import GetResult
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import (
    ChecksumMismatch,
    DeadlineExceeded,
    TransportFailed,
    VersionMismatch,
)
from blobio.testing.faults import Counting
from blobio.values import Span
from tests.unit.core.fakes import (
    DATA,
    Bent,
    Breaking,
    Bytes,
    loaded,
    memory,
    reader_of,
    spoiled,
    stored,
)

pytestmark = pytest.mark.usefixtures("no_waiting")


def with_crc(wrong_replies: int, flip: int) -> Callable[[GetResult], GetResult]:
    """Spoil the byte at `flip` in the first replies that hold it."""
    left = [wrong_replies]

    def spoil(result: GetResult) -> GetResult:
        span = result.span
        if not left[0] or not span.start <= flip < span.stop:
            return result
        left[0] -= 1
        data = bytearray(DATA[span.start : span.stop])
        data[flip - span.start] ^= 0xFF
        return replace(result, stream=Bytes(bytes(data)))

    return spoil


@pytest.mark.parametrize("size", [0, 1, 100, 199, 200])
async def test_read_all_up_to_two_parts_is_one_request(size: int) -> None:
    counting = Counting()
    driver = await stored(counting, data=DATA[:size])

    assert await reader_of(driver).read_all() == DATA[:size]
    assert [call.verb for call in counting.calls if call.verb != "chunk"] == ["get"]


async def test_read_all_of_more_is_one_request_for_the_first_part_and_one_for_each_other() -> None:
    store = MemoryStore()
    await loaded(memory(store=store), {"key": DATA})
    driver = Bent(MemoryDriver("bucket", store), chunk_bytes=10)

    assert await reader_of(driver).read_all() == DATA
    assert [options.range for options in driver.gets] == [
        None,
        *(Span(start, start + 100) for start in range(100, 1000, 100)),
    ]
    assert [options.version for options in driver.gets] == [None, *["1"] * 9]


async def test_read_all_in_one_chunk_copies_nothing() -> None:
    driver = await stored(data=DATA, chunk_bytes=1000)

    assert await reader_of(driver, ReadConfig()).read_all() == DATA


@pytest.mark.parametrize("size", [150, 1000])
async def test_read_all_resumes_a_broken_first_body_where_it_broke(size: int) -> None:
    breaking = Breaking(5, 2)
    counting = Counting()
    driver = await stored(counting, breaking, data=DATA[:size])

    assert await reader_of(driver).read_all() == DATA[:size]
    assert not breaking.steps


async def test_read_all_asks_again_if_no_byte_came() -> None:
    breaking = Breaking(0, 0)
    driver = await stored(breaking, data=DATA[:150])

    assert await reader_of(driver).read_all() == DATA[:150]
    assert not breaking.steps


@pytest.mark.parametrize("size", [150, 1000])
async def test_read_all_gives_up_when_no_byte_comes(size: int) -> None:
    counting = Counting()
    driver = await stored(counting, Breaking(*[0] * 50), data=DATA[:size])

    with pytest.raises(TransportFailed):
        await reader_of(driver).read_all()
    assert counting.count("get") == 4


@pytest.mark.parametrize("size", [150, 1000])
async def test_read_all_does_not_repeat_what_cannot_succeed(size: int) -> None:
    counting = Counting()
    final = DeadlineExceeded("the caller's own", retryable=False)
    driver = await stored(counting, Breaking(3, error=final), data=DATA[:size])

    with pytest.raises(DeadlineExceeded):
        await reader_of(driver).read_all()
    assert counting.count("get") == 1


async def test_read_all_refetches_a_small_blob_that_fails_verification() -> None:
    mismatch = ChecksumMismatch("flipped")
    breaking = Breaking(15, error=mismatch)  # 15 chunks, then what comes after the last
    driver = await stored(breaking, data=DATA[:150])

    assert await reader_of(driver).read_all() == DATA[:150]
    assert not breaking.steps


async def test_read_all_of_a_large_blob_fetches_it_again_if_its_crc_disagrees() -> None:
    driver = await spoiled(with_crc(1, flip=555))

    assert await reader_of(driver).read_all() == DATA


async def test_read_all_of_a_large_blob_raises_if_its_crc_disagrees_twice() -> None:
    driver = await spoiled(with_crc(2, flip=555))

    with pytest.raises(ChecksumMismatch, match="checksum"):
        await reader_of(driver).read_all()


async def test_read_all_of_a_blob_without_a_crc_takes_what_comes() -> None:
    driver = await spoiled(
        lambda result: replace(result, meta=result.meta._replace(crc32c=None, md5=None))
    )

    assert await reader_of(driver).read_all() == DATA


async def test_read_all_checks_the_md5_if_there_is_no_crc() -> None:
    """Of a large blob; of a small one the driver checks what it can."""

    def spoil(result: GetResult) -> GetResult:
        result = replace(result, meta=result.meta._replace(crc32c=None))
        return flip(result)

    flip = with_crc(2, flip=555)
    driver = await spoiled(spoil)

    with pytest.raises(ChecksumMismatch):
        await reader_of(driver).read_all()
    assert await reader_of(driver).read_all() == DATA


def lying(replies: int) -> Callable[[GetResult], GetResult]:
    """Announce one byte more than there is in the first replies; their bodies break off there."""
    left = [replies]

    def on_get(result: GetResult) -> GetResult:
        left[0] -= 1
        if left[0] < 0:
            return result
        meta = result.meta._replace(size=1001, crc32c=None, md5=None)
        start, stop = result.span.start, result.span.stop
        announced = stop + 1 if stop == 1000 else stop
        body = Bytes(DATA[start:stop], error=TransportFailed("cut") if stop == 1000 else None)
        return replace(result, meta=meta, span=Span(start, announced), stream=body)

    return on_get


@pytest.mark.parametrize("part_bytes", [100, 1000])
@pytest.mark.parametrize("replies", [1, 2])
async def test_read_all_learns_the_size_anew_if_the_first_reply_had_it_wrong(
    part_bytes: int, replies: int
) -> None:
    driver = await spoiled(lying(replies))
    reader = reader_of(driver, ReadConfig(part_bytes=part_bytes, window=1))

    assert await reader.read_all() == DATA
    assert reader.size == 1000


async def test_one_version_of_two_sizes_is_refused_if_it_stays_so() -> None:
    seen = [0]

    def grow(result: GetResult) -> GetResult:
        seen[0] += 1
        return replace(result, meta=result.meta._replace(size=1000 + seen[0]))

    reader = reader_of(await spoiled(grow))
    await reader.read(0, 10)

    with pytest.raises(VersionMismatch, match="size"):
        await reader.read(10, 20)
