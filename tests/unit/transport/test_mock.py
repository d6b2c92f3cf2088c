from __future__ import annotations

import pytest

from blobio.errors import TransportFailed
from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, ScriptedStream, reply

GET = Request(method="GET", url="https://h/k")
STREAM = Request(method="GET", url="https://h/k", stream=True)


async def test_script_is_played_in_order() -> None:
    transport = MockTransport([reply(201), TransportFailed("reset"), reply(202)])

    assert (await transport.send(GET)).status == 201
    with pytest.raises(TransportFailed):
        await transport.send(GET)
    assert (await transport.send(STREAM)).status == 202
    assert transport.requests == [GET, GET, STREAM]


async def test_script_that_ran_out_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="no reply left"):
        await MockTransport([]).send(GET)


async def test_success_of_a_streaming_request_is_a_stream() -> None:
    response = await MockTransport([reply(200, b"abc")]).send(STREAM)

    assert response.stream is not None
    assert response.body == b""
    assert [chunk async for chunk in response.stream] == [b"abc"]


async def test_failure_of_a_streaming_request_is_buffered() -> None:
    response = await MockTransport([reply(404, chunks=[b"no", b"ne"])]).send(STREAM)

    assert (response.stream, response.body) == (None, b"none")


async def test_broken_body_breaks_a_buffered_request() -> None:
    transport = MockTransport([reply(chunks=[b"a"], fault=TransportFailed("reset"))])

    with pytest.raises(TransportFailed):
        await transport.send(GET)


async def test_same_reply_can_be_given_twice() -> None:
    once = reply(200, b"abc")
    transport = MockTransport([once, once])

    await transport.send(STREAM)

    assert (await transport.send(GET)).body == b"abc"


def test_reply_announces_its_length() -> None:
    assert reply(chunks=[b"ab", b"c"]).headers == {"content-length": "3"}
    assert reply(200, b"x", {"Content-Length": "9"}).headers == {"content-length": "9"}
    assert reply(headers={"transfer-encoding": "chunked"}).headers == {
        "transfer-encoding": "chunked"
    }


async def test_scripted_stream_remembers() -> None:
    stream = ScriptedStream([b"ab", b"c"])

    async for _ in stream:
        break
    await stream.aclose()

    assert (stream.delivered, stream.closed) == (2, True)
