"""What a format knows of its shards: where the rows of a block lie, and how they become a table.

A format plans and decodes; it sends nothing. `blobio.dataset.fetching` brings the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Decoder", "Memory", "Plan"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What must be in memory before a block can be decoded.

    Attributes:
        spans: Bytes of the shard to fetch, half-open, in order and apart.
        decoded: About how many bytes the rows take once they are decoded.
        whole: The decoder wants to look at the shard as a whole, where it will find what was
            fetched, what is known, and zeros. Else it asks for the spans only.
        known: Bytes that need no fetching, with their offsets, such as the footer.
    """

    spans: tuple[tuple[int, int], ...]
    decoded: int
    whole: bool = False
    known: tuple[tuple[int, bytes], ...] = ()

    @property
    def fetched(self) -> int:
        """Bytes to fetch."""
        return sum(stop - start for start, stop in self.spans)


class Memory(Protocol):
    """What was fetched of a shard, under its offsets in the shard."""

    def slice(self, start: int, stop: int) -> pa.Buffer:
        """Return bytes `start` to `stop`, without a copy."""
        ...


class Decoder(Protocol):
    """One shard, its footer parsed. Used by many threads at once; holds no bytes of its rows."""

    def plan(self, block: int, columns: Sequence[str]) -> Plan:
        """Tell what must be fetched for some columns of a block."""
        ...

    def decode(self, block: int, columns: Sequence[str], memory: Memory) -> pa.Table:
        """Return some columns of a block, all of its rows, in the order of `columns`.

        Raises:
            pyarrow.ArrowException, OSError, ValueError: The bytes are not what they should be.
        """
        ...
