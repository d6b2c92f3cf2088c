"""What programs do through a file system, and what must come of it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from benchmarks.scale import BUCKET, Scale

__all__ = ["JOBS", "Job", "Wrong", "prepared"]

_ROWS: Final = 1_000_000
_GROUP_ROWS: Final = 100_000
_COLUMNS: Final = 8
_SIDE: Final = 40  # chunks of the array in each direction
_CHUNK: Final = 64  # its elements in each direction, of 8 bytes: 32 KiB
_PICKS: Final = 200
_CATS: Final = 1000
_PARQUET: Final = "table.parquet"
_ZARR: Final = "array.zarr"

Files = Callable[..., Any]
"""Makes the file system, for coroutines if it is `asynchronous`."""


class Wrong(Exception):
    """A file system gave something else than was stored."""


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        title: What is done, for people; `{keys}` is how many keys are listed.
        run: Does it, with a file system and the sizes; raises `Wrong`.
    """

    title: str
    run: Callable[[Files, Scale], None]


def prepared() -> dict[str, bytes]:
    """Return the objects of the jobs by key, besides those that all benchmarks have."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import zarr

    draw = np.random.default_rng(1)
    columns = {f"c{number}": draw.random(_ROWS) for number in range(_COLUMNS)}
    columns["c3"] = np.arange(_ROWS, dtype=np.float64)
    file = io.BytesIO()
    pq.write_table(
        pa.table(columns), file, row_group_size=_GROUP_ROWS, use_dictionary=False, compression=None
    )
    store: dict[str, Any] = {}
    side = _SIDE * _CHUNK
    zarr.create_array(
        zarr.storage.MemoryStore(store),
        data=np.arange(side * side, dtype=np.float64).reshape(side, side),
        chunks=(_CHUNK, _CHUNK),
        compressors=None,
    )
    chunks = {f"{_ZARR}/{key}": value.to_bytes() for key, value in store.items()}
    return {_PARQUET: file.getvalue(), **chunks}


def _parquet(files: Files, _scale: Scale) -> None:
    import pyarrow.parquet as pq

    with files().open(f"{BUCKET}/{_PARQUET}", "rb") as file:
        column = pq.ParquetFile(file).read(columns=["c3"]).column("c3")
    if column[_ROWS - 1].as_py() != _ROWS - 1 or len(column) != _ROWS:
        raise Wrong(f"the column ends in {column[-1]}")


def _zarr(files: Files, _scale: Scale) -> None:
    import zarr

    store = zarr.storage.FsspecStore(
        files(asynchronous=True), read_only=True, path=f"{BUCKET}/{_ZARR}"
    )
    array: Any = zarr.open_array(store, mode="r")
    draw = random.Random(1)  # noqa: S311 - places, no secret
    side = _SIDE * _CHUNK
    for _ in range(_PICKS):
        row, column = draw.randrange(_SIDE) * _CHUNK, draw.randrange(_SIDE) * _CHUNK
        block = array[row : row + _CHUNK, column : column + _CHUNK]
        if block[0, 0] != row * side + column:
            raise Wrong(f"the chunk at {row}, {column} begins with {block[0, 0]}")


def _cat(files: Files, scale: Scale) -> None:
    keys = [f"{BUCKET}/{key}" for key in scale.small_keys[:_CATS]]
    found = files().cat(keys)
    if sum(map(len, found.values())) != _CATS * scale.small_bytes:
        raise Wrong(f"{len(found)} objects")


def _find(files: Files, scale: Scale) -> None:
    found = files().find(f"{BUCKET}/keys/")
    if len(found) != scale.key_count:
        raise Wrong(f"{len(found)} keys")


JOBS: Final[Mapping[str, Job]] = {
    "parquet": Job("one of 8 columns of Parquet, 10 row groups", _parquet),
    "zarr": Job(f"{_PICKS} chunks of 32 KiB of a zarr array, in any order", _zarr),
    "cat": Job(f"`cat` of {_CATS:,} x 16 KiB", _cat),
    "find": Job("`find` of {keys:,} keys", _find),
}
