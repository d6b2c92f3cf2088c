"""A source of record batches in memory that counts what is read of it, and looks ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from blobio.dataset import Dataset, RowRange

__all__ = ["MemorySource", "dataset", "numbers"]


class MemorySource:
    """Each batch is a block.

    Attributes:
        log: The blocks that were read, in order.
        open: Iterations that are not at their end.
    """

    def __init__(
        self,
        batches: Sequence[pa.RecordBatch],
        *,
        fingerprint: str = "memory",
        ahead: int = 2,
        keep: pc.Expression | None = None,
    ) -> None:
        self._batches = list(batches)
        self._ahead = ahead
        self._keep = keep
        self.fingerprint = fingerprint
        self.schema: pa.Schema = self._batches[0].schema
        self.block_rows: Sequence[int] = [batch.num_rows for batch in batches]
        self.log: list[int] = []
        self.open = 0

    @property
    def filtered(self) -> bool:
        return self._keep is not None

    def read(self, ranges: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        waiting: deque[RowRange] = deque()
        ranges = iter(ranges)
        self.open += 1
        try:
            while True:
                while len(waiting) <= self._ahead and (found := next(ranges, None)) is not None:
                    waiting.append(found)
                if not waiting:
                    return
                yield self._load(waiting.popleft())
        finally:
            self.open -= 1

    def _load(self, found: RowRange) -> pa.RecordBatch:
        self.log.append(found.block)
        batch = self._batches[found.block].slice(found.start, len(found))
        return batch if self._keep is None else batch.filter(self._keep)


def numbers(block_rows: Sequence[int], *, start: int = 0, name: str = "n") -> list[pa.RecordBatch]:
    """Return blocks of consecutive numbers, and of texts that are no constant width."""
    batches = []
    for count in block_rows:
        values = range(start, start + count)
        batches.append(
            pa.RecordBatch.from_pydict(
                {
                    name: pa.array(values, pa.int64()),
                    f"{name}_text": pa.array(["x" * (v % 7) for v in values], pa.string()),
                }
            )
        )
        start += count
    return batches


def dataset(block_rows: Sequence[int], *, start: int = 0, name: str = "n") -> Dataset:
    """Return a dataset of consecutive numbers in blocks."""
    return Dataset(MemorySource(numbers(block_rows, start=start, name=name)))
