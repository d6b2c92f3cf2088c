"""Open a file and read it, on the caller's thread; `LocalStream` makes it a `ByteStream`."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Final, final

from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import describe, require_blob, require_version, version_of
from blobio.drivers.local.special import drain, is_special, open_special
from blobio.drivers.local.threads import Threads
from blobio.drivers.ranges import resolve
from blobio.values import BlobMeta, GetOptions, Span, Version

__all__ = ["LocalStream", "OpenFile", "head", "open_file", "open_plain"]

_CHUNK_BYTES: Final = 2 << 20


@final
@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file open for reading.

    Attributes:
        meta: The file as it was when it was opened.
        span: The bytes wanted, in range.
        file: Where they are read from.
        version: What `file` must stay while it is read.
        first: The first chunk, read when the file was opened: small files cost one crossing.
    """

    meta: BlobMeta
    span: Span
    file: IO[bytes]
    version: Version
    first: bytes = b""

    def read_at(self, position: int) -> bytes:
        """Return the next chunk at `position`, having checked that the file is unchanged.

        Raises:
            VersionMismatch: It was written to, or cut, since it was opened. What clocks coarser
                than the writes, or a writer that sets the time back, hide, is not seen.
            RequestFailed: The disk cannot read it.
        """
        key = self.meta.key
        with os_errors("get", key):
            size = min(_CHUNK_BYTES, self.span.stop - position)
            data = os.pread(self.file.fileno(), size, position)
            found = version_of(os.fstat(self.file.fileno()))
        require_version("get", key, self.version, found if data else None)
        return data


def head(key: str, version: Version | None) -> BlobMeta:
    """Describe a file or, if `key` ends in `/`, a directory; see `Driver.head`."""
    with os_errors("head", key):
        facts = os.stat(key)
    require_blob("head", key, facts)
    meta = describe(key, facts)
    if version is not None:
        require_version("head", key, version, meta.version)
    return meta


def open_plain(key: str, options: GetOptions, _stop: threading.Event) -> OpenFile | None:
    """Open a file for reading, as `open_file` does, if its size is known and it waits for nobody.

    Returns:
        None for what `open_file` has to look into.
    """
    with os_errors("get", key):
        if is_special(key):
            return None
        file = _plain(key)
        try:
            facts = os.fstat(file.fileno())
            if not (stat.S_ISREG(facts.st_mode) and facts.st_size):
                file.close()
                return None
            return _open(key, file, options, _stop)
        except BaseException:
            file.close()
            raise


def open_file(key: str, options: GetOptions, stop: threading.Event) -> OpenFile:
    """Open a file for reading; see `Driver.get`.

    What has no size beforehand (special files, the pseudo-files of `/proc`) is first read to its
    end, or as far as a `Span` goes, into an anonymous temporary file.

    Raises:
        BlobError: As `Driver.get`.
        Stopped: `stop` was set while waiting for a special file.
    """
    with os_errors("get", key):
        file = _file_of(open_special(key, os.O_RDONLY, stop)) if is_special(key) else _plain(key)
        try:
            return _open(key, file, options, stop)
        except BaseException:
            file.close()
            raise


def _plain(key: str) -> io.FileIO:
    return _file_of(os.open(key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))


def _file_of(fd: int) -> io.FileIO:
    try:
        return io.FileIO(fd)
    except OSError:  # it refuses directories, but leaves them open
        os.close(fd)
        raise


def _open(key: str, file: io.FileIO, options: GetOptions, stop: threading.Event) -> OpenFile:
    facts = os.fstat(file.fileno())
    meta = describe(key, facts)
    if options.version is not None:
        require_version("get", key, options.version, meta.version)
    if meta.version is None or (meta.size == 0 and os.pread(file.fileno(), 1, 0)):
        return _spooled(meta, file, options, stop)
    span = resolve(options.range, meta.size, key)
    return _with_first_chunk(OpenFile(meta, span, file, meta.version))


def _spooled(
    meta: BlobMeta, file: io.FileIO, options: GetOptions, stop: threading.Event
) -> OpenFile:
    spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the result keeps it open
    try:
        limit = options.range.stop if isinstance(options.range, Span) else None
        drain(file.fileno(), spool.write, limit, stop)
        facts = os.fstat(spool.fileno())
        span = resolve(options.range, facts.st_size, meta.key)
        meta = meta._replace(size=facts.st_size, version=None)
        opened = _with_first_chunk(OpenFile(meta, span, spool, version_of(facts)))
    except BaseException:
        spool.close()
        raise
    file.close()
    return opened


def _with_first_chunk(opened: OpenFile) -> OpenFile:
    if len(opened.span) == 0:
        return opened
    return replace(opened, first=opened.read_at(opened.span.start))


@final
class LocalStream:
    """The bytes of an open file, read on `threads`; see `blobio.transport.message.ByteStream`."""

    def __init__(self, opened: OpenFile, threads: Threads) -> None:
        self._opened = opened
        self._threads = threads

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks of 2 MiB. Raises as `OpenFile.read_at`."""
        opened = self._opened
        position = opened.span.start
        chunk = opened.first
        while position < opened.span.stop:
            if position > opened.span.start:
                chunk = await self._threads.run(partial(_read_at, opened, position))
            yield chunk
            position += len(chunk)

    async def aclose(self) -> None:
        """Close the file. Idempotent."""
        self._opened.file.close()


def _read_at(opened: OpenFile, position: int, stop: threading.Event) -> bytes:
    del stop  # one chunk is soon read
    return opened.read_at(position)
