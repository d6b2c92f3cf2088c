"""`CachedReads`: the bytes of shards from a cache on disk, and into it; between fetching and cache.

Everything here blocks, so it runs on the threads that decode, never on the loop. A cache is there
to save requests: one that is full, damaged or cannot be written never fails a reading, which then
goes on from the store and tells so once.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

from blobio.dataset.blobs import Blobs
from blobio.dataset.cache import Cache
from blobio.dataset.cachefiles import CacheFiles, Held, Partial, Short
from blobio.dataset.cachemeta import Identity, Meta
from blobio.dataset.cacheroom import Room
from blobio.dataset.errors import NotCached
from blobio.dataset.memory import Mapped
from blobio.errors import redact

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.dataset.manifest import Shard
    from blobio.dataset.memory import Packed, Sparse

__all__ = ["CacheChoice", "CachedReads", "Claim", "cached_reads", "chosen_cache"]

_log = logging.getLogger("blobio.dataset")

CacheChoice: TypeAlias = "Cache | bool | None"
"""A cache; True for that of the settings, False for none; None for what the settings say."""

Part: TypeAlias = "tuple[int, int]"

Claim: TypeAlias = 'Partial | Literal["there", "fetched"] | None'
"""Room for what is to be fetched; or it is there by now, or somebody is at it; None for neither."""

_PAUSE_S: Final = 1.0  # after there was no room, until it is looked for again
_TRIES: Final = 3  # to make room that others take
_SPARE: Final = 20  # as in `Cache`


def chosen_cache(choice: CacheChoice, config: Config) -> Cache | None:
    """Return the cache that is meant, None for none.

    Offline there is always one, as no store may be asked. One of the settings that cannot be
    opened is gone without, and told; offline it is an error.
    """
    if isinstance(choice, Cache):
        return choice
    if choice is None or config.dataset.offline:
        choice = config.dataset.cached or config.dataset.offline
    if not choice:
        return None
    try:
        return Cache(config=config)
    except OSError as error:
        if config.dataset.offline:
            raise
        _log.warning("datasets are read without a cache: %s", error)
        return None


def cached_reads(choice: CacheChoice, config: Config) -> CachedReads | None:
    """Return what reads through the cache that is meant, None for none."""
    cache = chosen_cache(choice, config)
    return None if cache is None else CachedReads(cache, offline=config.dataset.offline)


@final
class CachedReads:
    """Ranges of shards, looked up in a cache and put there. Picklable; used from many threads.

    Ranges are keyed by URL, version and first and last byte, so a shard of another version is never
    served. Shards of a store that knows no versions are not kept.

    Args:
        cache: Where copies are kept.
        offline: What the cache has not is an error.
    """

    def __init__(self, cache: Cache, *, offline: bool = False) -> None:
        self.cache: Cache = cache
        self.offline: bool = offline or cache.config.dataset.offline
        self._files = CacheFiles(cache.directory)
        self._room = Room(self._files, Blobs(cache.config), cache.max_bytes)
        self._is_broken = False
        self._is_told = False
        self._full_until = 0.0

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.cache, self.offline)

    def whole(self, shard: Shard) -> Mapped | None:
        """Return a shard that is there as a whole, mapped; it is in use as long as that lives."""
        held = self._hold(shard, 0, None)
        if held is None:
            return None
        mapped = Mapped(held.path)
        mapped.keep = held
        return mapped

    def load(self, shard: Shard, parts: Sequence[Part], memory: Sparse | Packed) -> list[Part]:
        """Fill memory with what is there, each part held against its digest; return the others.

        Raises:
            NotCached: Offline, and not all of it is there.
        """
        missing = [part for part in parts if not self._load(shard, part, memory)]
        if missing and self.offline:
            raise self.not_cached(shard.url, shard.version, missing[0])
        return missing

    def store(self, shard: Shard, part: Part, memory: Sparse | Packed) -> None:
        """Put a part that was fetched there, if there is room or room can be made."""
        partial = self.claim(shard, part)
        if isinstance(partial, Partial):
            self.finish(partial, part, memory)

    def claim(self, shard: Shard, part: Part) -> Claim:
        """Make room for a part that is to be fetched, and by nobody else; `finish` or `drop` it."""
        if self._is_broken or shard.version is None or time.monotonic() < self._full_until:
            return None
        start, stop = part
        identity = Identity(url=shard.url, version=shard.version, start=start, stop=stop)
        try:
            return self._reserve(Meta(identity=identity, size=stop - start))
        except OSError as error:
            self._give_up(error)
            return None

    def finish(self, partial: Partial, part: Part, memory: Sparse | Packed) -> None:
        """Put a part there that there is room for."""
        with memory.view(*part) as view:
            self._fill(partial, view)

    def drop(self, partial: Partial) -> None:
        """Give room back for what was not fetched."""
        try:
            self._files.drop(partial)
        except OSError as error:
            self._give_up(error)

    def is_coming(self, shard: Shard, part: Part) -> bool:
        """Tell whether somebody fetches a part, or has died of it. One look that blocks nobody."""
        start, stop = part
        return self._files.is_coming(
            Identity(url=shard.url, version=shard.version or "", start=start, stop=stop)
        )

    def put(self, identity: Identity, data: bytes | memoryview) -> None:
        """Put bytes there, if there is room or room can be made. Nothing is waited for."""
        try:
            partial = self._reserve(Meta(identity=identity, size=len(data)))
        except OSError as error:
            self._give_up(error)
            return
        if isinstance(partial, Partial):
            self._fill(partial, memoryview(data))

    def _fill(self, partial: Partial, data: memoryview) -> None:
        def write(path: str) -> None:
            with open(path, "xb") as file:
                file.write(data)

        try:
            held = self._files.fill(partial, write)
        except OSError as error:
            self._give_up(error)
            return
        if held is not None:
            held.release()

    def read(self, identity: Identity) -> bytes | None:
        """Return a small copy, None if it is not there or damaged."""
        held = self._take(identity)
        if held is None:
            return None
        try:
            with open(held.path, "rb") as file:
                data = file.read()
        except OSError as error:
            self._give_up(error)
            return None
        finally:
            held.release()
        return data if self._is_sound(held, data) else None

    def not_cached(self, url: str, version: str | None, part: Part | None = None) -> NotCached:
        """Return the error for what is not there, offline."""
        what = "" if part is None else f"bytes {part[0]} to {part[1]} of "
        name = "any version" if version is None else f"version {version}"
        message = (
            f"{redact(url)}: offline, and the cache {self.cache.directory} has no copy of {what}"
            f"{name}; read it once online"
        )
        return NotCached(message, url=url, operation="get")

    def versions(self, url: str) -> list[Identity]:
        """Return which copies of a URL there are, the one put there last first."""
        try:
            return self._files.versions(url)
        except OSError as error:
            self._give_up(error)
            return []

    def remove(self, identities: Sequence[Identity]) -> None:
        """Remove copies that nobody uses."""
        try:
            self._files.remove([self._files.entry(identity) for identity in identities])
        except OSError as error:
            self._give_up(error)

    def _load(self, shard: Shard, part: Part, memory: Sparse | Packed) -> bool:
        start, stop = part
        held = self._hold(shard, start, stop)
        if held is None:
            return False
        try:
            with memory.view(start, stop) as view, open(held.path, "rb", buffering=0) as file:
                filled = 0
                while filled < len(view) and (count := file.readinto(view[filled:])):
                    filled += count
                return filled == len(view) and self._is_sound(held, view)
        except OSError as error:
            self._give_up(error)
            return False
        finally:
            held.release()

    def _is_sound(self, held: Held, data: bytes | memoryview) -> bool:
        if hashlib.sha256(data).hexdigest() == held.meta.sha256:
            return True
        held.release()
        self.remove([held.meta.identity])
        return False

    def _hold(self, shard: Shard, start: int, stop: int | None) -> Held | None:
        if shard.version is None:
            return None
        return self._take(Identity(url=shard.url, version=shard.version, start=start, stop=stop))

    def _take(self, identity: Identity) -> Held | None:
        if self._is_broken:
            return None
        try:
            return self._files.hold(identity)
        except OSError as error:
            self._give_up(error)
            return None

    def _reserve(self, meta: Meta) -> Claim:
        """Return room, or who else has seen to it; None if there is no room."""
        for _ in range(_TRIES):
            got = self._files.reserve(meta, self._room.max_bytes)
            if not isinstance(got, Short):
                return got
            spare = (self._room.max_bytes or 0) // _SPARE
            if self._room.can_never_hold(got) or not self._room.evict(got, spare=spare):
                self._full_until = time.monotonic() + _PAUSE_S
                self._tell(f"no room for {meta.size} bytes within {self._room.max_bytes}")
                return None
        return None

    def _give_up(self, error: OSError) -> None:
        self._is_broken = True
        self._tell(error)

    def _tell(self, what: object) -> None:
        if not self._is_told:
            self._is_told = True
            where = "nothing more is found" if self.offline else "reading goes on from the store"
            _log.warning("the cache %s: %s; %s", self.cache.directory, what, where)


def _rebuild(cache: Cache, offline: bool) -> CachedReads:  # noqa: FBT001 - called by pickle
    return CachedReads(cache, offline=offline)
