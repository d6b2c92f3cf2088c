"""What pyarrow asks of a path, a directory and the end of a file, in as few requests as it takes.

Columnar files keep their table of contents at their end, which is why a file that is opened is
asked for its last bytes at once: the reply tells size and version too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from blobio.core import listing
from blobio.core.context import AsyncContext
from blobio.core.tail import Tail, read_tail
from blobio.drivers.base import Driver
from blobio.errors import (
    BlobError,
    IsDirectory,
    NotDirectory,
    NotFound,
    RangeNotSatisfiable,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import BlobMeta, ListOptions, Version

__all__ = ["TAIL_BYTES", "Found", "Memory", "Seen", "below", "empty", "look", "seen_of", "what_is"]

TAIL_BYTES: Final = 64 << 10
"""How much of a file's end is read when it is opened: what Parquet readers ask for first."""

Found = BlobMeta | bool
"""A blob; True for a directory; False for nothing."""

_FRESH_S: Final = 2.0
_REMEMBERED: Final = 256  # 16 MiB of ends


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One version of a blob, as it was met a moment ago.

    Attributes:
        size: Bytes.
        version: The version, or None if the store has no such thing.
        crc32c: CRC32C of the whole, or None if it is not known.
        tail: Its last bytes, or None if they were not read.
    """

    size: int
    version: Version | None
    crc32c: int | None
    tail: bytes | None = None


def seen_of(meta: BlobMeta) -> Seen:
    """Return what a reply tells of a blob."""
    return Seen(size=meta.size, version=meta.version, crc32c=meta.crc32c)


@final
class Memory:
    """Keeps what was seen of at most 256 blobs, for two seconds.

    pyarrow asks for a file's facts, opens it for its schema and opens it again for its columns, all
    within milliseconds; only the first of these needs to ask the store. What is remembered is a
    version, and reads are pinned to it: a blob that was replaced meanwhile is noticed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, Seen]] = {}

    def put(self, url: str, seen: Seen) -> None:
        """Remember a blob, unless no later read of it could be pinned."""
        if seen.version is None:
            return
        self._seen.pop(url, None)
        self._seen[url] = (self._clock(), seen)
        while len(self._seen) > _REMEMBERED:
            with contextlib.suppress(RuntimeError, StopIteration):  # another thread was faster
                self._seen.pop(next(iter(self._seen)), None)

    def get(self, url: str) -> Seen | None:
        """Return what was seen within the last two seconds."""
        at, seen = self._seen.get(url, (0.0, None))
        return seen if seen is not None and self._clock() - at <= _FRESH_S else None

    def forget(self, url: str) -> None:
        """Forget a blob and all that lies below it, taken as a directory."""
        for known in list(self._seen):
            if known == url or known.startswith(f"{url.rstrip('/')}/"):
                self._seen.pop(known, None)


async def what_is(context: AsyncContext, path: str) -> Found:
    """Tell what has that name; 1 HEAD, and 1 LIST if that finds none."""
    driver, url = context.stores.locate(path)
    if url.key and not url.key.endswith("/"):
        try:
            return await driver.head(url.key)
        except IsDirectory:
            return True
        except (NotFound, NotDirectory):
            pass
    return bool(url.key or url.authority) and await listing.is_directory(driver, url)


async def below(
    context: AsyncContext, base: str, *, recursive: bool
) -> list[tuple[str, BlobMeta | None]]:
    """List a directory, or all below it; 1 LIST a page either way, all levels in one listing.

    Returns:
        Names relative to `base`, with a description for blobs and None for directories, which in a
        store of keys are those that something lies in.

    Raises:
        NotFound: Nothing has the name of `base`.
        NotDirectory: It is a blob.
    """
    driver, url = context.stores.locate(base)
    root = url.as_directory
    if not root.key and driver.capabilities.directories:  # it names nothing, not all there is
        raise await _no_directory(driver, url)
    found: list[tuple[str, BlobMeta | None]] = []
    directories: set[str] = set()

    def add_directory(name: str) -> None:
        if name and not name.endswith("/") and name not in directories:
            directories.add(name)
            found.append((name, None))

    size = driver.capabilities.list_page_size
    options = ListOptions(delimiter="" if recursive else "/", page_size=size)
    is_there = False
    with contextlib.suppress(NotFound):  # of the bucket, or a directory of the disk
        async for page in listing.pages(driver, root.key, options):
            is_there = is_there or bool(page.blobs) or bool(page.prefixes)
            for meta in page.blobs:
                name = meta.key[len(root.key) :]
                for end in (i for i, letter in enumerate(name) if letter == "/"):
                    add_directory(name[:end])
                if name and not name.endswith("/"):
                    found.append((name, meta))
            for prefix in page.prefixes:
                add_directory(prefix[len(root.key) : -1])
    if not is_there and not await listing.is_directory(driver, root):
        raise await _no_directory(driver, url)
    return found


async def _no_directory(driver: Driver, url: BlobUrl) -> BlobError:
    if await listing.is_file(driver, url):
        message = f"list of {url}: this is a blob, not a directory"
        return NotDirectory(message, url=url, operation="list")
    return NotFound(f"list of {url}: no such directory", url=url, operation="list")


async def empty(context: AsyncContext, directory: str) -> None:
    """Remove all below a directory, and not itself where directories are real.

    Raises:
        NotFound, NotDirectory: There is no such directory.
    """
    driver, _ = context.stores.locate(directory)
    if not driver.capabilities.directories:
        await context.rmtree(directory)
        return
    async for entries in context.scandir_pages(directory):
        for entry in entries:
            try:
                await context.rmtree(entry.path)
            except NotDirectory:
                await context.remove(entry.path)


async def look(context: AsyncContext, url: BlobUrl, known: Seen | None) -> Seen:
    """Read the end of a blob, and with it its size and version: 1 GET.

    A store that knows no ranges from the end costs 1 HEAD more, which `known` saves. If that is not
    what is there now, it is looked for anew.
    """
    stores = context.stores
    if known is not None and known.size:
        with contextlib.suppress(VersionMismatch, RangeNotSatisfiable, NotFound):
            tail = await read_tail(
                stores, str(url), TAIL_BYTES, size=known.size, version=known.version
            )
            return _seen_with(tail)
    return _seen_with(await read_tail(stores, str(url), TAIL_BYTES))


def _seen_with(tail: Tail) -> Seen:
    return Seen(size=tail.size, version=tail.version, crc32c=tail.crc32c, tail=tail.data)
