"""Which pages a filter rules out, by the bounds of their values in the column index.

Nothing here evaluates a filter. The rows of a row group are cut wherever a page of a column that
the filter looks at begins, and a footer is made in which each piece is a row group, with the bounds
of its pages as its statistics: so pages are judged by what judges row groups.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

from blobio.dataset.formats import thriftcompact as thrift
from blobio.dataset.formats.pages import Leaf, RowSpan, rewritten, with_statistics

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from blobio.dataset.formats.pageindex import ColumnIndex, Group

__all__ = ["Bounds", "check_widths", "is_ordered", "rows_that_can_pass"]

_MOST_CHUNKS: Final = 50_000
"""Columns times pieces of rows. More take longer to judge than to read."""

_MAGIC: Final = b"PAR1"
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12}


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """A column of the file, and the bounds of its pages."""

    leaf: Leaf
    index: ColumnIndex


def is_ordered(metadata: pq.FileMetaData, index: int) -> bool:
    """Tell whether the bounds of a column hold for all of its values.

    Those of lists say nothing of rows; and NaN lies outside the bounds of floating numbers, where
    `~(x < 5)` would find it.
    """
    column = metadata.schema.column(index)
    floating = column.physical_type in ("FLOAT", "DOUBLE") or column.logical_type.type == "FLOAT16"
    return column.max_repetition_level == 0 and not floating


def check_widths(metadata: pq.FileMetaData, bounds: Bounds) -> None:
    """Look whether bounds are as long as values of their type: pyarrow takes that for granted.

    Raises:
        ValueError: One is not.
    """
    column = metadata.schema.column(bounds.leaf.index)
    width = _WIDTHS.get(column.physical_type, column.length)
    if column.physical_type == "BYTE_ARRAY":
        return
    values = zip(bounds.index.null_pages, bounds.index.mins, bounds.index.maxs, strict=True)
    if any(not null and not len(low) == len(high) == width for null, low, high in values):
        message = f"bounds of column {column.path!r} that are not of {width} bytes"
        raise ValueError(message)


def rows_that_can_pass(
    footer: bytes,
    group: Group,
    known: Sequence[Bounds],
    num_rows: int,
    judge: Callable[[bytes], Sequence[int]],
) -> list[RowSpan]:
    """Return the rows that are in no page that is ruled out, in order and apart.

    Args:
        footer: Of the shard.
        group: Its row group.
        known: Bounds of some of its columns.
        num_rows: Its rows.
        judge: Returns those of the row groups of a file with nothing before its footer that can
            have rows that pass.

    Raises:
        ValueError: An index is damaged.
        pyarrow.ArrowException: The filter cannot be evaluated.
    """
    cuts = sorted({0, num_rows}.union(*(_first_rows(one) for one in known)))
    if not known or len(cuts) * len(group.encoded) > _MOST_CHUNKS:
        return [(0, num_rows)]
    # pyarrow aborts the process if a column is missing. What these say of all rows holds for each.
    others = [footer[field.start : field.stop] for field in group.encoded]
    groups = []
    for start, stop in pairwise(cuts):
        chunks = list(others)
        for one in known:
            chunks[one.leaf.index] = _chunk(footer, one, start, stop)
        groups.append((stop - start, chunks))
    kept = judge(_MAGIC + rewritten(footer, groups))
    found: list[RowSpan] = []
    for number in kept:
        start, stop = cuts[number], cuts[number + 1]
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


def _first_rows(bounds: Bounds) -> list[int]:
    return [page.first_row for page in bounds.leaf.pages or ()]


def _chunk(footer: bytes, bounds: Bounds, start: int, stop: int) -> bytes:
    """Return what is known of the values of rows that lie in one page."""
    index, rows = bounds.index, stop - start
    at = bisect_right(_first_rows(bounds), start) - 1
    fields: list[tuple[int, int, bytes]] = []
    if index.null_pages[at]:
        fields.append((3, thrift.I64, thrift.encode_int(rows)))
    else:
        # how many of these rows are null is known only if none is
        if index.null_counts is not None and index.null_counts[at] == 0:
            fields.append((3, thrift.I64, thrift.encode_int(0)))
        fields.append((5, thrift.BINARY, thrift.encode_binary(index.maxs[at])))
        fields.append((6, thrift.BINARY, thrift.encode_binary(index.mins[at])))
    return with_statistics(footer, bounds.leaf, rows, fields)
