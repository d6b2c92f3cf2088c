"""Move a blob: a rename where that is possible, else a copy, and then the removal of its source."""

from __future__ import annotations

import asyncio

from blobio.core.attending import attended_copy
from blobio.core.ends import End, Means
from blobio.core.renaming import rename, taken
from blobio.errors import Unsupported, VersionMismatch
from blobio.values import CreateOnly, PutOptions, Version

__all__ = ["move"]


async def move(source: End, target: End, options: PutOptions, means: Means) -> None:
    """Move one blob: a rename where both ends are on one disk, else a copy and then a removal.

    If the removal fails the blob is at both ends and the error says so; it is never at neither. A
    move onto itself changes nothing. A source that is changed meanwhile is not removed.

    Raises:
        NotFound, IsDirectory: There is no such source.
        AlreadyExists, VersionMismatch, ConcurrentWrite: The condition of `options` lost.
        VersionMismatch: The source was changed after the move began. Both blobs are there.
        Unsupported: The source can only be read; nothing was copied.
    """
    if not source.driver.capabilities.writable:
        message = f"move of {source.url}: it can only be read, and so not be moved; use copy"
        raise Unsupported(message, url=source.url, operation="move")
    if source.url == target.url:
        await source.driver.head(source.url.key)
        if isinstance(options.mode, CreateOnly):
            raise taken(source.url, target.url)
        return
    on_disk = (source.driver.capabilities.local_paths, target.driver.capabilities.local_paths)
    if all(on_disk) and await asyncio.to_thread(rename, source.url, target.url, options):
        return
    version = (await source.driver.head(source.url.key)).version
    await attended_copy(source, target, options, means)
    await _remove_version(source, version)


async def _remove_version(source: End, version: Version | None) -> None:
    """Remove what was moved, if it still is what it was before.

    A store that cannot decide that itself is asked just before, which leaves a moment in between.
    """
    driver, key = source.driver, source.url.key
    decides = version is not None and driver.capabilities.conditional_delete
    if version is not None and not decides and (await driver.head(key)).version != version:
        message = f"move of {source.url}: it was changed meanwhile, and so not removed"
        raise VersionMismatch(message, url=source.url, operation="move")
    (result,) = await driver.delete([key], if_version=version if decides else None)
    if result.error is not None:
        raise result.error
