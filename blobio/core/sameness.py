"""Decide whether two blobs hold the same: by what listings tell, by stored hashes, by reading.

One rule for every direction, so that what was copied one way is not copied again the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from typing import Final, Protocol, final

from blobio.checksum import Crc32c
from blobio.config import ReadConfig
from blobio.core.copying import End
from blobio.core.flow import ordered_map
from blobio.core.metadata import MTIME_KEY, to_stat
from blobio.core.reader import RangeReader
from blobio.errors import Unsupported
from blobio.values import BlobMeta

__all__ = ["hashes_agree", "have_same_bytes", "looks_same"]

_SAME_TIME_S: Final = 1e-3
"""Times that differ less are one: a time of nanoseconds is kept as text of microseconds or so."""


def hashes_agree(left: BlobMeta, right: BlobMeta) -> bool | None:
    """Compare the strong hashes that both carry; None if there is no such hash."""
    pairs = ((left.md5, right.md5), (left.crc32c, right.crc32c))
    common = [one == other for one, other in pairs if one is not None and other is not None]
    return all(common) if common else None


def looks_same(source: BlobMeta, target: BlobMeta) -> bool:
    """Tell from two entries of listings whether `target` need not be written again.

    By size; then a hash that both carry; else the time of the source that was kept with the target
    when it was written, where listings return it; else the target must be as new as the source.
    """
    if source.size != target.size:
        return False
    by_hash = hashes_agree(source, target)
    if by_hash is not None:
        return by_hash
    wanted, there = to_stat(source).mtime, to_stat(target).mtime
    if MTIME_KEY in target.metadata:
        return abs(wanted - there) < _SAME_TIME_S
    return wanted <= there


async def have_same_bytes(
    left: tuple[End, BlobMeta],
    right: tuple[End, BlobMeta],
    config: ReadConfig,
    *,
    read: bool | None = None,
) -> bool:
    """Compare sizes, then hashes, then bytes.

    Requests: none if the listings tell; else 1 HEAD of each; else a read of what has no hash.

    Args:
        left: A blob and what a listing tells of it.
        right: Another one.
        config: How to read.
        read: Read both, whatever hashes there are; None to read where there is no common hash;
            False to read only what lies on disk, where no hash is kept.

    Raises:
        NotFound, VersionMismatch: A blob is gone, or changed while it was read.
        Unsupported: `read` is False, and there is no hash to compare.
    """
    if left[1].size != right[1].size:
        return False
    if read:
        digests = [await _digest(*each, "sha256", config) for each in (left, right)]
        return digests[0] == digests[1]
    agree = hashes_agree(left[1], right[1])
    if agree is not None:
        return agree
    heads = [(end, await end.driver.head(end.url.key)) for end, _ in (left, right)]
    if heads[0][1].size != heads[1][1].size:
        return False
    agree = hashes_agree(heads[0][1], heads[1][1])
    if agree is not None:
        return agree
    algorithm = _algorithm(heads[0][1], heads[1][1])
    remote = [end for end, meta in heads if _needs_request(end, meta, algorithm)]
    if read is False and remote:
        message = f"compare {remote[0].url}: its store has no hash of it; it would have to be read"
        raise Unsupported(message, url=remote[0].url, operation="compare")
    digests = [
        _stored(meta, algorithm) or await _digest(end, meta, algorithm, config)
        for end, meta in heads
    ]
    return digests[0] == digests[1]


def _needs_request(end: End, meta: BlobMeta, algorithm: str) -> bool:
    return _stored(meta, algorithm) is None and not end.driver.capabilities.local_paths


def _algorithm(left: BlobMeta, right: BlobMeta) -> str:
    """Choose what one of them has stored already, so that only the other one is read."""
    return next((a for a in ("crc32c", "md5") if _stored(left, a) or _stored(right, a)), "sha256")


def _stored(meta: BlobMeta, algorithm: str) -> str | None:
    if algorithm == "md5":
        return meta.md5
    if algorithm == "crc32c" and meta.crc32c is not None:
        return f"{meta.crc32c:08x}"
    return None


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@final
class _Crc32c:
    def __init__(self) -> None:
        self._crc = Crc32c()

    def update(self, data: bytes, /) -> None:
        self._crc.update(data)

    def hexdigest(self) -> str:
        return f"{self._crc.value:08x}"


_NEW: Final[dict[str, Callable[[], _Digest]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32c": _Crc32c,
    "sha256": hashlib.sha256,
}


async def _digest(end: End, meta: BlobMeta, algorithm: str, config: ReadConfig) -> str:
    """Read a blob, part by part, pinned to the version that `meta` describes."""
    reader = RangeReader(end.driver, end.url, config, size=meta.size, version=meta.version)
    digest = _NEW[algorithm]()

    async def block(start: int) -> bytes:
        return await reader.read(start, min(start + config.part_bytes, meta.size))

    starts = range(0, meta.size, config.part_bytes)
    async with contextlib.aclosing(ordered_map(block, starts, window=config.window)) as blocks:
        async for data in blocks:
            await asyncio.to_thread(digest.update, data)
    return digest.hexdigest()
