from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trustme

from blobio.config import HttpConfig
from blobio.errors import InvalidConfig, TransportFailed
from blobio.transport.aiohttp import AiohttpTransport
from blobio.transport.message import MAX_ERROR_BYTES, Request, Response
from blobio.transport.retry import StaleConnection
from tests.unit.transport.server import Received, ok, reset, running

Writer = asyncio.StreamWriter


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(HttpConfig())
    yield made
    await made.aclose()


@pytest.fixture
async def impatient() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(HttpConfig(stall_timeout_s=0.08, min_bytes_per_s=1000))
    yield made
    await made.aclose()


async def collect(response: Response) -> bytes:
    assert response.stream is not None
    try:
        return b"".join([chunk async for chunk in response.stream])
    finally:
        await response.stream.aclose()


def get(url: str, *, stream: bool = False) -> Request:
    return Request(method="GET", url=url, stream=stream, operation="get", subject="s3://b/k")


async def test_url_is_sent_byte_for_byte(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok())

    target = "/a//b/../%2e%2F%c3%A4;x=1,'()~!*/?b=2&a=%20+&empty&list-type=2"
    async with running(answer) as server:
        await transport.send(get(server.url + target))

    assert server.requests[0].target == target


async def test_repeated_extension_headers_are_joined(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        lines = b"X-Goog-Hash: crc32c=a\r\nETag: 1\r\nx-goog-hash: md5=b\r\nETag: 2\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")

    async with running(answer) as server:
        response = await transport.send(get(server.url + "/"))

    assert response.headers["x-goog-hash"] == "crc32c=a, md5=b"
    assert response.headers["etag"] == "2"


async def test_only_expected_headers_are_sent(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok())

    async with running(answer) as server:
        await transport.send(Request(method="PUT", url=server.url, headers={"x-a": "1"}))

    assert server.requests[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "user-agent": "blobio",
        "x-a": "1",
        "content-length": "0",
    }


async def test_large_body_arrives_whole(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok())

    body = bytes(range(256)) * 5000
    async with running(answer) as server:
        await transport.send(Request(method="PUT", url=server.url, body=memoryview(body)))

    assert server.requests[0].body == body
    assert "transfer-encoding" not in server.requests[0].headers


@pytest.mark.parametrize("size", [0, 5, 700_001])
async def test_wrapped_body_arrives_with_its_wrapping(
    transport: AiohttpTransport, size: int
) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok())

    body = bytes(range(256)) * (size // 256 + 1)
    request = Request(method="POST", url="", before=b"<", body=memoryview(body)[:size], after=b">")
    async with running(answer) as server:
        await transport.send(replace(request, url=server.url))

    assert server.requests[0].body == b"<" + body[:size] + b">"
    assert (
        server.requests[0].headers["content-length"] == str(size + 2) == str(request.content_bytes)
    )


async def test_compressed_reply_is_delivered_as_stored(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"\x1f\x8bnot really", headers="Content-Encoding: gzip\r\n"))

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))

        assert await collect(response) == b"\x1f\x8bnot really"


async def test_redirect_is_a_reply(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(status=307, headers="Location: /elsewhere\r\nSet-Cookie: a=b\r\n"))

    async with running(answer) as server:
        response = await transport.send(get(server.url))
        await transport.send(get(server.url))

    assert (response.status, response.headers["location"]) == (307, "/elsewhere")
    assert len(server.requests) == 2
    assert "cookie" not in server.requests[1].headers


async def test_connection_is_reused_after_a_body_read_whole(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"x" * 300_000))

    async with running(answer) as server:
        for _ in range(3):
            await collect(await transport.send(get(server.url, stream=True)))

    assert server.connections == 1


async def test_connection_is_dropped_with_an_unread_body(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"x" * 5_000_000))

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))
        await response.aclose()
        await response.aclose()
        await collect(await transport.send(get(server.url, stream=True)))

    assert server.connections == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
async def test_request_on_a_dropped_pooled_connection_is_sent_once(
    transport: AiohttpTransport, method: str
) -> None:
    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/first":
            writer.write(ok())
        else:
            writer.close()

    async with running(answer) as server:
        await transport.send(get(server.url + "/first"))
        with pytest.raises(StaleConnection) as caught:
            await transport.send(Request(method=method, url=server.url + "/second"))

    assert [each.target for each in server.requests] == ["/first", "/second"]
    assert caught.value.ambiguous
    assert caught.value.retryable


async def test_drop_of_a_new_connection_is_not_stale(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.close()

    async with running(answer) as server:
        with pytest.raises(TransportFailed) as caught:
            await transport.send(get(server.url))

    assert type(caught.value) is TransportFailed
    assert caught.value.ambiguous


async def test_refused_connection_cannot_have_acted(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.close()

    async with running(answer) as server:
        url = server.url
    with pytest.raises(TransportFailed, match="no connection") as caught:
        await transport.send(get(url))

    assert caught.value.retryable
    assert not caught.value.ambiguous


async def test_short_body_fails(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        writer.close()

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))
        assert response.stream is not None
        chunks = response.stream.__aiter__()

        assert await anext(chunks) == b"only this"
        with pytest.raises(TransportFailed, match="broke off after 9 bytes"):
            await anext(chunks)


async def test_reset_mid_body_fails(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await writer.drain()
        reset(writer)

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))
        with pytest.raises(TransportFailed) as caught:
            await collect(response)

    assert caught.value.retryable
    assert caught.value.url == "s3://b/k"


async def test_broken_chunked_body_fails(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        writer.close()

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))
        with pytest.raises(TransportFailed):
            await collect(response)


async def test_chunked_body_is_delivered_without_empty_chunks(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in (b"one", b"two"):
            writer.write(b"3\r\n" + word + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))
        assert response.stream is not None
        chunks = [chunk async for chunk in response.stream]
        await response.aclose()

    assert b"".join(chunks) == b"onetwo"
    assert all(chunks)


async def test_garbage_is_no_reply(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"220 smtp.example ESMTP\r\n")
        writer.close()

    async with running(answer) as server:
        with pytest.raises(TransportFailed, match="not HTTP"):
            await transport.send(get(server.url))


async def test_stalled_reply_fails(impatient: AiohttpTransport) -> None:
    async def answer(_: Received, __: Writer) -> None:
        await asyncio.Event().wait()

    async with running(answer) as server:
        with pytest.raises(TransportFailed, match="waiting for the reply: not a byte") as caught:
            await impatient.send(get(server.url))

    assert caught.value.ambiguous
    assert caught.value.retryable


async def test_stalled_body_fails(impatient: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await writer.drain()
        await asyncio.Event().wait()

    async with running(answer) as server:
        response = await impatient.send(get(server.url, stream=True))
        with pytest.raises(TransportFailed, match="after 4 bytes: no progress"):
            await collect(response)


async def test_trickling_body_fails(impatient: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with running(answer) as server:
        response = await impatient.send(get(server.url, stream=True))
        with pytest.raises(TransportFailed, match="no progress"):
            await collect(response)


async def test_slow_reader_is_no_stall() -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"x" * 6_000_000))

    impatient = AiohttpTransport(HttpConfig(stall_timeout_s=0.15))
    async with running(answer) as server:
        response = await impatient.send(get(server.url, stream=True))
        assert response.stream is not None
        chunks = response.stream.__aiter__()
        size = len(await anext(chunks))
        await asyncio.sleep(0.2)  # longer than the stall timeout, on purpose
        async for chunk in chunks:
            size += len(chunk)
        await response.aclose()
    await impatient.aclose()

    assert size == 6_000_000


async def test_server_that_stops_reading_a_body_fails(impatient: AiohttpTransport) -> None:
    async def answer(_: Received, __: Writer) -> None:
        await asyncio.Event().wait()

    async with running(answer, read_bodies=False) as server:
        request = Request(method="PUT", url=server.url, body=bytes(40_000_000))
        with pytest.raises(TransportFailed, match="sending: not a byte") as caught:
            await impatient.send(request)

    assert caught.value.ambiguous


async def test_broken_buffered_body_is_a_fault(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<List")
        writer.close()

    async with running(answer) as server:
        with pytest.raises(TransportFailed, match="broke off after 5 bytes"):
            await transport.send(get(server.url))


async def test_long_error_body_is_cut(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"e" * 3_000_000, status=403))

    async with running(answer) as server:
        response = await transport.send(get(server.url, stream=True))

    assert response.status == 403
    assert response.body == b"e" * MAX_ERROR_BYTES
    assert response.stream is None


async def test_head_has_length_and_no_body(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")

    async with running(answer) as server:
        response = await transport.send(Request(method="HEAD", url=server.url))
        await transport.send(Request(method="HEAD", url=server.url))

    assert response.headers["content-length"] == "1234"
    assert response.body == b""
    assert server.connections == 1


async def test_cancelled_request_drops_its_connection(transport: AiohttpTransport) -> None:
    arrived = asyncio.Event()

    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/stuck":
            arrived.set()
            await asyncio.Event().wait()
        writer.write(ok())

    async with running(answer) as server:
        task = asyncio.create_task(transport.send(get(server.url + "/stuck")))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await transport.send(get(server.url + "/next"))

    assert server.requests[1].connection == 2


async def test_cancelled_read_drops_its_connection(transport: AiohttpTransport) -> None:
    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/stuck":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        else:
            writer.write(ok())

    async with running(answer) as server:
        response = await transport.send(get(server.url + "/stuck", stream=True))
        task = asyncio.create_task(collect(response))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await transport.send(get(server.url + "/next"))

    assert server.requests[1].connection == 2


async def test_early_refusal_of_a_large_body_is_seen(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"too big", status=413))
        await writer.drain()

    async with running(answer, read_bodies=False) as server:
        request = Request(method="PUT", url=server.url, body=bytes(30_000_000))
        response = await transport.send(request)

    assert (response.status, response.body) == (413, b"too big")


async def test_header_with_a_line_break_is_refused(transport: AiohttpTransport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok())

    async with running(answer) as server:
        request = Request(method="GET", url=server.url, headers={"x-a": "1\r\nx-b: 2"})
        with pytest.raises(TransportFailed, match="cannot be sent") as caught:
            await transport.send(request)

    assert not caught.value.retryable
    assert server.requests == []


async def test_closed_transport_refuses(transport: AiohttpTransport) -> None:
    await transport.aclose()
    await transport.aclose()

    with pytest.raises(TransportFailed, match="closed") as caught:
        await transport.send(get("http://127.0.0.1:1/"))

    assert not caught.value.retryable


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_unknown_authority_is_refused_for_good(
    tls: ssl.SSLContext, transport: AiohttpTransport
) -> None:
    async with running(_hello, tls=tls) as server:
        with pytest.raises(TransportFailed, match="certificate") as caught:
            await transport.send(get(server.url))

    assert not caught.value.retryable
    assert not caught.value.ambiguous


async def test_ca_file_is_trusted(tls: ssl.SSLContext, authority: trustme.CA) -> None:
    with authority.cert_pem.tempfile() as path:
        transport = AiohttpTransport(HttpConfig(ca_file=path))
        async with running(_hello, tls=tls) as server:
            response = await transport.send(get(server.url))
            await transport.aclose()

    assert response.body == b"hello"


async def test_authorities_are_read_only_for_tls(tls: ssl.SSLContext) -> None:
    """Reading those of the system takes 30 ms of CPU, which a plain endpoint does not pay."""
    transport = AiohttpTransport(HttpConfig(ca_file="/nowhere/ca.pem"))
    async with running(_hello) as plain, running(_hello, tls=tls) as encrypted:
        response = await transport.send(get(plain.url))
        with pytest.raises(InvalidConfig, match="ca_file"):
            await transport.send(get(encrypted.url))
        await transport.aclose()

    assert response.body == b"hello"


async def test_no_verification_warns(tls: ssl.SSLContext) -> None:
    transport = AiohttpTransport(HttpConfig(verify_tls=False))
    async with running(_hello, tls=tls) as server:
        with pytest.warns(RuntimeWarning, match="verify_tls"):
            response = await transport.send(get(server.url))
        await transport.aclose()

    assert response.body == b"hello"


async def _hello(_: Received, writer: Writer) -> None:
    writer.write(ok(b"hello"))


async def test_proxy_gets_the_absolute_url() -> None:
    async with running(_hello) as proxy:
        transport = AiohttpTransport(HttpConfig(proxy=proxy.url))
        await transport.send(get("http://blob.example/a%20b?c"))
        await transport.aclose()

    assert proxy.requests[0].target == "http://blob.example/a%20b?c"


@pytest.mark.parametrize("trust_env", [True, False])
async def test_environment_proxy_needs_permission(
    monkeypatch: pytest.MonkeyPatch, *, trust_env: bool
) -> None:
    async with running(_hello) as proxy, running(_hello) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        transport = AiohttpTransport(HttpConfig(trust_env=trust_env))
        await transport.send(get(server.url))
        await transport.aclose()

    assert (len(proxy.requests), len(server.requests)) == ((1, 0) if trust_env else (0, 1))


async def test_closing_ends_a_connection_whose_peer_does_not_read() -> None:
    """A body that was given up half way waits to be taken, and its socket with it."""
    reached = asyncio.Event()

    async def never_reads(_: Received, _writer: Writer) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with running(never_reads, read_bodies=False) as server:
        transport = AiohttpTransport(HttpConfig())
        request = Request(method="PUT", url=f"{server.url}/k", body=bytes(32 << 20))
        task = asyncio.ensure_future(transport.send(request))
        await reached.wait()
        for _ in range(50):  # until the kernel takes no more
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sockets = list(transport._sockets)
        assert sockets

        await transport.aclose()

        assert [each.fileno() for each in sockets] == [-1]
