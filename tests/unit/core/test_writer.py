from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import WriteConfig
from blobio.core.flow import ByteBudget, settle
from blobio.core.writer import PartBuffer, PartWriter
from blobio.drivers.base import Driver
from blobio.errors import (
    AlreadyExists,
    NotFound,
    PermissionDenied,
    RequestFailed,
    TransportFailed,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Slow
from blobio.values import CreateOnly, GetOptions, PutOptions, ReplaceIf, Version
from tests.unit.core.fakes import DATA, loaded, memory, other_tasks, settled, url

PARTS = WriteConfig(part_bytes=100, window=3)


def writer_of(
    driver: Driver,
    options: PutOptions | None = None,
    *,
    config: WriteConfig = PARTS,
    budget: ByteBudget | None = None,
    uploads: set[PartWriter] | None = None,
) -> PartWriter:
    budget = budget or ByteBudget(10_000)
    return PartWriter(driver, url(), options or PutOptions(), config, budget, uploads=uploads)


async def content(driver: Driver) -> bytes | None:
    try:
        async with await driver.get("key", GetOptions()) as result:
            return b"".join([chunk async for chunk in result.chunks()])
    except NotFound:
        return None


async def write_parts(writer: PartWriter, data: bytes, last: bytes = b"") -> None:
    for start in range(0, len(data), 100):
        await writer.write_part(data[start : start + 100])
    await writer.finish(last)


# How many requests


@pytest.mark.parametrize("size", [0, 1, 99, 100])
async def test_a_blob_of_one_part_or_less_is_one_put(size: int) -> None:
    counting = Counting()
    driver = memory(counting)

    result = await writer_of(driver).write_all(DATA[:size])

    assert [call.verb for call in counting.calls] == ["put"]
    assert await content(driver) == DATA[:size]
    assert result.version == "1"


async def test_one_full_part_and_an_empty_end_is_one_put() -> None:
    counting = Counting()
    driver = memory(counting)
    writer = writer_of(driver)

    await writer.write_part(DATA[:100])
    await writer.finish(b"")

    assert [call.verb for call in counting.calls] == ["put"]
    assert await content(driver) == DATA[:100]


async def test_more_than_one_part_is_one_upload() -> None:
    counting = Counting()
    driver = memory(counting)

    await writer_of(driver).write_all(DATA[:250])

    assert [call.verb for call in counting.calls] == [
        "begin_upload",
        "put_part",
        "put_part",
        "put_part",
        "complete",
    ]
    assert [call.start for call in counting.calls if call.verb == "put_part"] == [0, 100, 200]
    assert await content(driver) == DATA[:250]


async def test_full_parts_and_an_empty_end_send_no_empty_part() -> None:
    counting = Counting()
    driver = memory(counting)

    await write_parts(writer_of(driver), DATA[:300])

    assert counting.count("put_part") == 3
    assert await content(driver) == DATA[:300]


async def test_an_abort_by_another_task_is_no_cancellation_of_the_one_that_finishes() -> None:
    slow = Slow("put_part")
    writer = writer_of(memory(slow))
    await writer.write_part(DATA[:100])
    finishing = asyncio.ensure_future(writer.finish(DATA[100:150]))
    await slow.until_held(2)

    await writer.abort()

    with pytest.raises(RequestFailed, match="interrupted"):
        await finishing
    assert not other_tasks()


async def test_a_first_part_is_not_held_back_if_the_size_says_that_more_will_come() -> None:
    counting = Counting()
    writer = writer_of(memory(counting), PutOptions(size=200))

    await writer.write_part(DATA[:100])
    await settled()

    assert counting.count("put_part") == 1
    await writer.finish(DATA[100:200])


@pytest.mark.parametrize("size", [99, 100, 101, 200, 1000])
@pytest.mark.parametrize("announced", [1, 100, 101, 200, 1000])
async def test_a_size_that_was_announced_wrongly_spoils_nothing(size: int, announced: int) -> None:
    driver = memory()
    writer = writer_of(driver, PutOptions(size=announced))

    for start in range(0, size - 99, 100):
        await writer.write_part(DATA[start : start + 100])
    await writer.finish(DATA[size - size % 100 : size])

    assert await content(driver) == DATA[:size]


@given(st.lists(st.integers(0, 350), max_size=8), st.integers(1, 4), st.integers(1, 400))
async def test_any_writes_make_the_bytes_written(
    sizes: list[int], window: int, budget_bytes: int
) -> None:
    driver = memory()
    config = WriteConfig(part_bytes=100, window=window)
    budget = ByteBudget(budget_bytes)
    writer = writer_of(driver, config=config, budget=budget)
    buffer = PartBuffer(writer.next_part_bytes)
    written = b""

    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        written += piece
        view = memoryview(piece)
        while view:
            view = view[buffer.fill(view) :]
            if buffer.is_full:
                buffer.part_bytes = await writer.write_part(buffer.take())
    await writer.finish(buffer.take())

    assert await content(driver) == written
    await asyncio.wait_for(budget.acquire(budget_bytes), 1)


# Bounds


async def test_no_more_parts_than_the_window_are_in_flight() -> None:
    slow, counting = Slow("put_part"), Counting()
    driver = memory(counting, slow)
    writing = asyncio.ensure_future(writer_of(driver).write_all(DATA))

    await slow.until_held(3)
    await settled()
    assert counting.count("put_part") == 3
    slow.open()

    await writing
    assert counting.most_at_once("put_part") == 3
    assert await content(driver) == DATA


async def test_parts_that_end_out_of_order_are_put_together_in_order() -> None:
    slow = Slow("put_part")
    driver = memory(slow)
    writing = asyncio.ensure_future(writer_of(driver).write_all(DATA[:300]))

    await slow.until_held(3)
    for index in (2, 0, 0):
        slow.let_go(index)
        await settled()

    await writing
    assert await content(driver) == DATA[:300]


async def test_the_budget_bounds_the_parts_of_all_writers() -> None:
    slow, counting = Slow("put_part"), Counting()
    driver = memory(counting, slow)
    budget = ByteBudget(250)
    writing = [
        asyncio.ensure_future(writer_of(driver, budget=budget).write_all(DATA)) for _ in range(3)
    ]

    await slow.until_held(2)
    await settled()
    assert counting.count("put_part") == 2
    slow.open()

    await asyncio.gather(*writing)
    assert counting.most_at_once("put_part") == 2
    await asyncio.wait_for(budget.acquire(250), 1)


@pytest.mark.parametrize("moment", range(0, 60, 3))
async def test_cancelling_at_any_moment_gives_the_budget_back_and_publishes_nothing(
    moment: int,
) -> None:
    driver = memory()
    budget = ByteBudget(250)
    uploads: set[PartWriter] = set()
    writing = asyncio.ensure_future(
        writer_of(driver, budget=budget, uploads=uploads).write_all(DATA)
    )
    for _ in range(moment):
        await asyncio.sleep(0)

    await settle([writing])

    assert await content(driver) in (None, DATA)
    assert not uploads
    assert not other_tasks()
    await asyncio.wait_for(budget.acquire(250), 1)


# Failures


async def test_a_failed_part_surfaces_and_abort_leaves_nothing() -> None:
    refused = PermissionDenied("part refused")
    counting = Counting()
    driver = memory(counting, Flaky(Fault("put_part", refused, skip=1)))

    with pytest.raises(PermissionDenied, match="part refused"):
        await writer_of(driver).write_all(DATA)

    assert counting.count("abort") == 1
    assert counting.count("complete") == 0
    assert await content(driver) is None
    assert not other_tasks()


async def test_a_failed_part_is_raised_by_a_later_write_already() -> None:
    driver = memory(Flaky(Fault("put_part", PermissionDenied("no"))))
    writer = writer_of(driver)
    await writer.write_part(DATA[:100])
    await writer.write_part(DATA[100:200])
    await settled()

    with pytest.raises(PermissionDenied):
        await writer.write_part(DATA[200:300])
    await writer.abort()


async def test_a_failed_part_is_raised_while_an_earlier_one_still_hangs() -> None:
    slow = Slow("put_part")
    driver = memory(Flaky(Fault("put_part", PermissionDenied("no"), skip=1)), slow)
    writer = writer_of(driver)

    with pytest.raises(PermissionDenied):
        await write_parts(writer, DATA[:200])
    await writer.abort()

    assert not slow.held


async def test_two_failed_parts_leave_no_exception_that_nobody_saw() -> None:
    faults = [Fault("put_part", PermissionDenied(str(i))) for i in range(3)]
    driver = memory(Flaky(*faults))

    with pytest.raises(PermissionDenied):
        await writer_of(driver).write_all(DATA)


@pytest.mark.parametrize("verb", ["begin_upload", "put_part"])
async def test_nothing_is_published_after_a_failed_write_that_the_caller_ignored(
    verb: str,
) -> None:
    driver = memory(Flaky(Fault(verb, TransportFailed("reset"))))
    writer = writer_of(driver)
    failures = 0

    for start in range(0, 500, 100):
        try:
            await writer.write_part(DATA[start : start + 100])
            await settled()
        except TransportFailed:
            failures += 1

    assert failures
    with pytest.raises(TransportFailed):
        await writer.finish(b"")
    await writer.abort()
    assert await content(driver) is None


async def test_nothing_is_published_after_a_cancelled_write_that_the_caller_ignored() -> None:
    slow = Slow("begin_upload")
    driver = memory(slow)
    writer = writer_of(driver)
    await writer.write_part(DATA[:100])
    write = asyncio.ensure_future(writer.write_part(DATA[100:200]))
    await slow.until_held(1)
    await settle([write])
    slow.open()

    with pytest.raises(RequestFailed, match="interrupted"):
        await writer.write_part(DATA[200:300])
    with pytest.raises(RequestFailed, match="interrupted"):
        await writer.finish(b"")
    await writer.abort()

    assert await content(driver) is None


async def test_finish_after_a_failed_finish_publishes_nothing() -> None:
    driver = memory(Flaky(Fault("put", TransportFailed("reset"))))
    writer = writer_of(driver)
    with pytest.raises(TransportFailed):
        await writer.finish(DATA[:10])

    with pytest.raises(TransportFailed):
        await writer.finish(b"")

    assert await content(driver) is None


async def test_finish_after_abort_is_refused() -> None:
    driver = memory()
    writer = writer_of(driver)
    await writer.write_part(DATA[:100])
    await writer.abort()

    with pytest.raises(RequestFailed, match="interrupted"):
        await writer.finish(b"")

    assert await content(driver) is None


async def test_abort_is_idempotent_and_sends_nothing_for_a_blob_of_one_part() -> None:
    counting = Counting()
    writer = writer_of(memory(counting))
    await writer.write_part(DATA[:100])

    await writer.abort()
    await writer.abort()

    assert not counting.calls


async def test_abort_after_finish_takes_nothing_back() -> None:
    counting = Counting()
    driver = memory(counting)
    writer = writer_of(driver)
    await write_parts(writer, DATA[:300])

    await writer.abort()

    assert counting.count("abort") == 0
    assert await content(driver) == DATA[:300]


async def test_an_abort_that_failed_can_be_tried_again() -> None:
    counting = Counting()
    uploads: set[PartWriter] = set()
    driver = memory(counting, Flaky(Fault("abort", TransportFailed("reset"))))
    writer = writer_of(driver, uploads=uploads)
    await writer.write_part(DATA[:100])
    await writer.write_part(DATA[100:200])
    assert uploads == {writer}

    with pytest.raises(TransportFailed):
        await writer.abort()
    assert uploads == {writer}
    await writer.abort()

    assert counting.count("abort") == 2
    assert not uploads


@pytest.mark.parametrize(
    ("mode", "error"),
    [(CreateOnly(), AlreadyExists), (ReplaceIf(Version("99")), VersionMismatch)],
)
@pytest.mark.parametrize("size", [50, 250])
async def test_a_condition_that_loses_aborts_and_leaves_the_old_blob(
    mode: CreateOnly | ReplaceIf, error: type[Exception], size: int
) -> None:
    counting = Counting()
    driver = await loaded(memory(counting), {"key": b"old"})

    with pytest.raises(error):
        await writer_of(driver, PutOptions(mode=mode)).write_all(DATA[:size])

    assert counting.count("abort") == (size > 100)
    assert await content(driver) == b"old"


async def test_a_writer_is_among_the_open_uploads_from_its_first_part_to_its_end() -> None:
    uploads: set[PartWriter] = set()
    writer = writer_of(memory(), uploads=uploads)
    await writer.write_part(DATA[:100])
    assert not uploads

    await writer.write_part(DATA[100:200])
    assert uploads == {writer}

    await writer.finish(b"")
    assert not uploads
