"""All tasks by name, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.datasets.access import SINGLES, TAKE
from benchmarks.datasets.caching import SHARED
from benchmarks.datasets.filtering import FILTER
from benchmarks.datasets.loading import LOADERS
from benchmarks.datasets.local import LOCAL
from benchmarks.datasets.mixing import MIX
from benchmarks.datasets.opening import OPEN
from benchmarks.datasets.resuming import RESUMING
from benchmarks.datasets.soaking import SOAK
from benchmarks.datasets.streaming import COLUMN, DICTS, FIRST, STREAM
from benchmarks.datasets.tasks import Task
from benchmarks.datasets.writing import WRITE

__all__ = ["LIBRARIES", "TASKS"]

TASKS: Final[Mapping[str, Task]] = {
    "stream": STREAM,
    "dicts": DICTS,
    "column": COLUMN,
    "filter": FILTER,
    "first": FIRST,
    **RESUMING,
    "take": TAKE,
    "singles": SINGLES,
    **LOADERS,
    "cache": SHARED,
    "mix": MIX,
    "write": WRITE,
    "open": OPEN,
    "soak": SOAK,
    "local": LOCAL,
}

LIBRARIES: Final = ("blobio", "datasets", "pyarrow", "pyarrow+s3fs", "polars")
"""By the names of their packages; one over another with a plus."""
