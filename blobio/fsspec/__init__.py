"""blobio where fsspec is spoken: pandas, pyarrow, zarr, dask, `datasets` and the rest.

Installing blobio gives fsspec the protocols `blobios3`, `blobiogs`, `blobioaz`, `blobiohttps`,
`blobiohttp`, `blobiohf`, `blobiomemory` and `blobiofile`, and takes nobody's place::

    pandas.read_parquet("blobios3://bucket/table.parquet")

`register("s3", "https")` serves the plain names too, in this process, until `unregister`; the
environment variable `BLOBIO_FSSPEC=s3,https` does so when blobio's fsspec module is imported.
"""

from __future__ import annotations

from blobio.fsspec.filesystem import BlobFileSystem
from blobio.fsspec.schemes import (
    AzureFileSystem,
    GcsFileSystem,
    HttpFileSystem,
    HttpsFileSystem,
    HubFileSystem,
    LocalFileSystem,
    MemoryFileSystem,
    S3FileSystem,
    register,
    unregister,
)

__all__ = [
    "AzureFileSystem",
    "BlobFileSystem",
    "GcsFileSystem",
    "HttpFileSystem",
    "HttpsFileSystem",
    "HubFileSystem",
    "LocalFileSystem",
    "MemoryFileSystem",
    "S3FileSystem",
    "register",
    "unregister",
]
