"""What fsspec calls an entry: a dictionary with a name, a size and a type. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from blobio.core.metadata import to_stat
from blobio.entries import DirEntry, Stat
from blobio.values import BlobMeta

__all__ = ["Entry", "blob_entry", "directory_entry", "entry_of", "parents"]

Entry = dict[str, Any]


def blob_entry(name: str, meta: BlobMeta) -> Entry:
    """Describe a blob."""
    entry = _file(name, to_stat(meta))
    if meta.content_type is not None:
        entry["content_type"] = meta.content_type
    return entry


def entry_of(directory: str, entry: DirEntry) -> Entry:
    """Describe a name in `directory`."""
    name = f"{directory.rstrip('/')}/{entry.name}"
    return directory_entry(name) if entry.stat is None else _file(name, entry.stat)


def directory_entry(name: str) -> Entry:
    """Describe a directory."""
    return {"name": name, "size": 0, "type": "directory"}


def _file(name: str, stat: Stat) -> Entry:
    entry: Entry = {
        "name": name,
        "size": stat.size,
        "type": "file",
        "mtime": stat.mtime,
        "created": stat.ctime,
        "LastModified": datetime.fromtimestamp(stat.mtime, UTC),
    }
    if stat.version is not None:
        entry["ETag"] = stat.version
    if stat.md5 is not None:
        entry["md5"] = stat.md5
    return entry


def parents(name: str, root: str) -> Iterator[str]:
    """Yield `root` and the directories between it and `name`, from the nearest up."""
    while len(name) > len(root) and "/" in name:
        name = name.rpartition("/")[0]
        if len(name) >= len(root):
            yield name
