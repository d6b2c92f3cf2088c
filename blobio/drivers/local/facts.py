"""What `os.stat` says, in blobio's words."""

from __future__ import annotations

import os
import stat
from typing import Final

from blobio.errors import IsDirectory, VersionMismatch
from blobio.values import BlobMeta, Version

__all__ = [
    "describe",
    "is_temporary",
    "require_blob",
    "require_version",
    "temporary_name",
    "version_of",
]

_PREFIX: Final = ".blobio-"
_SUFFIX: Final = ".tmp"
_RANDOM_BYTES: Final = 8


def version_of(facts: os.stat_result) -> Version:
    """Return the token of the state of a file: time of the last write, size and inode."""
    return Version(f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}")


def describe(key: str, facts: os.stat_result) -> BlobMeta:
    """Describe a file or directory. What is not a regular file has no size and no version."""
    regular = stat.S_ISREG(facts.st_mode)
    return BlobMeta(
        key=key,
        size=facts.st_size if regular else 0,
        mtime=facts.st_mtime,
        ctime=facts.st_ctime,
        version=version_of(facts) if regular else None,
        mode=stat.S_IMODE(facts.st_mode),
    )


def require_blob(operation: str, key: str, facts: os.stat_result) -> None:
    """Check that a key without a trailing `/` is not a directory.

    Raises:
        IsDirectory: It is one.
    """
    if stat.S_ISDIR(facts.st_mode) and not key.endswith("/"):
        message = f"{operation} of {key}: it is a directory; write {key}/ to mean the directory"
        raise IsDirectory(message, url=key, operation=operation)


def require_version(operation: str, key: str, wanted: Version, found: Version | None) -> None:
    """Check that the version `found` is the one `wanted`; None stands for a thing without one.

    Raises:
        VersionMismatch: It is not.
    """
    if wanted != found:
        present = "nothing with a version is" if found is None else f"version {found} is"
        message = f"{operation} of {key}: version {wanted} was asked for, {present} there"
        raise VersionMismatch(message, url=key, operation=operation)


def temporary_name() -> str:
    """Return a new name for a file that is not published yet."""
    return f"{_PREFIX}{os.urandom(_RANDOM_BYTES).hex()}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Tell whether a file of that name is a write in progress, or was left by a killed process."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)
