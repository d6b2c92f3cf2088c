"""What users are told of a blob (`Stat`) and of a name in a directory (`DirEntry`).

Apart from `blobio.values` since these are part of the public face, whose import must be quick: a
dataclass of the kind used there costs a millisecond to make, these almost nothing.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DirEntry", "Stat"]


class Stat(NamedTuple):
    """blobfile's view of one blob.

    Attributes:
        size: Bytes.
        mtime: Seconds since the epoch; the `blobfile-mtime` metadata where it is set.
        ctime: Seconds since the epoch.
        md5: Hex MD5, or None if the store does not hold one.
        version: Opaque version, or None.
    """

    size: int
    mtime: float
    ctime: float
    md5: str | None
    version: str | None


class DirEntry(NamedTuple):
    """One name in a directory.

    Attributes:
        path: Full path or URL, without a trailing `/`.
        name: The last component of `path`.
        is_dir: It is a directory.
        is_file: It is a blob or file. A key `a` beside keys `a/...` gives two entries.
        stat: For blobs what the listing tells, for directories None.
    """

    path: str
    name: str
    is_dir: bool
    is_file: bool
    stat: Stat | None
