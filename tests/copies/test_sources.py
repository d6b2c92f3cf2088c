"""Sources that change, tell little or fail while they are copied, over real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from blobio.aio import AsyncContext
from blobio.config import Config, ReadConfig, RetryConfig, WriteConfig
from blobio.errors import BlobError, ChecksumMismatch, TransportFailed, VersionMismatch
from blobio.testing.faults import Wrapped
from blobio.testing.scripted import (
    End,
    Handler,
    Received,
    Reply,
    ScriptedServer,
    ignoring_range,
    serving,
)
from blobio.transport.observe import Event
from tests.copies.conftest import Between
from tests.copies.stores import PART, body
from tests.unit.core.fakes import Changing

KIB = 1 << 10
DATA = body(300 * KIB)
CONFIG = Config(
    retry=RetryConfig(attempts=2, base_s=0.001, max_s=0.002),
    read=ReadConfig(part_bytes=64 * KIB, window=2),
    write=WriteConfig(part_bytes=100 * KIB, window=2),
)
TARGET = "memory://copies-sources/copy"


async def copy_from(handler: Handler, *, overwrite: bool = True) -> tuple[bytes, list[Received]]:
    """Copy what a scripted server serves into memory; return it, and the requests."""
    with ScriptedServer(handler) as server:
        async with AsyncContext(CONFIG) as context:
            await context.copy(f"{server.url}/blob", TARGET, overwrite=overwrite)
            return await context.read_bytes(TARGET), list(server.requests)


def gets(requests: list[Received]) -> int:
    return sum(request.method == "GET" for request in requests)


def chunked(data: bytes) -> Handler:
    """A server that tells no size and no version, and knows no ranges."""

    def handler(request: Received) -> Reply:
        if request.method == "HEAD":
            return Reply(framing="chunked", body=b"")
        return Reply(framing="chunked", body=data)

    return handler


def without_validator(data: bytes, *replies: Reply) -> Handler:
    """A server that tells the size but no version; the first GETs get `replies`."""
    left = list(replies)

    def handler(request: Received) -> Reply:
        if request.method == "HEAD":
            return Reply(announced=len(data))
        return left.pop(0) if left else Reply(body=data)

    return handler


async def test_a_source_of_unknown_size_is_copied() -> None:
    copied, requests = await copy_from(chunked(DATA))

    assert copied == DATA
    assert gets(requests) == 2  # one to learn the size, one for the bytes


async def test_an_empty_source_of_unknown_size_is_copied() -> None:
    copied, _ = await copy_from(chunked(b""))

    assert copied == b""


async def test_a_source_without_a_version_is_read_with_one_request() -> None:
    copied, requests = await copy_from(without_validator(DATA))

    assert copied == DATA
    assert gets(requests) == 1


async def test_a_source_without_a_version_that_breaks_off_is_not_pieced_together() -> None:
    cut = Reply(body=DATA, cut=250 * KIB, end=End.FIN)

    with pytest.raises(TransportFailed):
        await copy_from(without_validator(DATA, cut))


async def test_a_server_that_ignores_ranges_is_copied() -> None:
    copied, _ = await copy_from(ignoring_range(serving(DATA)))

    assert copied == DATA


async def test_a_source_that_is_replaced_is_refused_and_the_destination_stays() -> None:
    old, new = serving(DATA), serving(DATA[::-1])
    seen = 0

    def handler(request: Received) -> Reply:
        nonlocal seen
        seen += request.method == "GET"
        return (old if seen <= 2 else new)(request)

    async with AsyncContext(CONFIG) as context:
        await context.write_bytes(TARGET, b"old")
        with pytest.raises(VersionMismatch):
            await copy_from(handler)

        assert await context.read_bytes(TARGET) == b"old"


async def test_a_source_that_changes_between_head_and_get_is_copied_as_it_is_then() -> None:
    """Nothing names its version: the size of the one reply counts, not that of the HEAD."""

    def handler(request: Received) -> Reply:
        return Reply(announced=5) if request.method == "HEAD" else Reply(body=DATA)

    copied, _ = await copy_from(handler)

    assert copied == DATA


async def test_bytes_that_change_on_the_way_out_of_s3_are_not_published(between: Between) -> None:
    """As if the store had another checksum of the whole than what came in ranges."""
    context, here, there = between("s3", "memory")
    path = await here.put("blob", body(2 * PART + 1))
    await there.put("copy", b"old")
    driver, url = context.stores.locate(path)
    told = (await driver.head(url.key)).crc32c
    assert told is not None
    other = Changing("head", lambda meta: meta._replace(crc32c=told ^ 1, md5=None))
    context.stores._drivers[url.scheme, url.authority] = Wrapped(driver, other)

    with pytest.raises(ChecksumMismatch, match="nothing was written"):
        await context.copy(path, there.path("copy"), overwrite=True)

    assert await there.get("copy") == b"old"


@pytest.mark.parametrize("source", ["memory", "local", "http"])
async def test_a_copy_that_is_cancelled_leaves_no_parts_in_s3(
    between: Between, source: str
) -> None:
    context, here, there = between(source, "s3")
    path = await here.put("blob", body(2 * PART + 1))
    sent: list[str] = []

    def on_event(event: Event) -> None:
        sent.append(event.method)
        if event.method == "PUT":
            task.cancel()

    async with AsyncContext(replace(context.config, on_event=on_event)) as watched:
        task = asyncio.ensure_future(watched.copy(path, there.path("copy")))
        with pytest.raises(asyncio.CancelledError):
            await task

    assert "POST" in sent
    assert await there.get("copy") is None
    assert not there.orphans()


async def test_a_context_that_is_closed_takes_back_the_parts_of_its_copies(
    between: Between,
) -> None:
    context, here, there = between("memory", "s3")
    path = await here.put("blob", body(2 * PART + 1))
    closing: list[asyncio.Task[None]] = []

    def on_event(event: Event) -> None:
        if event.method == "PUT" and not closing:
            closing.append(asyncio.ensure_future(watched.aclose()))

    watched = AsyncContext(replace(context.config, on_event=on_event))
    with pytest.raises(BlobError):
        await watched.copy(path, there.path("copy"))
    await closing[0]

    assert await there.get("copy") is None
    assert not there.orphans()


async def test_a_copy_that_fails_leaves_no_parts_in_s3(between: Between) -> None:
    context, _, there = between("http", "s3")
    data = body(2 * PART + 1)
    served = serving(data)
    seen = 0

    def handler(request: Received) -> Reply:
        nonlocal seen
        seen += request.method == "GET"
        return served(request) if seen <= 4 else Reply(status=404)

    with ScriptedServer(handler) as server, pytest.raises(BlobError):
        await context.copy(f"{server.url}/blob", there.path("copy"))

    assert seen > 4
    assert await there.get("copy") is None
    assert not there.orphans()
