"""A throttle counts on a clock of the test: nothing here waits."""

from __future__ import annotations

import asyncio

import pytest

from blobio.config import Config, HttpConfig, RetryConfig
from blobio.errors import InvalidConfig, TransportFailed
from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, reply
from blobio.transport.retry import RetryBudget
from blobio.transport.stack import stack
from blobio.transport.throttle import Throttle, ThrottledTransport

PUT = Request(method="PUT", url="https://h/k", body=bytes(100), operation="put")
GET = Request(method="GET", url="https://h/k", stream=True, operation="get")


class Time:
    """A clock that only sleeping moves, and what was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def throttle(self, bytes_per_s: int) -> Throttle:
        return Throttle(bytes_per_s, clock=lambda: self.now, sleep=self.sleep)


async def test_bytes_wait_until_they_may_have_passed() -> None:
    time = Time()
    throttle = time.throttle(10)

    for size in (5, 20, 10):
        await throttle.take(size)

    assert time.slept == [0.5, 2.0, 1.0]


async def test_idle_time_is_not_saved_up() -> None:
    time = Time()
    throttle = time.throttle(10)
    await throttle.take(10)

    time.now += 3600
    await throttle.take(10)

    assert time.slept == [1.0, 1.0]


async def test_who_comes_later_waits_behind_those_before() -> None:
    """Nobody's sleep moves the clock: all come at one time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    throttle = Throttle(10, clock=lambda: 0.0, sleep=sleep)

    await asyncio.gather(*[throttle.take(10) for _ in range(3)])

    assert slept == [1.0, 2.0, 3.0]


async def test_both_directions_share_one_rate() -> None:
    time = Time()
    throttle = time.throttle(100)
    inner = MockTransport([reply(200, b"12345"), reply(200, chunks=[bytes(100), bytes(50)])])
    transport = ThrottledTransport(inner, throttle)

    await transport.send(PUT)
    response = await transport.send(GET)
    assert response.stream is not None
    sizes = [len(chunk) async for chunk in response.stream]
    await response.aclose()

    assert sizes == [100, 50]
    assert time.slept == pytest.approx([1.0, 1.05, 0.5])  # the buffered reply is paid afterwards


async def test_what_retries_sent_is_paid_by_the_next() -> None:
    time = Time()
    throttle = time.throttle(100)
    config = Config(retry=RetryConfig(base_s=0.001, max_s=0.001, log_threshold=9))
    inner = MockTransport([reply(500), reply(500), reply(), reply()])
    transport = stack(inner, config, RetryBudget(9), throttle=throttle)

    await transport.send(PUT)
    await transport.send(PUT)

    assert time.slept == pytest.approx([1.0, 3.0])


async def test_what_failed_is_paid_too() -> None:
    time = Time()
    throttle = time.throttle(100)
    transport = ThrottledTransport(
        MockTransport([TransportFailed("reset", attempts=3), reply()]), throttle
    )

    with pytest.raises(TransportFailed):
        await transport.send(PUT)
    await transport.send(PUT)

    assert time.slept == pytest.approx([1.0, 3.0])


async def test_without_a_clock_of_its_own_it_takes_that_of_the_loop() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await Throttle(10, sleep=sleep).take(1_000)

    assert slept == pytest.approx([100.0], abs=1.0)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_of_nothing_is_refused(rate: int) -> None:
    with pytest.raises(InvalidConfig):
        HttpConfig(bytes_per_s=rate)
