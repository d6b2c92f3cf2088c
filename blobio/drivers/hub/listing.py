"""Listings in key order, made of trees that the Hub gives in an order of its own.

A tree is fetched whole, sorted, and served in pages of any size; all pages are of one commit. What
is known of a file is kept in three columns, about 200 bytes for each, until the last page has been
served.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, final

from blobio.drivers.hub.api import HubApi, Listed
from blobio.drivers.hub.errors import bad_reply
from blobio.drivers.hub.repository import is_commit
from blobio.drivers.hub.wire import describe
from blobio.errors import NotFound
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = ["MOST_ENTRIES", "Lister"]

MOST_ENTRIES: Final = 1_000_000
"""Most entries of one tree; the Hub advises to keep a dataset below 100,000 files."""

_KEPT: Final = 4  # trees of listings that have not come to their end


@final
@dataclass(frozen=True, slots=True)
class _Tree:
    """One directory of one commit, files and directories (which end in `/`) in key order."""

    keys: list[str]
    entries: dict[str, Listed]


@final
class Lister:
    """Lists one dataset.

    Args:
        api: Asks the Hub.
        subject: The dataset's URL, for errors.
    """

    def __init__(self, api: HubApi, subject: str) -> None:
        self._api = api
        self._subject = subject
        self._trees: OrderedDict[tuple[str, str, bool], _Tree] = OrderedDict()

    async def page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """See `Driver.list_page`.

        The first page: 1 GET for the commit unless that is named, and 1 GET for each page of the
        tree, all of them; the others none. Of a page of one entry, 1 GET a level.
        """
        commit, after = await self._start(options, token)
        directory = prefix.rpartition("/")[0]
        flat = not options.delimiter
        if options.page_size == 1 and flat and token is None and not after:
            return await self._first(commit, prefix)
        place = (commit, directory, flat)
        try:
            tree = await self._tree(*place)
        except NotFound as error:
            if error.code == "EntryNotFound":
                return ListPage()
            raise
        found = _slice(tree, prefix, after, options.page_size)
        if found.token is None:
            self._trees.pop(place, None)
            return found
        return ListPage(blobs=found.blobs, prefixes=found.prefixes, token=f"{commit} {found.token}")

    async def _start(self, options: ListOptions, token: str | None) -> tuple[str, str]:
        """Return the commit that is listed, and the key behind which the page begins."""
        if token is None:
            return await self._api.commit(), options.start_after
        commit, _, after = token.partition(" ")
        if not is_commit(commit):
            raise bad_reply("the token of the page is none", "list", self._subject)
        return commit, after

    async def _first(self, commit: str, prefix: str) -> ListPage:
        """Return the first file below a prefix, level by level: who asks if there is any asks so.

        The key of the last page is the token of the next, which fetches all of the tree.
        """
        directory = prefix.rpartition("/")[0]
        while True:
            try:
                tree = await self._fetch(commit, directory, recursive=False)
            except NotFound as error:
                if error.code == "EntryNotFound":
                    return ListPage()
                raise
            key = next((key for key in tree.keys if key.startswith(prefix)), None)
            if key is None:
                return ListPage()
            if not key.endswith("/"):
                return ListPage(blobs=[_blob(tree.entries[key])], token=f"{commit} {key}")
            directory = key[:-1]
            prefix = key

    async def _tree(self, commit: str, directory: str, recursive: bool) -> _Tree:  # noqa: FBT001 - a key
        place = (commit, directory, recursive)
        tree = self._trees.get(place)
        if tree is None:
            tree = await self._fetch(*place)
            self._trees[place] = tree
            if len(self._trees) > _KEPT:
                self._trees.popitem(last=False)
        return tree

    async def _fetch(self, commit: str, directory: str, recursive: bool) -> _Tree:  # noqa: FBT001 - as above
        entries: dict[str, Listed] = {}
        directories: set[str] = set()
        async for files, below in self._api.tree(commit, directory, recursive=recursive):
            entries.update((entry.path, entry) for entry in files)
            directories.update(() if recursive else [f"{path}/" for path in below])
            if len(entries) + len(directories) > MOST_ENTRIES:
                what = f"it has more than {MOST_ENTRIES} entries: list its directories one by one"
                raise bad_reply(what, "list", self._subject)
        return _Tree(sorted([*entries, *directories]), entries)


def _slice(tree: _Tree, prefix: str, after: str, size: int) -> ListPage:
    """Return the entries below a prefix that come behind a key, and the last one as the token."""
    start = max(bisect_left(tree.keys, prefix), bisect_right(tree.keys, after) if after else 0)
    keys = [key for key in tree.keys[start : start + size + 1] if key.startswith(prefix)]
    more = len(keys) > size
    del keys[size:]
    return ListPage(
        blobs=[_blob(tree.entries[key]) for key in keys if not key.endswith("/")],
        prefixes=[key for key in keys if key.endswith("/")],
        token=keys[-1] if more else None,
    )


def _blob(entry: Listed) -> BlobMeta:
    return describe(entry.path, entry.version, entry.size)
