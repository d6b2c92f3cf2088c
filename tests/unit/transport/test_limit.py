from __future__ import annotations

import asyncio

import pytest

from blobio.errors import TransportFailed
from blobio.transport.limit import LimitTransport
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport, reply


class Store:
    """Holds every request until it is answered; counts those in flight."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[Response]] = []
        self.sent = 0

    async def handle(self, _: Request) -> Response:
        self.sent += 1
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        return await answer

    async def answer(self, status: int = 200) -> None:
        self.waiting.pop(0).set_result(reply(status))
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def get(host: str = "h", *, stream: bool = False) -> Request:
    return Request(method="GET", url=f"https://{host}/k", stream=stream)


async def test_requests_beyond_the_window_wait() -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 2)

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(limit.send(get()))
        await settle()
        first = store.sent
        await store.answer()
        second = store.sent
        while store.waiting:
            await store.answer()

    assert (first, second, store.sent) == (2, 3, 5)


async def test_hosts_do_not_wait_for_each_other() -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 1)

    async with asyncio.TaskGroup() as group:
        for host in ("a", "b", "a"):
            group.create_task(limit.send(get(host)))
        await settle()
        assert store.sent == 2
        while store.waiting:
            await store.answer()


async def test_stream_keeps_its_place_until_it_is_closed() -> None:
    limit = LimitTransport(MockTransport(lambda _: reply(200, b"body")), 1)
    response = await limit.send(get(stream=True))
    assert response.stream is not None
    body = [chunk async for chunk in response.stream]
    second = asyncio.create_task(limit.send(get()))
    await settle()
    before = second.done()

    await response.stream.aclose()
    await response.stream.aclose()
    await second

    assert body == [b"body"]
    assert not before


async def test_failed_request_frees_its_place() -> None:
    limit = LimitTransport(MockTransport([TransportFailed("reset"), reply()]), 1)
    with pytest.raises(TransportFailed):
        await limit.send(get())

    assert (await limit.send(get())).status == 200


async def test_cancelled_waiter_takes_no_place() -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 1)
    first, second, third = (asyncio.create_task(limit.send(get())) for _ in range(3))
    await settle()

    second.cancel()
    await settle()
    await store.answer()
    await store.answer()

    assert second.cancelled()
    assert (await first).status == (await third).status == 200
    assert store.sent == 2


async def test_waiter_cancelled_together_with_its_admission_passes_the_place_on() -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 1)
    first, second, third = (asyncio.create_task(limit.send(get())) for _ in range(3))
    await settle()

    store.waiting.pop(0).set_result(reply())
    await asyncio.sleep(0)  # `first` resumes and hands its place to `second`
    second.cancel()
    await settle()
    await store.answer()

    assert first.done()
    assert second.cancelled()
    assert (await third).status == 200


async def test_cancelled_request_frees_its_place() -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 1)
    first, second = (asyncio.create_task(limit.send(get())) for _ in range(2))
    await settle()

    first.cancel()
    await settle()
    store.waiting[1].set_result(reply())

    assert (await second).status == 200


@pytest.mark.parametrize("status", [429, 503])
async def test_throttling_halves_the_window_once_per_burst(status: int) -> None:
    store = Store()
    limit = LimitTransport(MockTransport(store.handle), 8)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(limit.send(get()))
        await settle()
        for _ in range(7):
            await store.answer(status)
        burst = limit.window("h")
        group.create_task(limit.send(get()))
        await settle()
        await store.answer()
        await store.answer(status)

    assert burst == 4
    assert limit.window("h") == 2


async def test_window_never_falls_below_one() -> None:
    limit = LimitTransport(MockTransport(lambda _: reply(503)), 4)

    for _ in range(10):
        await limit.send(get())

    assert limit.window("h") == 1


async def test_window_grows_by_one_per_window_of_successes() -> None:
    statuses = iter([503] + [200] * 100)
    limit = LimitTransport(MockTransport(lambda _: reply(next(statuses))), 8)
    await limit.send(get())

    sizes = []
    for _ in range(5):
        await limit.send(get())
        sizes.append(limit.window("h"))
    for _ in range(60):
        await limit.send(get())

    assert sizes == [4, 4, 4, 4, 5]
    assert limit.window("h") == 8


async def test_idle_hosts_are_forgotten() -> None:
    limit = LimitTransport(MockTransport(lambda _: reply()), 4)

    for number in range(50):
        await limit.send(get(f"host{number}"))

    assert limit._windows == {}


async def test_close_closes_the_inner_transport() -> None:
    inner = MockTransport([])

    await LimitTransport(inner, 1).aclose()

    assert inner.closed
