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

import importlib
from typing import TYPE_CHECKING, Final

from blobio.blocking.context import Context, create_context
from blobio.blocking.default import DEFAULT
from blobio.entries import DirEntry, Stat
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    ConcurrentWriteFailure,
    Conflict,
    CopyIncomplete,
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
from blobio.url import BlobPathLike, BlobUrl

if TYPE_CHECKING:
    from blobio.azureconfig import AzureConfig
    from blobio.blobpath import BlobPath
    from blobio.config import (
        Config,
        GcsConfig,
        HttpConfig,
        ReadConfig,
        RetryConfig,
        S3Config,
        WriteConfig,
    )
    from blobio.hubconfig import HubConfig
    from blobio.transport.message import Request

__all__ = [
    "AlreadyExists",
    "AzureConfig",
    "BlobError",
    "BlobFile",
    "BlobPath",
    "BlobPathLike",
    "BlobUrl",
    "ChecksumMismatch",
    "ConcurrentWrite",
    "ConcurrentWriteFailure",
    "Config",
    "Conflict",
    "Context",
    "CopyIncomplete",
    "DeadlineExceeded",
    "DirEntry",
    "DirectoryNotEmpty",
    "Error",
    "GcsConfig",
    "HttpConfig",
    "HubConfig",
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
    "copytree",
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

BlobFile: Final = DEFAULT.BlobFile
configure: Final = DEFAULT.configure
copy: Final = DEFAULT.copy
copytree: Final = DEFAULT.copytree
exists: Final = DEFAULT.exists
get_url: Final = DEFAULT.get_url
glob: Final = DEFAULT.glob
isdir: Final = DEFAULT.isdir
isfile: Final = DEFAULT.isfile
last_version_seen: Final = DEFAULT.last_version_seen
listdir: Final = DEFAULT.listdir
makedirs: Final = DEFAULT.makedirs
md5: Final = DEFAULT.md5
move: Final = DEFAULT.move
read_bytes: Final = DEFAULT.read_bytes
read_ranges: Final = DEFAULT.read_ranges
read_text: Final = DEFAULT.read_text
remove: Final = DEFAULT.remove
rmdir: Final = DEFAULT.rmdir
rmtree: Final = DEFAULT.rmtree
scandir: Final = DEFAULT.scandir
scanglob: Final = DEFAULT.scanglob
set_mtime: Final = DEFAULT.set_mtime
stat: Final = DEFAULT.stat
walk: Final = DEFAULT.walk
write_bytes: Final = DEFAULT.write_bytes
write_text: Final = DEFAULT.write_text

__version__: Final = "0.1.0"

_LATE: Final = {
    "AzureConfig": "blobio.azureconfig",
    "BlobPath": "blobio.blobpath",
    "Config": "blobio.config",
    "GcsConfig": "blobio.gcsconfig",
    "HttpConfig": "blobio.config",
    "HubConfig": "blobio.hubconfig",
    "ReadConfig": "blobio.config",
    "Request": "blobio.transport.message",
    "RetryConfig": "blobio.config",
    "S3Config": "blobio.config",
    "WriteConfig": "blobio.config",
}


def __getattr__(name: str) -> object:
    """Import settings and paths when they are first named: they cost as much as all the rest."""
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(importlib.import_module(_LATE[name]), name)
    return value
