"""A Parquet shard with a page index: what to fetch for some rows, of the index and of the pages.

It sends nothing. `blobio.dataset.paging` fetches the index, then the pages, and goes back to whole
column chunks wherever something here is in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final

from blobio.dataset.formats import pageindex, pages
from blobio.dataset.formats.pagebounds import Bounds, check_widths, is_ordered, rows_that_can_pass
from blobio.dataset.formats.pageindex import Group
from blobio.dataset.formats.pages import Column, Leaf, Picked, RowSpan, row_count

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from blobio.dataset.filtering import Filter
    from blobio.dataset.formats.base import Memory

__all__ = ["Paged"]

_MOST_FOOTER_BYTES: Final = 4 << 20
"""Larger footers are not looked into: skimming takes about 0.2 s a MiB, once a shard."""

_GROUPS: Final = 64
_PLACE_BYTES: Final = 14
"""Of a page in an offset index, about."""


@final
class Paged:
    """Row groups of one shard, page by page. May be used from any thread.

    Args:
        footer: `FileMetaData`.
        size: Bytes of the shard.
        metadata: The same, as pyarrow has read it.

    Raises:
        ValueError: It has no page index that is of use.
    """

    def __init__(self, footer: bytes, size: int, metadata: pq.FileMetaData) -> None:
        if len(footer) > _MOST_FOOTER_BYTES:
            message = f"a footer of {len(footer)} bytes"
            raise ValueError(message)
        self._footer, self._size, self._metadata = footer, size, metadata
        schema = metadata.schema
        names: list[str] = schema.to_arrow_schema().names
        if len(set(names)) < len(names) or any("." in name for name in names):
            message = f"columns whose parts cannot be told apart: {names}"
            raise ValueError(message)
        self._leaves: dict[str, list[int]] = {name: [] for name in names}
        for index in range(metadata.num_columns):
            self._leaves[schema.column(index).path.split(".")[0]].append(index)
        self._flat = [
            schema.column(index).max_repetition_level == 0 for index in range(metadata.num_columns)
        ]
        _, self._places = pageindex.skim(footer, size)
        if len(self._places) != metadata.num_row_groups:
            message = f"{len(self._places)} row groups instead of {metadata.num_row_groups}"
            raise ValueError(message)
        self._group = lru_cache(_GROUPS)(self._make_group)

    @property
    def num_groups(self) -> int:
        """Row groups of the shard."""
        return len(self._places)

    def _make_group(self, block: int) -> Group:
        group = pageindex.group_of(self._footer, self._places[block], self._size)
        if len(group.chunks) != self._metadata.num_columns:
            message = f"{len(group.chunks)} columns instead of {self._metadata.num_columns}"
            raise ValueError(message)
        return group

    def guess(self, block: int, columns: Sequence[str], rows: Sequence[RowSpan]) -> tuple[int, int]:
        """Return about how many bytes some rows take with their index, and in how many runs.

        Raises:
            ValueError: The row group is damaged.
        """
        num_rows = self._metadata.row_group(block).num_rows
        part = row_count(rows) / max(1, num_rows)
        size = runs = 0
        for chunk, (start, stop) in self._chunks(block, columns):
            if chunk.offsets is None:
                size, runs = size + stop - start, runs + 1
                continue
            index = chunk.offsets[1] - chunk.offsets[0]
            page = (stop - start) / max(1, index // _PLACE_BYTES)
            size += index + round(min(stop - start, part * (stop - start) + page * len(rows)))
            runs += len(rows)
        return size, runs

    def index_spans(
        self, block: int, columns: Sequence[str], bounded: Sequence[str]
    ) -> list[tuple[int, int]]:
        """Return where the offset indexes of `columns` and the column indexes of `bounded` are.

        Raises:
            ValueError: The row group is damaged.
        """
        found = [chunk.offsets for chunk, _ in self._chunks(block, columns)]
        found += [chunk.values for chunk, _ in self._chunks(block, bounded)]
        return sorted(span for span in found if span is not None)

    def is_bounded(self, block: int, columns: Sequence[str]) -> bool:
        """Tell whether any of some columns has a column index that is of use.

        Raises:
            ValueError: The row group is damaged.
        """
        return any(self._has_bounds(block, index) for name in columns for index in self._of(name))

    def _has_bounds(self, block: int, index: int) -> bool:
        chunk = self._group(block).chunks[index]
        return bool(chunk.offsets and chunk.values) and is_ordered(self._metadata, index)

    def index_region(self, *, bounds: bool) -> list[tuple[int, int]]:
        """Return where writers put the indexes of all row groups, one behind the other.

        Args:
            bounds: Column indexes too.

        Raises:
            ValueError: A row group is damaged.
        """
        ends = [self._group(number) for number in {0, self.num_groups - 1}]
        chunks = [chunk for group in ends for chunk in group.chunks]
        kinds = [[chunk.offsets for chunk in chunks if chunk.offsets]]
        if bounds:
            kinds.append([chunk.values for chunk in chunks if chunk.values])
        return sorted(
            (min(start for start, _ in spans), max(stop for _, stop in spans))
            for spans in kinds
            if spans
        )

    def can_pass(
        self,
        block: int,
        columns: Sequence[Column],
        bounded: Sequence[str],
        index: Memory,
        filter: Filter,
    ) -> list[RowSpan]:
        """Return the rows that are in no page that a filter rules out, in order and apart.

        Args:
            block: The row group.
            columns: What `columns` returned.
            bounded: Columns that the filter looks at.
            index: The bytes of all of their indexes.
            filter: The filter.

        Raises:
            ValueError: An index is damaged.
            pyarrow.ArrowException: The filter cannot be evaluated.
        """
        group = self._group(block)
        known: list[Bounds] = []
        for column in columns:
            for leaf in column.leaves if column.name in bounded else ():
                if leaf.pages is None or not self._has_bounds(block, leaf.index):
                    continue
                place = group.chunks[leaf.index].values
                assert place is not None
                data = index.slice(*place).to_pybytes()
                known.append(Bounds(leaf, pageindex.column_index(data, len(leaf.pages))))
                check_widths(self._metadata, known[-1])
        return rows_that_can_pass(
            self._footer, group, known, self._metadata.row_group(block).num_rows, filter.row_groups
        )

    def _of(self, name: str) -> list[int]:
        return self._leaves[name]

    def _chunks(
        self, block: int, columns: Sequence[str]
    ) -> list[tuple[pageindex.ChunkPlace, tuple[int, int]]]:
        group = self._group(block)
        return [
            (group.chunks[index], self._span(block, index))
            for name in columns
            for index in self._of(name)
        ]

    def _span(self, block: int, index: int) -> tuple[int, int]:
        return pages.chunk_span(self._metadata.row_group(block).column(index))

    def columns(self, block: int, names: Sequence[str], index: Memory) -> list[Column]:
        """Return columns with their pages.

        Args:
            block: The row group.
            names: Of the columns.
            index: The bytes of their offset indexes.

        Raises:
            ValueError: An index is damaged, or says what cannot be.
        """
        return [
            Column(name, tuple(self._leaf(block, number, index) for number in self._leaves[name]))
            for name in names
        ]

    def _leaf(self, block: int, number: int, index: Memory) -> Leaf:
        place, span = self._group(block).chunks[number], self._span(block, number)
        found = None
        if place.offsets is not None:
            data = index.slice(*place.offsets).to_pybytes()
            found = pageindex.offset_index(data, span, self._metadata.row_group(block).num_rows)
        return Leaf(number, span, found, place, self._flat[number])

    def pick(self, block: int, columns: Sequence[Column], rows: Sequence[RowSpan]) -> list[Picked]:
        """Return the pages in which rows lie, that are in order and apart."""
        num_rows = self._metadata.row_group(block).num_rows
        return [pages.pick(column, rows, num_rows) for column in columns]

    def decode(
        self, block: int, columns: Sequence[Picked], rows: Sequence[RowSpan], memory: Memory
    ) -> pa.Table:
        """Return rows of some columns; see `pages.decode`."""
        return pages.decode(self._footer, self._group(block), columns, rows, memory)
