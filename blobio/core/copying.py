"""Copy and move blobs: by the store itself where it can, otherwise through here, part by part.

`plan` decides, from the capabilities alone. Whatever the way, the source is pinned to one version
and the destination appears in one commit that carries the condition: never a look and then a write.

A streamed copy reads and writes parts side by side, in memory only. A part counts in the context's
byte budget from before it is read until it is sent. What was read is compared with the checksum of
the source's store before anything is published, and with what the destination's store replies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import final

from blobio.config import Config
from blobio.core.digest import CopyCheck, md5
from blobio.core.flow import ByteBudget, Reservation, ordered_map
from blobio.core.journal import Journals
from blobio.core.metadata import MTIME_KEY
from blobio.core.reader import RangeReader
from blobio.core.renaming import rename, taken
from blobio.core.resuming import Transfer, resumable_copy
from blobio.core.writer import PartBuffer, PartWriter
from blobio.drivers.base import Driver, GetResult
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    TransportFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    Body,
    CreateOnly,
    GetOptions,
    PutOptions,
    PutResult,
    Version,
)

__all__ = ["Copied", "End", "Means", "Way", "copy", "move", "plan"]


@final
@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy: a blob and the driver that serves it.

    Attributes:
        driver: Serves `url`.
        url: The blob.
        version: For a source that is streamed: copy this version or raise `VersionMismatch`.
        size: Bytes that a listing told of a source; only how it is read depends on it.
    """

    driver: Driver
    url: BlobUrl
    version: Version | None = None
    size: int | None = None


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


@final
@dataclass(frozen=True, slots=True)
class Means:
    """What the copies of one context work with.

    Attributes:
        config: Sizes and windows.
        budget: Bounds the bytes in flight.
        uploads: Where a writer is entered while it has parts that may have to be taken back.
        moved: Told of the bytes that pass through here, as they come; for a display of progress.
        journals: Where streamed copies in parts are written down, so that another process can go on
            with one that is interrupted; None to take back what is unfinished.
    """

    config: Config
    budget: ByteBudget
    uploads: set[PartWriter] = field(default_factory=set)
    moved: Callable[[int], None] | None = None
    journals: Journals | None = None


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
    means: Means,
    *,
    want_md5: bool = False,
) -> Copied:
    """Copy one blob, and learn the hex MD5 of its bytes if `want_md5`.

    Requests: by the store 1 COPY (and parts for a large one), plus 1 HEAD for the MD5; streamed
    1 HEAD, 1 GET a part, and what `PartWriter` sends; no HEAD for a blob that its listing says is
    small, and that goes where no metadata is kept. The content type comes along, and the user's
    metadata where the destination stores any. A source whose store has no versions is read with
    one GET, so that what is copied was there at one time.

    A copy that is cancelled leaves nothing, unless the request that publishes was under way: then
    the blob may appear, whole.

    Raises:
        NotFound, IsDirectory: There is no such source.
        AlreadyExists, VersionMismatch, ConcurrentWrite: The condition of `options` lost.
        VersionMismatch: The source changed while it was read; nothing was written.
        ChecksumMismatch: The bytes read are not those the source's store vouches for, twice;
            nothing was written. Or, with `ambiguous` set, the destination's store says that it has
            other bytes than were sent.
    """
    if plan(source, target) is Way.SERVER:
        with contextlib.suppress(Unsupported):
            result = await target.driver.copy(source.url, target.url.key, options)
            digest = await _md5_after(target, result, means.config) if want_md5 else None
            return Copied(digest, result.version)
    try:
        return await _stream(source, target, options, means, want_md5=want_md5)
    except ChecksumMismatch as error:
        if error.operation != "copy" or error.ambiguous:
            raise
    # Some bytes changed on their way here, and nothing was written: read them again, once.
    return await _stream(source, target, options, means, want_md5=want_md5)


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
    await copy(source, target, options, means)
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


async def _stream(
    source: End,
    target: End,
    options: PutOptions,
    means: Means,
    *,
    want_md5: bool,
) -> Copied:
    config = means.config
    async with contextlib.AsyncExitStack() as exits:
        share = Reservation(means.budget)
        exits.callback(share.close)
        body: GetResult | None = None
        small = await _read_small(source, target, config, share)
        if small is not None:
            meta = small[0]
        else:
            meta = await source.driver.head(source.url.key, version=source.version)
        if small is None and not _is_pinned(meta, source.driver):
            whole = GetOptions(version=source.version)
            got = await source.driver.get(source.url.key, whole)
            body = await exits.enter_async_context(got)
            meta = body.meta
        options = _with_source(options, meta, target.driver)
        check = CopyCheck(source.url, meta, target.url, want_md5=want_md5)
        if means.journals is not None and small is None and body is None:
            ends = (source.driver, source.url, meta, target.driver, target.url)
            transfer = Transfer(*ends, options, config, share)
            result = await resumable_copy(transfer, means.journals, check, means.moved)
            if result is not None:
                return _copied(result, check, want_md5=want_md5)
        writer = PartWriter(
            target.driver, target.url, options, config.write, share, uploads=means.uploads
        )
        part = writer.next_part_bytes
        if small is not None:
            blocks = _block(small[1])
        elif body is not None:
            blocks = _blocks_of(body, part, share)
        else:
            reader = RangeReader(
                source.driver, source.url, config.read, size=meta.size, version=meta.version
            )
            blocks = _blocks(reader, meta.size, part, config.read.window, share)
        try:
            result = await _pass_on(_told(blocks, means.moved), meta.size, writer, check)
        except BaseException:
            await writer.abort()
            raise
    return _copied(result, check, want_md5=want_md5)


def _copied(result: PutResult, check: CopyCheck, *, want_md5: bool) -> Copied:
    check.confirm_written(result)
    return Copied(check.md5 if want_md5 else None, result.version)


async def _read_small(
    source: End, target: End, config: Config, share: Reservation
) -> tuple[BlobMeta, bytes] | None:
    """Read a blob that its listing says is small with one request, which sees one version.

    Halves the requests of a download of small blobs. A target with metadata is not served like
    this: the replies of some stores to a GET leave the source's metadata out.

    Returns:
        None if it is not small, not any more, or the connection broke: a reader will resume.
    """
    limit = config.write.part_bytes
    able = source.driver.capabilities
    if source.size is None or source.size > limit or able.local_paths:
        return None
    if target.driver.capabilities.metadata:
        return None
    await share.reserve(source.size)
    try:
        options = GetOptions(version=source.version)
        async with await source.driver.get(source.url.key, options) as got:
            if got.meta.size <= source.size:
                chunks = [chunk async for chunk in got.chunks()]
                data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                if len(data) == got.meta.size:
                    return got.meta, data
    except TransportFailed:
        pass
    share.close()
    return None


async def _block(data: bytes) -> AsyncGenerator[Body, None]:
    if data:
        yield data


def _is_pinned(meta: BlobMeta, driver: Driver) -> bool:
    """Tell whether several reads will get bytes of one version, and the size can be believed.

    A file of the disk that says it is empty may be one whose content is made when it is read.
    """
    return meta.version is not None and not (meta.size == 0 and driver.capabilities.local_paths)


async def _pass_on(
    blocks: AsyncGenerator[Body, None], size: int, writer: PartWriter, check: CopyCheck
) -> PutResult:
    """Hand the blocks on as they come, so that none waits for the next one, and publish."""
    last: Body = b""
    done = 0
    async with contextlib.aclosing(blocks):
        async for block in blocks:
            await check.update(block)
            done += len(block)
            if done < size:
                await writer.write_part(block)
            else:
                last = block
    check.confirm_read()
    return await writer.finish(last)


async def _told(
    blocks: AsyncGenerator[Body, None], moved: Callable[[int], None] | None
) -> AsyncGenerator[Body, None]:
    """Tell of the blocks that go by."""
    async with contextlib.aclosing(blocks):
        async for block in blocks:
            if moved is not None:
                moved(len(block))
            yield block


def _blocks(
    reader: RangeReader, size: int, part: int, window: int, share: Reservation
) -> AsyncGenerator[Body, None]:
    """Read parts side by side, each once its place in memory is reserved."""

    async def block(start: int) -> Body:
        await share.reserve(min(part, size - start))
        return await reader.read(start, start + part)

    return ordered_map(block, range(0, size, part), window=window)


async def _blocks_of(body: GetResult, part: int, share: Reservation) -> AsyncGenerator[Body, None]:
    """Cut one body into parts as it comes."""
    left = body.meta.size
    buffer = PartBuffer(part)
    is_reserved = False
    async for chunk in body.chunks():
        view = memoryview(chunk)
        while view:
            if not is_reserved:
                await share.reserve(min(part, left))
            view = view[buffer.fill(view) :]
            is_reserved = not buffer.is_full
            if buffer.is_full:
                left -= part
                yield buffer.take()
    if rest := buffer.take():
        yield rest


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
        return await md5(target.driver, target.url, config.read, version=result.version)
    except BlobError as error:
        error.ambiguous = True
        error.add_note(f"the copy to {target.url} is there; only its MD5 could not be read")
        raise
