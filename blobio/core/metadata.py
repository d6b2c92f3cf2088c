"""What blobio keeps in a blob's own metadata, and the `Stat` users see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Final

from blobio.entries import Stat
from blobio.values import BlobMeta

__all__ = ["MTIME_KEY", "to_stat", "to_stats"]

MTIME_KEY: Final = "blobfile-mtime"
"""Metadata name of a modification time set by the user, as blobfile writes it."""


def to_stat(meta: BlobMeta) -> Stat:
    """Describe a blob as users see it: `blobfile-mtime` in place of the store's own time."""
    mtime = meta.mtime
    if meta.metadata and (text := meta.metadata.get(MTIME_KEY)) is not None:
        with contextlib.suppress(ValueError):  # somebody else's value: the store's own time stands
            mtime = float(text)
    return Stat(meta.size, mtime, meta.ctime, meta.md5, meta.version)


def to_stats(blobs: Sequence[BlobMeta]) -> Iterable[Stat]:
    """Describe the blobs of a page of a listing; of most stores' in a third of the time."""
    if any(map(_METADATA, blobs)):
        return map(to_stat, blobs)
    return map(_new_stat, map(_FACTS, blobs))


_METADATA: Final = attrgetter("metadata")
_FACTS: Final = attrgetter(*Stat._fields)
_new_stat: Final = partial(tuple.__new__, Stat)
