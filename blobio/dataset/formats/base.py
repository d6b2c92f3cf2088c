"""What a format knows of its shards: where the rows of a block lie, and how they become a table.

A format plans and decodes; it sends nothing. `blobio.dataset.fetching` brings the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Decoder", "Plan"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What must be in memory before a block can be decoded.

    Attributes:
        spans: Bytes of the shard to fetch, half-open, in order and apart.
        memory: Bytes of address space that `decode` sees, offset 0 being that of the shard.
        known: Bytes that need no fetching, with their offsets, such as the footer.
        decoded: About how many bytes the rows take once they are decoded.
    """

    spans: tuple[tuple[int, int], ...]
    memory: int
    known: tuple[tuple[int, bytes], ...] = ()
    decoded: int

    @property
    def fetched(self) -> int:
        """Bytes to fetch."""
        return sum(stop - start for start, stop in self.spans)


class Decoder(Protocol):
    """One shard, its footer parsed. Used by many threads at once; holds no bytes of its rows."""

    @property
    def schema(self) -> pa.Schema:
        """All columns of the shard."""
        ...

    def plan(self, block: int, columns: Sequence[str]) -> Plan:
        """Tell what must be fetched for some columns of a block."""
        ...

    def decode(self, block: int, columns: Sequence[str], memory: pa.Buffer) -> pa.Table:
        """Return some columns of a block, all of its rows, in the order of `columns`.

        Raises:
            pyarrow.ArrowException, OSError, ValueError: The bytes are not what they should be.
        """
        ...
