"""Whose files a cache may believe: others may have been there first."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from blobio.errors import PermissionDenied

__all__ = ["require_own"]


def require_own(directory: str, path: str, is_kind: Callable[[int], bool]) -> os.stat_result:
    """Return the facts of a part of the cache, unless it was planted there.

    Names in a cache can be foreseen. Where everybody may write, as in `/tmp`, somebody else may
    have been there first, with a link or with content of his own.

    Raises:
        PermissionDenied: It is of another kind, or another user's.
    """
    facts = os.lstat(path)
    if not is_kind(facts.st_mode) or facts.st_uid not in _owners(directory):
        message = (
            f"the cache {directory} holds {path}, which belongs to user {facts.st_uid} or is a "
            "link: use a directory that nobody else may write to"
        )
        raise PermissionDenied(message, operation="open")
    return facts


def _owners(directory: str) -> set[int]:
    """Return who may own what is used: we; and the directory's owner, if it is not for everybody.

    The latter is for file systems that change owners, as NFS does with those of root.
    """
    facts = os.stat(directory)
    if facts.st_mode & stat.S_IWOTH or not os.access(directory, os.W_OK):
        return {os.geteuid()}
    return {os.geteuid(), facts.st_uid}
