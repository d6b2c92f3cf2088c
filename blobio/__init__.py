r"""One file API over object stores, HTTP and local disk.

::

    import blobio as bf

    with bf.BlobFile("s3://bucket/results.csv", "w") as file:
        file.write("step,loss\n")
    for name in bf.listdir("s3://bucket/"):
        print(name)

The functions are the methods of one default `Context`; `blobio.Context` makes others, and
`blobio.aio` is the same API for `async` programs. Importing this loads no HTTP client and no SDK.
"""

from __future__ import annotations

from typing import Final

from blobio.blocking.context import Context, create_context
from blobio.config import Config, HttpConfig, ReadConfig, RetryConfig, S3Config, WriteConfig
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    ConcurrentWriteFailure,
    Conflict,
    DeadlineExceeded,
    DirectoryNotEmpty,
    Error,
    InvalidConfig,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    RequestFailure,
    RestartableStreamingWriteFailure,
    TransportFailed,
    Unauthenticated,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.paths import basename, dirname, join
from blobio.transport.message import Request
from blobio.url import BlobPathLike, BlobUrl
from blobio.values import DirEntry, Stat

__all__ = [
    "AlreadyExists",
    "BlobError",
    "BlobFile",
    "BlobPathLike",
    "BlobUrl",
    "ChecksumMismatch",
    "ConcurrentWrite",
    "ConcurrentWriteFailure",
    "Config",
    "Conflict",
    "Context",
    "DeadlineExceeded",
    "DirEntry",
    "DirectoryNotEmpty",
    "Error",
    "HttpConfig",
    "InvalidConfig",
    "InvalidUrl",
    "IsDirectory",
    "NotDirectory",
    "NotFound",
    "PermissionDenied",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReadConfig",
    "Request",
    "RequestFailed",
    "RequestFailure",
    "RestartableStreamingWriteFailure",
    "RetryConfig",
    "S3Config",
    "Stat",
    "TransportFailed",
    "Unauthenticated",
    "Unsupported",
    "UploadLost",
    "VersionMismatch",
    "WriteConfig",
    "__version__",
    "basename",
    "configure",
    "copy",
    "create_context",
    "dirname",
    "exists",
    "get_url",
    "glob",
    "isdir",
    "isfile",
    "join",
    "last_version_seen",
    "listdir",
    "makedirs",
    "md5",
    "move",
    "read_bytes",
    "read_ranges",
    "read_text",
    "remove",
    "rmdir",
    "rmtree",
    "scandir",
    "scanglob",
    "set_mtime",
    "stat",
    "walk",
    "write_bytes",
    "write_text",
]

_default: Final = Context()

BlobFile = _default.BlobFile
configure = _default.configure
copy = _default.copy
exists = _default.exists
get_url = _default.get_url
glob = _default.glob
isdir = _default.isdir
isfile = _default.isfile
last_version_seen = _default.last_version_seen
listdir = _default.listdir
makedirs = _default.makedirs
md5 = _default.md5
move = _default.move
read_bytes = _default.read_bytes
read_ranges = _default.read_ranges
read_text = _default.read_text
remove = _default.remove
rmdir = _default.rmdir
rmtree = _default.rmtree
scandir = _default.scandir
scanglob = _default.scanglob
set_mtime = _default.set_mtime
stat = _default.stat
walk = _default.walk
write_bytes = _default.write_bytes
write_text = _default.write_text

__version__: Final = "0.1.0"
