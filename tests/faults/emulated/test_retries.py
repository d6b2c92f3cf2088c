"""Servers that refuse for a while or for ever; and redirects, which an object store never gets."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from blobio.errors import BlobError, RateLimited, RequestFailure
from blobio.testing.faultproxy import Action, Rule, answer, reset
from blobio.testing.scripted import Reply, ScriptedServer
from tests.faults.emulated.grounds import KIB, Ground, Other, pattern_bytes

DATA = pattern_bytes(100 * KIB)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that retries wait, which pass at once."""
    seconds: list[float] = []

    async def sleep(delay_s: float) -> None:
        seconds.append(delay_s)
        await asyncio.sleep(0)

    monkeypatch.setattr("blobio.transport.retry.asyncio", SimpleNamespace(sleep=sleep))
    return seconds


@pytest.mark.parametrize(
    "action",
    [answer(503), answer(500), answer(502), answer(504), answer(408), answer(429), reset()],
    ids=["503", "500", "502", "504", "408", "429", "reset"],
)
async def test_two_refusals_go_unseen(
    s3: Ground, other: Other, action: Action, waits: list[float]
) -> None:
    path = other.put(DATA)
    s3.breaks(Rule(action, times=2))

    async with s3.context() as context:
        assert await context.read_bytes(path) == DATA

    assert len(s3.proxy.requests) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "LIST", "DELETE"])
async def test_every_verb_survives_two_refusals(
    s3: Ground, other: Other, method: str, waits: list[float]
) -> None:
    path = other.put(DATA)
    s3.breaks(Rule(answer(503), times=2))

    async with s3.context() as context:
        match method:
            case "GET":
                assert await context.read_bytes(path) == DATA
            case "PUT":
                await context.write_bytes(path, b"new")
            case "HEAD":
                assert (await context.stat(path)).size == len(DATA)
            case "LIST":
                assert [name async for name in context.listdir(s3.root)] == ["blob"]
            case _:
                await context.rmtree(s3.root)
                assert other.get() is None

    assert len(waits) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(
    s3: Ground, other: Other, status: int, waits: list[float]
) -> None:
    path = other.put(DATA)
    s3.breaks(Rule(answer(status, {"Retry-After": "3"})))

    async with s3.context() as context:
        assert await context.read_bytes(path) == DATA

    assert len(waits) == 1
    assert waits[0] >= 3


async def test_a_retry_after_that_is_too_long_ends_the_retries(
    s3: Ground, other: Other, waits: list[float]
) -> None:
    path = other.put(DATA)
    s3.breaks(Rule(answer(429, {"Retry-After": "86400"}), times=None))

    async with s3.context() as context:
        with pytest.raises(RateLimited):
            await context.read_bytes(path)

    assert not waits
    assert len(s3.proxy.requests) == 1


@pytest.mark.parametrize("action", [answer(503), reset()], ids=["503", "reset"])
async def test_refusals_for_ever_end_in_an_error_that_counts_them(
    s3: Ground, other: Other, action: Action, waits: list[float]
) -> None:
    path = other.put(DATA)
    s3.breaks(Rule(action, times=None))

    async with s3.context() as context:
        with pytest.raises(RequestFailure, match="s3://faults/blob") as caught:
            await context.stat(path)

    assert caught.value.attempts == len(s3.proxy.requests) == s3.config.retry.attempts
    assert len(waits) == s3.config.retry.attempts - 1


async def test_a_page_that_is_refused_loses_no_key_and_repeats_none(
    s3: Ground, other: Other, waits: list[float]
) -> None:
    for i in range(5):
        other.put(b"", f"k{i}")
    s3.breaks(Rule(answer(503), path="list-type", times=2))

    async with s3.context() as context:
        assert [name async for name in context.listdir(s3.root)] == [f"k{i}" for i in range(5)]

    assert len(waits) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_object_store_follows_no_redirect(s3: Ground, other: Other, status: int) -> None:
    path = other.put(DATA)
    with ScriptedServer([Reply(body=b"stolen")]) as elsewhere:
        redirect = answer(status, {"Location": f"{elsewhere.url}/blob"})
        s3.breaks(Rule(redirect, method="GET", times=None))

        async with s3.context() as context:
            with pytest.raises(BlobError):
                await context.read_bytes(path)

        assert not elsewhere.requests
