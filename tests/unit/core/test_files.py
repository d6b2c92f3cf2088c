from __future__ import annotations

import asyncio
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.files import AsyncReader, AsyncWriter
from blobio.core.flow import ByteBudget, settle
from blobio.core.reader import RangeReader
from blobio.core.writer import PartWriter
from blobio.drivers.base import Driver
from blobio.errors import AlreadyExists, NotFound, TransportFailed
from blobio.testing.faults import Counting, Fault, Flaky, Hook, Slow
from blobio.values import CreateOnly, PutOptions, WriteMode
from tests.unit.core.fakes import DATA, memory, other_tasks, settled, stored, url

CONFIG = Config(read=ReadConfig(part_bytes=100, window=3))


async def reader_on(driver: Driver, block_bytes: int = 50) -> AsyncReader:
    reader = await RangeReader.open(driver, url(), CONFIG.read)
    return AsyncReader(reader, CONFIG, block_bytes)


async def opened(*hooks: Hook, data: bytes = DATA, block_bytes: int = 50) -> AsyncReader:
    return await reader_on(await stored(*hooks, data=data), block_bytes)


def writer_on(driver: Driver, mode: WriteMode | None = None) -> AsyncWriter:
    options = PutOptions(mode=mode) if mode is not None else PutOptions()
    config = WriteConfig(part_bytes=100, window=3)
    return AsyncWriter(PartWriter(driver, url(), options, config, ByteBudget(10_000)))


# Reading


async def test_reading_in_pieces_gives_the_blob() -> None:
    async with await opened() as file:
        pieces = [await file.read(70) for _ in range(20)]

    assert b"".join(pieces) == DATA
    assert [len(piece) for piece in pieces] == [70] * 14 + [20] + [0] * 5


async def test_iterating_yields_blocks_of_what_is_left() -> None:
    async with await opened() as file:
        file.seek(900)

        assert [block async for block in file] == [DATA[900:950], DATA[950:]]


async def test_a_reader_tells_what_it_reads() -> None:
    async with await opened() as file:
        assert (file.url, file.size, file.version, file.tell()) == (url(), 1000, "1", 0)


async def test_a_large_read_is_cut_into_parts_at_once() -> None:
    counting = Counting()
    async with await opened(counting) as file:
        assert await file.read() == DATA

    assert counting.most_at_once("get") == 3
    assert counting.count("get") == 10


async def test_a_large_read_takes_first_what_is_in_the_buffer() -> None:
    counting = Counting()
    async with await opened(counting) as file:
        await file.read(10)
        await file.read(300)

        assert file.tell() == 310
        assert await file.read(5) == DATA[310:315]


async def test_a_large_readinto_goes_past_the_buffer() -> None:
    buffer = bytearray(400)
    async with await opened() as file:
        file.seek(700)

        assert await file.readinto(buffer) == 300
        assert buffer[:300] == DATA[700:]
        assert file.tell() == 1000


async def test_a_small_readinto_uses_the_buffer() -> None:
    counting = Counting()
    buffer = bytearray(10)
    async with await opened(counting) as file:
        for start in range(0, 50, 10):
            assert await file.readinto(buffer) == 10
            assert buffer == DATA[start : start + 10]

    assert counting.count("get") == 1


async def test_what_is_in_the_buffer_is_taken_without_waiting() -> None:
    async with await opened() as file:
        assert file.take(1) is None
        await file.read(10)

        assert file.take(40) == DATA[10:50]
        assert file.take(1) is None
        assert file.buffered(10) == b""
        file.seek(5)
        assert file.buffered(10) == DATA[5:15]
        assert file.tell() == 5


async def test_fill_fetches_a_block_only_if_none_is_here() -> None:
    counting = Counting()
    async with await opened(counting) as file:
        assert await file.fill()
        assert await file.fill()
        file.seek(0, os.SEEK_END)
        assert not await file.fill()

    assert counting.count("get") == 1


async def test_lines_are_taken_from_the_buffer_up_to_a_limit() -> None:
    async with await opened(data=b"one\ntwo\nthree") as file:
        assert file.take_line(100) == (b"", False)
        assert file.take_line(0) == (b"", True)
        await file.fill()

        assert file.take_line(100) == (b"one\n", True)
        assert file.take_line(2) == (b"tw", True)
        assert file.take_line(100) == (b"o\n", True)
        assert file.take_line(100) == (b"three", False)


@pytest.mark.parametrize(("offset", "whence"), [(-1, 0), (-2000, 1), (-1001, 2), (0, 7)])
async def test_a_seek_to_no_position_raises_and_moves_nothing(offset: int, whence: int) -> None:
    async with await opened() as file:
        file.seek(3)

        with pytest.raises(ValueError, match="not a position"):
            file.seek(offset, whence)
        assert file.tell() == 3


async def test_a_seek_past_the_end_reads_nothing() -> None:
    async with await opened() as file:
        assert file.seek(5000) == 5000

        assert await file.read(10) == b""
        assert await file.read() == b""
        assert await file.readinto(bytearray(100)) == 0


async def test_a_failed_read_leaves_the_position_where_it_was() -> None:
    lost = TransportFailed("tls", retryable=False)
    async with await opened(Flaky(Fault("get", lost, skip=1))) as file:
        file.seek(20)
        with pytest.raises(TransportFailed):
            await file.read(100)

        assert file.tell() == 20
        assert await file.read(100) == DATA[20:120]


async def test_a_closed_reader_refuses_to_read() -> None:
    file = await opened()
    await file.read(1)
    await file.aclose()
    await file.aclose()

    with pytest.raises(ValueError, match="closed file"):
        await file.read(1)
    with pytest.raises(ValueError, match="closed file"):
        await file.readinto(bytearray(1))
    assert file.take(1) is None


async def test_closing_a_reader_stops_what_it_fetches_ahead() -> None:
    slow = Slow("get")
    file = await opened(slow)
    for _ in range(2):
        reading = asyncio.ensure_future(file.read(50))
        await slow.until_held(1)
        slow.let_go()
        await reading
    await settled()
    assert slow.held

    await file.aclose()

    assert not slow.held
    assert not other_tasks()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 400)),
        st.tuples(st.just("readinto"), st.integers(0, 400)),
        st.tuples(st.just("seek"), st.integers(0, 1200)),
        st.tuples(st.just("back"), st.integers(0, 300)),
        st.tuples(st.just("take"), st.integers(0, 60)),
    ),
    max_size=25,
)


@given(OPERATIONS, st.integers(1, 120))
async def test_a_reader_reads_what_a_file_reads(
    operations: list[tuple[str, int]], block_bytes: int
) -> None:
    model = io.BytesIO(DATA)
    async with await opened(block_bytes=block_bytes) as file:
        for name, number in operations:
            if name == "read":
                assert await file.read(number) == model.read(number)
            elif name == "readinto":
                buffer, expected = bytearray(number), bytearray(number)
                assert await file.readinto(buffer) == model.readinto(expected)
                assert buffer == expected
            elif name == "seek":
                assert file.seek(number) == model.seek(number)
            elif name == "back":
                offset = -min(number, model.tell())
                assert file.seek(offset, os.SEEK_CUR) == model.seek(offset, os.SEEK_CUR)
            elif (taken := file.take(number)) is not None:
                assert taken == model.read(number)
            assert file.tell() == model.tell()


# Writing


async def test_a_blob_appears_when_the_body_ends() -> None:
    driver = memory()
    async with writer_on(driver) as file:
        for start in range(0, 1000, 70):
            assert await file.write(DATA[start : start + 70]) == len(DATA[start : start + 70])
        with pytest.raises(NotFound):
            await driver.head("key")
        assert file.tell() == 1000

    assert file.result is not None
    assert file.result.version == "1"
    assert file.url == url()
    async with await reader_on(driver) as back:
        assert await back.read() == DATA


async def test_what_is_written_may_change_afterwards() -> None:
    slow = Slow("put_part")
    driver = memory(slow)
    buffer = bytearray(DATA[:250])
    file = writer_on(driver)
    await file.write(buffer)
    buffer[:] = bytes(250)
    slow.open()
    await file.aclose()

    async with await reader_on(driver) as back:
        assert await back.read() == DATA[:250]


async def test_a_writer_accepts_buffers_of_other_items() -> None:
    driver = memory()
    async with writer_on(driver) as file:
        assert await file.write(memoryview(DATA).cast("I")) == 1000
        assert file.tell() == 1000


async def test_a_raising_body_publishes_nothing_and_aborts() -> None:
    counting = Counting()
    driver = memory(counting)

    async def write() -> None:
        async with writer_on(driver) as file:
            await file.write(DATA)
            raise KeyError("user")

    with pytest.raises(KeyError):
        await write()

    assert (counting.count("abort"), counting.count("complete"), counting.count("put")) == (1, 0, 0)
    with pytest.raises(NotFound):
        await driver.head("key")


async def test_a_cancelled_body_publishes_nothing_and_aborts() -> None:
    slow, counting = Slow("put_part"), Counting()
    driver = memory(counting, slow)

    async def write() -> None:
        async with writer_on(driver) as file:
            await file.write(DATA)

    writing = asyncio.ensure_future(write())
    await slow.until_held(3)
    await settle([writing])

    assert (counting.count("abort"), counting.count("complete")) == (1, 0)
    assert not other_tasks()


async def test_close_is_idempotent_and_abort_after_it_takes_nothing_back() -> None:
    driver = memory()
    file = writer_on(driver)
    await file.write(DATA)

    await file.aclose()
    await file.aclose()
    await file.abort()

    assert (await driver.head("key")).size == 1000


async def test_a_failed_close_aborts_what_was_sent() -> None:
    counting = Counting()
    driver = memory(counting)
    await driver.put("key", b"old", PutOptions())
    file = writer_on(driver, CreateOnly())
    await file.write(DATA)

    with pytest.raises(AlreadyExists):
        await file.aclose()

    assert counting.count("abort") == 1
    assert (await driver.head("key")).size == 3


async def test_a_write_after_close_is_refused() -> None:
    file = writer_on(memory())
    await file.aclose()

    with pytest.raises(ValueError, match="closed file"):
        await file.write(b"late")


async def test_a_failed_part_swallowed_by_the_body_is_not_published() -> None:
    driver = memory(Flaky(Fault("put_part", TransportFailed("reset"))))

    async def write() -> None:
        async with writer_on(driver) as file:
            for start in range(0, 1000, 50):
                try:
                    await file.write(DATA[start : start + 50])
                except TransportFailed:
                    continue

    with pytest.raises(TransportFailed):
        await write()
    with pytest.raises(NotFound):
        await driver.head("key")
