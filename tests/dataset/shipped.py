"""Functions that tests send to other processes: a module that is quick to import there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobio.dataset import Dataset

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fail_at_90", "first_column", "take_number"]


def first_column(rows: Dataset) -> list[object]:
    """Return the values of the first column."""
    return [value for batch in rows for value in batch.column(0).to_pylist()]


def fail_at_90(rows: Dataset) -> int:
    """Fail where the first column has a 90."""
    if 90 in first_column(rows):
        message = "no nineties"
        raise LookupError(message)
    return 0


def take_number(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Keep one column."""
    return batch.select(["number"])
