"""`Cache`: copies of blobs, and of ranges of them, on a local disk, within a limit that holds.

`blobio.core.cache` keeps whole files for `BlobFile(cache_dir=...)`, and removes what is too much
after a download. This one is for shards: ranges too, room made before a byte comes, copies in use
never removed, digests, and no request for what is there. Both judge in the same way whose files
they believe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, final

from blobio.dataset.blobs import Blobs
from blobio.dataset.cachechecks import damaged_copies
from blobio.dataset.cachefiles import CacheFiles, Held, Partial, Short
from blobio.dataset.cacheledger import LEDGER_BYTES
from blobio.dataset.cachelocks import Patience, require_local
from blobio.dataset.cachemeta import Identity, Meta
from blobio.dataset.cacheroom import CacheFull, Room, name_of
from blobio.dataset.errors import NotCached
from blobio.errors import Unsupported
from blobio.url import BlobUrl, PathLike
from blobio.values import Version

if TYPE_CHECKING:
    from blobio.config import Config

__all__ = ["Cache", "CacheFull", "CacheStats"]

_HOME: Final = "~/.cache/blobio/datasets"
_POLL_S: Final = 0.02
_SPARE: Final = 20  # the part of the limit that is freed ahead, if small copies make it up


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a cache holds, and what this object has had of it.

    Attributes:
        entries: Copies.
        bytes: What counts towards the limit: copies, and what is being fetched with all that it
            may become.
        max_bytes: The limit, or None.
        held: Copies in use, by any process.
        kept: Copies that cannot be fetched again, as far as anybody has found out.
        hits: Copies that were there when this object was asked.
        misses: Copies that this object has fetched.
        fetched_bytes: Bytes of those.
        evicted_bytes: Bytes that this object has removed to make room.
    """

    entries: int
    bytes: int
    max_bytes: int | None
    held: int
    kept: int
    hits: int
    misses: int
    fetched_bytes: int
    evicted_bytes: int


@final
class Cache:
    """Copies of blobs on a local disk, shared by all processes that use the directory.

    A copy is keyed by URL, version and range of bytes: it never grows old, and what was asked for
    with a version costs no request once it is there. Copies appear whole. The bytes in the
    directory, those on their way included, never exceed `max_bytes`: room is made before a copy is
    fetched, least recently used ones go first. Never removed to make room are copies in use, and
    those that could not be fetched again: before one goes, the store is asked whether that version
    is still there. A process may be killed at any time; what it was at is swept by the next.

    Files of this machine are not copied. With `Config.dataset.offline` (`BLOBIO_OFFLINE`,
    `HF_DATASETS_OFFLINE`) no store is asked, and nothing removed to make room.

    May be used from any thread, and in a fork; pickles as its settings.

    Args:
        directory: On a disk of this machine, made with mode 0700; None for
            `Config.dataset.cache_dir` (`BLOBIO_CACHE_DIR`), else `~/.cache/blobio/datasets`.
        max_bytes: The limit; None for `Config.cache_bytes`, whose None means none.
        wait_s: How long to wait for room while other copies are in use or on their way; and for
            somebody else who fetches the same copy, from the last byte on that came of it.
        config: All settings; None for `Config.from_env()`.

    Raises:
        Unsupported: The directory lies on a network file system, where locks between machines
            cannot be relied on.
    """

    def __init__(
        self,
        directory: PathLike | None = None,
        *,
        max_bytes: int | None = None,
        wait_s: float = 60.0,
        config: Config | None = None,
    ) -> None:
        if max_bytes is not None and max_bytes < 1:
            message = f"max_bytes must be at least 1, not {max_bytes}"
            raise ValueError(message)
        self._blobs = Blobs(config)
        chosen = directory or self._blobs.config.dataset.cache_dir or os.path.expanduser(_HOME)
        place = BlobUrl.parse(chosen)
        if not place.is_local:
            message = f"the cache {place} must be a directory of this machine"
            raise Unsupported(message, url=place, operation="open")
        path = os.path.abspath(place.key)
        require_local(path)
        self._files = CacheFiles(path)
        self._given = max_bytes
        limit = self._blobs.config.cache_bytes if max_bytes is None else max_bytes
        self._room = Room(self._files, self._blobs, limit)
        self._wait_s = wait_s
        self._hits = self._misses = self._fetched_bytes = 0

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.directory, self._given, self._wait_s, self._blobs.given)

    @property
    def directory(self) -> str:
        """Where the copies are."""
        return self._files.directory

    @property
    def max_bytes(self) -> int | None:
        """The limit, or None."""
        return self._room.max_bytes

    @property
    def config(self) -> Config:
        """The settings."""
        return self._blobs.config

    def get(self, url: PathLike, version: str | None = None) -> str:
        """Return the path of a local copy of a blob, fetched if need be.

        The path may go when room is needed: open it at once, or hold it with `lease`. Requests:
        none for a version that is there; 1 HEAD without a version; else 2 HEADs and the download.
        What somebody else is fetching just then is waited for instead: see `wait_s`.

        Args:
            url: The blob; of a file of this machine the path itself is returned.
            version: Copy this version; None for what is there now.

        Raises:
            NotFound: There is no such blob; or, offline, `NotCached`: no copy of it.
            VersionMismatch: That version is gone, and there is no copy of it.
            CacheFull: There was no room for `wait_s`.
        """
        with self.lease(url, version) as path:
            return path

    @contextmanager
    def lease(self, url: PathLike, version: str | None = None) -> Iterator[str]:
        """Hold a local copy of a blob for a `with` block: until its end it is not removed.

        Args and errors as for `get`. Another process that needs the room waits.
        """
        place = BlobUrl.parse(url)
        if place.is_local:
            yield self._own(place)
            return
        held = self._held(place, version)
        try:
            yield held.path
        finally:
            held.release()

    def read(self, url: PathLike, start: int, stop: int, version: str | None = None) -> bytes:
        """Return bytes of a blob, from a copy of the blob or of this very range.

        Requests: none for a range and a version that are there; 1 HEAD without a version; else 1
        GET, by parts if it is large.

        Args:
            url: The blob.
            start: The first byte.
            stop: The first byte that is not wanted; cut at the end of the blob.
            version: Read this version; None for what is there now.

        Raises:
            ValueError: `stop` is before `start`.
            NotFound, VersionMismatch, CacheFull: As for `get`.
        """
        if not 0 <= start <= stop:
            message = f"a range needs 0 <= start <= stop, not [{start}, {stop})"
            raise ValueError(message)
        place = BlobUrl.parse(url)
        if place.is_local:
            return _slice(self._own(place), start, stop)
        size, name, known = self._resolve(place, version, start, stop)
        whole = Identity(url=str(place), version=name)
        part = Identity(url=str(place), version=name, start=start, stop=stop)
        held = self._files.hold(whole)
        if held is not None:
            self._hits += 1
        else:
            stop = stop if size is None else min(stop, max(start, size))
            held = self._acquire(Meta(identity=part, size=stop - start), known)
        try:
            offset = start - held.meta.identity.start
            return _slice(held.path, offset, offset + stop - start)
        finally:
            held.release()

    def stats(self) -> CacheStats:
        """Count what the cache holds."""
        items = self._files.items()
        entries = [item for item in items if item.kind == "e"]
        return CacheStats(
            entries=len(entries),
            bytes=sum(item.size for item in items) + LEDGER_BYTES,
            max_bytes=self._room.max_bytes,
            held=sum(map(self._files.is_held, entries)),
            kept=sum(map(self._files.is_kept, entries)),
            hits=self._hits,
            misses=self._misses,
            fetched_bytes=self._fetched_bytes,
            evicted_bytes=self._room.evicted_bytes,
        )

    def trim(self, max_bytes: int) -> int:
        """Remove copies, least recently used first, until `max_bytes` are left; return bytes freed.

        Those in use and those that could not be fetched again stay. 1 HEAD a copy removed.

        Raises:
            Unsupported: Offline, when nothing could be fetched again.
        """
        self._require_online("trim")
        items = self._files.items()
        entries = sorted((item for item in items if item.kind == "e"), key=lambda i: i.used_ns)
        missing = sum(item.size for item in items) + LEDGER_BYTES - max_bytes
        return self._room.evict(Short(missing, 0, tuple(entries))) if missing > 0 else 0

    def clear(self) -> int:
        """Remove all copies but those in use, also what cannot be fetched again; return the bytes.

        No requests.
        """
        return self._files.remove([item.path for item in self._files.items() if item.kind == "e"])

    def verify(self) -> tuple[str, ...]:
        """Read all copies, and remove those that are not what was fetched; return their URLs.

        A damaged copy that is in use stays, and is named as well. Others may read and write
        meanwhile. No requests.
        """
        return damaged_copies(self._files)

    def _held(self, place: BlobUrl, version: str | None) -> Held:
        if version is not None:  # no request for what is there
            held = self._files.hold(Identity(url=str(place), version=version))
            if held is not None:
                self._hits += 1
                return held
        if self._offline:
            name = self._offline_version(place, version, 0, None)
            return self._acquire(
                Meta(identity=Identity(url=str(place), version=name), size=0), None
            )
        meta = self._blobs.head(place, None if version is None else Version(version))
        identity = Identity(url=str(place), version=version or name_of(meta))
        return self._acquire(Meta(identity=identity, size=meta.size), meta.version)

    def _resolve(
        self, place: BlobUrl, version: str | None, start: int, stop: int
    ) -> tuple[int | None, str, Version | None]:
        """Return size, name and version of what is to be read; 1 HEAD without a version."""
        if version is not None:
            return None, version, Version(version)
        if self._offline:
            return None, self._offline_version(place, version, start, stop), None
        meta = self._blobs.head(place)
        return meta.size, name_of(meta), meta.version

    def _acquire(self, meta: Meta, version: Version | None) -> Held:
        """Return a copy in use, fetched if it is not there; wait for room or for who fetches it."""
        give_up = time.monotonic() + self._wait_s
        patience = Patience(self._wait_s)
        while True:
            held = self._files.hold(meta.identity)
            if held is not None:
                self._hits += 1
                return held
            if self._offline:
                self._miss_offline(meta.identity)
            beside = patience.is_over(self._files.pulse(meta.identity))
            got = self._files.reserve(meta, self._room.max_bytes, beside=beside)
            if isinstance(got, Partial):
                if (held := self._fill(got, version)) is not None:
                    return held
                continue  # somebody else was first
            if isinstance(got, Short):
                if self._made_room(meta, got, give_up):
                    continue
            elif got == "there" and time.monotonic() > give_up:
                where = f"the cache {self.directory}"
                message = f"the copy of {meta.identity.url} in {where} is damaged and in use"
                raise CacheFull(message, url=meta.identity.url, operation="get")
            time.sleep(_POLL_S)

    def _made_room(self, meta: Meta, short: Short, give_up: float) -> bool:
        if self._room.can_never_hold(short):
            self._room.refuse(meta, short)
        if self._room.evict(short, spare=(self._room.max_bytes or 0) // _SPARE):
            return True
        if time.monotonic() > give_up:
            self._room.refuse(meta, short)
        return False

    def _fill(self, partial: Partial, version: Version | None) -> Held | None:
        identity = partial.meta.identity
        place = BlobUrl.parse(identity.url)

        def write(path: str) -> None:
            if identity.stop is None:
                self._blobs.fetch(place, path, version)
                return
            stop = identity.start + partial.meta.size
            data = self._blobs.read_span(place, identity.start, stop, version)
            with open(path, "xb") as file:
                file.write(data)

        held = self._files.fill(partial, write)
        self._misses += 1
        self._fetched_bytes += partial.meta.size if held is None else held.meta.size
        return held

    @property
    def _offline(self) -> bool:
        return self._blobs.config.dataset.offline

    def _require_online(self, verb: str) -> None:
        if self._offline:
            message = f"{verb} of {self.directory}: offline, nothing could be fetched again"
            raise Unsupported(message, operation=verb)

    def _offline_version(
        self, place: BlobUrl, version: str | None, start: int, stop: int | None
    ) -> str:
        """Return the version of the copy to be used offline: the one asked for, else the newest."""
        if version is not None:
            return version
        wanted = {(start, stop), (0, None)}
        found = self._files.versions(str(place))
        found = [one for one in found if (one.start, one.stop) in wanted and not one.kind]
        if found:
            return found[0].version
        return self._miss_offline(Identity(url=str(place), version="any", start=start, stop=stop))

    def _miss_offline(self, identity: Identity) -> NoReturn:
        others = sorted({other.version for other in self._files.versions(identity.url)})
        there = f"; it has version {', '.join(others)}" if others else ""
        message = (
            f"{identity.url}: offline, and the cache {self.directory} has no copy of version "
            f"{identity.version} with these bytes{there}"
        )
        raise NotCached(message, url=identity.url, operation="get")

    def _own(self, place: BlobUrl) -> str:
        """Return the path of a file of this machine, which needs no copy."""
        self._blobs.head(place)
        return os.path.abspath(place.key)


def _rebuild(directory: str, max_bytes: int | None, wait_s: float, config: Config | None) -> Cache:
    return Cache(directory, max_bytes=max_bytes, wait_s=wait_s, config=config)


def _slice(path: str, start: int, stop: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(stop - start)
