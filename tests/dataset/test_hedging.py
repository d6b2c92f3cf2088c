"""Slow reads that are sent twice: when, how many, and what becomes of the one that lost."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blobio import Config
from blobio.dataset import Dataset, DatasetConfig, ReadStats, open_source
from blobio.dataset.hedging import Hedges, Tails
from blobio.dataset.source import RowRange
from blobio.errors import InvalidConfig, TransportFailed
from blobio.testing.scripted import End, Received, Reply, ScriptedServer, serving
from tests.dataset.conftest import parquet, table

WARM = 64


class Script:
    """A clock, a timer and a reader in one: each read does what the test says."""

    def __init__(self, share: float = 0.05) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.slow = asyncio.Event()
        self.calls: list[Callable[[memoryview], Any]] = []
        self.ended: list[str] = []
        self.share = share
        self.tails = Tails(clock=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.slow.wait()

    async def readinto(self, start: int, buffer: memoryview) -> int:
        assert start == 0
        number = len(self.ended)
        self.ended.append("running")
        try:
            await self.calls.pop(0)(buffer)
        except BaseException as error:
            self.ended[number] = type(error).__name__
            raise
        self.ended[number] = "done"
        return len(buffer)

    async def read(self, *calls: Callable[[memoryview], Any]) -> bytes:
        self.calls, self.ended = list(calls), []
        data = bytearray(4)
        await self.tails.readinto(self, 0, memoryview(data), place="bucket", share=self.share)
        return bytes(data)

    def after(self, seconds: float, text: bytes = b"good") -> Callable[[memoryview], Any]:
        async def call(buffer: memoryview) -> None:
            self.now += seconds
            buffer[:] = text

        return call

    async def warm(self, reads: int = WARM) -> None:
        for number in range(reads):
            await self.read(self.after(0.2 if number % 16 == 0 else 0.1))


async def forever(buffer: memoryview) -> None:
    """Write what must not stay, and never end."""
    buffer[:] = b"part"
    await asyncio.Event().wait()


async def fail(_: memoryview) -> None:
    raise TransportFailed("no reply")


async def test_second_request_wins_and_the_first_is_cancelled() -> None:
    script = Script()
    await script.warm()
    script.slow.set()

    data = await script.read(forever, script.after(0))

    assert data == b"good"
    assert script.ended == ["CancelledError", "done"]
    assert script.tails.counts == Hedges(reads=WARM + 1, sent=1, won=1, sent_bytes=4)
    assert script.waits == pytest.approx([0.2])  # 95 % took less, and twice the median is as long


async def test_first_request_wins_and_the_second_is_cancelled() -> None:
    script = Script()
    await script.warm()
    script.slow.set()
    sent = asyncio.Event()

    async def first(buffer: memoryview) -> None:
        await sent.wait()
        buffer[:] = b"good"

    async def second(buffer: memoryview) -> None:
        sent.set()
        await forever(buffer)

    assert await script.read(first, second) == b"good"
    assert script.ended == ["done", "CancelledError"]
    assert script.tails.counts == Hedges(reads=WARM + 1, sent=1, won=0, sent_bytes=4)


async def test_a_read_in_time_is_sent_once() -> None:
    script = Script()
    await script.warm()

    assert await script.read(script.after(0)) == b"good"
    assert script.tails.counts.sent == 0


async def test_nothing_is_sent_twice_before_there_are_enough_reads() -> None:
    script = Script()
    script.slow.set()

    await script.warm(WARM)

    assert (script.waits, script.tails.counts.sent) == ([], 0)


async def test_of_two_the_failure_of_one_does_not_matter() -> None:
    script = Script()
    await script.warm()
    script.slow.set()
    failed = asyncio.Event()

    async def wait_and_fail(buffer: memoryview) -> None:
        await failed.wait()
        await fail(buffer)

    async def let_fail(buffer: memoryview) -> None:
        failed.set()
        await asyncio.sleep(0)
        buffer[:] = b"good"

    assert await script.read(wait_and_fail, let_fail) == b"good"
    with pytest.raises(TransportFailed):
        await script.read(wait_and_fail, fail)


async def test_at_most_the_share_is_sent_twice() -> None:
    script = Script(share=0.05)
    await script.warm()
    script.slow.set()

    async def late(buffer: memoryview) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        buffer[:] = b"good"

    for _ in range(400):
        await script.read(late, forever)

    counts = script.tails.counts
    assert 20 <= counts.sent <= 0.05 * counts.reads + 1


async def test_no_share_sends_nothing_twice() -> None:
    script = Script(share=0)
    script.slow.set()

    await script.warm(2 * WARM)

    assert script.waits == []


async def test_cancelled_from_outside_both_end() -> None:
    script = Script()
    await script.warm()
    script.slow.set()
    both = asyncio.Event()

    async def last(buffer: memoryview) -> None:
        both.set()
        await forever(buffer)

    task = asyncio.ensure_future(script.read(forever, last))
    await both.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert script.ended == ["CancelledError", "CancelledError"]


def test_stalled_reply_of_a_server_is_overtaken() -> None:
    data = parquet(table())
    serve, stalled = serving(data), threading.Event()
    armed = threading.Event()

    def handler(request: Received) -> Reply:
        reply = serve(request)
        if armed.is_set() and not stalled.is_set():
            stalled.set()
            return replace(reply, cut=100, end=End.STALL)
        return reply

    async def sleep(_: float) -> None:
        await asyncio.to_thread(stalled.wait)

    with ScriptedServer(handler) as server:
        source = open_source(f"{server.url}/a.parquet", config=Config())
        ds = Dataset(source)
        source._fetcher.tails = Tails(clock=lambda: 0.0, sleep=sleep)
        for _ in range(WARM):
            list(source.read([RowRange(7, 0, 10)]))
        assert source.hedges == Hedges(reads=WARM, sent=0, won=0)
        before = len(server.requests)
        armed.set()

        (batch,) = source.read([RowRange(7, 0, 10)])

    assert batch["number"].to_pylist() == list(range(70, 80))
    size = ds.stats().fetched_bytes // ds.stats().requests
    assert source.hedges == Hedges(reads=WARM + 1, sent=1, won=1, sent_bytes=size)
    told = pickle.loads(pickle.dumps(ds.stats())) + ReadStats(hedges=2)  # noqa: S301 - our own
    assert (told.hedges, told.hedges_won, told.hedged_bytes) == (3, 1, size)
    assert pickle.loads(pickle.dumps(ds)).stats() == ReadStats()  # noqa: S301 - our own
    first, second = server.requests[before:]
    assert first.headers["range"] == second.headers["range"]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(InvalidConfig, match="hedge_share"):
        DatasetConfig(hedge_share=share)
