"""Which requests fetch the spans of a plan, and how memory with their offsets behaves."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset.fetching import HOLE_BYTES, PART_BYTES, parts
from blobio.dataset.memory import Packed, Sparse


def test_spans_close_together_are_one_request() -> None:
    assert parts([(0, 10), (10, 20), (20 + HOLE_BYTES, 30 + HOLE_BYTES)]) == [(0, 30 + HOLE_BYTES)]
    assert parts([(0, 10), (11 + HOLE_BYTES, 20 + HOLE_BYTES)]) == [
        (0, 10),
        (11 + HOLE_BYTES, 20 + HOLE_BYTES),
    ]


def test_long_span_is_cut_evenly() -> None:
    assert parts([(100, 100 + PART_BYTES + 2)]) == [
        (100, 101 + PART_BYTES // 2),
        (101 + PART_BYTES // 2, 102 + PART_BYTES),
    ]


spans = st.lists(
    st.tuples(st.integers(0, 40 * PART_BYTES), st.integers(0, 3 * PART_BYTES)), max_size=20
)


@given(spans)
def test_parts_cover_the_spans_once_and_hardly_more(drawn: list[tuple[int, int]]) -> None:
    wanted = sorted((start, start + length) for start, length in drawn)

    cut = parts(wanted)

    assert all(0 < stop - start <= PART_BYTES for start, stop in cut)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(cut))
    for start, stop in wanted:
        covered = sum(max(0, min(stop, b) - max(start, a)) for a, b in cut)
        assert covered == stop - start
    needed = sum(stop - start for start, stop in _union(wanted))
    assert sum(stop - start for start, stop in cut) <= needed + HOLE_BYTES * len(wanted)


def _union(wanted: list[tuple[int, int]]) -> list[tuple[int, int]]:
    union: list[tuple[int, int]] = []
    for start, stop in wanted:
        if union and start <= union[-1][1]:
            union[-1] = union[-1][0], max(stop, union[-1][1])
        else:
            union.append((start, stop))
    return union


def test_sparse_memory_holds_what_is_written_and_zeros() -> None:
    memory = Sparse(1 << 40)  # a tebibyte of addresses, a page of memory
    memory.fill([(1 << 39, b"there")])
    memory.expect(1 << 30, 1 << 31)

    with memory.view((1 << 39) - 1, (1 << 39) + 6) as view:
        assert bytes(view) == b"\0there\0"


def test_memory_of_an_empty_shard_is_no_special_case() -> None:
    with Sparse(0).view(0, 0) as view:
        assert bytes(view) == b""


def test_packed_memory_keeps_parts_under_their_offsets() -> None:
    memory = Packed([(1000, 1010), (1010, 1020), (5003, 5005)])
    for start, stop, data in (
        (1000, 1010, b"a" * 10),
        (1010, 1020, b"b" * 10),
        (5003, 5005, b"cc"),
    ):
        with memory.view(start, stop) as view:
            view[:] = data

    assert memory.slice(5003, 5005).to_pybytes() == b"cc"
    assert memory.slice(1012, 1014).to_pybytes() == b"bb"
    assert memory.slice(1005, 1008).to_pybytes() == b"aaa"
