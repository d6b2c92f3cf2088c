from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from blobio.config import Config, HttpConfig, RetryConfig
from blobio.transport.base import Transport
from blobio.transport.limit import LimitTransport
from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, reply
from blobio.transport.observe import Event
from blobio.transport.retry import RetryBudget
from blobio.transport.stack import connect, stack
from tests.unit.transport.server import Received, Writer, ok, running

CONFIG = Config(retry=RetryConfig(base_s=0.001, max_s=0.001, log_threshold=9))


@pytest.fixture
async def pool() -> AsyncIterator[Transport]:
    made = connect(CONFIG)
    yield made
    await made.aclose()


def test_connect_opens_no_socket_and_needs_no_loop() -> None:
    assert isinstance(connect(Config(http=HttpConfig(requests_per_host=3))), LimitTransport)


async def test_closing_a_stack_leaves_the_pool_open() -> None:
    base = MockTransport([])

    await stack(base, CONFIG, RetryBudget(1)).aclose()

    assert not base.closed


async def test_every_attempt_is_signed_and_observed() -> None:
    class Signer:
        count = 0

        async def sign(self, request: Request) -> Request:
            self.count += 1
            return request

        async def refresh(self, failed: object = None) -> None: ...

        def learn_time(self, server_date: str) -> bool:
            return bool(server_date)

    events: list[Event] = []
    config = Config(retry=CONFIG.retry, on_event=events.append)
    signer = Signer()
    transport = stack(
        MockTransport([reply(500), reply(401), reply()]), config, RetryBudget(9), signer=signer
    )

    await transport.send(Request(method="GET", url="https://h/k"))

    assert signer.count == 3
    assert [event.status for event in events] == [500, 401, 200]


async def test_two_503_are_invisible(pool: Transport) -> None:
    async def answer(received: Received, writer: Writer) -> None:
        first_two = received.connection == 1 and len(server.requests) <= 2
        writer.write(ok(b"SlowDown", 503) if first_two else ok(b"data"))

    async with running(answer) as server:
        transport = stack(pool, CONFIG, RetryBudget(9))
        response = await transport.send(Request(method="GET", url=server.url))

    assert (response.body, response.attempts) == (b"data", 3)


async def test_dropped_idle_connection_is_invisible(pool: Transport) -> None:
    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/second" and received.connection == 1:
            writer.close()
        else:
            writer.write(ok())

    async with running(answer) as server:
        transport = stack(pool, CONFIG, RetryBudget(9))
        await transport.send(Request(method="GET", url=server.url + "/first"))
        response = await transport.send(Request(method="PUT", url=server.url + "/second"))

    assert response.attempts == 2
    assert response.ambiguous
    assert [each.target for each in server.requests] == ["/first", "/second", "/second"]


async def test_broken_list_page_is_fetched_again(pool: Transport) -> None:
    async def answer(_: Received, writer: Writer) -> None:
        if len(server.requests) == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<Li")
            writer.close()
        else:
            writer.write(ok(b"<List/>"))

    async with running(answer) as server:
        transport = stack(pool, CONFIG, RetryBudget(9))
        response = await transport.send(Request(method="GET", url=server.url))

    assert (response.body, response.attempts) == (b"<List/>", 2)
