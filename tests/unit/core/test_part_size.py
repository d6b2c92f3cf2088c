from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import WriteConfig
from blobio.core.flow import ByteBudget
from blobio.core.writer import PartBuffer, PartWriter, part_size
from blobio.errors import Unsupported
from blobio.testing.faults import Counting
from blobio.values import Capabilities, PutOptions
from tests.unit.core.fakes import DATA, GIB, KIB, MIB, TIB, memory, url

S3 = Capabilities(min_part_bytes=5 * MIB, max_part_bytes=5 * GIB, max_parts=10_000)


def sizes(total: int | None, first: int, limits: Capabilities) -> list[int]:
    return [part_size(index, total, first, limits) for index in range(limits.max_parts)]


def test_ten_thousand_growing_parts_reach_five_tebibytes() -> None:
    grown = sizes(None, 8 * MIB, S3)

    assert sum(grown) >= 5 * TIB
    assert grown[0] == 8 * MIB
    assert max(grown) <= S3.max_part_bytes


def test_parts_stay_small_while_the_blob_is() -> None:
    grown = sizes(None, 8 * MIB, S3)

    assert set(grown[:1000]) == {8 * MIB}
    assert grown[1000] == 16 * MIB


def test_parts_never_shrink() -> None:
    grown = sizes(None, 8 * MIB, S3)

    assert grown == sorted(grown)


def test_equal_parts_do_not_grow() -> None:
    limits = Capabilities(max_parts=10_000, equal_parts=True)

    assert set(sizes(None, 8 * MIB, limits)) == {8 * MIB}


def test_a_part_has_at_least_what_the_store_wants() -> None:
    assert part_size(0, None, 1 * KIB, S3) == 5 * MIB


def test_a_part_has_at_most_what_the_store_takes() -> None:
    assert part_size(0, None, 50 * GIB, S3) == 5 * GIB
    assert part_size(9_999, None, 50 * MIB, S3) == 5 * GIB


@pytest.mark.parametrize("total", [1, 100 * MIB, 80_000 * MIB])
def test_a_known_total_that_fits_keeps_the_usual_size(total: int) -> None:
    assert set(sizes(total, 8 * MIB, S3)) == {8 * MIB}


@given(st.integers(0, 48 * TIB), st.integers(1, 64 * MIB))
def test_a_known_total_gets_equal_parts_that_suffice(total: int, first: int) -> None:
    size = part_size(0, total, first, S3)

    assert part_size(9_999, total, first, S3) == size
    assert size * S3.max_parts >= total
    assert S3.min_part_bytes <= size <= S3.max_part_bytes


def test_a_store_of_few_parts_still_gets_growing_ones() -> None:
    limits = Capabilities(max_parts=4)

    assert sizes(None, 10, limits) == [10, 40, 320, 1280]


def test_a_buffer_takes_what_fits_and_hands_over_its_part() -> None:
    buffer = PartBuffer(4)

    full = [(buffer.fill(memoryview(b"abcdef")), buffer.is_full)]
    full.append((buffer.fill(memoryview(b"ef")), buffer.is_full))
    first = buffer.take()
    full.append((buffer.fill(memoryview(b"ef")), buffer.is_full))

    assert full == [(4, True), (0, True), (2, False)]
    assert [bytes(first), bytes(buffer.take())] == [b"abcd", b"ef"]


async def test_a_writer_asks_for_parts_that_grow() -> None:
    counting = Counting()
    driver = memory(counting, limits=Capabilities(max_parts=4))
    writer = PartWriter(
        driver, url(), PutOptions(), WriteConfig(part_bytes=10, window=2), ByteBudget(10_000)
    )

    await writer.write_all(DATA[:400])

    assert [call.size for call in counting.calls if call.verb == "put_part"] == [10, 40, 320, 30]


async def test_a_writer_that_knows_the_total_sends_equal_parts() -> None:
    counting = Counting()
    driver = memory(counting, limits=Capabilities(max_parts=100))
    writer = PartWriter(
        driver,
        url(),
        PutOptions(size=1000),
        WriteConfig(part_bytes=300, window=2),
        ByteBudget(10_000),
    )

    await writer.write_all(DATA)

    sent = [call.size for call in counting.calls if call.verb == "put_part"]
    assert sorted(sent) == [100, 300, 300, 300]


async def test_a_blob_that_needs_more_parts_than_there_are_is_refused_and_taken_back() -> None:
    counting = Counting()
    driver = memory(counting, limits=Capabilities(max_parts=3, equal_parts=True))
    writer = PartWriter(
        driver, url(), PutOptions(), WriteConfig(part_bytes=10, window=2), ByteBudget(10_000)
    )

    with pytest.raises(Unsupported, match="3 parts"):
        await writer.write_all(DATA[:41])

    assert counting.count("abort") == 1
    assert counting.count("complete") == 0
