"""What a store's words may cost: sizes, bodies and listings without end (rows 15, 26 and 28)."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest

from blobio.config import Config, HttpConfig, ReadConfig, RetryConfig, S3Config
from blobio.core import growing, reader
from blobio.core.context import AsyncContext
from blobio.core.reader import RangeReader
from blobio.drivers.memory import MemoryDriver
from blobio.drivers.memory.store import MemoryStore
from blobio.errors import BlobError, PermissionDenied, RequestFailed
from blobio.testing.scripted import End, Handler, Received, Reply, ScriptedServer, serving
from blobio.url import BlobUrl
from blobio.values import PutOptions
from tests.unit.transport.server import Received as Arrived
from tests.unit.transport.server import Writer, running

FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4)
MIB: Final = 1 << 20
CLAIMS: Final = [1 << 31, 1 << 40, 10**17, 10**18 - 1, 1 << 62, 1 << 63, 10**30]


@contextlib.contextmanager
def _at_most(size: int) -> Iterator[None]:
    """Fail if the block holds more than `size` bytes at any time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size


@pytest.fixture
def little_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "TRUSTED_BYTES", 4 * MIB)
    monkeypatch.setattr(reader, "TRUSTED_BYTES", 4 * MIB)


@asynccontextmanager
async def _saying(head: bytes, again: bytes) -> AsyncIterator[str]:
    """Serve `head` and then `again`, without end, to everybody."""

    async def answer(_: Arrived, writer: Writer) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0)

    async with running(answer) as server:
        yield server.url


def _claiming(size: int, *, end: End = End.FIN) -> Handler:
    """Say that the blob has `size` bytes, send three of those asked for, and hang up."""

    def handler(request: Received) -> Reply:
        headers = {"ETag": '"e"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        wanted = request.headers.get("range")
        if wanted is None:
            return Reply(headers=headers, body=b"abc", announced=size, end=end)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        stop = min(int(last) if last else size - 1, size - 1)
        headers["Content-Range"] = f"bytes {first}-{stop}/{size}"
        length = stop + 1 - int(first)
        return Reply(status=206, headers=headers, body=b"abc", announced=length, end=end)

    return handler


def _config(server: ScriptedServer) -> Config:
    s3 = S3Config(endpoint_url=server.url, region="us-east-1", anonymous=True, etag_is_md5=False)
    read = ReadConfig(part_bytes=MIB, resumes=2)
    return Config(s3=s3, retry=FAST, read=read, buffer_bytes=MIB)


async def _opened(context: AsyncContext, url: str) -> bytes:
    async with context.open(url, "rb") as file:
        return await file.read()


async def _into(context: AsyncContext, url: str) -> int:
    async with context.open(url, "rb") as file:
        return await file.readinto(bytearray(MIB))


async def _iterated(context: AsyncContext, url: str) -> int:
    async with context.open(url, "rb") as file:
        return sum([len(block) async for block in file])


READS: Final[Mapping[str, Callable[[AsyncContext, str], Awaitable[object]]]] = {
    "read_bytes": lambda context, url: context.read_bytes(url),
    "read_ranges": lambda context, url: context.read_ranges(url, [(0, 1 << 50)]),
    "read": _opened,
    "readinto": _into,
    "iterate": _iterated,
    "md5": lambda context, url: context.md5(url),
    "copy": lambda context, url: context.copy(url, "memory://claims/k", overwrite=True),
}


@pytest.mark.usefixtures("little_trust")
@pytest.mark.parametrize("size", CLAIMS)
@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize("read", READS)
async def test_claimed_size_reserves_no_memory(read: str, scheme: str, size: int) -> None:
    """Row 26: a header is not a terabyte; the error is one of blobio, and no `MemoryError`."""
    with ScriptedServer(_claiming(size)) as server:
        url = "s3://bucket/k" if scheme == "s3" else f"{server.url}/k"
        async with AsyncContext(_config(server)) as context:
            with _at_most(40 * MIB), pytest.raises(BlobError):
                await READS[read](context, url)


@pytest.mark.parametrize("size_is_known", [True, False])
async def test_large_blob_is_read_whole_in_steps(
    monkeypatch: pytest.MonkeyPatch, *, size_is_known: bool
) -> None:
    """Row 26: what is reserved follows what has arrived, and the bytes are all there."""
    monkeypatch.setattr(growing, "TRUSTED_BYTES", 64)
    monkeypatch.setattr(reader, "TRUSTED_BYTES", 64)
    data = bytes(range(256)) * 40
    store = MemoryStore()
    driver = MemoryDriver("b", store)
    await driver.put("k", data, PutOptions())
    size = len(data) if size_is_known else None

    url, config = BlobUrl("memory", "b", "k"), ReadConfig(part_bytes=16, window=3)
    for start, stop in [(0, len(data)), (7, len(data) + 99), (0, 64), (1, 1_000), (99, 100)]:
        ranged = RangeReader(driver, url, config, size=size)
        assert await ranged.read(start, stop) == data[start:stop]
    assert await RangeReader(driver, url, config, size=size).read_all() == data


@pytest.mark.slow
@pytest.mark.parametrize("size", [1 << 33, 1 << 40])
async def test_claimed_size_reserves_what_is_said_to_be_trusted(size: int) -> None:
    """Row 26: with the defaults."""
    with ScriptedServer(_claiming(size)) as server:
        async with AsyncContext(replace(_config(server), read=ReadConfig(resumes=2))) as context:
            with _at_most(150 * MIB), pytest.raises(BlobError):
                await context.read_bytes("s3://bucket/k")


async def _names(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir("s3://bucket/dir")]


@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("text", [b"<Error><Code>", b"\x1b[2J\x00\xff\r\n", b"&#99999999999999;"])
async def test_error_body_without_end_is_cut(text: bytes, framing: str, scheme: str) -> None:
    """Row 28: 64 KiB are kept of it, a little of that is told, and nothing a terminal obeys."""
    header = {"length": f"Content-Length: {1 << 62}", "chunked": "Transfer-Encoding: chunked"}
    head = f"HTTP/1.1 403 No\r\n{header.get(framing, 'Connection: close')}\r\n\r\n".encode()
    piece = text * 100
    if framing == "chunked":
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    async with _saying(head, piece) as base:
        s3 = S3Config(endpoint_url=base, region="us-east-1", anonymous=True)
        url = "s3://bucket/k" if scheme == "s3" else f"{base}/k"
        async with AsyncContext(Config(s3=s3, retry=FAST)) as context:
            with _at_most(8 * MIB), pytest.raises(PermissionDenied) as caught:
                await context.read_bytes(url)

    assert len(str(caught.value)) < 2_500
    assert str(caught.value).isprintable()


async def test_error_is_told_without_what_a_terminal_obeys() -> None:
    """Row 28: code, message and request id of a store are text, not commands."""
    body = (
        b"<Error><Code>Access\x1b[31mDenied\r\n</Code><Message>a\x00b\x07\n\x9b2J &#27;[0m"
        b"\xff</Message><RequestId>r\x1b]0;x\x07</RequestId></Error>"
    )
    with ScriptedServer(lambda _: Reply(status=403, body=body)) as server:
        async with AsyncContext(_config(server)) as context:
            with pytest.raises(PermissionDenied) as caught:
                await context.read_bytes("s3://bucket/k")

    error = caught.value
    assert all(text.isprintable() for text in (str(error), str(error.code), str(error.request_id)))


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_nothing_is_unpacked(framing: str) -> None:
    """Row 15: bytes are delivered as stored, however they are labelled; a bomb stays small."""
    bomb = gzip.compress(bytes(64 * MIB))
    well = serving(bomb, headers={"Content-Encoding": "gzip"})

    def packed(request: Received) -> Reply:
        return replace(well(request), framing="chunked" if framing == "chunked" else "length")

    with ScriptedServer(packed) as server:
        async with AsyncContext(_config(server)) as context:
            with _at_most(4 * MIB):
                assert await context.read_bytes(f"{server.url}/k") == bomb
                if framing == "length":
                    assert await context.read_bytes("s3://bucket/k") == bomb

        assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


@pytest.mark.slow
async def test_packed_error_and_listing_stay_packed() -> None:
    """Row 15: nor are the bodies that blobio reads itself."""
    bomb = gzip.compress(b"<ListBucketResult>" + b" " * (64 * MIB))
    for status in (200, 403):
        with ScriptedServer(
            lambda _: Reply(status=status, headers={"Content-Encoding": "gzip"}, body=bomb)  # noqa: B023 - called in this turn
        ) as server:
            async with AsyncContext(_config(server)) as context:
                with _at_most(4 * MIB), pytest.raises(BlobError):
                    await _names(context)


async def test_blob_of_unknown_size_is_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 15 and 26: a chunked body without an end, of a server that tells no size."""
    monkeypatch.setattr("blobio.drivers.http.driver.MAX_REPLY_BYTES", MIB)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        _saying(head, b"400\r\n%b\r\n" % bytes(1024)) as url,
        AsyncContext(Config(retry=FAST)) as context,
    ):
        with _at_most(8 * MIB), pytest.raises(RequestFailed, match="not kept in memory"):
            await context.read_bytes(f"{url}/k")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1_000),
        (b"HTTP/1.1 200 ", b"O" * 1_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1_000),
    ],
    ids=["headers", "header", "status", "interim", "chunk size", "chunk extension"],
)
async def test_reply_without_end_is_given_up(head: bytes, again: bytes) -> None:
    """Row 26: where a reply has a part without a length."""
    async with _saying(head, again) as url:
        http = HttpConfig(stall_timeout_s=0.1, min_bytes_per_s=1 << 40)  # nobody is that fast
        config = Config(retry=FAST, http=http)
        async with AsyncContext(config) as context:
            with _at_most(16 * MIB), pytest.raises(BlobError):
                await context.read_bytes(f"{url}/k")
