"""Copy a directory with all that is below it, from any store to any other.

One flat listing, a bounded number of copies at once, and one account of what went wrong: a blob
that cannot be copied does not keep the others from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import replace
from typing import Final, final

from blobio.core.ends import End, Means
from blobio.core.flow import unordered_map
from blobio.core.keyranges import scattered_pages
from blobio.core.listing import is_directory, is_file
from blobio.core.placing import Placement, place
from blobio.drivers.base import Driver
from blobio.errors import (
    AlreadyExists,
    BlobError,
    CopyIncomplete,
    InvalidUrl,
    NotDirectory,
    NotFound,
    Unsupported,
)
from blobio.url import BlobUrl
from blobio.values import BlobMeta, CreateOnly, PutOptions, WriteMode

__all__ = ["contents", "copytree", "lies_in"]

_FAILURES_KEPT: Final = 100
_FAILURES_LIMIT: Final = 100  # other than AlreadyExists: then it is not the blobs that are wrong


async def copytree(
    source: End, target: End, mode: WriteMode, means: Means, *, concurrency: int
) -> None:
    """Copy what is below `source`; see `blobio.Context.copytree`.

    Requests: 1 LIST of one key, 1 LIST a page, and those of `copy` for each blob.

    Raises:
        NotFound, NotDirectory, InvalidUrl, Unsupported: Nothing was copied.
        CopyIncomplete: Some blobs were not copied.
    """
    if concurrency < 1:
        message = f"copytree needs a concurrency of at least 1, not {concurrency}"
        raise ValueError(message)
    source = replace(source, url=source.url.as_directory)
    target = replace(target, url=target.url.as_directory)
    await _check_ends(source, target, mode)
    tree = _Tree(source, target, PutOptions(mode=mode), means)
    async with contextlib.aclosing(contents(source.driver, source.url)) as found:
        worth_a_try = tree.while_hopeful(found)
        async for _ in unordered_map(tree.copy, worth_a_try, window=concurrency):
            pass
    tree.raise_failures()


async def _check_ends(source: End, target: End, mode: WriteMode) -> None:
    what = f"copytree of {source.url} to {target.url}"
    able = target.driver.capabilities
    if not source.driver.capabilities.listable:
        message = f"{what}: the source cannot be listed; copy its blobs one by one"
        raise Unsupported(message, url=source.url, operation="copytree")
    if not able.writable:
        message = f"{what}: the destination can only be read"
        raise Unsupported(message, url=target.url, operation="copytree")
    if isinstance(mode, CreateOnly) and not able.create_only:
        message = f"{what}: the destination decides no conditions; pass overwrite=True"
        raise Unsupported(message, url=target.url, operation="copytree")
    if not await is_directory(source.driver, source.url):
        await _refuse_file(source, f"{what}: the source is a blob; use copy")
        message = f"{what}: no such directory"
        raise NotFound(message, url=source.url, operation="copytree")
    if able.directories and not target.url.key:
        message = f"{what}: an empty path names nothing; write . for the working directory"
        raise NotFound(message, url=target.url, operation="copytree")
    if able.directories:
        await _refuse_file(target, f"{what}: the destination is a file")
    if await lies_in(target, source):
        message = f"{what}: the destination is the source or lies in it"
        raise InvalidUrl(message, url=target.url, operation="copytree")


async def _refuse_file(end: End, message: str) -> None:
    file = end.url.with_key(end.url.key.rstrip("/"))
    if await is_file(end.driver, file):
        raise NotDirectory(message, url=file, operation="copytree")


async def lies_in(inner: End, outer: End) -> bool:
    """Tell whether a directory is another one or below it, on disk whatever links lead there."""
    places = [(end.url.scheme, end.url.authority) for end in (inner, outer)]
    if places[0] != places[1]:
        return False
    keys = [end.url.key for end in (inner, outer)]
    if outer.driver.capabilities.local_paths:
        real = [await asyncio.to_thread(os.path.realpath, key) for key in keys]
        keys = [os.path.join(path, "") for path in real]
    return keys[0].startswith(keys[1])


async def contents(driver: Driver, root: BlobUrl) -> AsyncGenerator[BlobMeta, None]:
    """Yield the blobs below `root`, and the real directories that nothing lies in.

    In order of their keys, but for many in a store of keys: see `scattered_pages`.
    """
    real = driver.capabilities.directories
    directory: BlobMeta | None = None
    async with contextlib.aclosing(scattered_pages(driver, root.key)) as listing:
        async for page in listing:
            for meta in page.blobs:
                # in key order what lies in a directory comes right behind it
                if directory is not None and not meta.key.startswith(directory.key):
                    yield directory
                directory = None
                if real and meta.key.endswith("/"):
                    directory = meta
                else:
                    yield meta
    if directory is not None:
        yield directory


@final
class _Tree:
    """The copies of one tree, and what became of them."""

    def __init__(self, source: End, target: End, options: PutOptions, means: Means) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._means = means
        self._seen = self._failed = self._serious = 0
        self._failures: list[tuple[str, str, BlobError]] = []

    @property
    def is_hopeless(self) -> bool:
        """Whether so much has failed that the rest is not tried."""
        return self._serious >= _FAILURES_LIMIT

    async def while_hopeful(self, found: AsyncIterable[BlobMeta]) -> AsyncGenerator[BlobMeta, None]:
        """Yield what is found until so much has failed that no more need be tried."""
        async for meta in found:
            if self.is_hopeless:
                return
            yield meta

    async def copy(self, meta: BlobMeta) -> None:
        """Copy one blob or directory, and take note if that fails."""
        self._seen += 1
        placement = Placement.below(self._source, self._target, meta)
        try:
            await place(placement, self._options, self._means)
        except BlobError as error:
            self._failed += 1
            self._serious += not isinstance(error, AlreadyExists)
            if len(self._failures) < _FAILURES_KEPT:
                ends = placement.source.url, placement.target.url
                self._failures.append((str(ends[0]), str(ends[1]), error))

    def raise_failures(self) -> None:
        """Raise one error for all that failed, if anything did."""
        if not self._failures:
            return
        first = self._failures[0][2]
        rest = "; no more were tried" if self.is_hopeless else ""
        message = (
            f"copytree of {self._source.url} to {self._target.url}: {self._failed} of {self._seen} "
            f"blobs were not copied{rest}. The first: {first}"
        )
        error = CopyIncomplete(message, url=self._target.url, operation="copytree")
        error.failures, error.failed = tuple(self._failures), self._failed
        raise error from first
