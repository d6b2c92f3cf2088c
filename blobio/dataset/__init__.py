"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.errors import BadShard, Skipped
from blobio.dataset.memory import set_memory_bytes
from blobio.dataset.opening import field, open_dataset, open_source

__all__ = [
    "BadShard",
    "Skipped",
    "field",
    "open_dataset",
    "open_source",
    "set_memory_bytes",
]
