"""`Selection`: what is read of a manifest: of which shards, which columns, which rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import pyarrow as pa

from blobio.dataset.blocks import Blocks
from blobio.dataset.columns import conform, project
from blobio.dataset.filtering import Filter
from blobio.dataset.formats.parquet import as_file
from blobio.dataset.manifest import Manifest
from blobio.dataset.rows import Rows

__all__ = ["Selection"]


@final
@dataclass(frozen=True)
class Selection:
    """Columns and rows of the shards of a manifest. It pickles.

    Attributes:
        manifest: The shards and their schema.
        columns: Names of the columns, in their order; None for all.
        filter: A condition on rows, on any columns; None for all rows.

    Raises:
        InvalidConfig: A column is unknown.
    """

    manifest: Manifest
    columns: tuple[str, ...] | None
    filter: Filter | None

    def __post_init__(self) -> None:
        _ = self.schema  # a column that is not there is refused now

    @cached_property
    def schema(self) -> pa.Schema:
        """Of what is read."""
        whole = self.manifest.schema
        return whole if self.columns is None else project(whole, self.columns)

    @cached_property
    def read(self) -> tuple[str, ...]:
        """Names of the columns that are fetched: also of those that only the filter looks at."""
        extra = () if self.filter is None else self.filter.columns
        return tuple(dict.fromkeys([*self.schema.names, *extra]))

    @cached_property
    def fetched_schema(self) -> pa.Schema:
        """Of what is fetched."""
        return project(self.manifest.schema, self.read)

    @cached_property
    def blocks(self) -> Blocks:
        """The blocks that can have rows that pass."""
        return Blocks(self.manifest.shards, None if self.filter is None else self._kept)

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits, of shards, versions, schema, columns and filter."""
        digest = hashlib.sha256()
        for shard in self.manifest.shards:
            facts = (shard.url, shard.size, shard.version, shard.format, shard.compression)
            digest.update(repr((facts, list(shard.block_rows))).encode())
        digest.update(repr(tuple(self.schema.names)).encode())
        digest.update(self.schema.remove_metadata().serialize())
        if self.filter is not None:
            digest.update(self.filter.identity)
        return digest.hexdigest()

    def select(self, columns: Sequence[str]) -> Selection:
        """Return some of these columns, in this order, of the same rows."""
        project(self.schema, columns)
        made = replace(self, columns=tuple(columns))
        made.__dict__["blocks"] = self.blocks  # whichever columns are read
        return made

    def part(self, first: int, stop: int) -> Selection:
        """Return the same of shards `first` to `stop` alone, half-open."""
        shards = self.manifest.shards[first:stop]
        return replace(self, manifest=replace(self.manifest, shards=shards, splits={}))

    def rows(self, table: pa.Table | None, spans: Sequence[tuple[int, int]] | None = None) -> Rows:
        """Return what is wanted of fetched columns.

        Args:
            table: Rows of a block, None for no rows.
            spans: Which rows of the block they are, None for all of them.

        Raises:
            ValueError: A column is of another type than that of the schema.
        """
        schema = self.fetched_schema
        table = schema.empty_table() if table is None else conform(table, schema)
        mask = None if self.filter is None else self.filter.mask(table)
        if self.read != tuple(self.schema.names):
            table = table.select(self.schema.names)
        return Rows(table, mask, spans)

    def _kept(self, index: int) -> Sequence[int]:
        """Return the blocks of a shard that can have rows that pass."""
        shard = self.manifest.shards[index]
        assert self.filter is not None
        if shard.format != "parquet":
            return range(len(shard.blocks))
        try:
            return self.filter.row_groups(as_file(shard.footer))
        except (pa.ArrowException, OSError):  # of another schema, or damaged: reading it tells
            return range(len(shard.blocks))
