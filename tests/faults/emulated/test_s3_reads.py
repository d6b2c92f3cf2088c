"""Reads through broken connections and lying servers: the right bytes, or an error."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from blobio.core.context import AsyncContext
from blobio.errors import BlobError, ChecksumMismatch, RequestFailed, VersionMismatch
from blobio.testing.faultproxy import (
    Action,
    Rule,
    close_delimited,
    corrupt,
    relength,
    reset,
    shorten,
    stall,
    strip_range,
    truncate,
)
from blobio.testing.scripted import End
from tests.faults.emulated.grounds import KIB, Ground, Other, pattern_bytes

SMALL = pattern_bytes(100 * KIB)
LARGE = pattern_bytes(300 * KIB)
PART = 64 * KIB


async def read_whole(context: AsyncContext, path: str) -> bytes:
    return await context.read_bytes(path)


async def read_file(context: AsyncContext, path: str) -> bytes:
    async with context.open(path) as file:
        return await file.read()


async def read_pieces(context: AsyncContext, path: str) -> bytes:
    async with context.open(path, buffer_size=32 * KIB) as file:
        return b"".join([block async for block in file])


Read: TypeAlias = Callable[[AsyncContext, str], Awaitable[bytes]]
READS = [read_whole, read_file, read_pieces]
SIZES = [SMALL, LARGE]


def gets(action: Action, times: int | None = 2, skip: int = 0) -> Rule:
    return Rule(action, method="GET", path="/blob", times=times, skip=skip)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("data", SIZES, ids=["small", "large"])
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(truncate(10_000, End.FIN), id="FIN"),
        pytest.param(truncate(10_000, End.RST), id="RST"),
        pytest.param(truncate(0, End.FIN), id="nothing"),
        pytest.param(reset(), id="reset"),
        pytest.param(relength(1), id="one byte more announced"),
        pytest.param(shorten(10_000), id="short with a matching length"),
    ],
)
async def test_a_body_cut_short_twice_gives_the_right_bytes(
    s3: Ground, other: Other, action: Action, data: bytes, read: Read
) -> None:
    path = other.put(data)
    s3.breaks(gets(action))

    async with s3.context() as context:
        assert await read(context, path) == data


@pytest.mark.parametrize("size", [10_000, None], ids=["short", "whole"])
async def test_a_reply_that_does_not_tell_its_length_is_refused(
    s3: Ground, other: Other, size: int | None
) -> None:
    """Where it ends is where the connection broke, or not: nobody can tell."""
    path = other.put(SMALL)
    s3.breaks(gets(close_delimited(size)))

    async with s3.context() as context:
        with pytest.raises(RequestFailed, match="Content-Length"):
            await context.read_bytes(path)


async def test_a_part_that_does_not_tell_its_length_is_counted(s3: Ground, other: Other) -> None:
    path = other.put(SMALL)
    s3.breaks(gets(close_delimited(10_000)))

    async with s3.context() as context:
        assert await read_file(context, path) == SMALL


async def test_a_body_is_resumed_at_the_byte_where_it_broke(s3: Ground, other: Other) -> None:
    path = other.put(LARGE)
    s3.breaks(gets(truncate(10_000), times=1))

    async with s3.context() as context:
        assert await context.read_ranges(path, [(5, 50_005)]) == [LARGE[5:50_005]]

    (_, first), (_, second) = s3.sent
    assert first == "bytes=5-50004"
    assert second is not None
    start = int(second.removeprefix("bytes=").partition("-")[0])
    assert 5 < start <= 10_005
    assert second == f"bytes={start}-50004"


async def test_every_request_after_the_first_names_the_version(s3: Ground, other: Other) -> None:
    path = other.put(LARGE)
    s3.breaks(gets(truncate(10_000), times=3))

    async with s3.context() as context:
        await context.read_bytes(path)

    first, *others = list(s3.proxy.requests)
    assert "if-match" not in first.headers
    assert len({request.headers["if-match"] for request in others}) == 1


@pytest.mark.parametrize("read", READS)
async def test_a_store_that_ignores_ranges_is_sliced(s3: Ground, other: Other, read: Read) -> None:
    path = other.put(LARGE)
    s3.breaks(gets(strip_range(), times=None))

    async with s3.context() as context:
        assert await read(context, path) == LARGE
        assert await context.read_ranges(path, [(70_000, 70_010)]) == [LARGE[70_000:70_010]]


@pytest.mark.parametrize("data", SIZES, ids=["small", "large"])
async def test_a_flipped_byte_is_found_and_the_bytes_are_fetched_again(
    s3: Ground, other: Other, data: bytes
) -> None:
    path = other.put(data)
    s3.breaks(gets(corrupt(40_000), times=1))

    async with s3.context() as context:
        assert await context.read_bytes(path) == data


@pytest.mark.parametrize("data", SIZES, ids=["small", "large"])
async def test_a_byte_that_is_always_flipped_is_an_error(
    s3: Ground, other: Other, data: bytes
) -> None:
    path = other.put(data)
    s3.breaks(gets(corrupt(40_000), times=None))

    async with s3.context() as context:
        with pytest.raises(ChecksumMismatch):
            await context.read_bytes(path)


async def test_a_flipped_byte_stops_a_copy(s3: Ground, other: Other) -> None:
    path = other.put(LARGE)
    s3.breaks(gets(corrupt(1_000), times=None))

    async with s3.context() as context:
        with pytest.raises(ChecksumMismatch):
            await context.copy(path, "memory://faults/copy")
        assert not await context.exists("memory://faults/copy")


@pytest.mark.slow
@pytest.mark.parametrize("data", SIZES, ids=["small", "large"])
async def test_a_silent_server_is_given_up_and_asked_for_the_rest(
    s3: Ground, other: Other, data: bytes
) -> None:
    path = other.put(data)
    s3.breaks(gets(stall(10_000), times=1))

    async with s3.context() as context:
        assert await context.read_bytes(path) == data


@pytest.mark.slow
async def test_a_server_that_stays_silent_is_an_error(s3: Ground, other: Other) -> None:
    path = other.put(SMALL)
    s3.breaks(gets(stall(0), times=None))
    config = replace(s3.config, http=replace(s3.config.http, stall_timeout_s=0.05))

    async with s3.context(config) as context:
        with pytest.raises(BlobError, match="blob"):
            await context.read_bytes(path)


async def test_an_object_replaced_between_reads_of_a_handle_is_refused(
    s3: Ground, other: Other
) -> None:
    path = other.put(LARGE)
    async with s3.context() as context, context.open(path, buffer_size=32 * KIB) as file:
        assert await file.read(1000) == LARGE[:1000]
        other.put(bytes(len(LARGE)))
        file.seek(200_000)

        with pytest.raises(VersionMismatch):
            await file.read(1000)


async def test_an_object_replaced_during_a_large_read_is_refused(s3: Ground, other: Other) -> None:
    path = other.put(LARGE)
    s3.breaks(gets(truncate(10_000), times=1))

    async with s3.context() as context:
        reader = context.stores.reader(path)
        await reader.read(0, 10)
        other.put(bytes(len(LARGE)))

        with pytest.raises(VersionMismatch):
            await reader.read_all()


@pytest.mark.parametrize("read", READS)
async def test_what_is_stored_compressed_is_returned_as_stored(
    s3: Ground, other: Other, read: Read
) -> None:
    stored = gzip.compress(SMALL)
    path = other.put(stored, ContentEncoding="gzip")

    async with s3.context() as context:
        assert await read(context, path) == stored
        assert (await context.stat(path)).size == len(stored)

    assert {r.headers.get("accept-encoding") for r in s3.proxy.requests} == {"identity"}
