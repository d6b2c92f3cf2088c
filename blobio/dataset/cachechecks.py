"""`damaged_copies`: the copies of a cache that are not what was fetched, while others use it."""

from __future__ import annotations

import os

from blobio.dataset.cachefiles import CacheFiles, Item
from blobio.dataset.cacheledger import opened_ledger
from blobio.dataset.cachelocks import try_lock
from blobio.dataset.cachemeta import META, digest_of, load_meta

__all__ = ["damaged_copies"]


def damaged_copies(files: CacheFiles) -> tuple[str, ...]:
    """Read all copies, and remove those that are damaged and not in use; return their URLs.

    Each is in use while it is read, so that none goes, or comes anew, in the middle of it.
    """
    found = []
    for item in files.items():
        if item.kind == "e" and not _is_sound(files, item):
            meta = files.meta_of(item)
            found.append(item.path if meta is None else meta.identity.url)
            files.remove([item.path])
    return tuple(found)


def _is_sound(files: CacheFiles, item: Item) -> bool:
    """Tell whether an entry is what was fetched; one that is gone by now is."""
    about = os.path.join(item.path, META)
    lock = try_lock(about, shared=True)
    if lock is None:  # gone, or just going; or it is the description that is missing
        with opened_ledger(files.lock):  # under which nothing comes or goes
            return os.path.exists(about) or not os.path.exists(item.path)
    try:
        meta = load_meta(item.path)
        path = os.path.join(item.path, meta.identity.file_name)
        return os.path.getsize(path) == meta.size and digest_of(path) == meta.sha256
    except (FileNotFoundError, ValueError):
        return False
    finally:
        lock.release()
