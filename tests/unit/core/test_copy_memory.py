"""Streamed copies share one byte budget, which counts what is read as well as what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.copying import copy
from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget, Reservation
from blobio.drivers.base import Driver
from blobio.errors import BlobError, NotFound, PermissionDenied, TransportFailed
from blobio.testing.faults import Call, Counting, Fault, Flaky, Hook, Slow, Wrapped
from blobio.url import BlobUrl
from blobio.values import PutOptions
from tests.unit.core.fakes import DATA, Changing, content, loaded, memory, other_tasks, settled, url

_T = TypeVar("_T")
PART: Final = 100
CONFIG: Final = Config(
    read=ReadConfig(part_bytes=PART, window=4), write=WriteConfig(part_bytes=PART, window=4)
)


def far(key: str) -> BlobUrl:
    return BlobUrl("far", "bucket", key)


@final
class Held:
    """A hook for both ends of a copy: counts the parts that were asked for and are not yet sent."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        if call.verb == "get":
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return await act()
        finally:
            if call.verb in ("put", "put_part"):
                self.now -= 1


async def many(count: int, budget: ByteBudget, *hooks: Hook, size: int = 1000) -> None:
    """Copy so many blobs of `size` bytes at once, and check them."""
    names = [f"key{number}" for number in range(count)]
    source: Driver = await loaded(memory(), dict.fromkeys(names, DATA[:size]))
    store = memory()
    source, target = Wrapped(source, *hooks), Wrapped(store, *hooks)
    await asyncio.gather(
        *(
            copy(
                End(source, url(name)), End(target, far(name)), PutOptions(), Means(CONFIG, budget)
            )
            for name in names
        )
    )
    for name in names:
        assert await content(store, name) == DATA[:size]


async def is_free(budget: ByteBudget, size: int) -> bool:
    """Tell whether so many bytes can be had at once."""
    share = Reservation(budget)
    task = asyncio.ensure_future(share.reserve(size))
    await settled()
    is_done = task.done()
    task.cancel()
    await asyncio.wait([task])
    share.close()
    return is_done


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_parts_being_read_and_parts_being_written_are_counted_together(parts: int) -> None:
    held = Held()
    budget = ByteBudget(parts * PART)

    await many(1, budget, held)

    assert held.most == parts
    assert await is_free(budget, parts * PART)


async def test_copies_at_once_share_the_budget() -> None:
    held = Held()

    await many(20, ByteBudget(5 * PART), held)

    assert held.most == 5


@given(st.integers(1, 8), st.integers(1, 500), st.integers(0, 450))
async def test_any_copies_end_with_any_budget(count: int, budget_bytes: int, size: int) -> None:
    """No part waits, holding its place, for another one that needs a place."""
    budget = ByteBudget(budget_bytes)

    async with asyncio.timeout(5):
        await many(count, budget, size=size)

    assert await is_free(budget, budget_bytes)


async def test_a_source_without_versions_keeps_to_the_budget() -> None:
    held = Held()
    budget = ByteBudget(PART)
    unpinned = Changing("head", lambda meta: meta._replace(version=None))

    async with asyncio.timeout(5):
        await many(8, budget, unpinned, held)

    assert await is_free(budget, PART)


@pytest.mark.parametrize(
    ("verb", "error"),
    [("get", TransportFailed("no", retryable=False)), ("put_part", PermissionDenied("no"))],
)
async def test_a_copy_that_fails_gives_its_bytes_back(verb: str, error: BlobError) -> None:
    budget = ByteBudget(3 * PART)

    with pytest.raises(type(error)):
        await many(1, budget, Flaky(Fault(verb, error, skip=2)))

    assert await is_free(budget, 3 * PART)
    assert not other_tasks()


@pytest.mark.parametrize("verb", ["get", "put_part", "complete"])
async def test_a_copy_that_is_cancelled_leaves_nothing(verb: str) -> None:
    budget = ByteBudget(3 * PART)
    slow, counting = Slow(verb), Counting()
    source: Driver = Wrapped(await loaded(memory(), {"key": DATA}), slow)
    store = memory()
    target = Wrapped(store, counting, slow)
    task = asyncio.ensure_future(
        copy(End(source, url()), End(target, far("copy")), PutOptions(), Means(CONFIG, budget))
    )
    await settled()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(NotFound):
        await store.head("copy")
    assert counting.count("abort") == counting.count("begin_upload")
    assert await is_free(budget, 3 * PART)
    assert not other_tasks()


async def test_a_part_is_sent_before_the_next_one_is_there() -> None:
    source = await loaded(memory(), {"key": DATA})
    reading, writing = Slow("get"), Slow("put_part")
    task = asyncio.ensure_future(
        copy(
            End(Wrapped(source, reading), url()),
            End(memory(writing), far("copy")),
            PutOptions(),
            Means(CONFIG, ByteBudget(2 * PART)),
        )
    )
    await reading.until_held(2)

    reading.let_go()
    await writing.until_held(1)

    assert [call.start for call in writing.held] == [0]
    reading.open()
    writing.open()
    await task


async def test_a_reservation_gives_back_once() -> None:
    budget = ByteBudget(10)
    share = Reservation(budget)
    await share.reserve(6)

    share.release(4)
    share.close()
    share.close()
    share.release(2)

    assert await is_free(budget, 10)
    await budget.acquire(10)
    assert not await is_free(budget, 1)  # as it would be if something had been given back twice


async def test_bytes_count_as_moved_when_they_are_at_the_destination() -> None:
    """Read ahead of a slow destination, they would show a copy as done that has hardly begun."""
    source = await loaded(memory(), {"key": bytes(6 * PART)})
    gate = asyncio.Event()
    reached = asyncio.Event()

    @final
    class Gate:
        async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
            if call.verb == "put_part":
                reached.set()
                await gate.wait()
            return await act()

    told: list[int] = []
    means = Means(CONFIG, ByteBudget(10 * PART), moved=told.append)
    ends = End(source, url()), End(Wrapped(memory(), Gate()), far("copy"))
    task = asyncio.ensure_future(copy(*ends, PutOptions(), means))
    await reached.wait()
    await settled()
    assert told == []

    gate.set()
    await task
    assert told == [PART] * 6
