from __future__ import annotations

import asyncio
from operator import attrgetter

import pytest

from blobio.drivers.base import Driver
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import NotFound, TransportFailed
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.conformance.checks import read
from blobio.testing.faults import Call, Counting, Fault, Flaky, Hook, Slow, Wrapped
from blobio.url import BlobUrl
from blobio.values import BlobMeta, GetOptions, PutOptions, PutResult, SignedUrl

LACKS = {Feature.MISSING_BUCKETS: "every bucket of a memory store exists"}


def wrapped(*hooks: Hook) -> Wrapped:
    return Wrapped(MemoryDriver("bucket", MemoryStore()), *hooks)


class WrappedHarness:
    """A harness whose driver is wrapped in hooks that do nothing."""

    def __init__(self, inner: Driver) -> None:
        self.driver = Wrapped(inner, Counting(), Flaky(), Slow())

    def key(self, name: str) -> str:
        return name

    def url(self, key: str) -> BlobUrl:
        return BlobUrl("memory", "bucket", key)

    async def another_driver(self, authority: str | None = None) -> Driver:
        assert authority is None
        return self.driver

    async def fetch(self, signed: SignedUrl) -> bytes:
        pytest.fail(f"nothing was to be signed: {signed}")

    async def seed(self, name: str, data: bytes) -> str:
        await self.driver.put(name, data, PutOptions())
        return name


@pytest.mark.parametrize(
    "case",
    cases(capabilities_of(BlobUrl("memory", "bucket", "")), LACKS),
    ids=attrgetter("name"),
)
async def test_wrapped_driver_conforms(case: Case) -> None:
    await case.run(WrappedHarness(MemoryDriver("bucket", MemoryStore())))


async def test_fault_happens_once_and_before_the_call() -> None:
    error = TransportFailed("reset")
    driver = wrapped(Flaky(Fault("put", error)))

    with pytest.raises(TransportFailed) as caught:
        await driver.put("key", b"first", PutOptions())
    with pytest.raises(NotFound):
        await driver.head("key")
    await driver.put("key", b"second", PutOptions())

    assert caught.value is error
    assert await read(driver, "key") == b"second"


async def test_committed_fault_loses_only_the_reply() -> None:
    driver = wrapped(Flaky(Fault("put", TransportFailed("reset"), committed=True)))

    with pytest.raises(TransportFailed):
        await driver.put("key", b"content", PutOptions())

    assert await read(driver, "key") == b"content"


async def test_fault_skips_calls_and_keys_it_does_not_name() -> None:
    flaky = Flaky(Fault("put", TransportFailed("reset"), skip=1, key="b"))
    driver = wrapped(flaky)

    for key in ("a", "b", "a"):
        await driver.put(key, b"content", PutOptions())
    with pytest.raises(TransportFailed):
        await driver.put("b", b"content", PutOptions())

    assert flaky.left == ()


async def test_fault_of_a_chunk_breaks_the_body_off() -> None:
    driver = wrapped(Flaky(Fault("chunk", TransportFailed("reset"), skip=1)))
    await driver.put("key", bytes(3 << 20), PutOptions())
    got = 0

    async with await driver.get("key", GetOptions()) as result:
        try:
            async for chunk in result.chunks():
                got += len(chunk)
        except TransportFailed:
            pass
        else:
            pytest.fail("the body ended as if it were whole")

    assert got == 1 << 20


async def test_counting_sees_calls_in_order_and_how_many_run_at_once() -> None:
    counting, slow = Counting(), Slow("head")
    driver = wrapped(counting, slow)
    await driver.put("key", b"content", PutOptions())

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(driver.head("key"))
        await slow.until_held(3)
        slow.open()
    await driver.head("key")

    assert counting.calls[0] == Call("put", "key", size=7)
    assert counting.count("head") == 4
    assert counting.most_at_once("head") == 3


async def test_slow_lets_calls_go_in_the_order_the_test_chooses() -> None:
    slow = Slow("put_part")
    driver = wrapped(slow)
    upload = await driver.begin_upload("key", PutOptions())
    first = asyncio.create_task(upload.put_part(0, 0, b"a"))
    await slow.until_held(1)
    second = asyncio.create_task(upload.put_part(1, 1, b"b"))
    await slow.until_held(2)

    assert [call.start for call in slow.held] == [0, 1]
    slow.let_go(1)
    token = await second
    assert not first.done()
    slow.let_go()

    result = await upload.complete([await first, token], size=2)
    assert isinstance(result, PutResult)


async def test_cancelled_call_is_no_longer_held() -> None:
    slow = Slow("head")
    task = asyncio.create_task(wrapped(slow).head("key"))
    await slow.until_held(1)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert slow.held == ()


async def test_harness_reads_capabilities_without_a_request() -> None:
    root = BlobUrl("memory", "bucket", "")

    async with open_harness(root) as harness:
        meta = await harness.driver.head(await harness.seed("blob", b"content"))

        assert capabilities_of(root) == harness.driver.capabilities
    assert isinstance(meta, BlobMeta)
