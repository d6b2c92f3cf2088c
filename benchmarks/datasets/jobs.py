"""What is done with the shards, and what must come of it: B1 to B4 of the plan of measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from benchmarks.datasets.data import GROUP_ROWS, Size
from benchmarks.datasets.libraries import BATCH_ROWS, Asked, Counts

__all__ = ["JOBS", "Job", "Wrong"]


class Wrong(Exception):
    """A library gave other rows than are stored."""


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        title: What is done, for people.
        asked: Of the library.
        tenth: At how many tenths of the first shard it starts.
        is_first: Only the first batch is taken.
    """

    title: str
    asked: Asked
    tenth: int = 0
    is_first: bool = False

    def asks(self, size: Size) -> Asked:
        """Return what is to be read of so many shards."""
        row = size.groups * GROUP_ROWS * self.tenth // 10
        start = row // BATCH_ROWS * BATCH_ROWS
        return Asked(self.asked.columns, self.asked.as_dicts, start)

    def run(self, counts: Counts, size: Size) -> int:
        """Take rows; return how many.

        Raises:
            Wrong: They do not start where they should, or are too few or too many.
        """
        start = self.asks(size).start
        first, rows = next(counts)
        if first != start:
            message = f"the first row is {first}, not {start}"
            raise Wrong(message)
        if self.is_first:
            return rows
        rows += sum(count for _, count in counts)
        if rows != size.rows - start:
            message = f"{rows} rows of {size.rows - start}"
            raise Wrong(message)
        return rows


_ALL: Final = Asked()
JOBS: Final[Mapping[str, Job]] = {
    "stream": Job("B1 all rows, in batches", _ALL),
    "dicts": Job("B1 all rows, as dicts", Asked(as_dicts=True)),
    "column": Job("B2 one of 5 columns", Asked(columns=["id"])),
    "first": Job("B3 open, first batch", _ALL, is_first=True),
    "resume": Job("B4 open, go on at 90% of a shard", _ALL, tenth=9, is_first=True),
}
