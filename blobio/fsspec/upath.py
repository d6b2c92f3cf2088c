"""blobio's protocols as paths of universal_pathlib: `UPath("blobios3://bucket/key", **options)`.

universal_pathlib loads this by the entry points of its group `universal_pathlib.implementations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import fsspec

if TYPE_CHECKING:

    class UPath:
        """What `BlobUPath` inherits; it need not be there where types are checked."""
else:
    from upath import UPath

__all__ = ["BlobUPath"]

_PROTOCOLS: Final = (
    "blobios3",
    "blobiogs",
    "blobioaz",
    "blobiohttps",
    "blobiohttp",
    "blobiohf",
    "blobiomemory",
)


class BlobUPath(UPath):
    """A path of universal_pathlib over a file system of `blobio.fsspec`."""

    __slots__ = ()


for _name in _PROTOCOLS:
    # universal_pathlib takes a path apart as the file system does, if fsspec has loaded its class
    fsspec.get_filesystem_class(_name)
