"""Room in a cache: which copies may go, and the error when none may."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, final

from blobio.dataset.cachefiles import CacheFiles, Item, Short
from blobio.errors import BlobError, NotFound, VersionMismatch
from blobio.url import BlobUrl
from blobio.values import BlobMeta

if TYPE_CHECKING:
    from blobio.dataset.blobs import Blobs
    from blobio.dataset.cachemeta import Meta

__all__ = ["CacheFull", "Room", "name_of"]

_AT_ONCE: Final = 1024  # copies whose blobs are asked for together, 64 side by side


@final
class CacheFull(BlobError):
    """There is no room for a copy: what is there is in use, or could not be fetched again."""

    default_errno: ClassVar[int | None] = errno.ENOSPC


def name_of(meta: BlobMeta) -> str:
    """Return the version of a blob, or what stands for it in a store that has none."""
    return meta.version or f"{meta.mtime}-{meta.size}"


@final
class Room:
    """Makes room in a cache.

    Attributes:
        max_bytes: The limit, or None.
        evicted_bytes: How much was removed.

    Args:
        files: The cache.
        blobs: Reaches the stores, which are asked whether they still have what is to go.
    """

    def __init__(self, files: CacheFiles, blobs: Blobs, max_bytes: int | None) -> None:
        self.max_bytes: int | None = max_bytes
        self.evicted_bytes: int = 0
        self._files = files
        self._blobs = blobs

    def can_never_hold(self, short: Short) -> bool:
        """Tell whether what there is no room for is larger than the whole cache."""
        return self.max_bytes is not None and short.wanted > self.max_bytes

    def evict(self, short: Short, *, spare: int = 0) -> int:
        """Remove what can be fetched again, least recently used first, until enough is gone.

        1 HEAD a blob whose copies are to go.

        Args:
            short: What is missing, and what could go.
            spare: Bytes more that may go, so that not each copy that comes has to look for others.

        Returns:
            Bytes removed; maybe not enough, and 0 offline.
        """
        freed = 0
        pending = deque(item for item in short.entries if not self._files.is_kept(item))
        if self._blobs.config.dataset.offline:
            pending.clear()
        while pending and freed < short.missing:
            batch: list[Item] = []
            planned = freed
            while pending and len(batch) < _AT_ONCE:
                is_spare = planned >= short.missing
                if is_spare and planned + pending[0].size > short.missing + spare:
                    break
                item = pending.popleft()
                if not self._files.is_held(item):
                    batch.append(item)
                    planned += item.size
            freed += self._files.remove([item.path for item in self._fetchable(batch)])
        self.evicted_bytes += freed
        return freed

    def _fetchable(self, items: list[Item]) -> list[Item]:
        """Return those that can be fetched again; note of the others that they are to be kept."""
        metas = [(item, self._files.meta_of(item)) for item in items]
        known = [(item, meta.identity) for item, meta in metas if meta and not meta.identity.kind]
        blobs = {identity.url: (BlobUrl.parse(identity.url), None) for _, identity in known}
        found = dict(zip(blobs, self._blobs.heads(list(blobs.values())), strict=True))
        # damaged, of no use to anybody; or made of blobs, as it can be made again
        fetchable = [item for item, meta in metas if meta is None or meta.identity.kind]
        for item, identity in known:
            there = found[identity.url]
            if isinstance(there, NotFound | VersionMismatch) or (
                isinstance(there, BlobMeta) and name_of(there) != identity.version
            ):
                self._files.keep(item)
            elif isinstance(there, BlobMeta):  # else the store would not say: not now
                fetchable.append(item)
        return fetchable

    def refuse(self, meta: Meta, short: Short) -> NoReturn:
        """Raise `CacheFull` with what takes the room."""
        entries = short.entries
        held = sum(item.size for item in entries if self._files.is_held(item))
        kept = sum(item.size for item in entries if self._files.is_kept(item))
        message = (
            f"no room for the {meta.size} bytes of {meta.identity.url} in the cache "
            f"{self._files.directory}: its limit is {self.max_bytes} bytes, {held} are of copies "
            f"in use and {kept} of copies that could not be fetched again; raise max_bytes, end "
            "leases, or clear() it"
        )
        raise CacheFull(message, url=meta.identity.url, operation="get")
