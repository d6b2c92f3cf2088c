"""Copy and move blobs: by the store itself where it can, otherwise through here, part by part.

`plan` decides, from the capabilities alone. Whatever the way, the source is pinned to one version
and the destination appears in one commit that carries the condition: never a look and then a write.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from enum import Enum
from typing import final

from blobio.checksum import Crc32c
from blobio.config import Config
from blobio.core.digest import md5
from blobio.core.flow import ByteBudget, ordered_map
from blobio.core.metadata import MTIME_KEY
from blobio.core.reader import RangeReader
from blobio.core.writer import PartWriter
from blobio.drivers.base import Driver
from blobio.errors import AlreadyExists, BlobError, ChecksumMismatch, Unsupported
from blobio.url import BlobUrl
from blobio.values import BlobMeta, CreateOnly, Overwrite, PutOptions, PutResult, Version

__all__ = ["Copied", "End", "Way", "copy", "move", "plan"]


@final
@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy: a blob and the driver that serves it.

    Attributes:
        driver: Serves `url`.
        url: The blob.
        version: For a source that is streamed: copy this version or raise `VersionMismatch`.
    """

    driver: Driver
    url: BlobUrl
    version: Version | None = None


@final
@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy left behind.

    Attributes:
        md5: Hex MD5 of the bytes, if it was asked for.
        version: The version written, or None if the store does not say.
    """

    md5: str | None
    version: Version | None


class Way(Enum):
    """How bytes get from one end to the other."""

    SERVER = "the store copies"
    STREAM = "parts pass through here"


def plan(source: End, target: End) -> Way:
    """Choose the way; `SERVER` may still turn out `Unsupported` by the store."""
    same_store = source.url.scheme == target.url.scheme
    return Way.SERVER if same_store and target.driver.capabilities.server_copy else Way.STREAM


async def copy(
    source: End,
    target: End,
    options: PutOptions,
    config: Config,
    budget: ByteBudget,
    *,
    want_md5: bool = False,
) -> Copied:
    """Copy one blob, and learn the hex MD5 of its bytes if `want_md5`.

    Requests: by the store 1 COPY (and parts for a large one), plus 1 HEAD for the MD5; streamed
    1 HEAD, 1 GET a part, and what `PartWriter` sends. The content type comes along, and the user's
    metadata where the destination stores any.

    Raises:
        NotFound, IsDirectory: There is no such source.
        AlreadyExists, VersionMismatch, ConcurrentWrite: The condition of `options` lost.
        VersionMismatch: The source changed while it was read; nothing was written.
        ChecksumMismatch: The bytes read are not those the source's store vouches for; nothing
            was written.
    """
    if plan(source, target) is Way.SERVER:
        with contextlib.suppress(Unsupported):
            result = await target.driver.copy(source.url, target.url.key, options)
            digest = await _md5_after(target, result, config) if want_md5 else None
            return Copied(digest, result.version)
    return await _stream(source, target, options, config, budget, want_md5=want_md5)


async def move(
    source: End, target: End, options: PutOptions, config: Config, budget: ByteBudget
) -> None:
    """Move one blob: a rename where both ends are on one disk, else a copy and then a removal.

    If the removal fails the blob is at both ends and the error says so; it is never at neither. A
    move onto itself changes nothing.

    Raises:
        NotFound, IsDirectory: There is no such source.
        AlreadyExists, VersionMismatch, ConcurrentWrite: The condition of `options` lost.
        Unsupported: The source can only be read; nothing was copied.
    """
    if not source.driver.capabilities.writable:
        message = f"move of {source.url}: it can only be read, and so not be moved; use copy"
        raise Unsupported(message, url=source.url, operation="move")
    if source.url == target.url:
        await source.driver.head(source.url.key)
        if isinstance(options.mode, CreateOnly):
            raise _taken(source.url, target.url)
        return
    on_disk = (source.driver.capabilities.local_paths, target.driver.capabilities.local_paths)
    if all(on_disk) and await asyncio.to_thread(_rename, source.url, target.url, options):
        return
    await copy(source, target, options, config, budget)
    (result,) = await source.driver.delete([source.url.key])
    if result.error is not None:
        raise result.error


async def _stream(
    source: End,
    target: End,
    options: PutOptions,
    config: Config,
    budget: ByteBudget,
    *,
    want_md5: bool,
) -> Copied:
    meta = await source.driver.head(source.url.key, version=source.version)
    reader = RangeReader(
        source.driver, source.url, config.read, size=meta.size, version=meta.version
    )
    options = _with_source(options, meta, target.driver)
    writer = PartWriter(target.driver, target.url, options, config.write, budget)
    digest = hashlib.md5(usedforsecurity=False) if want_md5 else None
    crc = Crc32c() if meta.crc32c is not None else None
    try:
        held: bytes = b""
        blocks = _blocks(reader, meta.size, writer.next_part_bytes, config.read.window)
        async with contextlib.aclosing(blocks):
            async for block in blocks:
                if digest is not None:
                    await asyncio.to_thread(digest.update, block)
                if crc is not None:
                    crc.update(block)
                if held:
                    await writer.write_part(held)
                held = block
        if crc is not None and crc.value != meta.crc32c:
            message = f"copy of {source.url} to {target.url}: the bytes read are not those stored"
            raise ChecksumMismatch(message, url=source.url, operation="copy")
        result = await writer.finish(held)
    except BaseException:
        await writer.abort()
        raise
    return Copied(digest.hexdigest() if digest is not None else None, result.version)


def _blocks(reader: RangeReader, size: int, part: int, window: int) -> AsyncGenerator[bytes, None]:
    async def block(start: int) -> bytes:
        return await reader.read(start, start + part)

    return ordered_map(block, range(0, size, part), window=window)


def _with_source(options: PutOptions, meta: BlobMeta, target: Driver) -> PutOptions:
    kept = {k: v for k, v in meta.metadata.items() if k != MTIME_KEY}
    return replace(
        options,
        size=meta.size,
        content_type=options.content_type or meta.content_type,
        metadata={**kept, **options.metadata} if target.capabilities.metadata else {},
    )


async def _md5_after(target: End, result: PutResult, config: Config) -> str:
    if result.md5 is not None:
        return result.md5
    try:
        return await md5(target.driver, target.url, config.read)
    except BlobError as error:
        error.ambiguous = True
        error.add_note(f"the copy to {target.url} is there; only its MD5 could not be read")
        raise


def _rename(source: BlobUrl, target: BlobUrl, options: PutOptions) -> bool:
    """Rename on one file system.

    Returns:
        False if that does not work: the ends are on two file systems, the condition is another, or
        the system refuses. Copying will do it, or tell what is wrong in the words of the driver.
    """
    is_possible = isinstance(options.mode, Overwrite | CreateOnly)
    if not is_possible or os.path.isdir(source.key) or not os.path.lexists(source.key):
        return False
    try:
        os.makedirs(os.path.dirname(target.key) or ".", exist_ok=True)
        if isinstance(options.mode, CreateOnly):
            _rename_to_new(source, target)
        else:
            os.replace(source.key, target.key)
    except AlreadyExists:
        raise
    except OSError:
        return False
    return True


def _rename_to_new(source: BlobUrl, target: BlobUrl) -> None:
    try:
        os.link(source.key, target.key, follow_symlinks=False)
    except FileExistsError as error:
        raise _taken(source, target) from error
    try:
        os.unlink(source.key)
    except OSError:
        os.unlink(target.key)
        raise


def _taken(source: BlobUrl, target: BlobUrl) -> AlreadyExists:
    message = f"move of {source} to {target}: the destination exists"
    return AlreadyExists(message, url=target, operation="move")
