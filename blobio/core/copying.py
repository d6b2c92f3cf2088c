"""Copy blobs: by the store itself where it can, otherwise through here, part by part.

`plan` decides, from the capabilities alone. Whatever the way, the source is pinned to one version
and the destination appears in one commit that carries the condition: never a look and then a write.

A streamed copy reads and writes parts side by side, in memory only. A part counts in the context's
byte budget from before it is read until it is sent. What was read is compared with the checksum of
the source's store before anything is published, and with what the destination's store replies.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, final

from blobio.config import Config
from blobio.core import growing
from blobio.core.buffers import Buffers
from blobio.core.digest import CopyCheck, md5
from blobio.core.ends import Copied, End, Means
from blobio.core.flow import Reservation, ordered_map
from blobio.core.metadata import MTIME_KEY
from blobio.core.reader import RangeReader
from blobio.core.resuming import Transfer, resumable_copy
from blobio.core.writer import PartBuffer, PartWriter
from blobio.drivers.base import Driver, GetResult
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    TransportFailed,
    Unsupported,
    redact,
)
from blobio.values import (
    BlobMeta,
    Body,
    GetOptions,
    PutOptions,
    PutResult,
)

_logger: Final = logging.getLogger("blobio.core")

__all__ = ["Way", "copy", "plan"]


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
        try:
            result = await target.driver.copy(source.url, target.url.key, options)
        except Unsupported as error:
            _tell(source, target, f"passes through here: {error}")
        else:
            _tell(source, target, "is made by the store")
            digest = await _md5_after(target, result, means.config) if want_md5 else None
            return Copied(digest, result.version)
    else:
        _tell(source, target, "passes through here")
    try:
        return await _stream(source, target, options, means, want_md5=want_md5)
    except ChecksumMismatch as error:
        if error.operation != "copy" or error.ambiguous:
            raise
        _logger.warning("%s; reading them again", error)
    # Some bytes changed on their way here, and nothing was written: read them again, once.
    return await _stream(source, target, options, means, want_md5=want_md5)


def _tell(source: End, target: End, what: str) -> None:
    """Log which way a copy takes. Web URLs may be signed."""
    if _logger.isEnabledFor(logging.INFO):
        _logger.info("copy of %s to %s %s", redact(str(source.url)), redact(str(target.url)), what)


async def _stream(
    source: End,
    target: End,
    options: PutOptions,
    means: Means,
    *,
    want_md5: bool,
) -> Copied:
    share = Reservation(means.budget)
    try:
        small = await _read_small(source, target, means.config, share)
        if small is not None:
            meta, data = small
            check = _check_of(source, meta, target, want_md5=want_md5 or means.verifies)
            options = _with_source(options, meta, target)
            result = await _put_small(data, target, options, means, check)
            return _copied(result, check, want_md5=want_md5)
        async with contextlib.AsyncExitStack() as exits:
            return await _stream_parts(
                source, target, options, means, share=share, exits=exits, want_md5=want_md5
            )
    finally:
        share.close()


def _check_of(source: End, meta: BlobMeta, target: End, *, want_md5: bool) -> CopyCheck:
    tells = not target.driver.capabilities.local_paths
    return CopyCheck(source.url, meta, target.url, want_md5=want_md5, target_tells=tells)


async def _put_small(
    data: bytes, target: End, options: PutOptions, means: Means, check: CopyCheck
) -> PutResult:
    """Write what was read with one request with one more."""
    await check.update(data)
    check.confirm_read()
    result = await target.driver.put(target.url.key, data, options)
    means.sent(data)
    return result


async def _stream_parts(
    source: End,
    target: End,
    options: PutOptions,
    means: Means,
    *,
    share: Reservation,
    exits: contextlib.AsyncExitStack,
    want_md5: bool,
) -> Copied:
    config = means.config
    body: GetResult | None = None
    meta = await source.driver.head(source.url.key, version=source.version)
    if not _is_pinned(meta, source.driver):
        whole = GetOptions(version=source.version)
        body = await exits.enter_async_context(await source.driver.get(source.url.key, whole))
        meta = body.meta
    options = _with_source(options, meta, target)
    check = _check_of(source, meta, target, want_md5=want_md5 or means.verifies)
    if means.journals is not None and body is None:
        ends = (source.driver, source.url, meta, target.driver, target.url)
        transfer = Transfer(*ends, options, config, share)
        done = await resumable_copy(transfer, means.journals, check, means.moved)
        if done is not None:
            return _copied(done, check, want_md5=want_md5)
    writer = PartWriter(
        target.driver,
        target.url,
        options,
        config.write,
        share,
        uploads=means.uploads,
        sent=means.sent,
    )
    part = writer.next_part_bytes
    if body is not None:
        blocks = _blocks_of(body, part, share)
    else:
        reader = RangeReader(
            source.driver, source.url, config.read, size=meta.size, version=meta.version
        )
        parts = _Parts(reader, meta.size, part, share, means.buffers)
        blocks = ordered_map(parts.read, parts.starts, window=config.read.window)
    try:
        with means.buffers.shared():
            result = await _pass_on(blocks, meta.size, writer, check)
    except BaseException:
        await writer.abort()
        raise
    return _copied(result, check, want_md5=want_md5)


def _copied(result: PutResult, check: CopyCheck, *, want_md5: bool) -> Copied:
    check.confirm_written(result)
    told = check.md5 if want_md5 else None
    return Copied(told, result.version, check.passed, is_proved=result.crc32c is not None)


async def _read_small(
    source: End, target: End, config: Config, share: Reservation
) -> tuple[BlobMeta, bytes] | None:
    """Read a blob that its listing says is small with one request, which sees one version.

    Halves the requests of a download of small blobs, and spares most of the work for a small file.
    A target with metadata is not served like this but from the disk, which holds none: the replies
    of some stores to a GET leave the source's metadata out.

    Returns:
        None if it is not small, not any more, or the connection broke: a reader will resume.
    """
    limit = config.write.part_bytes
    able = source.driver.capabilities
    if source.size is None or source.size > limit:
        return None
    if able.local_paths and not source.size:  # a file that says so may have content all the same
        return None
    if target.driver.capabilities.metadata and not able.local_paths:
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


@final
@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a pinned source."""

    reader: RangeReader
    size: int
    part: int
    share: Reservation
    buffers: Buffers

    @property
    def starts(self) -> range:
        """Where they begin."""
        return range(0, self.size, self.part)

    async def read(self, start: int) -> Body:
        """Read the part from `start` on, once its place in memory is reserved."""
        size = min(self.part, self.size - start)
        await self.share.reserve(size)
        if size > growing.TRUSTED_BYTES:  # on nothing but the word of its store
            return await self.reader.read(start, start + size)
        buffer = self.buffers.take(size)
        return buffer[: await self.reader.readinto(start, buffer)]


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


def _with_source(options: PutOptions, meta: BlobMeta, target: End) -> PutOptions:
    metadata: dict[str, str] = {}
    if target.driver.capabilities.metadata:
        kept = {name: value for name, value in meta.metadata.items() if name != MTIME_KEY}
        metadata = {**kept, **options.metadata}
    return replace(
        options,
        size=meta.size,
        content_type=options.content_type or meta.content_type,
        metadata=metadata,
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
