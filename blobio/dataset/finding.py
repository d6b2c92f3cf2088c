"""Which files a name means: one, those that match a pattern, or those in a directory."""

from __future__ import annotations

from typing import Final

from blobio.core.context import AsyncContext
from blobio.dataset.scanning import Found
from blobio.entries import DirEntry
from blobio.errors import NotFound
from blobio.url import BlobUrl
from blobio.values import Version

__all__ = ["find"]

_WILD: Final = frozenset("*?[{")
_HIDDEN: Final = ("_", ".")  # what Spark, Hive and others leave beside the data


async def find(core: AsyncContext, name: str) -> list[Found]:
    """Return the files that a name means, in order; no request for the name of one file.

    Args:
        core: Where to look.
        name: A file; a pattern, see `blobio.glob`; or a directory, with a `/` at its end, which
            means all files below it but those with a part of their path that begins with `_` or
            `.`.

    Raises:
        NotFound: No file matches, or there is none in the directory.
    """
    driver, url = core.stores.locate(name)
    is_plain = not _WILD & set(url.key) and url.key and not url.key.endswith("/")
    if is_plain or not driver.capabilities.listable:  # a `?` of the web begins a query
        return [Found(str(core.stores.place(name)[1]))]
    is_directory = not _WILD & set(url.key)
    pattern = f"{name}**" if is_directory else name
    found = [
        _found(entry)
        async for entries in core.scanglob_pages(pattern)
        for entry in entries
        if entry.is_file and not (is_directory and _is_hidden(url, entry))
    ]
    if not found:
        message = f"open of {name}: no file matches"
        raise NotFound(message, url=url, operation="list")
    return sorted(found, key=lambda one: one.url)


def _found(entry: DirEntry) -> Found:
    if entry.stat is None:
        return Found(entry.path)
    version = None if entry.stat.version is None else Version(entry.stat.version)
    return Found(entry.path, entry.stat.size, version)


def _is_hidden(directory: BlobUrl, entry: DirEntry) -> bool:
    key = BlobUrl.parse(entry.path).key
    below = key[len(directory.key) :] if key.startswith(directory.key) else entry.name
    return any(part.startswith(_HIDDEN) for part in below.split("/"))
