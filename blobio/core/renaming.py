"""Move a file on one file system, under a condition, without moving its bytes."""

from __future__ import annotations

import os

from blobio.errors import AlreadyExists
from blobio.url import BlobUrl
from blobio.values import CreateOnly, Overwrite, PutOptions

__all__ = ["rename", "taken"]


def rename(source: BlobUrl, target: BlobUrl, options: PutOptions) -> bool:
    """Rename on one file system.

    Returns:
        False if that does not work: the ends are on two file systems, the condition is another, or
        the system refuses. Copying will do it, or tell what is wrong in the words of the driver.
    """
    is_possible = isinstance(options.mode, Overwrite | CreateOnly)
    if not is_possible or os.path.isdir(source.key) or not os.path.lexists(source.key):
        return False
    try:
        os.makedirs(os.path.dirname(target.key) or ".", exist_ok=True)
        if isinstance(options.mode, CreateOnly):
            _rename_to_new(source, target)
        else:
            os.replace(source.key, target.key)
    except AlreadyExists:
        raise
    except OSError:
        return False
    return True


def _rename_to_new(source: BlobUrl, target: BlobUrl) -> None:
    try:
        os.link(source.key, target.key, follow_symlinks=False)
    except FileExistsError as error:
        raise taken(source, target) from error
    try:
        os.unlink(source.key)
    except OSError:
        os.unlink(target.key)
        raise


def taken(source: BlobUrl, target: BlobUrl) -> AlreadyExists:
    """Say that the destination of a move exists."""
    message = f"move of {source} to {target}: the destination exists"
    return AlreadyExists(message, url=target, operation="move")
