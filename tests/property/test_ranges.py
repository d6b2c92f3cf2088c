"""Reads of ranges against slices of the same bytes, whatever the size of parts and gaps."""

from __future__ import annotations

import io
import itertools
from typing import Final, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blobio import Config, Context
from blobio.config import ReadConfig
from blobio.core.context import AsyncContext
from blobio.core.reader import coalesce

Ranges = list[tuple[int, int]]

DATA: Final = bytes(range(256)) * 2
_numbers: Final = itertools.count()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a failure is shrunk first

part_sizes = st.integers(1, 40)
# near the borders of a few parts, which say little elsewhere
blob_sizes = st.tuples(st.integers(0, 5), st.integers(-2, 2))
ranges_of_a_blob: st.SearchStrategy[Ranges] = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))),
    min_size=2,
    max_size=15,
)


def configs(part_bytes: int, window: int = 3, coalesce_bytes: int = 4) -> Config:
    read = ReadConfig(part_bytes=part_bytes, window=window, coalesce_bytes=coalesce_bytes)
    return Config(read=read, buffer_bytes=part_bytes)


def near(part_bytes: int, around: tuple[int, int]) -> int:
    parts, offset = around
    return max(0, parts * part_bytes + offset)


@settings(max_examples=200)
@given(
    size=st.integers(0, 120) | st.integers(80, 120),
    ranges=ranges_of_a_blob,
    part_bytes=part_sizes,
    window=st.integers(1, 4),
    gap=st.integers(0, 20),
    is_pinned=st.booleans(),
)
# a range past the end, asked for before the reply to the other one tells the size
@example(size=1, ranges=[(0, 1), (1, 2)], part_bytes=1, window=2, gap=0, is_pinned=True)
def test_ranges_are_slices(
    *, size: int, ranges: Ranges, part_bytes: int, window: int, gap: int, is_pinned: bool
) -> None:
    path = f"memory://property-ranges/{next(_numbers)}"
    with Context(configs(part_bytes, window, gap)) as context:
        version = context.write_bytes(path, DATA[:size]).version

        found = context.read_ranges(path, ranges, version=version if is_pinned else None)

    assert found == [DATA[:size][start:stop] for start, stop in ranges]


@settings(max_examples=200)
@given(ranges_of_a_blob, st.integers(0, 20), part_sizes)
def test_a_group_of_ranges_wastes_no_more_than_its_gaps(
    ranges: Ranges, gap: int, limit: int
) -> None:
    groups = coalesce(ranges, gap=gap, limit=limit)

    assert sorted(i for _, members in groups for i in members) == list(range(len(ranges)))
    for span, members in groups:
        wanted = {byte for i in members for byte in range(*ranges[i])}
        assert span.start == min(ranges[i][0] for i in members)
        assert span.stop == max(ranges[i][1] for i in members)
        runs = sorted(ranges[i] for i in members)
        unwanted = [byte for byte in range(span.start, span.stop) if byte not in wanted]
        assert len(unwanted) <= gap * (len(runs) - 1)
    for (before, _), (after, _) in itertools.pairwise(groups):
        assert before.stop <= after.start


@settings(max_examples=150)
@given(part_sizes, blob_sizes)
def test_a_whole_blob_of_any_size_is_read(part_bytes: int, around: tuple[int, int]) -> None:
    data = DATA[: near(part_bytes, around)]
    path = f"memory://property-ranges/{next(_numbers)}"
    with Context(configs(part_bytes)) as context:
        context.write_bytes(path, data)

        assert context.read_bytes(path) == data


@settings(max_examples=150)
@given(
    part_bytes=part_sizes,
    blob=blob_sizes,
    position=blob_sizes,
    buffer=blob_sizes,
    size_is_known=st.booleans(),
)
async def test_a_buffer_of_any_size_is_filled(
    *,
    part_bytes: int,
    blob: tuple[int, int],
    position: tuple[int, int],
    buffer: tuple[int, int],
    size_is_known: bool,
) -> None:
    data = DATA[: near(part_bytes, blob)]
    start = near(part_bytes, position)
    into = bytearray(b"\xaa" * near(part_bytes, buffer))
    path = f"memory://property-ranges/{next(_numbers)}"
    async with AsyncContext(configs(part_bytes)) as context:
        await context.write_bytes(path, data)
        reader = context.stores.reader(path, size=len(data) if size_is_known else None)

        count = await reader.readinto(start, memoryview(into))

    expected = data[start : start + len(into)]
    assert bytes(into) == expected + b"\xaa" * (len(into) - len(expected))
    assert count == len(expected)


@settings(max_examples=100)
@given(part_sizes, blob_sizes, blob_sizes, blob_sizes)
def test_a_file_fills_a_buffer_of_any_size(
    part_bytes: int, blob: tuple[int, int], position: tuple[int, int], buffer: tuple[int, int]
) -> None:
    data = DATA[: near(part_bytes, blob)]
    start = near(part_bytes, position)
    into = bytearray(near(part_bytes, buffer))
    path = f"memory://property-ranges/{next(_numbers)}"
    with Context(configs(part_bytes)) as context:
        context.write_bytes(path, data)
        with context.BlobFile(path, "rb") as file:
            file.seek(start)
            count = cast("io.BufferedIOBase", file).readinto(into)

    assert into[:count] == data[start : start + len(into)]
