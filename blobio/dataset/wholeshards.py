"""Shards that are brought to the local disk as a whole before the first row is read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from blobio.dataset.cacheroom import CacheFull
from blobio.url import BlobUrl

if TYPE_CHECKING:
    from blobio.dataset.cache import Cache
    from blobio.dataset.manifest import Manifest, Shard

__all__ = ["fetch_shards"]

_AT_ONCE: Final = 8


def fetch_shards(manifest: Manifest, cache: Cache) -> None:
    """Copy all shards into a cache, eight at once, each in use until the last one is there.

    Shards of the local disk, and of stores that know no versions, stay where they are. Requests:
    none for a copy that is there; else 2 HEADs and the download.

    Raises:
        CacheFull: They are larger than the limit, which is told before anything is fetched; or
            there was no room.
        NotCached: Offline, and one is not there.
        NotFound, VersionMismatch: One is gone, or was replaced since it was indexed.
    """
    each = {(shard.url, shard.version): shard for shard in manifest.shards}.values()
    shards = [
        shard
        for shard in each
        if shard.version is not None and not BlobUrl.parse(shard.url).is_local
    ]
    size = sum(shard.size for shard in shards)
    if cache.max_bytes is not None and size > cache.max_bytes:
        message = (
            f"the {len(shards)} shards have {size} bytes, and the limit of the cache "
            f"{cache.directory} is {cache.max_bytes}: raise max_bytes, or read with streaming=True"
        )
        raise CacheFull(message, operation="get")
    with ExitStack() as leases, ThreadPoolExecutor(_AT_ONCE) as threads:

        def one(shard: Shard) -> None:
            leases.enter_context(cache.lease(shard.url, shard.version))

        try:
            for _ in threads.map(one, shards):
                pass
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise
