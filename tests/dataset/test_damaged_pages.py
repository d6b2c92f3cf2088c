"""Damaged page indexes: the rows come from column chunks, or an error names the shard."""

from __future__ import annotations

import contextlib
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio import Context
from blobio.dataset import BadShard, open_source
from blobio.dataset.formats import pageindex
from blobio.dataset.formats import thriftcompact as thrift
from blobio.dataset.source import RowRange
from tests.dataset.conftest import read_all
from tests.dataset.test_paging import shard, wide

URL: Final = "memory://dataset/damaged/a.parquet"
DATA: Final = shard()
FOOTER: Final = len(DATA) - 8 - int.from_bytes(DATA[-8:-4], "little")


def index_start() -> int:
    """Return where the indexes begin, before the footer."""
    footer = DATA[FOOTER:-8]
    _, groups = pageindex.skim(footer, len(DATA))
    group = pageindex.group_of(footer, groups[0], len(DATA))
    return min(chunk.values[0] for chunk in group.chunks if chunk.values)


INDEXES: Final = index_start()


def read_damaged(data: bytes, condition: pc.Expression | None, row: int) -> pa.Table:
    with Context() as context:
        context.write_bytes(URL, data)
    source = open_source(URL, filter=condition)
    return read_all(source, [RowRange(0, row, row + 3)] if source.block_rows else [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(INDEXES, FOOTER - 1), st.integers(0, 255)), min_size=1),
    st.sampled_from([None, pc.field("number") >= 0, pc.field("text") > "row"]),
    st.integers(0, 19_000),
)
def test_damaged_index_gives_no_wrong_rows(
    changes: list[tuple[int, int]], condition: pc.Expression | None, row: int
) -> None:
    """Bounds that lie cannot be told from others, as statistics cannot: rows may be missing."""
    data = bytearray(DATA)
    for place, value in changes:
        data[place] = value

    found = read_damaged(bytes(data), condition, row)

    expected = wide().slice(row, 3)
    if condition is None:
        assert found == expected
    assert set(found["number"].to_pylist()) <= set(expected["number"].to_pylist())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(FOOTER, len(DATA) - 9), st.integers(0, 255)), min_size=1))
def test_damaged_footer_of_an_index_never_kills(changes: list[tuple[int, int]]) -> None:
    """Only our own reading of it: pyarrow reads no footer that was not whole."""
    footer = bytearray(DATA[FOOTER:-8])
    for at, value in changes:
        footer[at - FOOTER] = value
    with contextlib.suppress(ValueError):
        _, groups = pageindex.skim(bytes(footer), len(DATA))
        for place in groups:
            group = pageindex.group_of(bytes(footer), place, len(DATA))
            for chunk in group.chunks:
                for span in filter(None, (chunk.offsets, chunk.values)):
                    assert 0 <= span[0] < span[1] <= len(DATA)


@pytest.mark.parametrize("what", [b"\xff", b"\x00", b"\x19\xfc\xff\xff\xff\x0f"])
def test_index_that_is_overwritten_goes_back_to_column_chunks(what: bytes) -> None:
    size = FOOTER - INDEXES
    data = DATA[:INDEXES] + (what * size)[:size] + DATA[FOOTER:]

    for condition in (None, pc.field("number") < 500):
        assert read_damaged(data, condition, 123) == wide().slice(123, 3)


def test_pages_that_are_others_than_the_index_says_are_damage() -> None:
    """The index is right, a page is not: column chunks are tried, and tell."""
    data = bytearray(DATA)
    data[4:INDEXES] = b"\xff" * (INDEXES - 4)

    with pytest.raises(BadShard, match="rows 0 to 20000"):
        read_damaged(bytes(data), None, 5)


def offsets(*pages: tuple[int, int, int]) -> bytes:
    """Return an offset index of pages: where, how long, and from which row."""
    places = [
        thrift.encode_struct(
            (number, thrift.I64, thrift.encode_int(value)) for number, value in enumerate(page, 1)
        )
        for page in pages
    ]
    return thrift.encode_struct([(1, thrift.LIST, thrift.encode_list(thrift.STRUCT, places))])


@pytest.mark.parametrize(
    "pages",
    [
        [],
        [(3, 10, 0)],  # before its column
        [(4, 97, 0)],  # beyond it
        [(4, 10, 1)],  # not from the first row on
        [(4, 10, 0), (13, 10, 5)],  # one in the other
        [(4, 10, 0), (14, 0, 5)],  # without bytes
        [(4, 10, 0), (14, -3, 5)],
        [(4, 10, 0), (14, 10, 11)],  # beyond the last row
        [(4, 10, 0), (14, 10, 7), (24, 10, 6)],  # backwards
        [(-(2**62), 2**62, 0)],
    ],
)
def test_offsets_that_cannot_be_are_refused(pages: list[tuple[int, int, int]]) -> None:
    with pytest.raises(ValueError, match="offset index"):
        pageindex.offset_index(offsets(*pages), (4, 100), 10)


def test_offsets_that_can_be_are_pages() -> None:
    found = pageindex.offset_index(offsets((4, 10, 0), (14, 20, 7)), (4, 100), 10)

    assert found == (pageindex.Page(4, 14, 0, 7), pageindex.Page(14, 34, 7, 10))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_struct_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        fields, stop = thrift.struct_at(data)
        assert stop <= len(data)
        assert all(field.start <= field.stop <= len(data) for field in fields.values())


def test_structs_in_one_another_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="deep"):
        thrift.struct_at(b"\x1c" * 10_000)


@given(
    st.dictionaries(st.integers(1, 30_000), st.integers(-(2**63), 2**63 - 1)), st.binary(max_size=9)
)
def test_what_is_encoded_is_found(values: dict[int, int], text: bytes) -> None:
    fields = [(number, thrift.I64, thrift.encode_int(value)) for number, value in values.items()]
    data = thrift.encode_struct([*fields, (32_000, thrift.BINARY, thrift.encode_binary(text))])

    found, stop = thrift.struct_at(data)

    assert stop == len(data)
    assert thrift.binary(data, found.pop(32_000)) == text
    assert {number: thrift.integer(data, field) for number, field in found.items()} == values
