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
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from blobio.url import BlobUrl
from blobio.values import BlobMeta

__all__ = ["cached_copy"]

_STALE_S: Final = 24 * 3600.0
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.1


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
    """
    version = meta.version or f"{meta.mtime}-{meta.size}"
    identity = hashlib.sha256(f"{url}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()
    entry = os.path.join(directory, identity)
    path = os.path.join(entry, url.name or "blob")
    await asyncio.to_thread(os.makedirs, entry, 0o700, exist_ok=True)
    async with _locked(os.path.join(directory, f"{identity}.lock")):
        if await asyncio.to_thread(_is_complete, path, meta.size):
            return path
        await download(path)
    if limit_bytes is not None:
        await asyncio.to_thread(_evict, directory, limit_bytes, path)
    return path


@contextlib.asynccontextmanager
async def _locked(path: str) -> AsyncIterator[None]:
    """Hold an exclusive lock on the file `path`, which also ends with the process.

    Waits by asking again: a thread that blocked in `flock` could not be cancelled, and enough of
    them would keep the one who holds the lock from the threads it needs.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        pause_s = _FIRST_PAUSE_S
        while not _try_lock(descriptor):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        try:
            yield
        finally:
            # Closing is not enough: a process forked meanwhile has the descriptor too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_complete(path: str, size: int) -> bool:
    try:
        complete = os.stat(path).st_size == size
    except FileNotFoundError:
        return False
    if complete:
        os.utime(path)  # the clock of the eviction
    return complete


def _evict(directory: str, limit_bytes: int, keep: str) -> None:
    """Remove the copies used longest ago until the rest fits, and leftovers of dead downloads."""
    copies: list[tuple[float, int, str]] = []
    for path in _files(directory):
        with contextlib.suppress(FileNotFoundError):
            facts = os.stat(path)
            if os.path.basename(path).startswith(".blobio-"):
                if time.time() - facts.st_mtime > _STALE_S:
                    os.unlink(path)
            else:
                copies.append((facts.st_mtime, facts.st_size, path))
    total = sum(size for _, size, _ in copies)
    for _, size, path in sorted(copies):
        if total <= limit_bytes:
            return
        if path != keep:
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)
            total -= size


def _files(directory: str) -> Iterator[str]:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                yield from (inner.path for inner in os.scandir(entry.path))
