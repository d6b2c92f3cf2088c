"""Remove blobs, directories and trees, in batches as large as the store takes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Final

from blobio.core.flow import unordered_map
from blobio.core.keyranges import scattered_pages
from blobio.core.listing import Tokens, is_directory, is_file
from blobio.drivers.base import Driver
from blobio.errors import (
    BlobError,
    DirectoryNotEmpty,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
)
from blobio.url import BlobUrl
from blobio.values import ListOptions

__all__ = ["remove", "rmdir", "rmtree"]

_BATCHES_IN_FLIGHT: Final = 8


async def remove(driver: Driver, url: BlobUrl) -> None:
    """Remove one blob: 1 DELETE, after 1 HEAD where the store does not tell what was missing."""
    if not url.key or url.key.endswith("/"):
        message = f"remove of {url}: this names a directory; use rmdir or rmtree"
        raise IsDirectory(message, url=url, operation="delete")
    if not driver.capabilities.delete_tells_missing:
        await driver.head(url.key)
    await _delete_one(driver, url.key)


async def rmdir(driver: Driver, url: BlobUrl) -> None:
    """Remove an empty directory: its marker in a store of keys, where a missing one passes."""
    if not url.key.strip("/"):
        message = f"rmdir of {url}: the root cannot be removed"
        raise InvalidUrl(message, url=url, operation="delete")
    key = url.as_directory.key
    if driver.capabilities.directories:
        await _delete_one(driver, key)
        return
    token: str | None = None
    tokens = Tokens(key)
    marker = False
    while True:
        page = await driver.list_page(key, ListOptions(page_size=2), token)
        marker = marker or any(meta.key == key for meta in page.blobs)
        if any(meta.key != key for meta in page.blobs):
            message = f"rmdir of {url}: the directory is not empty; rmtree removes it with content"
            raise DirectoryNotEmpty(message, url=url, operation="delete")
        token = tokens.follow(page.token)
        if token is None:
            break
    if marker:
        await _delete_one(driver, key)


async def rmtree(driver: Driver, url: BlobUrl) -> None:
    """Remove a directory and everything below it: 1 LIST a page, 1 DELETE a batch.

    Every key is tried; the first failure is raised at the end. Blobs written meanwhile may stay.

    Raises:
        NotFound: Nothing has that name.
        NotDirectory: A blob has that name, and nothing lies below it; or, as with `shutil.rmtree`,
            it is a symbolic link.
    """
    root = url.as_directory
    if driver.capabilities.local_paths and await asyncio.to_thread(_is_link, url):
        message = f"rmtree of {url}: this is a symbolic link; remove takes the link away"
        raise NotDirectory(message, url=url, operation="delete")
    if not await is_directory(driver, root):
        if await is_file(driver, url):
            message = f"rmtree of {url}: this is a blob; use remove"
            raise NotDirectory(message, url=url, operation="delete")
        message = f"rmtree of {url}: no such directory"
        raise NotFound(message, url=url, operation="delete")
    directories: list[str] = []
    failure = await _delete_batches(driver, _blob_batches(driver, root, directories))
    # deepest first: key order puts a directory before what lies in it
    directories.sort(reverse=True)
    for start in range(0, len(directories), driver.capabilities.delete_batch):
        batch = directories[start : start + driver.capabilities.delete_batch]
        refused = await _delete_batch(driver, batch)
        failure = failure or refused
    if failure is not None:
        raise failure


def _is_link(url: BlobUrl) -> bool:
    return os.path.islink(url.key.rstrip("/"))


async def _blob_batches(
    driver: Driver, root: BlobUrl, directories: list[str]
) -> AsyncIterator[Sequence[str]]:
    """Yield the keys below `root` in batches; put aside those of directories.

    Some stores of keys, hierarchical accounts of Azure, keep directories that cannot be removed
    before what lies in them; to other stores the order is all the same.
    """
    size = driver.capabilities.delete_batch
    batch: list[str] = []
    async for page in scattered_pages(driver, root.key):
        for meta in page.blobs:
            if meta.key.endswith("/"):
                directories.append(meta.key)
                continue
            batch.append(meta.key)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


async def _delete_batches(
    driver: Driver, batches: AsyncIterator[Sequence[str]]
) -> Exception | None:
    """Delete while listing, a bounded number of batches at once; return the first failure."""
    failure: Exception | None = None
    delete = partial(_delete_batch, driver)
    async for refused in unordered_map(delete, batches, window=_BATCHES_IN_FLIGHT):
        failure = failure or refused
    return failure


async def _delete_batch(driver: Driver, keys: Sequence[str]) -> Exception | None:
    """Delete one batch and return its first failure; a key that is gone already is none."""
    try:
        results = await driver.delete(keys)
    except BlobError as error:  # the batch as a whole
        return error
    return _first(r.error for r in results if not isinstance(r.error, NotFound))


async def _delete_one(driver: Driver, key: str) -> None:
    (result,) = await driver.delete([key])
    if result.error is not None:
        raise result.error


def _first(errors: Iterable[Exception | None]) -> Exception | None:
    return next((error for error in errors if error is not None), None)
