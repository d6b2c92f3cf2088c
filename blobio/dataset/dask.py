"""A dataset as a frame of dask: its types and the place of each row are known, nothing is inferred.

Imported by `Dataset.to_dask` only, as dask and pandas are optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from blobio.dataset.pieces import batches_of, divide

if TYPE_CHECKING:
    from blobio.dataset.dataset import Dataset

__all__ = ["to_dask"]


def to_dask(dataset: Dataset, task_bytes: int) -> dd.DataFrame:
    """Return a frame of dask: see `Dataset.to_dask`."""
    pieces = divide(dataset, task_bytes, "to_dask")
    meta = _frame(dataset.schema.empty_table(), 0)
    if not pieces:
        return dd.from_pandas(meta, npartitions=1)
    divisions = None
    if not dataset.tree.holes:
        divisions = (*(piece.start for piece in pieces), pieces[-1].stop - 1)
    parts = [_Part(piece.dataset, piece.start) for piece in pieces]
    return dd.from_map(_read, parts, meta=meta, divisions=divisions, label="blobio")


@final
@dataclass(frozen=True, slots=True)
class _Part:
    dataset: Dataset
    start: int


def _read(part: _Part, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a partition; dask gives `columns` if it needs no others."""
    dataset = part.dataset if columns is None else part.dataset.select(list(columns))
    table = pa.Table.from_batches(batches_of(dataset), schema=dataset.schema)
    return _frame(table, part.start)


def _frame(table: pa.Table, start: int) -> pd.DataFrame:
    """Return a frame of Arrow's own types: others change where there are nulls."""
    frame = table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    frame.index = pd.RangeIndex(start, start + table.num_rows)
    return frame
