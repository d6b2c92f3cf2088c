from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.core.reader import RangeReader
from blobio.drivers.base import GetResult
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    DeadlineExceeded,
    RequestFailed,
    TransportFailed,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from blobio.values import BlobMeta, PutOptions, Span, Version
from tests.unit.core.fakes import (
    DATA,
    SMALL,
    Bent,
    Breaking,
    Bytes,
    loaded,
    memory,
    reader_of,
    spoiled,
    stored,
    url,
)

pytestmark = pytest.mark.usefixtures("no_waiting")


# Broken bodies


async def test_a_broken_body_is_resumed_at_the_byte_where_it_broke() -> None:
    store = MemoryStore()
    await loaded(memory(store=store), {"key": DATA})
    bent = Bent(MemoryDriver("bucket", store), chunk_bytes=10)
    driver = Wrapped(bent, Breaking(3, 2))

    assert await reader_of(driver, size=1000).read(200, 290) == DATA[200:290]
    assert [o.range for o in bent.gets] == [Span(200, 290), Span(230, 290), Span(250, 290)]


async def test_bodies_that_move_bytes_are_resumed_more_often_than_those_that_do_not() -> None:
    progress = await stored(Breaking(*[1] * 9), chunk_bytes=10)

    assert await reader_of(progress, size=1000).read(0, 100) == DATA[:100]


async def test_resumes_with_progress_end_at_their_limit() -> None:
    counting = Counting()
    driver = await stored(counting, Breaking(*[1] * 9), chunk_bytes=10)
    config = replace(SMALL, resumes=4)

    with pytest.raises(TransportFailed):
        await reader_of(driver, config, size=1000).read(0, 100)
    assert counting.count("get") == 5


@pytest.mark.parametrize("error", [TransportFailed("reset"), DeadlineExceeded("stall")])
async def test_resumes_without_progress_end_after_three(error: BlobError) -> None:
    counting = Counting()
    faults = [Fault("get", error) for _ in range(50)]
    driver = await stored(counting, Flaky(*faults))

    with pytest.raises(type(error)):
        await reader_of(driver, size=1000).read(0, 100)
    assert counting.count("get") == 4


async def test_progress_starts_the_count_of_stuck_resumes_anew() -> None:
    driver = await stored(Breaking(0, 0, 0, 1, 0, 0, 0, 1, 0))

    assert await reader_of(driver, size=1000).read(0, 100) == DATA[:100]


async def test_an_error_that_no_retry_helps_is_raised_at_once() -> None:
    counting = Counting()
    driver = await stored(counting, Breaking(3, error=TransportFailed("tls", retryable=False)))

    with pytest.raises(TransportFailed, match="tls"):
        await reader_of(driver, size=1000).read(0, 100)
    assert counting.count("get") == 1


async def test_a_range_that_fails_verification_is_fetched_again_from_its_start() -> None:
    mismatch = ChecksumMismatch("flipped")
    counting = Counting()
    driver = await stored(counting, Breaking(10, error=mismatch))

    assert await reader_of(driver, size=1000).read(0, 100) == DATA[:100]
    assert counting.count("get") == 2


async def test_a_range_that_always_fails_verification_is_given_up() -> None:
    counting = Counting()
    driver = await stored(counting, Breaking(*[10] * 9, error=ChecksumMismatch("flipped")))

    with pytest.raises(ChecksumMismatch):
        await reader_of(driver, size=1000).read(0, 100)
    assert counting.count("get") == 4


async def test_a_reply_that_serves_less_than_asked_is_followed_by_a_request_for_the_rest() -> None:
    def half(result: GetResult) -> GetResult:
        start, stop = result.span.start, result.span.stop
        middle = start + max(1, (stop - start) // 2)
        return replace(result, span=Span(start, middle), stream=Bytes(DATA[start:middle]))

    assert await reader_of(await spoiled(half)).read(40, 90) == DATA[40:90]
    assert await reader_of(await spoiled(half)).read_all() == DATA


@pytest.mark.parametrize("span", [Span(41, 91), Span(0, 90), Span(40, 91)])
async def test_a_reply_with_bytes_that_were_not_asked_for_is_refused(span: Span) -> None:
    driver = await spoiled(
        lambda result: replace(result, span=span, stream=Bytes(DATA[span.start : span.stop]))
    )

    with pytest.raises(RequestFailed, match="were asked for"):
        await reader_of(driver).read(40, 90)


@pytest.mark.parametrize("chunks", [(), (DATA[:10],)])
async def test_a_body_shorter_than_its_span_never_passes(chunks: tuple[bytes, ...]) -> None:
    driver = await spoiled(lambda result: replace(result, stream=Bytes(*chunks)))

    with pytest.raises(TransportFailed, match="announced"):
        await reader_of(driver, replace(SMALL, resumes=3)).read(0, 90)


# One version


async def test_versions_are_never_mixed() -> None:
    store = MemoryStore()
    plain = memory(store=store)
    await loaded(plain, {"key": DATA})
    reader = await RangeReader.open(plain, url(), SMALL)
    assert await reader.read(0, 100) == DATA[:100]

    await plain.put("key", bytes(1000), PutOptions())

    with pytest.raises(VersionMismatch):
        await reader.read(100, 200)


def described(
    change: Callable[[BlobMeta], BlobMeta], after: int
) -> Callable[[GetResult], GetResult]:
    """Change what replies say of the blob, after the first `after` ones."""
    seen = [0]

    def on_get(result: GetResult) -> GetResult:
        seen[0] += 1
        return replace(result, meta=change(result.meta)) if seen[0] > after else result

    return on_get


async def test_a_store_that_serves_another_version_than_asked_is_refused() -> None:
    driver = await spoiled(described(lambda meta: meta._replace(version=Version("9")), after=1))

    with pytest.raises(VersionMismatch, match="changed underneath"):
        await reader_of(driver).read(0, 1000)


async def test_a_blob_without_versions_whose_size_changes_is_refused() -> None:
    change = described(lambda meta: meta._replace(version=None, size=999), after=1)
    driver = await spoiled(lambda result: replace(change(result), span=result.span))
    reader = reader_of(driver)
    await reader.read(0, 10)
    reader.version = None

    with pytest.raises(VersionMismatch, match="size 1000 is now 999"):
        await reader.read(10, 20)


async def test_a_reply_without_a_version_is_accepted_while_the_size_stays() -> None:
    driver = await spoiled(described(lambda meta: meta._replace(version=None), after=1))

    assert await reader_of(driver).read(0, 1000) == DATA


async def test_a_version_seen_first_in_a_reply_is_pinned() -> None:
    driver = await stored()
    reader = reader_of(driver, size=1000)

    await reader.read(0, 10)

    assert reader.version == "1"


@pytest.mark.parametrize("error", [TransportFailed("reset"), DeadlineExceeded("stall")])
async def test_an_error_that_has_been_retried_is_raised_at_once(error: BlobError) -> None:
    error.retried = True
    counting = Counting()
    driver = await stored(counting, Flaky(*[Fault("get", error) for _ in range(50)]))

    with pytest.raises(type(error)):
        await reader_of(driver, size=1000).read(0, 100)
    with pytest.raises(type(error)):
        await reader_of(driver).read_all()
    assert counting.count("get") == 2
