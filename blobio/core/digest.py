"""MD5 of blobs: the store's own where it is proof, otherwise computed and, where cheap, kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from typing import Final

from blobio.config import ReadConfig
from blobio.core.flow import ordered_map
from blobio.core.reader import RangeReader
from blobio.drivers.base import Driver
from blobio.errors import Conflict, NotFound, PermissionDenied
from blobio.url import BlobUrl
from blobio.values import MetaPatch

__all__ = ["MD5_KEY", "md5", "md5_of"]

MD5_KEY = "md5"
"""Metadata name of an MD5 that was computed and kept, as blobfile writes it."""


_HEX_MD5: Final = re.compile(r"[0-9a-f]{32}")


async def md5(driver: Driver, url: BlobUrl, config: ReadConfig) -> str:
    """Return the hex MD5 of a blob: 1 HEAD, and one read of it all if the store holds none.

    Where a change of metadata leaves the object alone (not on S3, where it rewrites the object)
    the result is kept with the blob, on condition that the version is still the one read. A refusal
    to keep it is no failure.
    """
    meta = await driver.head(url.key)
    if meta.md5 is not None:
        return meta.md5
    kept = meta.metadata.get(MD5_KEY, "")
    if _HEX_MD5.fullmatch(kept):  # others use the name too, some for base64
        return kept
    reader = RangeReader(driver, url, config, size=meta.size, version=meta.version)
    digest = await md5_of(reader, config)
    if driver.capabilities.cheap_patch and driver.capabilities.metadata:
        change = MetaPatch(metadata={MD5_KEY: digest})
        with contextlib.suppress(NotFound, PermissionDenied, Conflict):
            await driver.patch(url.key, change, if_version=meta.version)
    return digest


async def md5_of(reader: RangeReader, config: ReadConfig) -> str:
    """Return the hex MD5 of what `reader` reads, part by part, a few parts ahead."""
    digest = hashlib.md5(usedforsecurity=False)
    part = config.part_bytes

    async def block(start: int) -> bytes:
        return await reader.read(start, start + part)

    starts = range(0, reader.size or 0, part)
    async with contextlib.aclosing(ordered_map(block, starts, window=config.window)) as blocks:
        async for data in blocks:
            await asyncio.to_thread(digest.update, data)
    return digest.hexdigest()
