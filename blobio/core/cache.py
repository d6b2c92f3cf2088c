"""Local copies of blobs, keyed by URL and version: whole or absent, bounded, safe across processes.

A copy is published by a rename, so a reader never sees a part of one, and a download that is killed
leaves only a temporary file that the next run sweeps away. One process at a time fills an entry;
the others wait and then find it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from blobio.core.planted import require_own
from blobio.url import BlobUrl
from blobio.values import BlobMeta

__all__ = ["cached_copy"]

_ENTRY: Final = re.compile(r"[0-9a-f]{64}")
_STALE_S: Final = 24 * 3600.0
_POLL_S: Final = 0.02
_NAME_BYTES: Final = 200  # of the 255 that file systems allow: temporary files have longer names
_TEMPORARY: Final = ".blobio-"  # how the names begin of what the local driver has not published


async def cached_copy(
    directory: str,
    url: BlobUrl,
    meta: BlobMeta,
    download: Callable[[str], Awaitable[object]],
    *,
    limit_bytes: int | None,
) -> str:
    """Return the path of a local copy of this version of `url`, calling `download` if needed.

    Args:
        directory: The cache, made with mode 0700 if it is missing.
        url: The blob.
        meta: Its description; a blob without a version is keyed by size and time.
        download: Writes the blob to the path it is given.
        limit_bytes: Least recently used copies are removed beyond this; None for no limit.

    Returns:
        `DIRECTORY/<sha256 of url and version>/<name>`.

    Raises:
        PermissionDenied: Another user has put an entry of that name into the directory.
    """
    version = meta.version or f"{meta.mtime}-{meta.size}"
    identity = hashlib.sha256(f"{url}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()
    entry = os.path.join(directory, identity)
    path = os.path.join(entry, _file_name(url))
    await asyncio.to_thread(os.makedirs, directory, 0o700, exist_ok=True)
    async with _locked(f"{entry}.lock"):
        if await asyncio.to_thread(_is_complete, directory, path, meta.size):
            return path
        await asyncio.to_thread(_start, directory, entry)
        await download(path)
    if limit_bytes is not None:
        await asyncio.to_thread(_evict, directory, limit_bytes, entry)
    return path


def _file_name(url: BlobUrl) -> str:
    """Return the last part of the key, so that what looks at extensions works, where it can be."""
    name = url.name
    usable = name not in ("", ".", "..") and "\0" not in name and not name.startswith(_TEMPORARY)
    return name if usable and len(os.fsencode(name)) <= _NAME_BYTES else "blob"


@contextlib.asynccontextmanager
async def _locked(path: str) -> AsyncIterator[None]:
    """Hold the lock at `path`, which ends with the process.

    It is polled for: a thread that waits in `flock` could not be called back when its task is
    cancelled, and enough of them would leave none for the download they wait for.
    """
    while (descriptor := _try_lock(path)) is None:  # noqa: ASYNC110 - a process holds it, no task
        await asyncio.sleep(_POLL_S)
    try:
        yield
    finally:
        # Closing alone would leave the lock to a process that was forked meanwhile.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_lock(path: str) -> int | None:
    """Take the lock and return its descriptor, or None if it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:  # else an eviction took the file away in between
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_complete(directory: str, path: str, size: int) -> bool:
    try:
        require_own(directory, os.path.dirname(path), stat.S_ISDIR)
        complete = require_own(directory, path, stat.S_ISREG).st_size == size
    except FileNotFoundError:
        return False
    if complete:
        os.utime(path)  # the clock of the eviction
    return complete


def _start(directory: str, entry: str) -> None:
    """Make the entry, without what a download that died has left in it."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(entry, 0o700)
    require_own(directory, entry, stat.S_ISDIR)
    for leftover in list(os.scandir(entry)):
        os.unlink(leftover.path)


def _evict(directory: str, limit_bytes: int, keep: str) -> None:
    """Remove the copies used longest ago until the rest fits, and leftovers of dead downloads."""
    copies: list[tuple[float, int, str]] = []
    for entry in _entries(directory):
        with contextlib.suppress(FileNotFoundError):
            files = [(file.name, file.stat()) for file in os.scandir(entry)]
            used = max((facts.st_mtime for _, facts in files), default=0.0)
            if all(name.startswith(_TEMPORARY) for name, _ in files):
                if time.time() - used > _STALE_S:
                    _remove(entry)
                continue
            copies.append((used, sum(facts.st_size for _, facts in files), entry))
    total = sum(size for _, size, _ in copies)
    for _, size, entry in sorted(copies):
        if total <= limit_bytes:
            return
        if entry != keep and _remove(entry):
            total -= size


def _entries(directory: str) -> Iterator[str]:
    """Yield the directories that are entries, and nothing else the user may keep there."""
    with os.scandir(directory) as found:
        for entry in found:
            if _ENTRY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield entry.path


def _remove(entry: str) -> bool:
    """Remove an entry and its lock; False if somebody fills it just now."""
    lock = f"{entry}.lock"
    descriptor = _try_lock(lock)
    if descriptor is None:
        return False
    try:
        shutil.rmtree(entry, ignore_errors=True)
        os.unlink(lock)
    finally:
        os.close(descriptor)
    return True
