"""A web server behind broken connections: the right bytes, or an error, never something else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from blobio.core.context import AsyncContext
from blobio.errors import BlobError, VersionMismatch
from blobio.testing.emulators import HttpServer
from blobio.testing.faultproxy import (
    Action,
    Rule,
    answer,
    close_delimited,
    relength,
    reset,
    shorten,
    stall,
    strip_range,
    truncate,
)
from blobio.testing.scripted import End
from tests.faults.emulated.grounds import KIB, Ground, pattern_bytes

DATA = pattern_bytes(300 * KIB)


@pytest.fixture
def file(file_server: HttpServer) -> Path:
    path = file_server.root / "blob"
    path.write_bytes(DATA)
    return path


def replace_by_zeros(path: Path) -> None:
    path.write_bytes(bytes(len(DATA)))


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
pytestmark = pytest.mark.usefixtures("file")


def gets(action: Action, times: int | None = 2) -> Rule:
    return Rule(action, method="GET", times=times)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(truncate(10_000, End.FIN), id="FIN"),
        pytest.param(truncate(10_000, End.RST), id="RST"),
        pytest.param(reset(), id="reset"),
        pytest.param(relength(1), id="one byte more announced"),
        pytest.param(answer(503), id="503"),
    ],
)
async def test_what_breaks_twice_gives_the_right_bytes(
    http: Ground, action: Action, read: Read
) -> None:
    http.breaks(gets(action))

    async with http.context() as context:
        assert await read(context, f"{http.root}/blob") == DATA


@pytest.mark.parametrize("read", [read_file, read_pieces])
@pytest.mark.parametrize(
    "action", [shorten(10_000), close_delimited(10_000)], ids=["matching length", "no length"]
)
async def test_a_short_part_is_noticed_by_its_range(
    http: Ground, action: Action, read: Read
) -> None:
    http.breaks(gets(action))

    async with http.context() as context:
        assert await read(context, f"{http.root}/blob") == DATA


async def test_a_whole_without_a_length_is_never_short(http: Ground) -> None:
    """It ends with the connection, so it is asked for again with its size, or refused."""
    http.breaks(gets(close_delimited(10_000), times=1))

    async with http.context() as context:
        try:
            assert await context.read_bytes(f"{http.root}/blob") == DATA
        except BlobError as error:
            assert "length" in error.message  # noqa: PT017 - either is right


@pytest.mark.parametrize("read", READS)
async def test_a_server_that_ignores_ranges_is_sliced(http: Ground, read: Read) -> None:
    http.breaks(gets(strip_range(), times=None))

    async with http.context() as context:
        path = f"{http.root}/blob"
        assert await read(context, path) == DATA
        assert await context.read_ranges(path, [(70_000, 70_010)]) == [DATA[70_000:70_010]]


@pytest.mark.slow
async def test_a_silent_server_is_given_up_and_asked_for_the_rest(http: Ground) -> None:
    http.breaks(gets(stall(10_000), times=1))

    async with http.context() as context:
        assert await context.read_bytes(f"{http.root}/blob") == DATA


async def test_a_file_replaced_between_reads_is_refused(http: Ground, file: Path) -> None:
    async with http.context() as context:
        opened = await context.open(f"{http.root}/blob", buffer_size=32 * KIB)
        assert await opened.read(1000) == DATA[:1000]
        replace_by_zeros(file)
        opened.seek(200_000)

        with pytest.raises(VersionMismatch):
            await opened.read(1000)
        await opened.aclose()


async def test_refusals_for_ever_end_in_an_error(http: Ground) -> None:
    http.breaks(Rule(answer(503), times=None))

    async with http.context() as context:
        with pytest.raises(BlobError, match="503"):
            await context.read_bytes(f"{http.root}/blob")

    assert len(http.proxy.requests) == http.config.retry.attempts
