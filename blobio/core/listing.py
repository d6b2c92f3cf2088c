"""Listings: pages with one page of read-ahead, directories, walks, and what a name means.

A directory is named by its key ending in `/` (or empty, the root). In a store of keys it exists
while any key starts with that; on disk it exists by itself. All functions yield lists, one for a
page, so that a caller on another thread crosses once a page.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from itertools import pairwise, repeat
from operator import attrgetter
from typing import Final, final

from blobio.core.flow import merge, settle
from blobio.core.metadata import to_stat, to_stats
from blobio.drivers.base import Driver
from blobio.entries import DirEntry
from blobio.errors import IsDirectory, NotDirectory, NotFound, RequestFailed
from blobio.url import BlobUrl
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = [
    "Tokens",
    "Walked",
    "exists",
    "is_directory",
    "is_file",
    "pages",
    "scan",
    "scan_shards",
    "walk",
]

Walked = tuple[str, list[str], list[str]]
OnError = Callable[[OSError], object]

_SHARD_ALPHABET: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "/")
_SHARD_WINDOW: Final = 32


async def pages(
    driver: Driver, prefix: str, options: ListOptions | None = None
) -> AsyncGenerator[ListPage, None]:
    """Yield the pages of a listing in order, fetching the next while one is in use.

    Raises:
        RequestFailed: The store lists what was not asked for, or goes round in circles.
    """
    options = options or ListOptions(page_size=driver.capabilities.list_page_size)
    tokens = Tokens(prefix)
    page = await driver.list_page(prefix, options, None)
    while tokens.follow(page.token) is not None:
        _require_below(page, prefix)
        ahead = asyncio.ensure_future(driver.list_page(prefix, options, page.token))
        try:
            yield page
            page = await ahead
        finally:
            if not ahead.done():
                await settle([ahead])
            elif not ahead.cancelled():
                ahead.exception()  # seen here, if the caller left while it was failing
    _require_below(page, prefix)
    yield page


@final
class Tokens:
    """Follows the continuation tokens of one listing and notices one that comes round again.

    A page asked for with a token that was used before is the same page again, for ever. One token
    is kept and looked for among those that follow, each time among twice as many (Brent's way to
    find a cycle), so that a circle of any length is found without keeping them all.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._kept: str | None = None
        self._followed = 0
        self._limit = 1

    def follow(self, token: str | None) -> str | None:
        """Return `token`.

        Raises:
            RequestFailed: It was met before.
        """
        if token is None:
            return None
        if token == self._kept:
            message = f"list of {self._prefix!r}: the pages of the store go round in circles"
            raise RequestFailed(message, operation="list")
        self._followed += 1
        if self._followed == self._limit:
            self._kept, self._followed, self._limit = token, 0, 2 * self._limit
        return token


def _require_below(page: ListPage, prefix: str) -> None:
    """Refuse a page with keys from elsewhere: `rmtree` would remove them, `walk` lose its way."""
    keys = [*map(_KEY, page.blobs), *page.prefixes]
    if not all(map(str.startswith, keys, repeat(prefix))):
        other = next(key for key in keys if not key.startswith(prefix))
        message = f"list of {prefix!r}: the store lists {other[:200]!r}, which is not below it"
        raise RequestFailed(message, operation="list")


_KEY: Final = attrgetter("key")


def one_level(driver: Driver) -> ListOptions:
    """The options that list one directory."""
    return ListOptions(delimiter="/", page_size=driver.capabilities.list_page_size)


async def is_file(driver: Driver, url: BlobUrl) -> bool:
    """Tell whether a blob has that name; 1 HEAD, none for a name ending in `/`."""
    if not url.key or url.key.endswith("/"):
        return False
    try:
        await driver.head(url.key)
    except (NotFound, IsDirectory, NotDirectory):
        return False
    return True


async def is_directory(driver: Driver, url: BlobUrl) -> bool:
    """Tell whether a directory has that name; 1 LIST of one key, on disk one `stat`.

    Where nothing can be listed, nothing is a directory.
    """
    if not driver.capabilities.listable:
        return False
    key = url.as_directory.key
    try:
        if driver.capabilities.directories:
            await driver.head(key)
            return True
        token: str | None = None
        tokens = Tokens(key)
        while True:
            page = await driver.list_page(key, ListOptions(page_size=1), token)
            token = tokens.follow(page.token)
            if page.blobs or page.prefixes or (not key and token is None):
                return True
            if token is None:
                return False
    except (NotFound, NotDirectory):
        return False


async def exists(driver: Driver, url: BlobUrl) -> bool:
    """Tell whether a blob or a directory has that name; 1 HEAD, and 1 LIST if that finds none."""
    return await is_file(driver, url) or await is_directory(driver, url)


async def scan(driver: Driver, directory: BlobUrl) -> AsyncGenerator[list[DirEntry], None]:
    """Yield the entries of a directory, a list for each page; 1 LIST a page.

    Raises:
        NotFound: There is no such directory (with the first page, at the cost of 1 HEAD on disk).
        NotDirectory: It is a file of the local disk.
    """
    directory = directory.as_directory
    if driver.capabilities.directories and not directory.key:
        message = "list of '': an empty path names nothing; write . for the working directory"
        raise NotFound(message, url=directory, operation="list")
    found = False
    async for page in pages(driver, directory.key, one_level(driver)):
        found = found or bool(page.blobs) or bool(page.prefixes)
        if entries := page_entries(directory, page):
            yield entries
    if not found:
        await _require_directory(driver, directory)


async def scan_shards(
    driver: Driver, directory: BlobUrl, length: int
) -> AsyncGenerator[list[DirEntry], None]:
    """Yield the entries of a large directory in no order, from many listings side by side.

    The names are cut at every string of `length` printable characters: 94 listings for 1, about
    8,800 for 2; at most 32 run at once.
    """
    directory = directory.as_directory
    if length < 1 or driver.capabilities.directories:
        async for entries in scan(driver, directory):
            yield entries
        return
    bounds = [""]
    for _ in range(length):
        bounds = [head + tail for head in bounds for tail in _SHARD_ALPHABET]
    shards = pairwise(["", *bounds, None])
    sources = (partial(_scan_between, driver, directory, low, high) for low, high in shards)
    found = False
    async for entries in merge(sources, window=_SHARD_WINDOW):
        found = True
        if entries:
            yield entries
    if not found:
        await _require_directory(driver, directory)


async def _scan_between(
    driver: Driver, directory: BlobUrl, low: str | None, high: str | None
) -> AsyncGenerator[list[DirEntry], None]:
    """Yield the entries whose key behind the directory's is greater than `low`, at most `high`.

    The list is empty for a page that holds only the directory's own marker. What a directory `d/`
    holds lies all on one side of any bound, for no bound holds a `/`.
    """
    prefix = directory.key
    size = driver.capabilities.list_page_size
    after = prefix + low if low else ""
    options = ListOptions(delimiter="/", page_size=size, start_after=after)
    async for page in pages(driver, prefix, options):
        inside = page if high is None else _up_to(page, prefix + high)
        count = len(inside.blobs) + len(inside.prefixes)
        if count:
            yield page_entries(directory, inside)
        if count < len(page.blobs) + len(page.prefixes):
            return


def _up_to(page: ListPage, bound: str) -> ListPage:
    return ListPage(
        blobs=[meta for meta in page.blobs if meta.key <= bound],
        prefixes=[prefix for prefix in page.prefixes if prefix <= bound],
    )


async def walk(
    driver: Driver, top: BlobUrl, *, topdown: bool, onerror: OnError | None
) -> AsyncGenerator[list[Walked], None]:
    """Yield `(directory, names of directories, names of blobs)` below `top`, a few at a time.

    Top down, breadth first in a store of keys and depth first on disk; names that the caller takes
    out of a yielded list of directories are not entered: 1 LIST a page of each directory. Bottom
    up, children before parents: one flat listing in a store of keys. Something that is not a
    directory yields nothing. A directory that cannot be listed is passed over, once `onerror` has
    heard of it; without one that holds on disk only, and a store's refusal is raised.
    """
    if not topdown and not driver.capabilities.directories:
        async for steps in _walk_flat(driver, top.as_directory):
            yield steps
        return
    if not topdown:
        async for walked in _walk_up(driver, top.as_directory, onerror):
            yield [walked]
        return
    pending = deque([top.as_directory])
    while pending:
        directory = pending.popleft()
        level = await _level(driver, directory, onerror)
        if level is None:
            continue
        yield [level]
        below = await _below(driver, directory, level[1])
        if driver.capabilities.directories:
            pending.extendleft(reversed(below))
        else:
            pending.extend(below)


async def _below(driver: Driver, directory: BlobUrl, names: list[str]) -> list[BlobUrl]:
    """Return the directories of these names; on disk without symbolic links, which may loop."""
    below = [directory.with_key(f"{directory.key}{name}/") for name in names]
    if not driver.capabilities.local_paths:
        return below

    def real() -> list[BlobUrl]:
        return [url for url in below if not os.path.islink(url.key[:-1])]

    return await asyncio.to_thread(real)


async def _level(driver: Driver, directory: BlobUrl, onerror: OnError | None) -> Walked | None:
    names: tuple[list[str], list[str]] = ([], [])
    try:
        async for entries in scan(driver, directory):
            for entry in entries:
                names[entry.is_file].append(entry.name)
    except (NotFound, NotDirectory):
        return None
    except OSError as error:
        if onerror is not None:
            onerror(error)
        elif not driver.capabilities.local_paths:
            raise  # one refusal hides a whole tree here, not a corner of it
        return None
    return shown(directory), *names


async def _walk_up(
    driver: Driver, directory: BlobUrl, onerror: OnError | None
) -> AsyncGenerator[Walked, None]:
    level = await _level(driver, directory, onerror)
    if level is None:
        return
    for below in await _below(driver, directory, level[1]):
        async for walked in _walk_up(driver, below, onerror):
            yield walked
    yield level


async def _walk_flat(driver: Driver, top: BlobUrl) -> AsyncGenerator[list[Walked], None]:
    """Rebuild the tree from one flat listing: keys of a directory are contiguous in key order."""
    stack: list[tuple[BlobUrl, list[str], list[str]]] = []
    async for page in pages(driver, top.key):
        closed: list[Walked] = []
        for meta in page.blobs:
            if not stack:
                stack.append((top, [], []))
            while not meta.key.startswith(stack[-1][0].key):
                directory, below, files = stack.pop()
                closed.append((shown(directory), below, files))
            *parts, name = meta.key[len(stack[-1][0].key) :].split("/")
            for part in parts:
                directory, below, _ = stack[-1]
                below.append(part)
                stack.append((directory.with_key(f"{directory.key}{part}/"), [], []))
            if name:
                stack[-1][2].append(name)
        if closed:
            yield closed
    if stack:
        yield [(shown(directory), below, files) for directory, below, files in reversed(stack)]


def page_entries(directory: BlobUrl, page: ListPage) -> list[DirEntry]:
    """Turn one page of one level into entries, without the directory's own marker."""
    start = len(directory.key)
    base = str(directory)
    names = [key[start:] for key in map(_KEY, page.blobs)]
    markers = [name for name in names if name[-1:] == "/"]
    directories = [*[prefix[start:] for prefix in page.prefixes], *markers]
    rows = [
        (base + name, name, False, True, stat)
        for name, stat in zip(names, to_stats(page.blobs), strict=True)
        if name and name[-1] != "/"
    ]
    entries = [directory_entry(base, name[:-1]) for name in directories]
    entries += map(_new_entry, rows)
    return entries


_new_entry: Final = partial(tuple.__new__, DirEntry)


def blob_entry(base: str, name: str, meta: BlobMeta) -> DirEntry:
    """Describe the blob `name` below the directory that prints as `base`."""
    return DirEntry(base + name, name.rpartition("/")[2], False, True, to_stat(meta))  # noqa: FBT003


def directory_entry(base: str, name: str) -> DirEntry:
    return DirEntry(base + name, name, True, False, None)  # noqa: FBT003


def shown(directory: BlobUrl) -> str:
    """Print a directory without its trailing `/`, the root of the disk excepted."""
    if not directory.key:
        return str(directory).rstrip("/")
    return str(directory)[:-1] if directory.key.strip("/") else str(directory)


async def _require_directory(driver: Driver, directory: BlobUrl) -> None:
    """Raise unless an empty listing was that of an empty directory."""
    if not directory.key or not driver.capabilities.directories:
        if directory.key:
            message = f"no directory {directory}"
            raise NotFound(message, url=directory, operation="list")
        return
    await driver.head(directory.key)
