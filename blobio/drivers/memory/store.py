"""The data behind `memory://`: buckets of blobs under one lock, shared by drivers on any loop.

Every bucket exists and is empty until written to. Conditions are decided under the lock, which is
what makes a write atomic.
"""

from __future__ import annotations

import itertools
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, final

from blobio.errors import AlreadyExists, NotFound, VersionMismatch
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    CreateOnly,
    ListOptions,
    ListPage,
    MetaPatch,
    PutOptions,
    ReplaceIf,
    Version,
    WriteMode,
)

__all__ = ["Blob", "Content", "MemoryStore"]

_PAGE_SIZE: Final = 1000
_MTIME_NAME: Final = "blobfile-mtime"


@final
@dataclass(frozen=True, slots=True)
class Content:
    """Bytes with their digests: hex MD5, and CRC32C as an unsigned int."""

    data: bytes
    md5: str
    crc32c: int


@final
@dataclass(frozen=True, slots=True)
class Blob:
    """One state of one blob."""

    content: Content
    meta: BlobMeta

    def describe(self) -> BlobMeta:
        """Return the description, with metadata that the caller may change."""
        return self.meta._replace(metadata=dict(self.meta.metadata))


@final
@dataclass(slots=True)
class _Bucket:
    """Blobs by key, and their keys in UTF-8 order (which is the code point order of `str`).

    `order` is brought up to date by `entries`, not by each write: `added` are keys it does not
    hold yet, `removed` are keys it still holds. So a bulk load costs one sort, and a page after
    some writes costs a merge of runs that are already sorted.
    """

    blobs: dict[str, Blob] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def store(self, key: str, blob: Blob) -> None:
        if key in self.removed:
            self.removed.discard(key)
        elif key not in self.blobs:
            self.added.add(key)
        self.blobs[key] = blob

    def drop(self, key: str) -> None:
        del self.blobs[key]
        if key in self.added:
            self.added.discard(key)
        else:
            self.removed.add(key)

    def settle(self) -> None:
        """Bring `order` up to date, but leave removed keys in it while they are the minority."""
        if self.added:
            self.order.extend(sorted(self.added))
            self.order.sort()
            self.added.clear()
        if len(self.removed) > len(self.blobs):
            self.order = [key for key in self.order if key not in self.removed]
            self.removed.clear()

    def entries(self, prefix: str, delimiter: str, start: str) -> Iterator[tuple[str, bool, str]]:
        """Yield (entry, whether it is a prefix, start of what follows) from `start`, inclusive."""
        self.settle()
        index = bisect_left(self.order, max(prefix, start))
        while index < len(self.order) and (key := self.order[index]).startswith(prefix):
            index += 1
            if key in self.removed:
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield key, False, key + "\0"
            else:
                following = key[:cut] + chr(ord(delimiter) + 1)
                yield key[: cut + 1], True, following
                index = bisect_left(self.order, following, index)


@final
class MemoryStore:
    """Buckets by name. Methods are thread-safe and short; they never wait for anything else.

    Args:
        clock: Returns the time of a write, in seconds since the epoch.
        lock: Held during each method; None for one of its own.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._lock = threading.Lock() if lock is None else lock
        self._clock = clock
        self._versions = itertools.count(1)
        self._buckets: dict[str, _Bucket] = {}

    def find(self, operation: str, url: BlobUrl, version: Version | None) -> Blob:
        """Return the blob, for `operation`.

        Raises:
            NotFound: It does not exist.
            VersionMismatch: `version` is given and another is there.
        """
        with self._lock:
            return self._find(operation, url, version)

    def commit(
        self, operation: str, url: BlobUrl, content: Content, options: PutOptions
    ) -> Version:
        """Write a blob and return its version.

        Raises:
            AlreadyExists: `CreateOnly` lost.
            VersionMismatch: `ReplaceIf` lost.
        """
        with self._lock:
            self._check(operation, url, options.mode)
            now, version = self._clock(), self._next_version()
            meta = BlobMeta(
                key=url.key,
                size=len(content.data),
                mtime=now,
                ctime=now,
                version=version,
                md5=content.md5,
                crc32c=content.crc32c,
                content_type=options.content_type,
                metadata=dict(options.metadata),
            )
            self._bucket(url).store(url.key, Blob(content, meta))
        return version

    def patch(self, url: BlobUrl, change: MetaPatch, version: Version | None) -> BlobMeta:
        """Change metadata. The version changes, the times and the bytes stay.

        Raises:
            NotFound, VersionMismatch: As `find`.
        """
        with self._lock:
            blob = self._find("patch", url, version)
            changed = {**blob.meta.metadata, **change.metadata}
            if change.mtime is not None:
                changed[_MTIME_NAME] = str(change.mtime)
            meta = blob.meta._replace(
                version=self._next_version(),
                content_type=change.content_type or blob.meta.content_type,
                metadata={name: value for name, value in changed.items() if value is not None},
            )
            patched = Blob(blob.content, meta)
            self._bucket(url).store(url.key, patched)
        return patched.describe()

    def remove(self, url: BlobUrl) -> None:
        """Delete a blob.

        Raises:
            NotFound: It does not exist.
        """
        with self._lock:
            self._find("delete", url, None)
            self._bucket(url).drop(url.key)

    def page(self, url: BlobUrl, options: ListOptions, token: str | None) -> ListPage:
        """List keys that start with `url.key`. A token is the least key of the next page."""
        start = token
        if start is None:
            start = options.start_after + "\0" if options.start_after else ""
        room = min(options.page_size, _PAGE_SIZE)
        blobs: list[BlobMeta] = []
        prefixes: list[str] = []
        with self._lock:
            bucket = self._bucket(url)
            for entry, is_prefix, following in bucket.entries(url.key, options.delimiter, start):
                if room == 0:
                    return ListPage(blobs=blobs, prefixes=prefixes, token=start)
                if is_prefix:
                    prefixes.append(entry)
                else:
                    blobs.append(bucket.blobs[entry].describe())
                room -= 1
                start = following
        return ListPage(blobs=blobs, prefixes=prefixes)

    def _bucket(self, url: BlobUrl) -> _Bucket:
        return self._buckets.setdefault(url.authority, _Bucket())

    def _next_version(self) -> Version:
        """Return a version that was never given before, to no blob of this store."""
        return Version(str(next(self._versions)))

    def _find(self, operation: str, url: BlobUrl, version: Version | None) -> Blob:
        blob = self._bucket(url).blobs.get(url.key)
        if blob is None:
            message = f"{operation} of {url}: no such blob"
            raise NotFound(message, url=url, operation=operation)
        if version is not None and version != blob.meta.version:
            raise _mismatch(operation, url, version, blob)
        return blob

    def _check(self, operation: str, url: BlobUrl, mode: WriteMode) -> None:
        present = self._bucket(url).blobs.get(url.key)
        if isinstance(mode, CreateOnly) and present is not None:
            message = f"{operation} of {url}: it exists, and only a new blob was to be written"
            raise AlreadyExists(message, url=url, operation=operation)
        if isinstance(mode, ReplaceIf) and (
            present is None or present.meta.version != mode.version
        ):
            raise _mismatch(operation, url, mode.version, present)


def _mismatch(
    operation: str, url: BlobUrl, wanted: Version, present: Blob | None
) -> VersionMismatch:
    found = "nothing is there" if present is None else f"version {present.meta.version} is there"
    message = f"{operation} of {url}: version {wanted} was asked for, {found}"
    return VersionMismatch(message, url=url, operation=operation)
