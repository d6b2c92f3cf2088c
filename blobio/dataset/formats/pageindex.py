"""The page index of Parquet: where the pages of a column are, which rows and values they have.

Structs are `OffsetIndex` and `ColumnIndex` of Parquet's `parquet.thrift`; the footer tells where
they lie, and pyarrow tells only whether they exist. What a damaged or lying index says is refused
here as far as its own facts show it; the rest shows when pages are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, final

from blobio.dataset.formats import thriftcompact as thrift

__all__ = [
    "ChunkPlace",
    "ColumnIndex",
    "Group",
    "Page",
    "column_index",
    "group_of",
    "offset_index",
    "skim",
]

_MOST_INDEX_BYTES: Final = 16 << 20  # of one column of one row group

# Numbers of fields, named as in parquet.thrift.
_FILE_ROW_GROUPS, _FILE_ENCRYPTION, _FILE_SIGNED = 4, 8, 9
_GROUP_COLUMNS = 1
_CHUNK_FILE_PATH, _CHUNK_META, _CHUNK_CRYPTO, _CHUNK_SECRET = 1, 3, 8, 9
_OFFSET_AT, _OFFSET_BYTES, _INDEX_AT, _INDEX_BYTES = 4, 5, 6, 7


class Page(NamedTuple):
    """A data page: its bytes in the shard, with its header, and its rows in the row group."""

    start: int
    stop: int
    first_row: int
    stop_row: int


@final
@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """What the footer says of a column chunk.

    Attributes:
        meta: The fields of its `ColumnMetaData`, in the footer.
        offsets: Where its offset index is, or None.
        values: Where its column index is, or None.
    """

    meta: thrift.Fields
    offsets: tuple[int, int] | None
    values: tuple[int, int] | None


@final
@dataclass(frozen=True, slots=True)
class Group:
    """A row group in the footer: its column chunks, and the same as they are encoded."""

    chunks: tuple[ChunkPlace, ...]
    encoded: tuple[thrift.Field, ...]


@final
@dataclass(frozen=True, slots=True)
class ColumnIndex:
    """Bounds of the values of each page of a column.

    Attributes:
        null_pages: Pages that have nothing but nulls.
        mins: Least values, or less, encoded; without a meaning for null pages.
        maxs: Greatest values, or more, encoded.
        null_counts: Nulls of each page, or None if the writer did not count them.
    """

    null_pages: tuple[bool, ...]
    mins: tuple[bytes, ...]
    maxs: tuple[bytes, ...]
    null_counts: tuple[int, ...] | None


def skim(footer: bytes, size: int) -> tuple[thrift.Fields, list[thrift.Field]]:
    """Return the fields of a footer, and its row groups, which `group_of` looks into.

    Args:
        footer: `FileMetaData`.
        size: Bytes of the file.

    Raises:
        ValueError: It is damaged, or of a file whose pages are not for everybody.
    """
    fields, _ = thrift.struct_at(footer)
    if _FILE_ENCRYPTION in fields or _FILE_SIGNED in fields:
        message = "an encrypted or signed footer"
        raise ValueError(message)
    if len(footer) > size:
        message = f"a footer of {len(footer)} bytes in a file of {size}"
        raise ValueError(message)
    return fields, list(thrift.items(footer, fields.get(_FILE_ROW_GROUPS), thrift.STRUCT))


def group_of(footer: bytes, place: thrift.Field, size: int) -> Group:
    """Return a row group of a footer.

    Raises:
        ValueError: It is damaged, has encrypted columns, or columns in other files.
    """
    fields, _ = thrift.struct_at(footer, place.start)
    encoded = tuple(thrift.items(footer, fields.get(_GROUP_COLUMNS), thrift.STRUCT))
    return Group(tuple(_chunk(footer, one.start, size) for one in encoded), encoded)


def _chunk(footer: bytes, at: int, size: int) -> ChunkPlace:
    fields, _ = thrift.struct_at(footer, at)
    if _CHUNK_FILE_PATH in fields or _CHUNK_CRYPTO in fields or _CHUNK_SECRET in fields:
        message = "a column that is encrypted, or in another file"
        raise ValueError(message)
    meta = fields.get(_CHUNK_META)
    if meta is None or meta.kind != thrift.STRUCT:
        message = "a column chunk that nothing is known of"
        raise ValueError(message)
    return ChunkPlace(
        thrift.struct_at(footer, meta.start)[0],
        _place(footer, fields, _OFFSET_AT, _OFFSET_BYTES, size - len(footer)),
        _place(footer, fields, _INDEX_AT, _INDEX_BYTES, size - len(footer)),
    )


def _place(
    footer: bytes, fields: thrift.Fields, at: int, length: int, end: int
) -> tuple[int, int] | None:
    if at not in fields or length not in fields:
        return None
    start = thrift.integer(footer, fields[at])
    count = thrift.integer(footer, fields[length])
    if start < 0 or not 0 < count <= _MOST_INDEX_BYTES or start + count > end:
        message = f"an index of {count} bytes at byte {start}, before byte {end}"
        raise ValueError(message)
    return start, start + count


def offset_index(data: bytes, chunk: tuple[int, int], num_rows: int) -> tuple[Page, ...]:
    """Return the data pages of a column chunk, in order: all of its rows.

    Args:
        data: Its `OffsetIndex`.
        chunk: The bytes of the column chunk in the file.
        num_rows: Rows of the row group.

    Raises:
        ValueError: It is damaged, or says what cannot be.
    """
    fields, _ = thrift.struct_at(data)
    found: list[tuple[int, int, int]] = []
    for item in thrift.items(data, fields.get(1), thrift.STRUCT):
        one, _ = thrift.struct_at(data, item.start)
        at, size, row = (thrift.integer(data, one.get(number)) for number in (1, 2, 3))
        found.append((at, size, row))
    if not found or found[0][0] < chunk[0] or found[0][2] != 0:
        message = f"an offset index whose first page is {found[:1]} in a column at {chunk}"
        raise ValueError(message)
    ends = [row for _, _, row in found[1:]] + [num_rows]
    pages = tuple(
        Page(at, at + size, row, end) for (at, size, row), end in zip(found, ends, strict=True)
    )
    if (
        any(page.stop <= page.start or page.stop_row < page.first_row for page in pages)
        or any(one.stop > other.start for one, other in pairwise(pages))
        or pages[-1].stop > chunk[1]
    ):
        message = f"an offset index with pages out of order, or outside of {chunk}"
        raise ValueError(message)
    return pages


def column_index(data: bytes, pages: int) -> ColumnIndex:
    """Return the bounds of the pages of a column chunk.

    Args:
        data: Its `ColumnIndex`.
        pages: How many pages there are.

    Raises:
        ValueError: It is damaged, or one of another number of pages.
    """
    fields, _ = thrift.struct_at(data)
    null_pages = tuple(
        thrift.boolean(data, item) for item in thrift.items(data, fields.get(1), thrift.TRUE)
    )
    mins, maxs = (
        tuple(thrift.binary(data, item) for item in thrift.items(data, fields.get(n), 8))
        for n in (2, 3)
    )
    counts: Sequence[int] | None = None
    if 5 in fields:  # noqa: PLR2004 - null_counts
        counts = [thrift.integer(data, item) for item in thrift.items(data, fields[5], thrift.I64)]
    lengths = {len(null_pages), len(mins), len(maxs), pages if counts is None else len(counts)}
    if lengths != {pages}:
        message = f"a column index of {sorted(lengths)} instead of {pages} pages"
        raise ValueError(message)
    return ColumnIndex(null_pages, mins, maxs, None if counts is None else tuple(counts))
