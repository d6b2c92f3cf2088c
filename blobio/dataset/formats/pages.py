"""Some pages of the columns of a row group: which ones rows lie in, and how pyarrow decodes them.

pyarrow reads whole column chunks. So it is given a file in memory that is made of the pages that
are wanted: magic, for each column its dictionary and these pages, and a footer with the schema as
it was and one row group, in which each column is said to have as many values as its pages. Columns
have their pages cut at different rows, and are read one by one.

What comes out is checked: the header of each page against the index, and the rows of each column.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, final

import pyarrow as pa
import pyarrow.parquet as pq

from blobio.dataset.formats import thriftcompact as thrift
from blobio.dataset.formats.pageindex import ChunkPlace, Group, Page

if TYPE_CHECKING:
    from blobio.dataset.formats.base import Memory

__all__ = [
    "Column",
    "Leaf",
    "Picked",
    "RowSpan",
    "chunk_span",
    "decode",
    "pick",
    "rewritten",
    "row_count",
    "with_statistics",
]

RowSpan: TypeAlias = tuple[int, int]
"""Rows of a row group, half-open."""

_MAGIC: Final = b"PAR1"
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of the file.

    Attributes:
        index: Its number.
        span: The bytes of its chunk in the shard.
        pages: Its data pages, or None if there is no index of them.
        place: What the footer says of it.
        is_flat: Each row has one value, or null.
    """

    index: int
    span: tuple[int, int]
    pages: tuple[Page, ...] | None
    place: ChunkPlace
    is_flat: bool

    @property
    def dictionary(self) -> tuple[int, int]:
        """The bytes before its first data page."""
        return self.span[0], self.pages[0].start if self.pages else self.span[0]


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, and those of the file that it consists of."""

    name: str
    leaves: tuple[Leaf, ...]


@final
@dataclass(frozen=True, slots=True)
class Picked:
    """What is read of a column.

    Attributes:
        column: The column.
        rows: The rows of it, in order and apart: those of the pages.
        pages: The data pages of each leaf, or None for all of its chunk.
    """

    column: Column
    rows: tuple[RowSpan, ...]
    pages: tuple[tuple[Page, ...] | None, ...]

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the bytes of the shard that are looked at."""
        for leaf, pages in zip(self.column.leaves, self.pages, strict=True):
            if pages is None:
                yield leaf.span
                continue
            if leaf.dictionary[1] > leaf.dictionary[0]:
                yield leaf.dictionary
            for page in pages:
                yield page.start, page.stop


class _Content(NamedTuple):
    """The bytes of a leaf in the file that is made, and what its metadata has to say of them."""

    pieces: list[memoryview]
    num_values: int | None
    uncompressed: int | None
    data_offset: int
    has_dictionary: bool


def chunk_span(chunk: pq.ColumnChunkMetaData) -> tuple[int, int]:
    """Return the bytes of a column chunk in its file.

    Raises:
        ValueError: They cannot be those.
    """
    start = chunk.data_page_offset
    if chunk.dictionary_page_offset:  # 0 stands for none with some writers
        start = min(start, chunk.dictionary_page_offset)
    if start < 0 or chunk.total_compressed_size < 0:
        message = f"a column of {chunk.total_compressed_size} bytes at byte {start}"
        raise ValueError(message)
    return start, start + chunk.total_compressed_size


def row_count(rows: Iterable[RowSpan]) -> int:
    """Return how many rows there are in spans that lie apart."""
    return sum(stop - start for start, stop in rows)


def pick(column: Column, wanted: Sequence[RowSpan], num_rows: int) -> Picked:
    """Return the pages of a column in which rows lie.

    The leaves of a nested column are cut at pages that begin at the same row in all of them, which
    may be none but the first.

    Args:
        column: The column.
        wanted: Rows, in order and apart.
        num_rows: Of the row group.
    """
    if not wanted:
        return Picked(column, (), tuple(() for _ in column.leaves))
    known = [leaf.pages for leaf in column.leaves if leaf.pages is not None]
    common: frozenset[int] = frozenset()
    if len(known) == len(column.leaves):
        starts = (frozenset(page.first_row for page in pages) for pages in known)
        common = frozenset.intersection(*starts)
    cuts = sorted(common | {0, num_rows})
    rows: list[RowSpan] = []
    for start, stop in wanted:
        first = cuts[bisect_right(cuts, start) - 1]
        last = cuts[bisect_left(cuts, stop)]
        if rows and first <= rows[-1][1]:
            rows[-1] = rows[-1][0], max(last, rows[-1][1])
        else:
            rows.append((first, last))
    if rows == [(0, num_rows)]:
        return Picked(column, tuple(rows), tuple(None for _ in column.leaves))
    return Picked(column, tuple(rows), tuple(_between(pages, rows) for pages in known))


def _between(pages: tuple[Page, ...], rows: Iterable[RowSpan]) -> tuple[Page, ...]:
    found: list[Page] = []
    for start, stop in rows:
        first = bisect_left(pages, start, key=lambda page: page.first_row)
        last = bisect_left(pages, stop, key=lambda page: page.first_row)
        while last < len(pages) and pages[last].stop_row == stop:  # pages without rows, of pyarrow
            last += 1
        found += pages[first:last]
    return tuple(found)


def decode(
    footer: bytes,
    group: Group,
    columns: Sequence[Picked],
    wanted: Sequence[RowSpan],
    memory: Memory,
) -> pa.Table:
    """Return the wanted rows of some columns, decoded on this thread.

    Args:
        footer: Of the shard.
        group: Its row group.
        columns: What `pick` has found for the wanted rows.
        wanted: Rows, in order and apart.
        memory: The bytes of all spans of `columns`.

    Raises:
        ValueError, OSError, pyarrow.ArrowException: The bytes are not what the index says.
    """
    pieces: list[memoryview | bytes] = [_MAGIC]
    size = len(_MAGIC)
    chunks: dict[int, bytes] = {}
    for picked in columns:
        for leaf, pages in zip(picked.column.leaves, picked.pages, strict=True):
            content = _content(leaf, pages, memory)
            chunks[leaf.index] = _chunk(footer, leaf, content, size)
            pieces += content.pieces
            size += sum(map(len, content.pieces))
    encoded = [
        chunks.get(number, footer[field.start : field.stop])
        for number, field in enumerate(group.encoded)
    ]
    pieces.append(rewritten(footer, [(max(map(row_count, (p.rows for p in columns))), encoded)]))
    file = pq.ParquetFile(pa.BufferReader(_joined(pieces)), pre_buffer=False)
    found = [_column(file, picked, wanted) for picked in columns]
    return pa.Table.from_arrays(
        [column for _, column in found], schema=pa.schema([field for field, _ in found])
    )


def _column(
    file: pq.ParquetFile, picked: Picked, wanted: Sequence[RowSpan]
) -> tuple[pa.Field, pa.ChunkedArray]:
    """Return the wanted rows of a column, out of those of its pages."""
    name = picked.column.name
    table = file.read_row_group(0, columns=[name], use_threads=False)
    if table.column_names != [name] or table.num_rows != row_count(picked.rows):
        message = f"{table.num_rows} rows in {row_count(picked.rows)} rows of pages of {name!r}"
        raise ValueError(message)
    whole = table.column(0)
    if picked.rows == tuple(wanted):
        return table.schema.field(0), whole
    starts = [start for start, _ in picked.rows]
    before = [0]
    for start, stop in picked.rows:
        before.append(before[-1] + stop - start)
    chunks: list[pa.Array] = []
    for start, stop in wanted:
        at = bisect_right(starts, start) - 1
        part = whole.slice(before[at] + start - starts[at], stop - start)
        chunks += part.chunks
    return table.schema.field(0), pa.chunked_array(chunks, whole.type)


def _content(leaf: Leaf, pages: tuple[Page, ...] | None, memory: Memory) -> _Content:
    if pages is None:
        whole = _bytes(memory, *leaf.span)
        return _Content([whole], None, None, 0, has_dictionary=False)
    pieces: list[memoryview] = []
    values = uncompressed = 0
    dictionary = leaf.dictionary[1] - leaf.dictionary[0]
    if dictionary:
        pieces.append(_bytes(memory, *leaf.dictionary))
        kind, size, _ = _page_header(pieces[0])
        if kind != _DICTIONARY_PAGE:
            message = f"a page of type {kind} before the data pages"
            raise ValueError(message)
        uncompressed += size
    for page in pages:
        pieces.append(_bytes(memory, page.start, page.stop))
        kind, size, counts = _page_header(pieces[-1])
        rows = page.stop_row - page.first_row
        if (
            kind not in (_DATA_PAGE, _DATA_PAGE_V2)
            or (leaf.is_flat and counts[0] != rows)
            or counts[1] not in (None, rows)
        ):
            message = f"a page of type {kind} with {counts} values and rows instead of {rows} rows"
            raise ValueError(message)
        values += counts[0]
        uncompressed += size
    return _Content(pieces, values, uncompressed, dictionary, has_dictionary=dictionary > 0)


def with_statistics(
    footer: bytes, leaf: Leaf, num_values: int, statistics: Iterable[tuple[int, int, bytes]]
) -> bytes:
    """Return a `ColumnChunk` that nobody reads, for what it says of its values."""
    meta = leaf.place.meta
    fields: list[tuple[int, int, bytes]] = [
        (number, meta[number].kind, footer[meta[number].start : meta[number].stop])
        for number in (1, 2, 3, 4)
        if number in meta
    ]
    sizes = {5: num_values, 6: 0, 7: 0, 9: len(_MAGIC)}
    fields += [(number, thrift.I64, thrift.encode_int(value)) for number, value in sizes.items()]
    fields.append((12, thrift.STRUCT, thrift.encode_struct(statistics)))
    return thrift.encode_struct(
        [(2, thrift.I64, thrift.encode_int(0)), (3, thrift.STRUCT, thrift.encode_struct(fields))]
    )


def _page_header(data: memoryview) -> tuple[int, int, tuple[int, int | None]]:
    """Return the type of a page, its bytes before compression, and its values and rows if told."""
    header, end = thrift.struct_at(data)
    kind, uncompressed, compressed = (thrift.integer(data, header.get(n)) for n in (1, 2, 3))
    if end + compressed != len(data) or uncompressed < 0:
        message = f"a page of {end + compressed} bytes where one of {len(data)} bytes should be"
        raise ValueError(message)
    counts: tuple[int, int | None] = 0, None
    number = {_DATA_PAGE: 5, _DATA_PAGE_V2: 8}.get(kind)
    if number is not None:
        field = header.get(number)
        if field is None or field.kind != thrift.STRUCT:
            message = f"a page of type {kind} without its header"
            raise ValueError(message)
        inner, _ = thrift.struct_at(data, field.start)
        values = thrift.integer(data, inner.get(1))
        counts = values, thrift.integer(data, inner.get(3)) if kind == _DATA_PAGE_V2 else None
        if values < 0:
            message = f"a page of {values} values"
            raise ValueError(message)
    return kind, end + uncompressed, counts


def _chunk(footer: bytes, leaf: Leaf, content: _Content, at: int) -> bytes:
    """Return the `ColumnChunk` of a leaf whose content begins at byte `at`."""
    meta = leaf.place.meta
    changed: dict[int, int] = {}
    if content.num_values is None or content.uncompressed is None:  # the chunk as it was
        for number in (9, 11):
            if number in meta and (old := thrift.integer(footer, meta[number])):
                changed[number] = at + old - leaf.span[0]
        kept: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    else:
        kept = (1, 2, 3, 4)
        changed = {
            5: content.num_values,
            6: content.uncompressed,
            7: sum(map(len, content.pieces)),
            9: at + content.data_offset,
        }
        if content.has_dictionary:
            changed[11] = at
    fields = [
        (number, meta[number].kind, footer[meta[number].start : meta[number].stop])
        for number in kept
        if number in meta
    ]
    fields += [(number, thrift.I64, thrift.encode_int(value)) for number, value in changed.items()]
    return thrift.encode_struct(
        [(2, thrift.I64, thrift.encode_int(at)), (3, thrift.STRUCT, thrift.encode_struct(fields))]
    )


def rewritten(footer: bytes, groups: Sequence[tuple[int, Sequence[bytes]]]) -> bytes:
    """Return a footer with other row groups, as the end of a file.

    Args:
        footer: The one to go by: version, schema, metadata, writer and orders of columns.
        groups: Rows and encoded column chunks of each row group.
    """
    fields, _ = thrift.struct_at(footer)
    kept: list[tuple[int, int, bytes]] = [
        (number, fields[number].kind, footer[fields[number].start : fields[number].stop])
        for number in (1, 2, 5, 6, 7)
        if number in fields
    ]
    encoded = [
        thrift.encode_struct(
            [
                (1, thrift.LIST, thrift.encode_list(thrift.STRUCT, chunks)),
                (2, thrift.I64, thrift.encode_int(0)),
                (3, thrift.I64, thrift.encode_int(rows)),
            ]
        )
        for rows, chunks in groups
    ]
    kept.append((3, thrift.I64, thrift.encode_int(sum(rows for rows, _ in groups))))
    kept.append((4, thrift.LIST, thrift.encode_list(thrift.STRUCT, encoded)))
    made = thrift.encode_struct(kept)
    return made + len(made).to_bytes(4, "little") + _MAGIC


def _bytes(memory: Memory, start: int, stop: int) -> memoryview:
    return memoryview(memory.slice(start, stop)).cast("B")


def _joined(pieces: Sequence[memoryview | bytes]) -> pa.Buffer:
    """Return pieces in a buffer of pyarrow's own."""
    buffer = pa.allocate_buffer(sum(map(len, pieces)))
    view = memoryview(buffer).cast("B")
    at = 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return buffer
