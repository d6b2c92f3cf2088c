"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.dataset import Dataset
from blobio.dataset.explaining import Explanation
from blobio.dataset.iterating import BatchIterator, RowIterator
from blobio.dataset.source import RowRange, Source
from blobio.dataset.state import StateDict, StateMismatch
from blobio.dataset.view import RowView

__all__ = [
    "BatchIterator",
    "Dataset",
    "Explanation",
    "RowIterator",
    "RowRange",
    "RowView",
    "Source",
    "StateDict",
    "StateMismatch",
]
