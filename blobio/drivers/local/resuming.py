"""Files half written that another process goes on with, and those that nobody goes on with.

What is there is not believed: bytes that a killed machine did not get to the disk are missing or
zero. Each part recorded is read back and compared with its checksum before it counts as done.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, final

from blobio import checksum
from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import is_temporary
from blobio.drivers.local.locking import lock_file
from blobio.drivers.local.special import is_special
from blobio.drivers.local.staging import StagedFile, reopen, stage
from blobio.drivers.local.threads import Threads
from blobio.drivers.local.uploads import FileSink, LocalUpload
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover
from blobio.errors import ConcurrentWrite
from blobio.values import Body, PartToken, PutOptions, PutResult

__all__ = ["KIND", "ResumableFile", "begin", "drop", "leftovers", "resume"]

KIND: Final = "temporary file"

_READ_BYTES: Final = 1 << 20


@final
class ResumableFile:
    """A `ResumableUpload`: parts on their way into a file that has a name."""

    def __init__(self, key: str, staged: StagedFile, threads: Threads) -> None:
        self._staged = staged
        self._threads = threads
        self._upload = LocalUpload(key, FileSink(staged), threads)
        self._name = staged.name or ""

    @property
    def state(self) -> Mapping[str, str]:
        """The name of the file, which lies beside its destination."""
        return {"name": self._name}

    def note(self, index: int, part: SentPart) -> None:
        """Count a part as done."""
        self._upload.table.add(index, part.offset, part.size)

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Write one part where it belongs; see `Upload.put_part`."""
        return await self._upload.put_part(index, offset, body)

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish; see `LocalUpload.complete`."""
        return await self._upload.complete(parts, size=size)

    async def abort(self) -> None:
        """Remove what was written; see `Upload.abort`."""
        await self._upload.abort()

    async def leave(self) -> None:
        """Close the file and leave it under its name."""
        await self._threads.run(lambda _stop: self._staged.leave())


async def begin(
    key: str, options: PutOptions, threads: Threads, *, durable: bool
) -> ResumableFile | None:
    """Start to write a file; None for a special one, which is written in place."""
    if await threads.run(lambda _stop: is_special(key)):
        return None
    staged = await threads.run(
        lambda _stop: stage(key, options.mode, durable=durable, named=True),
        orphan=StagedFile.discard,
    )
    return ResumableFile(key, staged, threads)


async def resume(
    key: str,
    options: PutOptions,
    found: tuple[Mapping[str, str], Mapping[int, SentPart]],
    threads: Threads,
    *,
    durable: bool,
) -> Resumed:
    """Find a file again, and which of its parts are whole.

    Raises:
        UploadLost: As `reopen`.
    """
    state, parts = found
    name = state.get("name", "")
    staged = await threads.run(
        lambda _stop: reopen(key, options.mode, name, durable=durable), orphan=StagedFile.leave
    )
    upload = ResumableFile(key, staged, threads)
    done = set()
    try:
        for index, part in parts.items():
            if await threads.run(partial(_is_whole, staged, part)):
                done.add(index)
                upload.note(index, part)
    except BaseException:
        await upload.leave()
        raise

    async def read_back(start: int, stop: int) -> bytes:
        return await threads.run(lambda _stop: os.pread(staged.fileno(), stop - start, start))

    return Resumed(upload, frozenset(done), read_back=read_back)


def _is_whole(staged: StagedFile, part: SentPart, stop: object) -> bool:
    del stop  # a part is soon read
    crc, offset, end = 0, part.offset, part.offset + part.size
    while offset < end:
        data = os.pread(staged.fileno(), min(_READ_BYTES, end - offset), offset)
        if not data:
            return False
        crc = checksum.crc32c(data, crc)
        offset += len(data)
    return crc == part.crc32c


def leftovers(prefix: str, stop: threading.Event) -> list[Leftover]:
    """Return the temporary files in the directory `prefix` and below; links are not followed.

    Raises:
        NotFound: There is no such directory.
        PermissionDenied: A directory cannot be read: leaving it out would look like it was clean.
    """
    found = []
    with os_errors("list", prefix):
        os.scandir(prefix or ".").close()  # a directory that is not there is an error
        for directory, _, names in os.walk(prefix or ".", onerror=_refuse):
            if stop.is_set():
                break
            for name in filter(is_temporary, names):
                with suppress(FileNotFoundError):
                    found.append(_leftover(os.path.join(directory, name)))
    return sorted(found, key=lambda one: one.key)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # it went away meanwhile
        raise error


def _leftover(path: str) -> Leftover:
    facts = os.lstat(path)
    return Leftover(
        key=path,
        kind=KIND,
        name=os.path.basename(path),
        since=facts.st_mtime,
        size=facts.st_size,
        is_in_use=_is_in_use(path),
    )


def _is_in_use(path: str) -> bool:
    """Tell whether a process writes the file, as far as locks tell."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not lock_file(fd)
    finally:
        os.close(fd)


def drop(leftover: Leftover) -> None:
    """Remove a temporary file; nothing if it is gone.

    Raises:
        ConcurrentWrite: Somebody writes it.
    """
    with os_errors("delete", leftover.key):
        if not is_temporary(os.path.basename(leftover.key)) or _is_in_use(leftover.key):
            message = f"delete of {leftover.key}: it is being written"
            raise ConcurrentWrite(message, url=leftover.key, operation="delete")
        with suppress(FileNotFoundError):
            os.unlink(leftover.key)
