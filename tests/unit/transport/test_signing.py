from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, reply
from blobio.transport.signing import SigningTransport, SingleFlight


class Source:
    """A token endpoint: each fetch waits for `gate`, then gives the next token."""

    def __init__(self, lifetime_s: float | None = 1000.0) -> None:
        self.now = 0.0
        self.fetches = 0
        self.lifetime_s = lifetime_s
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> tuple[str, float | None]:
        self.fetches += 1
        token = f"token{self.fetches}"
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return token, None if self.lifetime_s is None else self.now + self.lifetime_s


def cache(source: Source) -> SingleFlight[str]:
    return SingleFlight(source.fetch, refresh_before_s=100.0, clock=lambda: source.now)


async def test_reply_tells_what_the_request_was_signed_with() -> None:
    class Signer:
        async def sign(self, request: Request) -> Request:
            return replace(request, credential="canary")

        async def refresh(self, failed: object = None) -> None: ...

        def learn_time(self, server_date: str) -> bool:
            return bool(server_date)

    transport = SigningTransport(MockTransport(lambda _: reply()), Signer())
    response = await transport.send(Request(method="GET", url="https://h/"))

    assert response.credential == "canary"
    request = Request(method="GET", url="https://h/", credential="canary")
    assert "canary" not in f"{response!r} {request!r}"


async def test_only_the_credential_that_failed_is_forgotten() -> None:
    source = Source()
    tokens = cache(source)
    old = await tokens.get()
    tokens.invalidate(old)
    new = await tokens.get()

    tokens.invalidate(old)
    assert await tokens.get() == new
    tokens.invalidate(new)
    assert await tokens.get() != new


async def test_every_attempt_is_signed_anew() -> None:
    class Signer:
        count = 0

        async def sign(self, request: Request) -> Request:
            self.count += 1
            return replace(request, headers={"authorization": str(self.count)})

        async def refresh(self, failed: object = None) -> None: ...

        def learn_time(self, server_date: str) -> bool:
            return bool(server_date)

    inner = MockTransport(lambda _: reply())
    transport = SigningTransport(inner, Signer())

    for _ in range(2):
        await transport.send(Request(method="GET", url="https://h/"))
    await transport.aclose()

    assert [each.headers["authorization"] for each in inner.requests] == ["1", "2"]
    assert inner.closed


async def test_concurrent_callers_share_one_fetch() -> None:
    source = Source()
    source.gate.clear()
    flight = cache(source)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(flight.get()) for _ in range(10)]
        await asyncio.sleep(0)
        source.gate.set()

    assert {task.result() for task in tasks} == {"token1"}
    assert source.fetches == 1


async def test_cancelled_caller_leaves_the_fetch_to_the_others() -> None:
    source = Source()
    source.gate.clear()
    flight = cache(source)
    first = asyncio.create_task(flight.get())
    second = asyncio.create_task(flight.get())
    await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.gate.set()

    assert await second == "token1"
    assert source.fetches == 1


async def test_credential_is_kept_until_shortly_before_it_expires() -> None:
    source = Source()
    flight = cache(source)

    tokens = [await flight.get()]
    for source.now in (899.0, 900.0):
        tokens.append(await flight.get())

    assert tokens == ["token1", "token1", "token2"]


async def test_credential_without_expiry_is_kept() -> None:
    source = Source(lifetime_s=None)
    flight = cache(source)

    await flight.get()
    source.now = 1e9

    assert await flight.get() == "token1"


async def test_failed_early_refresh_keeps_the_old_credential() -> None:
    source = Source()
    flight = cache(source)
    await flight.get()
    source.fault = OSError("endpoint is down")

    tokens = []
    for source.now in (950.0, 951.0, 961.0):
        tokens.append(await flight.get())

    assert tokens == ["token1"] * 3
    assert source.fetches == 3  # the first, and two tries at least ten seconds apart


async def test_failed_refresh_of_an_expired_credential_raises() -> None:
    source = Source()
    flight = cache(source)
    await flight.get()
    source.fault = OSError("endpoint is down")
    source.now = 1001.0

    with pytest.raises(OSError, match="endpoint is down"):
        await flight.get()


async def test_failed_fetch_is_not_remembered() -> None:
    source = Source()
    source.fault = OSError("endpoint is down")
    flight = cache(source)
    with pytest.raises(OSError, match="endpoint is down"):
        await flight.get()

    source.fault = None

    assert await flight.get() == "token2"


async def test_invalidated_credential_is_fetched_again() -> None:
    flight = cache(Source())
    await flight.get()

    flight.invalidate()

    assert await flight.get() == "token2"


async def test_close_ends_a_fetch_under_way() -> None:
    source = Source()
    source.gate.clear()
    flight = cache(source)
    waiting = asyncio.create_task(flight.get())
    await asyncio.sleep(0)

    await flight.aclose()
    await flight.aclose()

    with pytest.raises(asyncio.CancelledError):
        await waiting
