from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.checksum import crc32c
from blobio.core import streamcheck
from blobio.core.streamcheck import StreamCheck
from tests.unit.core.fakes import DATA, url

SIZE = len(DATA)


async def verdict(spans: Sequence[tuple[int, int]], data: bytes) -> bool:
    check = StreamCheck(url(), SIZE, crc32c(DATA))
    return all([await check.passes(start, data[start:stop]) for start, stop in spans])


def flipped(place: int) -> bytes:
    return DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]


@given(cuts=st.sets(st.integers(1, SIZE - 1)), place=st.integers(0, SIZE - 1))
async def test_reads_from_front_to_back_are_checked(cuts: set[int], place: int) -> None:
    edges = [0, *sorted(cuts), SIZE]
    spans = list(itertools.pairwise(edges))

    assert await verdict(spans, DATA)
    assert not await verdict(spans, flipped(place))


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 600), (400, SIZE)],
        [(0, 600), (200, 300), (600, SIZE)],
        [(0, 300), (900, SIZE), (300, SIZE)],
        [(0, 600), (0, 100), (100, SIZE)],
    ],
    ids=["overlap", "look back", "look ahead", "anew"],
)
async def test_reads_that_make_up_the_whole_in_another_way_are_checked(
    spans: list[tuple[int, int]],
) -> None:
    assert await verdict(spans, DATA)
    assert not await verdict(spans, flipped(50))


@pytest.mark.parametrize("spans", [[(10, SIZE)], [(0, 300), (301, SIZE)], [(0, SIZE - 1)]])
async def test_reads_that_are_not_the_whole_pass(spans: list[tuple[int, int]]) -> None:
    assert await verdict(spans, flipped(350))


async def test_last_bytes_can_be_tried_again_but_wrong_ones_before_them_stay_wrong() -> None:
    check = StreamCheck(url(), SIZE, crc32c(DATA))
    await check.passes(0, DATA[:500])

    assert not await check.passes(500, flipped(600)[500:])
    assert await check.passes(500, DATA[500:])
    assert await check.passes(0, flipped(0)[:500])
    assert not await check.passes(500, DATA[500:])
    assert not await check.passes(500, DATA[500:])


async def test_large_blocks_are_checked_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamcheck, "_IN_THREAD_BYTES", 10)

    assert await verdict([(0, 500), (500, SIZE)], DATA)
    assert not await verdict([(0, 500), (500, SIZE)], flipped(0))


def test_failure_names_the_blob() -> None:
    assert str(url()) in str(StreamCheck(url(), SIZE, 1).failure())
