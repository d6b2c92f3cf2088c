"""List directories in key order, a page at a time, without remembering anything between pages.

A key of a directory ends in `/`, which is what it sorts by: `a-b` comes before `a/`, `a/` before
all that is in it, and that before `a0`. So a walk that visits each directory's names in that order
is sorted as a whole, and can resume after any key by going down the directories on the way to it.

A page costs one scan of each directory that it touches, whatever their number of names: hence the
large page size of the driver.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator
from operator import attrgetter
from typing import Final, final

from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import describe, is_temporary
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = ["PAGE_SIZE", "list_page"]

PAGE_SIZE: Final = 20_000
_BY_KEY: Final = attrgetter("key")
_GONE: Final = (FileNotFoundError, NotADirectoryError)


def list_page(prefix: str, options: ListOptions, token: str | None) -> ListPage:
    """List one page; see `Driver.list_page`. The token is the last key of the page before.

    `prefix` is a string, not a directory: `d/fo` stands for all names in `d` that begin with `fo`.
    Symbolic links to directories are listed as directories and not entered; broken ones are listed
    as blobs with the facts of the link. Nothing and no directory there is an empty page.

    Raises:
        PermissionDenied: A directory cannot be read: leaving it out would look like it was empty.
    """
    room = min(options.page_size, PAGE_SIZE)
    with os_errors("list", prefix):
        if options.delimiter:
            return _shallow_page(prefix, options.start_after, token, room)
        return _deep_page(prefix, token or options.start_after, room)


@final
class _Child:
    """A name in a directory: `key` ends in `/` if it is one or leads to one."""

    __slots__ = ("entry", "is_dir", "key")

    def __init__(self, directory: str, entry: os.DirEntry[str]) -> None:
        self.entry = entry
        try:
            self.is_dir = entry.is_dir()
        except OSError:  # a link that leads round in circles
            self.is_dir = False
        self.key = directory + entry.name + ("/" if self.is_dir else "")

    @property
    def is_tree(self) -> bool:
        """Whether the walk goes down here."""
        return self.is_dir and not self.entry.is_symlink()

    def describe(self) -> BlobMeta | None:
        """Return its description, or None if it is gone."""
        try:
            facts = self.entry.stat()
        except OSError:
            try:
                facts = self.entry.stat(follow_symlinks=False)
            except _GONE:
                return None
        return describe(self.key, facts)


def _scan(directory: str, start: str = "") -> list[_Child]:
    """Return the children of `directory` whose name begins with `start`, unsorted."""
    try:
        with os.scandir(directory or ".") as entries:
            return [
                _Child(directory, entry)
                for entry in entries
                if entry.name.startswith(start) and not is_temporary(entry.name)
            ]
    except _GONE:
        return []


def _marker(prefix: str) -> BlobMeta | None:
    """Describe the directory that `prefix` itself names, if it names one that exists."""
    if not prefix.endswith("/"):
        return None
    try:
        facts = os.stat(prefix)
    except _GONE:
        return None
    return describe(prefix, facts) if stat.S_ISDIR(facts.st_mode) else None


def _shallow_page(prefix: str, start_after: str, token: str | None, room: int) -> ListPage:
    start = prefix.rpartition("/")[2]
    directory = prefix[: len(prefix) - len(start)]
    after = start_after if token is None else token
    blobs: list[BlobMeta] = []
    marker = _marker(prefix) if after < prefix else None
    if marker is not None:
        blobs.append(marker)
    children = [
        child
        for child in _scan(directory, start)
        # keys below a directory may come after a key that the directory itself does not
        if child.key > after or (token is None and child.is_dir and after.startswith(child.key))
    ]
    page = heapq.nsmallest(room - len(blobs), children, key=_BY_KEY)
    prefixes = [child.key for child in page if child.is_dir]
    blobs += [meta for child in page if not child.is_dir and (meta := child.describe())]
    last = page[-1].key if page else prefix
    more = len(children) > len(page)
    return ListPage(blobs=blobs, prefixes=prefixes, token=last if more else None)


def _deep_page(prefix: str, after: str, room: int) -> ListPage:
    blobs: list[BlobMeta] = []
    marker = _marker(prefix) if after < prefix else None
    if marker is not None:
        blobs.append(marker)
    for child in _walk(prefix, after):
        if len(blobs) == room:
            return ListPage(blobs=blobs, token=blobs[-1].key)
        meta = child.describe()
        if meta is not None:
            blobs.append(meta)
    return ListPage(blobs=blobs)


def _walk(prefix: str, after: str) -> Iterator[_Child]:
    """Yield all below `prefix` with a key greater than `after`, in key order.

    The stack is explicit: trees may be deeper than Python recurses. Links are not entered, so there
    are no cycles.
    """
    start = prefix.rpartition("/")[2]
    directory = prefix[: len(prefix) - len(start)]
    stack = [iter(sorted(_scan(directory, start), key=_BY_KEY))]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            continue
        if child.key > after:
            yield child
        elif not (child.is_tree and after.startswith(child.key)):
            continue
        if child.is_tree:
            stack.append(iter(sorted(_scan(child.key), key=_BY_KEY)))
