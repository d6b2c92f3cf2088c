"""Pages of Parquet: any rows of any file that pyarrow writes are those that pyarrow reads of it."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio.dataset.formats import parquet
from blobio.dataset.formats.pages import RowSpan
from tests.dataset.conftest import parquet as written
from tests.dataset.conftest import table

NESTED: Final = pa.struct({"x": pa.int16(), "y": pa.list_(pa.string())})
TYPES: Final = {
    "int": (pa.int64(), st.integers(-(2**40), 2**40)),
    "float": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "text": (pa.string(), st.text(max_size=20)),
    "few": (pa.string(), st.sampled_from(["a", "b", "c" * 50])),
    "code": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["x", "y"])),
    "flag": (pa.bool_(), st.booleans()),
    "list": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(0, 9), max_size=5)),
    "struct": (
        NESTED,
        st.fixed_dictionaries(
            {"x": st.none() | st.integers(0, 99), "y": st.lists(st.text(max_size=5), max_size=3)}
        ),
    ),
    "pairs": (
        pa.list_(pa.struct({"k": pa.string(), "v": pa.int64()})),
        st.lists(
            st.fixed_dictionaries({"k": st.text(max_size=3), "v": st.integers(0, 9)}), max_size=3
        ),
    ),
}

# pyarrow 19 ends some columns of nulls after fewer rows than their pages have, and 26 does not.
_READS_NULL_PAGES = int(pa.__version__.partition(".")[0]) >= 26


class Whole:
    """A file, as what was fetched of it; counts what is looked at."""

    def __init__(self, data: bytes) -> None:
        self._buffer = pa.py_buffer(data)
        self.seen = 0

    def slice(self, start: int, stop: int) -> pa.Buffer:
        assert 0 <= start <= stop <= self._buffer.size
        self.seen += stop - start
        return self._buffer.slice(start, stop - start)


def decoder_of(data: bytes) -> parquet.ParquetDecoder:
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    shard, _ = parquet.shard_of("memory://x/a.parquet", len(data), None, footer)
    return parquet.ParquetDecoder(shard)


def read_rows(data: bytes, block: int, names: list[str], rows: list[RowSpan]) -> pa.Table:
    """Read rows of a row group by their pages."""
    paged = decoder_of(data).paged
    assert paged is not None
    columns = paged.columns(block, names, Whole(data))
    return paged.decode(block, paged.pick(block, columns, rows), rows, Whole(data))


def rows_of(draw: st.DrawFn, num_rows: int) -> list[RowSpan]:
    """Draw some rows, in order and apart."""
    cuts = sorted(draw(st.sets(st.integers(0, num_rows), min_size=2, max_size=6)))
    return list(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def files(draw: st.DrawFn) -> tuple[pa.Table, dict[str, Any], list[RowSpan]]:
    """Draw a table, how it is written, and some of the rows of its first row group."""
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=3, unique=True))
    base = draw(st.integers(2, 8))
    times = draw(st.integers(1, 40))
    columns = {}
    for name in names:
        kind, values = TYPES[name]
        cell = st.none() | values if draw(st.booleans()) else values
        column = pa.array(draw(st.lists(cell, min_size=base, max_size=base)), kind)
        columns[name] = pa.concat_arrays([column] * times)
    options: dict[str, Any] = {
        "data_page_size": draw(st.sampled_from([1, 50, 1000])),
        "write_batch_size": draw(st.sampled_from([1, 7, 64])),
        "use_dictionary": draw(st.booleans()),
        "dictionary_pagesize_limit": draw(st.sampled_from([20, 1 << 20])),
        "compression": draw(st.sampled_from(["none", "snappy", "zstd"])),
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        "write_page_checksum": draw(st.booleans()),
        "store_schema": draw(st.booleans()),
    }
    options["group"] = draw(st.sampled_from([base * times, max(2, base * times // 2)]))
    return pa.table(columns), options, rows_of(draw, min(options["group"], base * times))


def plain(found: pa.Table) -> pa.Table:
    """Return a table without dictionaries, which need not have the same values."""
    for number, column in enumerate(found.columns):
        if pa.types.is_dictionary(column.type):
            found = found.set_column(number, found.column_names[number], column.cast(pa.string()))
    return found


@settings(max_examples=30, deadline=None)
@given(files())
def test_rows_of_pages_are_those_that_pyarrow_reads(
    file: tuple[pa.Table, dict[str, Any], list[RowSpan]],
) -> None:
    content, options, rows = file
    data = written(content, write_page_index=True, **options)

    try:
        found = read_rows(data, 0, content.column_names, rows)
    except ValueError:  # column chunks are read then
        if _READS_NULL_PAGES:
            raise
        return

    group = pq.ParquetFile(pa.BufferReader(data)).read_row_group(0)
    expected = pa.concat_tables([group.slice(start, stop - start) for start, stop in rows])
    assert found.schema == expected.schema
    found.validate(full=True)
    assert plain(found).equals(plain(expected))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_few_rows_take_few_bytes(version: str) -> None:
    data = written(
        table(20_000).select(["number", "text"]),
        group=10_000,
        write_page_index=True,
        data_page_size=1000,
        data_page_version=version,
        use_dictionary=False,
    )
    paged = decoder_of(data).paged
    assert paged is not None
    columns = paged.columns(1, ["number", "text"], Whole(data))
    memory = Whole(data)

    found = paged.decode(1, paged.pick(1, columns, [(700, 703)]), [(700, 703)], memory)

    assert found == table(20_000).select(["number", "text"]).slice(10_700, 3)
    assert memory.seen < len(data) / 10


def test_file_without_an_index_is_not_paged() -> None:
    assert decoder_of(written(table())).paged is None
    dotted = pa.table({"a.b": [1], "a": [2]})
    assert decoder_of(written(dotted, write_page_index=True)).paged is None
