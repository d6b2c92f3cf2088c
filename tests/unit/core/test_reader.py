from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import ReadConfig
from blobio.core.reader import RangeReader, coalesce
from blobio.errors import (
    NotFound,
    RangeNotSatisfiable,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Slow
from blobio.values import Span, Version
from tests.unit.core.fakes import (
    DATA,
    SMALL,
    memory,
    other_tasks,
    pattern_bytes,
    reader_of,
    stored,
    url,
)

pytestmark = pytest.mark.usefixtures("no_waiting")


# Opening


async def test_open_learns_size_and_version_with_one_head() -> None:
    counting = Counting()
    driver = await stored(counting)

    reader = await RangeReader.open(driver, url(), SMALL)

    assert (reader.size, reader.version) == (1000, "1")
    assert [call.verb for call in counting.calls] == ["head"]


async def test_open_with_another_version_raises() -> None:
    driver = await stored()

    with pytest.raises(VersionMismatch):
        await RangeReader.open(driver, url(), SMALL, version=Version("999"))


async def test_open_of_nothing_raises_not_found() -> None:
    with pytest.raises(NotFound):
        await RangeReader.open(memory(), url(), SMALL)


# Exact ranges


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 10), (95, 105), (990, 2000), (0, 1000), (123, 877), (999, 1000)]
)
@pytest.mark.parametrize("size", [None, 1000])
async def test_read_is_a_slice(start: int, stop: int, size: int | None) -> None:
    driver = await stored()

    assert await reader_of(driver, size=size).read(start, stop) == DATA[start:stop]


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize(("start", "stop"), [(1000, 1001), (5000, 6000), (1000, 1500)])
async def test_read_past_the_end_is_empty(start: int, stop: int, size: int | None) -> None:
    driver = await stored()

    assert await reader_of(driver, size=size).read(start, stop) == b""


async def test_read_of_a_known_size_past_the_end_sends_no_request() -> None:
    counting = Counting()
    driver = await stored(counting)

    assert await reader_of(driver, size=1000).read(1000, 2000) == b""
    assert await reader_of(driver, size=1000).readinto(1500, memoryview(bytearray(500))) == 0
    assert not counting.calls


async def test_read_of_an_empty_range_sends_no_request() -> None:
    counting = Counting()
    driver = await stored(counting)

    assert await reader_of(driver).read(7, 7) == b""
    assert not counting.calls


async def test_read_of_an_empty_blob_of_unknown_size_is_empty() -> None:
    driver = await stored(data=b"")

    reader = reader_of(driver)

    assert await reader.read(0, 100) == b""
    assert reader.size == 0


async def test_a_refused_range_of_a_blob_of_known_size_is_an_error() -> None:
    """The store contradicts itself: what it says is in the blob it does not give."""
    counting = Counting()
    flaky = Flaky(*(Fault("get", RangeNotSatisfiable("no")) for _ in range(9)))
    driver = await stored(counting, flaky)

    with pytest.raises(VersionMismatch, match="ends before byte 5"):
        await reader_of(driver, size=1000).read(5, 10)
    assert counting.count("get") == 4


async def test_a_refused_range_that_a_newer_version_has_is_asked_for_again() -> None:
    """Between the refusal and the look at the size, somebody wrote a larger blob."""
    counting = Counting()
    driver = await stored(counting, Flaky(Fault("get", RangeNotSatisfiable("no"))))

    assert await reader_of(driver).read(5, 10) == DATA[5:10]
    assert [call.verb for call in counting.calls if call.verb != "chunk"] == ["get", "head", "get"]


async def test_readinto_with_unknown_size_learns_it_from_the_first_part() -> None:
    counting = Counting()
    driver = await stored(counting)
    buffer = bytearray(5000)

    count = await reader_of(driver).readinto(700, memoryview(buffer))

    assert buffer[:count] == DATA[700:]
    assert counting.count("get") == 3
    assert counting.count("head") == 0


async def test_a_large_readinto_keeps_a_window_of_parts_in_flight() -> None:
    slow, counting = Slow("get"), Counting()
    driver = await stored(counting, slow)
    buffer = bytearray(1000)
    reading = asyncio.ensure_future(reader_of(driver, size=1000).readinto(0, memoryview(buffer)))

    await slow.until_held(3)
    assert counting.count("get") == 3
    slow.open()

    assert await reading == 1000
    assert buffer == DATA
    assert counting.most_at_once("get") == 3


async def test_parts_that_end_out_of_order_land_in_their_places() -> None:
    slow = Slow("get")
    driver = await stored(slow)
    reading = asyncio.ensure_future(reader_of(driver, size=1000).read(0, 300))

    await slow.until_held(3)
    for index in (2, 1, 0):
        slow.let_go(index)

    assert await reading == DATA[:300]


async def test_cancelling_a_read_leaves_no_request_behind() -> None:
    slow = Slow("get")
    driver = await stored(slow)
    reading = asyncio.ensure_future(reader_of(driver, size=1000).read(0, 1000))
    await slow.until_held(3)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert not slow.held
    assert not other_tasks()


async def test_the_failure_of_one_part_cancels_the_others() -> None:
    slow = Slow("chunk")
    driver = await stored(Flaky(Fault("get", NotFound("gone"), skip=2)), slow)

    with pytest.raises(NotFound):
        await reader_of(driver, size=1000).read(0, 1000)

    assert not slow.held
    assert not other_tasks()


# Many ranges


async def test_read_ranges_returns_them_in_the_order_given() -> None:
    driver = await stored()
    ranges = [(500, 520), (0, 10), (15, 25), (0, 0), (990, 2000), (505, 510), (1000, 1010)]

    found = await reader_of(driver).read_ranges(ranges)

    assert found == [DATA[start:stop] for start, stop in ranges]


async def test_read_ranges_of_nothing_sends_nothing() -> None:
    counting = Counting()
    driver = await stored(counting)

    assert await reader_of(driver).read_ranges([]) == []
    assert not counting.calls


async def test_read_ranges_pins_with_one_request_before_the_others_start() -> None:
    slow, counting = Slow("get"), Counting()
    driver = await stored(counting, slow)
    reading = asyncio.ensure_future(
        reader_of(driver).read_ranges([(0, 10), (100, 110), (200, 210), (300, 310), (400, 410)])
    )

    await slow.until_held(1)
    assert counting.count("get") == 1
    slow.let_go()
    await slow.until_held(3)
    slow.open()

    await reading
    assert counting.count("get") == 5
    assert counting.most_at_once("get") == 3


async def test_read_ranges_past_the_end_of_a_blob_of_unknown_size_are_empty() -> None:
    driver = await stored()

    assert await reader_of(driver).read_ranges([(2000, 2010), (995, 1005)]) == [b"", DATA[995:]]


async def test_read_ranges_refuses_a_range_that_ends_before_it_starts() -> None:
    driver = await stored()

    with pytest.raises(ValueError, match="start <= stop"):
        await reader_of(driver).read_ranges([(10, 5)])


RANGES = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 60)).map(lambda p: (p[0], p[0] + p[1])),
    max_size=12,
)


@given(RANGES, st.integers(0, 40), st.integers(1, 100))
def test_coalescing_covers_every_range_once_within_its_limits(
    ranges: list[tuple[int, int]], gap: int, limit: int
) -> None:
    groups = coalesce(ranges, gap=gap, limit=limit)

    members = sorted(member for _, group in groups for member in group)
    assert members == list(range(len(ranges)))
    for span, group in groups:
        inside = [ranges[member] for member in group]
        assert span == Span(min(s for s, _ in inside), max(e for _, e in inside))
        covered = sorted(inside)
        reached = covered[0][1]
        for start, stop in covered[1:]:
            assert start - reached <= gap
            reached = max(reached, stop)
    starts = [span.start for span, _ in groups]
    assert starts == sorted(starts)


@given(RANGES, st.integers(0, 40), st.integers(1, 100))
def test_only_overlap_makes_a_coalesced_span_longer_than_the_limit(
    ranges: list[tuple[int, int]], gap: int, limit: int
) -> None:
    for span, group in coalesce(ranges, gap=gap, limit=limit):
        reached = span.start
        for start, stop in sorted(ranges[member] for member in group):
            overlaps = start < reached
            assert overlaps or start == span.start or stop - span.start <= limit
            reached = max(reached, stop)


@given(RANGES, st.integers(0, 40), st.integers(1, 100))
def test_neighbours_that_were_not_coalesced_are_far_apart_or_too_long_together(
    ranges: list[tuple[int, int]], gap: int, limit: int
) -> None:
    spans = [span for span, _ in coalesce(ranges, gap=gap, limit=limit)]
    for left, right in pairwise(spans):
        assert right.start - left.stop > gap or right.stop - left.start > limit


def test_coalescing_takes_time_in_proportion_to_the_ranges() -> None:
    """Headers of an Arrow file's batches: 20,000 of them once took a second, on the loop."""
    ranges = [(100 * i, 100 * i + 10) for i in range(50_000)]
    before = time.process_time()

    ((span, members),) = coalesce(ranges, gap=1 << 20, limit=1 << 30)

    assert time.process_time() - before < 2  # it was 7 s, and is 0.05
    assert (span, members) == (Span(0, 4_999_910), tuple(range(50_000)))


@given(RANGES, st.integers(0, 40), st.integers(1, 100))
async def test_coalesced_reads_are_the_plain_slices(
    ranges: list[tuple[int, int]], gap: int, part: int
) -> None:
    data = pattern_bytes(200)
    driver = await stored(data=data, chunk_bytes=7)
    config = ReadConfig(part_bytes=part, window=3, coalesce_bytes=gap)

    found = await reader_of(driver, config).read_ranges(ranges)

    assert found == [data[start:stop] for start, stop in ranges]
