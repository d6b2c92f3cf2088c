"""Shards on the local disk: mapped, and known to be the file that was indexed."""

from __future__ import annotations

import os
from collections.abc import Iterable

from blobio.dataset.memory import Mapped
from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import require_version, version_of
from blobio.errors import VersionMismatch
from blobio.values import Version

__all__ = ["check_file", "expect", "map_file"]


def map_file(path: str, version: Version | None, size: int) -> Mapped:
    """Map a file whose version and size are known.

    Raises:
        NotFound, VersionMismatch: It is gone, or another one is there.
    """
    with os_errors("get", path):
        mapped = Mapped(path)
    if mapped.size != size:
        message = (
            f"get of {path}: a file of {size} bytes was asked for, one of {mapped.size} is there"
        )
        raise VersionMismatch(message, url=path, operation="get")
    check_file(path, version)  # afterwards: what was mapped was there until now
    return mapped


def check_file(path: str, version: Version | None) -> None:
    """Look whether a file is still the one that was indexed; it takes 2 us.

    Raises:
        NotFound, VersionMismatch: It is not.
    """
    with os_errors("get", path):
        facts = os.stat(path)
    if version is not None:
        require_version("get", path, version, version_of(facts))


def expect(path: str, parts: Iterable[tuple[int, int]]) -> None:
    """Tell the kernel which bytes will be looked at, so that it reads them at once."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return
    with os_errors("get", path):
        file = os.open(path, os.O_RDONLY)
        try:
            for start, stop in parts:
                advise(file, start, stop - start, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)
