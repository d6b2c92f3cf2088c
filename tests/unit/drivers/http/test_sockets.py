from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from blobio.config import Config, HttpConfig
from blobio.drivers.http import HttpDriver
from blobio.drivers.registry import DriverServices, make_driver
from blobio.errors import RequestFailed, TransportFailed
from blobio.transport.mock import MockTransport
from blobio.url import BlobUrl
from blobio.values import GetOptions, Last, Span
from tests.unit.drivers.http.bench import read, real
from tests.unit.transport.server import Received, Writer, ok, reset, running

BODY = bytes(range(256)) * 2000


async def test_range_ignored_over_a_socket() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(BODY))

    async with running(answer) as server, real(server.url) as driver:
        result = await driver.get("k", GetOptions(range=Span(100_000, 100_010)))

        assert await read(result) == BODY[100_000:100_010]
        assert await read(await driver.get("k", GetOptions(range=Last(3)))) == BODY[-3:]


async def test_close_delimited_body_is_refused() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        writer.close()

    async with running(answer) as server, real(server.url) as driver:
        with pytest.raises(RequestFailed, match="nothing tells if it is whole"):
            await driver.get("k", GetOptions())


async def test_chunked_body_is_whole() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )

    async with running(answer) as server, real(server.url) as driver:
        result = await driver.get("k", GetOptions())

        assert (result.meta.size, await read(result)) == (5, b"abcde")


async def test_reset_mid_body_breaks_the_read() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await writer.drain()
        reset(writer)

    async with running(answer) as server, real(server.url) as driver:
        result = await driver.get("k", GetOptions())
        with pytest.raises(TransportFailed):
            await read(result)


async def test_two_503_are_invisible() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"", 503) if len(server.requests) <= 2 else ok(b"data"))

    async with running(answer) as server, real(server.url) as driver:
        assert await read(await driver.get("k", GetOptions())) == b"data"


async def test_redirect_to_another_port_strips_the_headers() -> None:
    async def data(_: Received, writer: Writer) -> None:
        writer.write(ok(b"data"))

    async with running(data) as target:

        async def answer(_: Received, writer: Writer) -> None:
            writer.write(ok(status=302, headers=f"Location: {target.url}/k%2Fx\r\n"))

        http = HttpConfig(headers={"127.0.0.1": {"Authorization": "CANARY", "X-Key": "CANARY"}})
        async with running(answer) as server, real(server.url, http) as driver:
            assert await read(await driver.get("k", GetOptions())) == b"data"

    assert server.requests[0].headers["authorization"] == "CANARY"
    assert target.requests[0].target == "/k%2Fx"
    assert "CANARY" not in target.requests[0].headers.values()


async def test_https_does_not_lead_to_http() -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(status=307, headers="Location: http://127.0.0.1:9/k\r\n"))

    with authority.cert_pem.tempfile() as path:
        async with (
            running(answer, tls=tls) as server,
            real(server.url, HttpConfig(ca_file=path)) as driver,
        ):
            with pytest.raises(RequestFailed, match="not encrypted"):
                await driver.get("k", GetOptions())


async def test_cancelled_get_frees_its_connection() -> None:
    arrived = asyncio.Event()

    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/stuck":
            arrived.set()
            await asyncio.Event().wait()
        writer.write(ok(b"data"))

    http = HttpConfig(requests_per_host=1)
    async with running(answer) as server, real(server.url, http) as driver:
        task = asyncio.create_task(driver.get("stuck", GetOptions()))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await read(await driver.get("k", GetOptions())) == b"data"


async def test_registry_makes_the_driver() -> None:
    base = MockTransport([])
    services = DriverServices(config=Config(), connect=lambda **_: base)

    driver = make_driver(BlobUrl("https", "h.example", "k"), services)

    assert isinstance(driver, HttpDriver)
