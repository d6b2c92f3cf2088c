from __future__ import annotations

import asyncio

import pytest

from blobio.config import ReadConfig
from blobio.core.prefetch import SequentialWindow
from blobio.core.reader import RangeReader
from blobio.drivers.base import Driver
from blobio.errors import NotFound, TransportFailed
from blobio.testing.faults import Counting, Fault, Flaky, Slow
from blobio.values import Span
from tests.unit.core.fakes import (
    DATA,
    KIB,
    MIB,
    Bent,
    other_tasks,
    settled,
    spoiled,
    stored,
    url,
)

ONE_REQUEST = ReadConfig(part_bytes=64 * MIB)


def window_of(driver: Driver, size: int, *, block: int = 100, window: int = 4) -> SequentialWindow:
    reader = RangeReader(driver, url(), ONE_REQUEST, size=size)
    return SequentialWindow(reader, block_bytes=block, window=window)


async def test_blocks_in_order_are_the_blob() -> None:
    window = window_of(await stored(), 1000)
    found = b""

    while block := await window.block(len(found)):
        found += block

    assert found == DATA
    assert not other_tasks()


async def test_the_first_block_fetches_nothing_ahead() -> None:
    counting = Counting()
    window = window_of(await stored(counting), 1000)

    await window.block(0)
    await settled()

    assert counting.count("get") == 1


async def test_more_is_fetched_ahead_the_longer_the_reader_goes_on_up_to_the_window() -> None:
    counting = Counting()
    window = window_of(await stored(counting), 1000, window=3)
    ahead: list[int] = []

    for start in range(0, 600, 100):
        await window.block(start)
        await settled()
        ahead.append(counting.count("get") - len(ahead) - 1)

    assert ahead == [0, 1, 2, 2, 2, 2]
    await window.aclose()


async def test_a_window_of_one_never_fetches_ahead() -> None:
    counting = Counting()
    window = window_of(await stored(counting), 1000, window=1)

    for count, start in enumerate(range(0, 1000, 100), 1):
        await window.block(start)
        await settled()
        assert counting.count("get") == count


async def test_nothing_is_fetched_past_the_end() -> None:
    counting = Counting()
    window = window_of(await stored(counting), 1000)

    for start in range(0, 1000, 100):
        await window.block(start)
    await settled()

    assert counting.count("get") == 10


async def test_blocks_grow_from_small_to_full() -> None:
    data = bytes(25 * MIB)
    bent: Bent = await spoiled(lambda result: result, data)
    window = window_of(bent, len(data), block=8 * MIB, window=2)
    position, sizes = 0, []

    while block := await window.block(position):
        position += len(block)
        sizes.append(len(block) // MIB)

    assert sizes == [1, 4, 4, 8, 8]


async def test_a_jump_drops_and_cancels_what_was_fetched_ahead() -> None:
    slow = Slow("get")
    driver = await stored(slow)
    window = window_of(driver, 1000)
    for start in (0, 100):
        reading = asyncio.ensure_future(window.block(start))
        await slow.until_held(1)
        slow.let_go()
        await reading
    await settled()
    assert len(slow.held) == 1  # block 200, ahead

    jump = asyncio.ensure_future(window.block(700))
    await settled()
    assert len(slow.held) == 1  # block 700 alone
    slow.open()

    assert await jump == DATA[700:800]
    assert not other_tasks()


async def test_after_a_jump_blocks_start_small_again() -> None:
    data = bytes(4 * MIB)
    bent = await spoiled(lambda result: result, data)
    window = window_of(bent, len(data), block=MIB)

    await window.block(0)
    await window.block(2 * MIB)
    await window.block(2 * MIB + 256 * KIB)

    assert bent.gets[1].range == Span(2 * MIB, 2 * MIB + 256 * KIB)
    assert bent.gets[2].range == Span(2 * MIB + 256 * KIB, 3 * MIB + 256 * KIB)
    await window.aclose()


async def test_what_is_wanted_after_a_jump_is_one_request_up_to_a_block() -> None:
    data = bytes(8 * MIB)
    bent = await spoiled(lambda result: result, data)
    window = window_of(bent, len(data), block=2 * MIB)

    await window.block(0, 5 * MIB)
    await window.block(4 * MIB, 700 * KIB)
    await window.block(3 * MIB, 100)

    assert [get.range for get in bent.gets] == [
        Span(0, 2 * MIB),
        Span(4 * MIB, 4 * MIB + 700 * KIB),
        Span(3 * MIB, 3 * MIB + 256 * KIB),
    ]
    await window.aclose()


async def test_a_failure_ahead_surfaces_at_its_own_block() -> None:
    fault = Fault("get", NotFound("gone"), skip=3)
    window = window_of(await stored(Flaky(fault)), 1000)

    found = [await window.block(start) for start in (0, 100, 200)]
    with pytest.raises(NotFound):
        await window.block(300)

    assert found == [DATA[0:100], DATA[100:200], DATA[200:300]]
    await window.aclose()


async def test_a_block_that_failed_can_be_asked_for_again() -> None:
    fault = Fault("get", TransportFailed("tls", retryable=False), skip=3)
    window = window_of(await stored(Flaky(fault)), 1000)
    for start in (0, 100, 200):
        await window.block(start)
    with pytest.raises(TransportFailed):
        await window.block(300)

    assert await window.block(300) == DATA[300:400]
    await window.aclose()
    assert not other_tasks()


async def test_closing_cancels_what_is_in_flight() -> None:
    slow = Slow("chunk")
    window = window_of(await stored(slow, chunk_bytes=1000), 1000)
    reading = asyncio.ensure_future(window.block(0))
    await slow.until_held(1)
    slow.let_go()
    await settled()
    slow.let_go()
    await reading
    second = asyncio.ensure_future(window.block(100))
    await slow.until_held(2)  # this block and the one ahead

    second.cancel()
    await settled()
    await window.aclose()

    assert not slow.held
    assert not other_tasks()


async def test_cancelling_a_block_leaves_the_window_usable() -> None:
    slow = Slow("get")
    window = window_of(await stored(slow), 1000)
    reading = asyncio.ensure_future(window.block(0))
    await slow.until_held(1)
    reading.cancel()
    await settled()
    slow.open()

    assert await window.block(0) == DATA[:100]
    await window.aclose()


async def test_a_blob_of_unknown_size_is_read_without_fetching_ahead_at_first() -> None:
    counting = Counting()
    driver = await stored(counting)
    reader = RangeReader(driver, url(), ONE_REQUEST)
    window = SequentialWindow(reader, block_bytes=100, window=4)

    assert await window.block(0) == DATA[:100]
    await settled()

    assert counting.count("get") == 1
