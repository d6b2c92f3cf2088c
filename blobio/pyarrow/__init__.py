"""blobio where pyarrow is spoken: a file system for `pyarrow.parquet` and `pyarrow.dataset`.

::

    import pyarrow.parquet as pq
    from blobio.pyarrow import filesystem

    table = pq.read_table("s3://bucket/table.parquet", columns=["loss"], filesystem=filesystem())

Paths are blobio's own: full URLs of any store, and local paths. One file system serves them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyarrow.fs import PyFileSystem

from blobio.pyarrow.handler import BlobHandler

if TYPE_CHECKING:
    from blobio.config import Config

__all__ = ["BlobHandler", "filesystem"]


def filesystem(config: Config | None = None) -> PyFileSystem:
    """Return blobio as a file system of pyarrow; see `BlobHandler` for what its verbs promise.

    It may be used from any thread, goes on in a fork, pickles as its settings, and equals another
    one of the same settings. `pyarrow.fs.SubTreeFileSystem("s3://bucket/data", filesystem())` has
    paths below one directory.

    Args:
        config: All settings; None for `Config.from_env()`, read on first use.
    """
    return PyFileSystem(BlobHandler(config))
