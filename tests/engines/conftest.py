"""A dataset in a real server, for engines whose workers are other processes.

The tests here need the dependency group `engines`: where a program is not installed, its tests are
not collected.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import math
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobio import Context
from blobio.dataset import Dataset, open_dataset
from blobio.testing.emulators import S3Server

_NEEDS: Final = {"test_dask.py": "distributed", "test_grain.py": "jax", "test_ray.py": "ray"}
collect_ignore = [file for file, name in _NEEDS.items() if importlib.util.find_spec(name) is None]

BUCKET: Final = "engines"
SHARDS: Final = 6
ROWS: Final = 300
_numbers: Final = itertools.count(1)


@pytest.fixture(autouse=True)
def nothing_left_open() -> None:
    """Let tests leave files open: engines keep logs and shared memory for as long as they run."""


@pytest.fixture(scope="session")
def bucket(moto: S3Server) -> str:
    moto.make_bucket(BUCKET)
    return f"s3://{BUCKET}"


@pytest.fixture
def rows(moto: S3Server, bucket: str) -> Dataset:
    """Rows 0 to 300 in six shards of two row groups each, in moto."""
    root = f"{bucket}/{next(_numbers)}"
    with Context(moto.config()) as context:
        for number in range(SHARDS):
            out = io.BytesIO()
            pq.write_table(table(number * 50, number * 50 + 50), out, row_group_size=25)
            context.write_bytes(f"{root}/{number}.parquet", out.getvalue())
    return open_dataset(f"{root}/*.parquet", config=moto.config())


def table(start: int, stop: int) -> pa.Table:
    """Return rows, some of whose values are null."""
    numbers = range(start, stop)
    return pa.table(
        {
            "n": pa.array(numbers, pa.int64()),
            "maybe": pa.array([None if n % 3 == 0 else n for n in numbers], pa.int32()),
            "text": pa.array([f"row {n}" for n in numbers], pa.string()),
        }
    )


def task_bytes(rows: Dataset, count: int) -> int:
    """Return what `count` rows take: for pieces of about as many."""
    return math.ceil(rows.tree.row_bytes * count)


def numbers(found: Any) -> list[int]:
    """Return the first column of a part of a dataset: what is called in workers."""
    return [n for batch in found for n in batch.column("n").to_pylist()]
