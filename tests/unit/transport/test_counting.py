"""Requests are counted once an attempt, bytes as they come, and streams until they are closed."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from blobio.config import Config, RetryConfig
from blobio.errors import TransportFailed
from blobio.transport.counting import CountingTransport, kind_of, store_of
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport, Step, reply
from blobio.transport.retry import RetryBudget
from blobio.transport.stack import stack
from blobio.usage import StoreUsage, Usage

PUT = Request(method="PUT", url="https://h/k", body=b"12345", operation="put", subject="s3://b/k")
GET = Request(method="GET", url="https://h/k", stream=True, operation="get", subject="s3://b/k")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("method", "operation", "kind", "word"),
    [
        ("GET", "list", "", "LIST"),
        ("HEAD", "head", "", "HEAD"),
        ("GET", "head", "", "HEAD"),  # how Google is asked
        ("GET", "get", "", "GET"),
        ("PUT", "put", "", "PUT"),
        ("POST", "put", "", "PUT"),  # how Google takes it
        ("PUT", "put", "PART", "PART"),
        ("DELETE", "put", "", "DELETE"),  # of an upload
        ("POST", "delete", "", "DELETE"),  # of a batch
        ("GET", "copy", "", "GET"),  # of the tags
        ("PUT", "copy", "", "COPY"),
        ("PATCH", "patch", "", "PATCH"),
        ("POST", "", "", "POST"),
    ],
)
def test_request_is_counted_under_what_was_asked(
    method: str, operation: str, kind: str, word: str
) -> None:
    assert kind_of(Request(method=method, url="https://h", operation=operation, kind=kind)) == word


def test_store_is_told_by_the_url_of_the_user() -> None:
    assert store_of(PUT) == "s3"
    assert store_of(Request(method="GET", url="https://h/k")) == "https"


async def test_attempts_and_bodies_add_up() -> None:
    usage = Usage()
    steps: list[Step] = [reply(200, b"abc"), reply(404, b"no"), TransportFailed("reset")]
    transport = CountingTransport(MockTransport(steps), usage)

    for _ in steps:
        with contextlib.suppress(TransportFailed):
            await transport.send(PUT)

    assert usage.stores == {
        "s3": StoreUsage(requests={"PUT": 3}, sent_bytes=15, received_bytes=5, retries=0)
    }
    assert usage.in_flight == 0


async def test_streamed_body_counts_as_it_is_read_and_is_under_way_until_closed() -> None:
    usage, clock = Usage(), Clock()
    transport = CountingTransport(
        MockTransport([reply(200, chunks=[b"abc", b"de"])]), usage, clock=clock
    )

    response = await transport.send(GET)
    assert response.stream is not None
    assert usage.in_flight == 1
    chunks = [chunk async for chunk in response.stream]
    clock.now = 4.0
    for _ in range(2):  # idempotent
        await response.aclose()

    assert chunks == [b"abc", b"de"]
    assert usage.stores["s3"].received_bytes == 5
    assert (usage.in_flight, usage.busy_s) == (0, 4.0)


async def test_most_at_once_and_the_time_of_all_together() -> None:
    usage, clock = Usage(), Clock()
    go = asyncio.Event()

    async def answer(_request: Request) -> Response:
        await go.wait()
        return reply()

    transport = CountingTransport(MockTransport(answer), usage, clock=clock)
    tasks = [asyncio.create_task(transport.send(PUT)) for _ in range(3)]
    await asyncio.sleep(0)
    assert usage.in_flight == 3
    clock.now = 2.0
    go.set()
    await asyncio.gather(*tasks)
    await transport.send(PUT)

    assert (usage.in_flight, usage.most_in_flight, usage.busy_s) == (0, 3, 6.0)


async def test_cancelled_request_is_not_under_way_any_more() -> None:
    usage = Usage()

    async def never(_request: Request) -> Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    task = asyncio.create_task(CountingTransport(MockTransport(never), usage).send(PUT))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (usage.in_flight, usage.most_in_flight) == (0, 1)


async def test_retries_are_what_comes_after_the_first_attempt() -> None:
    usage = Usage()
    config = Config(retry=RetryConfig(base_s=0.001, max_s=0.001, log_threshold=9), usage=usage)

    await stack(MockTransport([reply(500), reply(503), reply()]), config, RetryBudget(9)).send(PUT)

    assert usage.stores["s3"].retries == 2
