"""`RangeReader`: exact, pinned, resumed random access to one blob.

All reads of the core go through `_fill`, which puts the bytes of one span into a buffer and is
where the discipline lives: each request names the version first seen, the reply's version, span and
size are checked before a byte is taken, and a body that breaks off is resumed at the byte where it
stopped. Large reads are cut into parts that are fetched side by side, straight into the caller's
memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Final, final

from blobio.config import ReadConfig
from blobio.core.flow import each, ordered_map
from blobio.core.growing import TRUSTED_BYTES, GrowingBytes
from blobio.drivers.base import Driver, GetResult
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    DeadlineExceeded,
    RangeNotSatisfiable,
    RequestFailed,
    TransportFailed,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import BlobMeta, GetOptions, Span, Version

__all__ = ["RangeReader", "blocks", "coalesce"]

_MAY_PASS: Final = (TransportFailed, ChecksumMismatch, DeadlineExceeded, VersionMismatch)
_STUCK_LIMIT: Final = 3  # resumes in a row that move no byte, or fail verification


@final
class RangeReader:
    """Reads one version of one blob.

    Attributes:
        url: The blob.
        size: Its size in bytes, or None until the first reply if it was not known.
        version: The version all bytes come from, or None until the first reply.
        crc32c: CRC32C that the store has for the whole, or None if it has none or was not asked.
    """

    def __init__(
        self,
        driver: Driver,
        url: BlobUrl,
        config: ReadConfig,
        *,
        size: int | None = None,
        version: Version | None = None,
        crc32c: int | None = None,
    ) -> None:
        self.url = url
        self.size = size
        self.version = version
        self.crc32c = crc32c
        self._driver = driver
        self._config = config

    @classmethod
    async def open(
        cls, driver: Driver, url: BlobUrl, config: ReadConfig, *, version: Version | None = None
    ) -> RangeReader:
        """Learn size, version and CRC32C (1 HEAD) and return a reader pinned to them.

        Raises:
            NotFound, IsDirectory, VersionMismatch: As `Driver.head` does.
        """
        meta = await driver.head(url.key, version=version)
        return cls(driver, url, config, size=meta.size, version=meta.version, crc32c=meta.crc32c)

    async def read_all(self) -> bytes:
        """Read the whole blob; the first reply teaches size and version.

        Up to two parts this is 1 request, and verified wherever the store sends a checksum. Of a
        larger blob the first reply gives the first part, and the others are fetched side by side;
        the whole is checked against the store's CRC32C, or else its MD5, where it has one. A body
        that breaks off is resumed.
        """
        given = self.size
        for _ in range(_STUCK_LIMIT - 1):
            try:
                return await self._read_all()
            except VersionMismatch as error:
                if not error.retryable:
                    raise
                self.size = given  # a length that went wrong on its way was believed: learn it anew
        return await self._read_all()

    async def _read_all(self) -> bytes:
        given = self.size
        stuck = 0
        started: bytes | tuple[GrowingBytes, int, BlobMeta] | None = None
        while started is None:
            try:
                started = await self._start_whole()
            except _MAY_PASS as error:
                stuck += 1
                await self._pause(error, stuck)
                self.size = given
        if isinstance(started, bytes):
            return started
        whole, done, meta = started
        for _ in range(2):  # the second time because bytes were changed on their way
            await self._complete(whole, done)
            data = whole.take(meta.size)
            if await asyncio.to_thread(_is_as_stored, data, meta):
                return data
            del data
            whole, done = GrowingBytes(meta.size, first=self._trusted_bytes), 0
        message = f"read of {self.url}: the bytes are not those of the store's checksum"
        raise ChecksumMismatch(message, url=self.url, operation="get")

    async def _start_whole(self) -> bytes | tuple[GrowingBytes, int, BlobMeta]:
        """Ask for everything; take it all if it is small, else its first part.

        What came of a small body that broke off is handed on like a first part.
        """
        options = GetOptions(version=self.version)
        async with await self._driver.get(self.url.key, options) as result:
            self._pin(result.meta)
            self._check_span(result, Span(0, result.meta.size))
            meta = result.meta
            if meta.size > 2 * self._config.part_bytes:
                whole = GrowingBytes(meta.size, first=self._trusted_bytes)
                return whole, await self._head_of(result, whole.view), meta
            chunks: list[bytes] = []
            try:
                async for chunk in result.chunks():
                    chunks.append(chunk)  # noqa: PERF401 - those before a failure are kept
            except (TransportFailed, DeadlineExceeded) as error:
                if not chunks or not error.retryable:
                    raise
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if len(data) == meta.size:
            return data
        whole = GrowingBytes(meta.size, first=self._trusted_bytes)
        whole.view[: len(data)] = data
        return whole, len(data), meta

    async def read(self, start: int, stop: int) -> bytes:
        """Read bytes `start` to `stop`, cut at the end of the blob."""
        size = self.size
        if size is not None:
            stop = min(stop, size)
        if stop <= start:
            return b""
        first = self._config.part_bytes if size is None else self._trusted_bytes
        whole = GrowingBytes(stop - start, first=first)
        done = 0
        while done < whole.size:
            if done == len(whole.view):
                whole.grow()
            with whole.view[done:] as rest:
                wanted = len(rest)
                count = await self.readinto(start + done, rest)
            done += count
            if count < wanted:
                break
        return whole.take(done)

    async def readinto(self, start: int, buffer: memoryview) -> int:
        """Fill `buffer` with the bytes from `start` on; return how many there were before the end.

        More than one part is fetched side by side, `ReadConfig.window` at a time.
        """
        buffer = self._cut(start, buffer)
        part = self._config.part_bytes
        if len(buffer) <= part:
            return await self._fill(start, buffer)
        done = 0
        if self.size is None:  # the first part teaches the size
            done = await self._fill(start, buffer[:part])
            buffer = self._cut(start, buffer)
        await self._fill_parts(start + done, buffer[done:])
        return len(buffer)

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read many half-open ranges; those close together share a request.

        Returns:
            One `bytes` for each range, in the order given, cut at the end of the blob.
        """
        results: list[bytes] = [b""] * len(ranges)
        limit = self._config.part_bytes
        groups = coalesce(ranges, gap=self._config.coalesce_bytes, limit=limit)

        async def one(group: tuple[Span, tuple[int, ...]]) -> None:
            span, members = group
            block = await self.read(span.start, span.stop)
            for member in members:
                start, stop = ranges[member]
                results[member] = block[start - span.start : stop - span.start]

        if self.version is None and groups:  # the first request pins the others
            await one(groups.pop())
        await each(one, groups, window=self._config.window)
        return results

    async def _head_of(self, result: GetResult, view: memoryview) -> int:
        """Take the first part of a long body, or a little more or less, and leave the rest."""
        done = 0
        try:
            async for chunk in result.chunks():
                piece = chunk[: len(view) - done]
                view[done : done + len(piece)] = piece
                done += len(piece)
                if done >= self._config.part_bytes:
                    break
        except (TransportFailed, DeadlineExceeded) as error:
            if not done or not error.retryable:
                raise
        return done

    @property
    def _trusted_bytes(self) -> int:
        """What is reserved on the word of the store; two parts are read before it is looked at."""
        return max(TRUSTED_BYTES, 2 * self._config.part_bytes)

    async def _complete(self, whole: GrowingBytes, done: int) -> None:
        """Fetch what lies behind `done`."""
        while done < whole.size:
            if done == len(whole.view):
                whole.grow()
            with whole.view[done:] as rest:
                await self._fill_parts(done, rest)
            done = len(whole.view)

    async def _fill_parts(self, start: int, buffer: memoryview) -> None:
        part = self._config.part_bytes

        async def one(offset: int) -> None:
            await self._fill(start + offset, buffer[offset : offset + part])

        await each(one, range(0, len(buffer), part), window=self._config.window)

    async def _fill(self, start: int, buffer: memoryview) -> int:
        """Fill `buffer` from `start`, resuming a broken body; return the bytes before the end."""
        wanted = len(buffer)
        done = resumes = stuck = 0
        while done < wanted:
            before = done
            span = Span(start + done, start + wanted)
            try:
                async with await self._open(span) as result:
                    wanted = min(wanted, result.meta.size - start)
                    async for chunk in result.chunks():
                        buffer[done : done + len(chunk)] = chunk
                        done += len(chunk)
                    self._check_length(result, done - before)
            except RangeNotSatisfiable:  # the size was not known
                if await self._learn_size() <= start:
                    return 0
                # A larger version has come in between; the next request is pinned to it.
            except _MAY_PASS as error:
                if isinstance(error, ChecksumMismatch):
                    done = before
                resumes += 1
                stuck = stuck + 1 if done == before else 0
                if resumes > self._config.resumes:
                    raise
                await self._pause(error, stuck)
        return done

    def _cut(self, start: int, buffer: memoryview) -> memoryview:
        """Return the part of `buffer` that lies before the end of the blob, as far as known."""
        return buffer if self.size is None else buffer[: max(0, self.size - start)]

    async def _pause(self, error: BlobError, stuck: int) -> None:
        if error.retried or not error.retryable or stuck > _STUCK_LIMIT:
            raise error
        if stuck:
            await asyncio.sleep(random.random() * 0.05 * 2**stuck)  # noqa: S311 - jitter

    async def _open(self, span: Span) -> GetResult:
        """Ask for bytes of the pinned version, and refuse a reply that has others."""
        options = GetOptions(range=span, version=self.version)
        try:
            result = await self._driver.get(self.url.key, options)
        except RangeNotSatisfiable as error:
            if self.size is None or span.start >= self.size:  # nobody knew when this was asked
                raise
            what = f"size {self.size}, but now it ends before byte {span.start}"
            raise self._changed(what, retryable=True) from error
        try:
            self._pin(result.meta)
            self._check_span(result, span)
        except BaseException:
            await result.stream.aclose()
            raise
        return result

    async def _learn_size(self) -> int:
        meta = await self._driver.head(self.url.key, version=self.version)
        self._pin(meta)
        return meta.size

    def _check_span(self, result: GetResult, asked: Span) -> None:
        """Refuse bytes that were not asked for; fewer are no fault, the rest is asked for next."""
        served = result.span
        if served.start != asked.start or served.stop > min(asked.stop, result.meta.size):
            message = f"read of {self.url}: bytes {asked} were asked for and {served} came"
            raise RequestFailed(message, url=self.url, operation="get")

    def _check_length(self, result: GetResult, received: int) -> None:
        """Refuse a body that is not its span, or moved nothing, whatever its driver says."""
        if received != len(result.span) or not received:
            message = f"read of {self.url}: {received} bytes came of {len(result.span)} announced"
            raise TransportFailed(message, url=self.url, operation="get")

    def _pin(self, meta: BlobMeta) -> None:
        """Take the first reply's version and size as the truth; refuse any other one."""
        if self.version is None and self.size is None:
            self.size = meta.size
        if self.version is None:
            self.version = meta.version
        elif meta.version is not None and meta.version != self.version:
            raise self._changed(f"version {self.version} is now {meta.version}")
        if self.size is None:
            self.size = meta.size
        elif meta.size != self.size:
            # Two sizes of one version: somebody on the way counts wrongly, once or always.
            one_version = meta.version is not None
            what = f"size {self.size} is now {meta.size}"
            raise self._changed(what, retryable=one_version)

    def _changed(self, what: str, *, retryable: bool = False) -> VersionMismatch:
        message = f"read of {self.url}: the blob changed underneath ({what}); open it again"
        return VersionMismatch(message, url=self.url, operation="get", retryable=retryable)


def _is_as_stored(data: bytes, meta: BlobMeta) -> bool:
    """Compare with what the store vouches for; True if it vouches for nothing."""
    from blobio.checksum import crc32c

    if meta.crc32c is not None:
        return crc32c(data) == meta.crc32c
    if meta.md5 is not None:
        return hashlib.md5(data, usedforsecurity=False).hexdigest() == meta.md5
    return True


def blocks(
    reader: RangeReader, start: int, stop: int, config: ReadConfig
) -> AsyncGenerator[bytes, None]:
    """Yield bytes `start` to `stop` in order, in parts, `config.window` of them ahead."""
    part = config.part_bytes

    async def block(offset: int) -> bytes:
        return await reader.read(offset, min(offset + part, stop))

    return ordered_map(block, range(start, stop, part), window=config.window)


def coalesce(
    ranges: Sequence[tuple[int, int]], *, gap: int, limit: int
) -> list[tuple[Span, tuple[int, ...]]]:
    """Group ranges whose gap is at most `gap` bytes into spans, in order of their start.

    A span grows beyond `limit` bytes only to hold a single range, or overlapping ones.

    Returns:
        For each group the span to fetch and the indexes of the ranges it serves.

    Raises:
        ValueError: A range is negative or ends before it starts.
    """
    groups: list[tuple[Span, tuple[int, ...]]] = []
    members: list[int] = []
    first = last = 0  # of the group of these members
    for index in sorted(range(len(ranges)), key=ranges.__getitem__):
        start, stop = ranges[index]
        if not 0 <= start <= stop:
            Span(start, stop)  # which refuses it; made for each, spans would take most of the time
        union = max(last, stop)
        if members and (start < last or (start - last <= gap and union - first <= limit)):
            members.append(index)
            last = union
            continue
        if members:
            groups.append((Span(first, last), tuple(members)))
        members, first, last = [index], start, stop
    if members:
        groups.append((Span(first, last), tuple(members)))
    return groups
