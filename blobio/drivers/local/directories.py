"""Make directories, and make the names in them last."""

from __future__ import annotations

import os
from contextlib import suppress

from blobio.errors import NotDirectory

__all__ = ["make_directories", "sync_directory"]


def make_directories(path: str) -> list[str]:
    """Make the directory `path` and its parents; return those that were made, deepest first.

    Raises:
        NotDirectory: Something on the way is not a directory.
        OSError: Otherwise.
    """
    created = []
    ancestor = path
    while ancestor and not os.path.lexists(ancestor):
        created.append(ancestor)
        ancestor = os.path.dirname(ancestor.rstrip("/"))
    # not os.makedirs, whose recursion fails for deep paths
    for directory in reversed(created):
        with suppress(FileExistsError):  # made by somebody else meanwhile, or `x/..`
            os.mkdir(directory)
    if not os.path.isdir(path):
        message = f"put of {path}: something that is not a directory is in the way"
        raise NotDirectory(message, url=path, operation="put")
    return created


def sync_directory(directory: str) -> None:
    """Flush the names in a directory to the disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
