"""Blocks that need no waiting: batches of mapped Arrow shards, for who asks for a few rows at once.

What a reading does for a block (jobs, their order, counting what waits) takes ten times as long as
to look at a batch that is in memory already. So nothing of it is done here, and every check is: a
block that does not pass them all is none of these, and reading it the long way tells what it has.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import pyarrow as pa

from blobio.dataset.counting import ReadStats, Tally
from blobio.dataset.errors import LOSSES
from blobio.dataset.formats.arrow import ArrowDecoder
from blobio.dataset.lost import Lost
from blobio.dataset.manifest import Block
from blobio.dataset.memory import Mapped
from blobio.dataset.opened import Latest, OpenShards
from blobio.dataset.selection import Selection
from blobio.drivers.local.facts import version_of
from blobio.values import Version

__all__ = ["ReadyBlocks"]

_SHARDS: Final = 1024  # as many as stay mapped
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError)


@final
class ReadyBlocks:
    """The mapped blocks of a selection without a filter. May be used from any thread.

    Args:
        selection: What is read.
        shards: Its shards.
        lost: The blocks that are known to be lost.
        tally: Counts what comes from a cache.
    """

    def __init__(self, selection: Selection, shards: OpenShards, lost: Lost, tally: Tally) -> None:
        self._selection = selection
        self._shards = shards
        self._lost = lost
        self._tally = tally
        self._known: Latest[_Shard | None] = Latest(_SHARDS)

    def get(self, number: int) -> pa.RecordBatch | None:
        """Return a block, without a copy; None if it is to be read the long way.

        A file of the local disk is looked at each time, and must be the one that was indexed.
        """
        if number in self._lost:
            return None
        index, block = self._selection.blocks[number]
        shard = self._known.get(index, self._open)
        if shard is None or not shard.is_current:
            return None
        try:
            batch = shard.batch(block)
        except _DAMAGE:
            return None
        if batch.num_rows != self._selection.blocks.rows[number]:
            return None
        if shard.path is None:
            place = shard.blocks[block]
            size = place.stop - place.start
            self._tally.add(ReadStats(cache_hits=1, cached_bytes=size))
        return batch

    def _open(self, index: int) -> _Shard | None:
        if self._selection.filter is not None:
            return None
        try:
            mapped = self._shards.mapped(index)
            decoder = None if mapped is None else self._shards.decoder(index)
        except (*LOSSES, *_DAMAGE):
            return None
        if mapped is None or not isinstance(decoder, ArrowDecoder):
            return None
        wanted = self._selection.fetched_schema
        found = decoder.plain_schema(mapped)
        places = None if found is None else _places(found, wanted)
        if found is None or not places:
            return None
        shard = self._selection.manifest.shards[index]
        chosen = pa.schema([found.field(place) for place in places], metadata=found.metadata)
        return _Shard(
            mapped=mapped,
            decoder=decoder,
            blocks=shard.blocks,
            path=mapped.path if mapped.keep is None else None,  # nobody changes a copy
            version=shard.version,
            places=None if places == list(range(len(found))) else places,
            schema=None if chosen.equals(wanted, check_metadata=True) else wanted,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """A mapped shard, and how its batches become those that are wanted.

    Attributes:
        path: Of a file that others may change, None for a copy.
        places: Which of its columns are wanted; None for all, as they are.
        schema: What the columns are called instead, None for what they are called.
    """

    mapped: Mapped
    decoder: ArrowDecoder
    blocks: Sequence[Block]
    path: str | None
    version: Version | None
    places: Sequence[int] | None
    schema: pa.Schema | None

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one that was mapped; see `local.check_file`."""
        if self.path is None:
            return True
        try:
            facts = os.stat(self.path)
        except OSError:
            return False
        return self.version is None or version_of(facts) == self.version

    def batch(self, block: int) -> pa.RecordBatch:
        """Return a batch with the columns that are wanted.

        Raises:
            pyarrow.ArrowException, OSError, ValueError: It is damaged.
        """
        batch = self.decoder.batch(block, self.mapped)
        if self.places is not None:
            batch = batch.select(self.places)
        if self.schema is None:
            return batch
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


def _places(found: pa.Schema, wanted: pa.Schema) -> list[int] | None:
    """Return where the wanted columns are, None if not each is there once, and of its type."""
    places = []
    for field in wanted:
        at = found.get_all_field_indices(field.name)
        if len(at) != 1 or found.field(at[0]).type != field.type:
            return None
        places.append(at[0])
    return places
