"""Copy one large blob so that another process can go on where this one stops.

The parts all have one size. Each that the destination's store confirms is written down, with its
CRC32C; a failure or Ctrl-C leaves the upload open and the journal in place. The next transfer of
the same pair asks the store what it still has, and sends only the rest. What it does not send it
does not read either; unless the source's store vouches for nothing but an MD5, which cannot be put
together: then it is read again, from the destination if that is a disk, else from the source.

Nothing is published that was not compared with the source's checksum: that of the whole is put
together from those of the parts, whichever process sent them. The source is pinned to the version
that was written down; another version, size, condition or description is another transfer, before
which the old upload is taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.checksum import crc32c
from blobio.config import Config
from blobio.core.digest import CopyCheck
from blobio.core.flow import Reservation, ordered_map
from blobio.core.journal import Journal, Journals, Slot, described
from blobio.core.reader import RangeReader
from blobio.core.writer import part_size
from blobio.drivers.base import Driver
from blobio.drivers.resumable import Resumable, ResumableUpload, Resumed, SentPart
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    Conflict,
    UploadLost,
    redact,
)
from blobio.url import BlobUrl
from blobio.values import BlobMeta, Body, PutOptions, PutResult

__all__ = ["Transfer", "resumable_copy", "take_back"]

_logger: Final = logging.getLogger("blobio.core")

_IN_VAIN = (AlreadyExists, Conflict, UploadLost)
"""After these, going on with the same upload can only fail again."""


@final
@dataclass(frozen=True, slots=True)
class Transfer:
    """One copy.

    Attributes:
        source: Serves `source_url`.
        source_url: What is copied.
        meta: What its store says of it.
        target: Serves `target_url`.
        target_url: Where to.
        options: How to write.
        config: Sizes and windows.
        share: Bounds the bytes in flight.
    """

    source: Driver
    source_url: BlobUrl
    meta: BlobMeta
    target: Driver
    target_url: BlobUrl
    options: PutOptions
    config: Config
    share: Reservation

    @property
    def part_bytes(self) -> int:
        """The size of every part but the last."""
        first, limits = self.config.write.part_bytes, self.target.capabilities
        return part_size(0, self.meta.size, first, limits)

    def journal(self, upload: ResumableUpload) -> Journal:
        """Return the journal of an upload that has just begun."""
        return Journal(
            source=redact(_name(self.source, self.source_url)),
            target=_name(self.target, self.target_url),  # `gc` needs it as it is
            size=self.meta.size,
            version=self.meta.version or "",
            options=described(self.options),
            part_bytes=self.part_bytes,
            state=upload.state,
        )

    def is_of(self, journal: Journal) -> bool:
        """Tell whether `journal` is of this very transfer, whatever size its parts have."""
        here = (self.meta.size, self.meta.version, described(self.options))
        return here == (journal.size, journal.version, journal.options)


def _name(driver: Driver, url: BlobUrl) -> str:
    """Return the URL as it is the same from every working directory."""
    is_path = driver.capabilities.local_paths
    return str(url.with_key(os.path.abspath(url.key)) if is_path else url)


async def resumable_copy(
    transfer: Transfer, journals: Journals, check: CopyCheck, moved: Callable[[int], None] | None
) -> PutResult | None:
    """Copy, going on with what an earlier call left.

    Requests: those of a streamed copy in parts, less those for parts that were sent before, and one
    or more that ask for these.

    Returns:
        What was left behind; None, before anything was done, if this is no copy to be resumed: it
        fits into one part, its source has no versions, or its destination cannot do it.

    Raises:
        ConcurrentWrite: Another process is at the same transfer.
        BlobError: As a streamed copy does. What was sent is kept for the next call, unless the
            error says that it would be of no use.
    """
    target, size = transfer.target, transfer.meta.size
    is_large = size > transfer.part_bytes
    if not is_large or not isinstance(target, Resumable) or transfer.meta.version is None:
        return None
    names = _name(transfer.source, transfer.source_url), _name(target, transfer.target_url)
    slot = journals.slot(*names)
    # Not on a thread: a lock that was got and then cancelled would be nobody's.
    with slot.held(transfer.target_url):
        run = await _resumed(transfer, target, slot, check)
        if isinstance(run, PutResult):
            return run
        if run is None:
            upload = await target.begin_resumable(transfer.target_url.key, transfer.options)
            if upload is None:
                return None
            run = _Run(transfer, slot, upload, transfer.journal(upload), Resumed(upload))
            slot.save(run.journal)  # before anything else can happen
        return await run.finish(check, moved)


async def take_back(slot: Slot, target: Driver, url: BlobUrl) -> None:
    """Give up a transfer: take back what its destination's store has, and remove its journal.

    Raises:
        ConcurrentWrite: A process is at it.
        BlobError: What is at the store could not be taken back; the journal stays.
    """
    with slot.held(url):
        journal = await asyncio.to_thread(slot.load)
        if journal is not None and isinstance(target, Resumable):
            with contextlib.suppress(UploadLost):
                found = await target.resume_upload(url.key, PutOptions(), journal.state, {})
                if found.upload is not None:
                    await found.upload.abort()
        slot.remove()


async def _resumed(
    transfer: Transfer, target: Resumable, slot: Slot, check: CopyCheck
) -> _Run | PutResult | None:
    """Go on with what the journal tells of; None if there is nothing to go on with.

    What an earlier process published without living to see it is the result.
    """
    journal = await asyncio.to_thread(slot.load)
    if journal is None:
        return None
    is_same = transfer.is_of(journal)
    parts = journal.parts if is_same else {}
    try:
        found = await target.resume_upload(
            transfer.target_url.key, transfer.options, journal.state, parts
        )
        # All parts are written down before an upload is published. If they are not, the journal is
        # older than that, and cannot tell what was published.
        is_whole = sum(part.size for part in parts.values()) == transfer.meta.size
        if found.published is not None and is_whole and not check.needs_bytes:
            slot.remove()
            for _, part in sorted(parts.items()):
                check.skip(part.size, part.crc32c)
            check.confirm_read()
            return found.published
        if found.upload is not None and is_same:
            kept = {index: part for index, part in parts.items() if index in found.parts}
            journal = replace(journal, parts=kept)
            there = (len(kept), -(-journal.size // journal.part_bytes))
            _logger.info("copy to %s goes on: %d of %d parts are there", journal.target, *there)
            return _Run(transfer, slot, found.upload, journal, found)
        if found.upload is not None:
            await found.upload.abort()
    except UploadLost:
        pass
    slot.remove()
    return None


@final
class _Run:
    """One process's share of a transfer."""

    def __init__(
        self,
        transfer: Transfer,
        slot: Slot,
        upload: ResumableUpload,
        journal: Journal,
        found: Resumed,
    ) -> None:
        self.journal = journal
        self._transfer = transfer
        self._slot = slot
        self._upload = upload
        self._done = found.parts
        self._parts = dict(journal.parts)
        self._is_saved = True
        self._saving = asyncio.Lock()
        self._reader = RangeReader(
            transfer.source,
            transfer.source_url,
            transfer.config.read,
            size=transfer.meta.size,
            version=transfer.meta.version,
        )
        self._read_back = found.read_back or self._reader.read

    async def finish(self, check: CopyCheck, moved: Callable[[int], None] | None) -> PutResult:
        """Send what is left, compare the whole, and publish."""
        is_sent = False
        try:
            async with contextlib.aclosing(self._sent(check)) as sent:
                async for size in sent:
                    if moved is not None:
                        moved(size)
            is_sent = True
            check.confirm_read()
            tokens = [self._parts[index].token for index in range(len(self._parts))]
            result = await self._upload.complete(tokens, size=self._transfer.meta.size)
        except BaseException as error:
            # A part that was changed on its way is sent again; a whole that is wrong stays wrong.
            is_wrong = is_sent and isinstance(error, ChecksumMismatch)
            await self._give_up(in_vain=is_wrong or isinstance(error, _IN_VAIN))
            raise
        self._slot.remove()
        return result

    async def _give_up(self, *, in_vain: bool) -> None:
        """Keep what is there for the next process, or take it back if it is of no use."""
        if not in_vain:
            await self._upload.leave()
            return
        with contextlib.suppress(BlobError):
            await self._upload.abort()
        self._slot.remove()

    async def _sent(self, check: CopyCheck) -> AsyncGenerator[int, None]:
        """Yield the size of each part, in order, once the store has it and `check` knows it."""
        size, step = self._transfer.meta.size, self.journal.part_bytes
        share = self._transfer.share

        async def part(index: int) -> tuple[SentPart, Body | None]:
            known = self._parts[index] if index in self._done else None
            if known is not None and not check.needs_bytes:
                return known, None
            start = index * step
            stop = min(start + step, size)
            await share.reserve(stop - start)
            if known is not None:
                return known, await self._read_back(start, stop)
            body = await self._reader.read(start, stop)
            return await self._send(index, start, body), body

        count = -(-size // step)
        window = self._transfer.config.write.window
        async with contextlib.aclosing(ordered_map(part, range(count), window=window)) as parts:
            async for sent, body in parts:
                if check.needs_bytes and body is not None:
                    await check.update(body)
                else:
                    check.skip(sent.size, sent.crc32c)
                if body is not None:
                    share.release(len(body))
                yield sent.size

    async def _send(self, index: int, offset: int, body: Body) -> SentPart:
        crc = crc32c(body)
        token = await self._upload.put_part(index, offset, body)
        part = SentPart(offset, len(body), crc, token)
        self._parts[index] = part
        await self._save()
        return part

    async def _save(self) -> None:
        """Write down what is done; parts that end while one is being written share the next."""
        self._is_saved = False
        async with self._saving:
            if not self._is_saved:
                self._is_saved = True
                journal = replace(self.journal, parts=dict(self._parts))
                await asyncio.to_thread(self._slot.save, journal)
