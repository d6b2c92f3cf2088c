"""Compressed files of the async API: both ways, whole or not at all."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import lz4.frame
import pytest

from blobio.aio import AsyncContext
from blobio.config import Config, WriteConfig
from blobio.core.formats import Compression
from blobio.errors import AlreadyExists, BlobError, InvalidConfig

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIBRARIES: Final[dict[Compression, Any]] = {
    "gzip": gzip,
    "bz2": bz2,
    "xz": lzma,
    "zstd": zstd,
    "lz4": lz4.frame,
}
DATA: Final = b"".join(b"line %d of a text that repeats\n" % number for number in range(50_000))
PATH: Final = "memory://compression/blob"


class Stopped(Exception):
    """The body of a `with` block gives up."""


@pytest.fixture(params=LIBRARIES)
def kind(request: pytest.FixtureRequest) -> Compression:
    found: Compression = request.param
    return found


@pytest.fixture
async def context() -> AsyncIterator[AsyncContext]:
    async with AsyncContext(Config(write=WriteConfig(part_bytes=10_000))) as made:
        yield made
        if await made.isdir("memory://compression"):
            await made.rmtree("memory://compression")


async def test_what_goes_in_comes_out(context: AsyncContext, kind: Compression) -> None:
    async with context.open(PATH, "wb", compression=kind) as writer:
        assert await writer.write(DATA[:1000]) == 1000
        await writer.write(memoryview(DATA)[1000:])
        assert writer.tell() == len(DATA)

    stored = await context.read_bytes(PATH)
    assert LIBRARIES[kind].decompress(stored) == DATA
    assert writer.result is not None
    async with context.open(PATH, compression=kind) as reader:
        assert await reader.read(7) == DATA[:7]
        assert reader.tell() == 7
        assert await reader.read() == DATA[7:]
        assert await reader.read(1) == b""
        assert (str(reader.url), reader.version) == (PATH, writer.result.version)
    async with context.open(PATH, compression=kind) as reader:
        assert b"".join([block async for block in reader]) == DATA


async def test_all_members_are_read(context: AsyncContext, kind: Compression) -> None:
    for word in (b"one ", b"", b"two"):
        async with context.open(PATH, "ab", compression=kind) as writer:
            await writer.write(word)

    async with context.open(PATH, compression=kind) as reader:
        assert await reader.read() == b"one two"


async def test_filling_behind_the_last_member_is_nothing(context: AsyncContext) -> None:
    await context.write_bytes(PATH, gzip.compress(b"data") + bytes(512))

    async with context.open(PATH, compression="gzip") as reader:
        assert await reader.read() == b"data"


async def test_data_that_end_too_early_are_an_error(
    context: AsyncContext, kind: Compression
) -> None:
    whole = LIBRARIES[kind].compress(DATA)
    for size in (0, len(whole) // 2, len(whole) - 1):
        await context.write_bytes(PATH, whole[:size])
        async with context.open(PATH, compression=kind) as reader:
            with pytest.raises(EOFError, match="too early"):
                await reader.read()


async def test_data_of_another_kind_are_an_error(context: AsyncContext, kind: Compression) -> None:
    await context.write_bytes(PATH, b"this was never compressed by anything")

    async with context.open(PATH, compression=kind) as reader:
        with pytest.raises(BlobError, match=f"sound {kind} data"):
            await reader.read()


async def test_memory_stays_small_while_reading(context: AsyncContext) -> None:
    """What a piece of the blob holds comes out a mebibyte at a time, however much it is."""
    await context.write_bytes(PATH, gzip.compress(bytes(50 << 20), 1))

    async with context.open(PATH, compression="gzip") as reader:
        sizes = [len(block) async for block in reader]

    assert sum(sizes) == 50 << 20
    assert max(sizes) <= 1 << 20


async def test_block_that_raises_publishes_nothing(
    context: AsyncContext, kind: Compression
) -> None:
    with pytest.raises(Stopped):
        async with context.open(PATH, "wb", compression=kind) as writer:
            await writer.write(DATA)
            raise Stopped

    assert not await context.exists(PATH)


async def test_lost_condition_is_told(context: AsyncContext) -> None:
    writer = await context.open(PATH, "xb", compression="gzip")
    await writer.write(DATA)
    await context.write_bytes(PATH, b"theirs")

    with pytest.raises(AlreadyExists):
        await writer.aclose()
    assert await context.read_bytes(PATH) == b"theirs"


async def test_name_decides_if_asked_to(context: AsyncContext) -> None:
    for name, stored in (("a.gz", gzip.compress), ("a.txt", bytes)):
        path = f"memory://compression/{name}"
        await context.write_bytes(path, stored(b"data"))
        async with context.open(path, compression="infer") as reader:
            assert await reader.read() == b"data"
        async with context.open(path, "wb", compression="infer") as writer:
            await writer.write(b"more")
        async with context.open(path, compression="infer") as reader:
            assert [block async for block in reader] == [b"more"]


async def test_unknown_format_is_refused(context: AsyncContext) -> None:
    broken: Any = "brotli"
    with pytest.raises(InvalidConfig, match="'brotli'"):
        context.open(PATH, "wb", compression=broken)
