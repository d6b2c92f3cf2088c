"""List directories in key order, a page at a time, without remembering anything between pages.

A key of a directory ends in `/`, which is what it sorts by: `a-b` comes before `a/`, `a/` before
all that is in it, and that before `a0`. So a walk that visits each directory's names in that order
is sorted as a whole, and can resume after any key by going down the directories on the way to it.

A page costs one scan of each directory that it touches, however many names these have: hence the
large page size of the driver. A scan keeps no more names than the page can use.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import describe, is_temporary
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = ["PAGE_SIZE", "list_page"]

PAGE_SIZE: Final = 50_000
_LEAST_SORTED: Final = 1000
_GONE: Final = (FileNotFoundError, NotADirectoryError)
_Child: TypeAlias = "tuple[str, os.DirEntry[str]]"
"""The key of a name in a directory, ending in `/` if it is or leads to one, and the entry."""


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


@dataclass(frozen=True, slots=True)
class _Window:
    """Which children of a directory a page can use: the first `limit` of those `after` a key."""

    after: str
    limit: int

    def scan(self, directory: str, start: str = "") -> list[_Child]:
        """Return the children whose name begins with `start`, sorted by key, at most `limit`.

        A directory that holds `after` is among them.
        """
        most = max(4 * self.limit, _LEAST_SORTED)
        found: dict[str, os.DirEntry[str]] = {}
        last: str | None = None
        try:
            with os.scandir(directory or ".") as entries:
                for entry in entries:
                    name = entry.name
                    path = directory + name
                    # dismissed by the name alone, whatever kind it is of: most are, in later pages
                    if last is not None and path > last:
                        continue
                    inside = path + "/"
                    if inside <= self.after and not self.after.startswith(inside):
                        continue
                    if not name.startswith(start) or is_temporary(name):
                        continue
                    if _is_dir(entry):
                        found[inside] = entry
                    elif path > self.after:
                        found[path] = entry
                    if len(found) >= most:
                        kept = sorted(found)[: self.limit]
                        found = {key: found[key] for key in kept}
                        last = kept[-1]
        except _GONE:
            return []
        return [(key, found[key]) for key in sorted(found)[: self.limit]]


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in circles
        return False


def _describe(key: str, entry: os.DirEntry[str]) -> BlobMeta | None:
    """Return the description of a child, or None if it is gone."""
    try:
        facts = entry.stat()
    except OSError:
        try:
            facts = entry.stat(follow_symlinks=False)
        except _GONE:
            return None
    return describe(key, facts)


def _marker(prefix: str, after: str) -> BlobMeta | None:
    """Describe the directory that `prefix` itself names, if there is one and it comes `after`."""
    if not prefix.endswith("/") or prefix <= after:
        return None
    try:
        facts = os.stat(prefix)
    except _GONE:
        return None
    return describe(prefix, facts) if stat.S_ISDIR(facts.st_mode) else None


def _split(prefix: str) -> tuple[str, str]:
    """Split into the directory, with its `/`, and the start of the names wanted in it."""
    start = prefix.rpartition("/")[2]
    return prefix[: len(prefix) - len(start)], start


def _shallow_page(prefix: str, start_after: str, token: str | None, room: int) -> ListPage:
    after = start_after if token is None else token
    marker = _marker(prefix, after)
    blobs = [] if marker is None else [marker]
    directory, start = _split(prefix)
    children = [
        (key, entry)
        # two more than fit: one that is already listed, and one to see if there is another page
        for key, entry in _Window(after, room + 2).scan(directory, start)
        # what is in a directory may come after `start_after` even if its own key does not
        if key > after or (token is None and key.endswith("/"))
    ]
    page = children[: room - len(blobs)]
    prefixes = [key for key, _ in page if key.endswith("/")]
    blobs += [
        meta
        for key, entry in page
        if not key.endswith("/") and (meta := _describe(key, entry)) is not None
    ]
    last = page[-1][0] if page else prefix
    return ListPage(
        blobs=blobs, prefixes=prefixes, token=last if len(children) > len(page) else None
    )


def _deep_page(prefix: str, after: str, room: int) -> ListPage:
    marker = _marker(prefix, after)
    blobs = [] if marker is None else [marker]
    taken = len(blobs)
    last = prefix
    for key, entry in _walk(prefix, _Window(after, room + 2)):
        if taken == room:
            return ListPage(blobs=blobs, token=last)
        # also what has gone meanwhile counts: so the walk never needs more than its window
        taken += 1
        last = key
        meta = _describe(key, entry)
        if meta is not None:
            blobs.append(meta)
    return ListPage(blobs=blobs)


def _walk(prefix: str, window: _Window) -> Iterator[_Child]:
    """Yield what is below `prefix`, in key order, as far as the window allows.

    The stack is explicit: trees may be deeper than Python recurses. Links are not entered, so there
    are no cycles.
    """
    stack = [iter(window.scan(*_split(prefix)))]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            continue
        key, entry = child
        if key > window.after:
            yield child
        if key.endswith("/") and not entry.is_symlink():
            stack.append(iter(window.scan(key)))
