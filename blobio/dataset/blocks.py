"""The blocks of all shards as one sequence: which shard block number `n` is in, and its rows."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import final

from blobio.dataset.manifest import Shard

__all__ = ["Blocks"]


@final
class Blocks:
    """Blocks that have rows, shard after shard. 16 bytes each.

    Args:
        shards: The shards.
        kept: Which blocks of a shard, by its number, are worth reading; None for all.
    """

    def __init__(
        self, shards: Sequence[Shard], kept: Callable[[int], Iterable[int]] | None = None
    ) -> None:
        self._shards = array("I")
        self._numbers = array("I")
        self.rows: array[int] = array("q")
        for index, shard in enumerate(shards):
            rows = shard.block_rows
            numbers: Sequence[int] = range(len(rows)) if kept is None else [*kept(index)]
            if 0 in rows:
                numbers = [number for number in numbers if rows[number]]
            self._shards.extend(repeat(index, len(numbers)))
            self._numbers.extend(numbers)
            self.rows.extend(rows if len(numbers) == len(rows) else [rows[at] for at in numbers])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, block: int) -> tuple[int, int]:
        """Return the number of the shard, and of the block in it."""
        return self._shards[block], self._numbers[block]

    def of(self, shard: int) -> range:
        """Return the blocks that are in a shard, by its number."""
        return range(bisect_left(self._shards, shard), bisect_right(self._shards, shard))
