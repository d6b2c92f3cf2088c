"""Decide whether two blobs hold the same: by what listings tell, by stored hashes, by reading.

One rule for every direction, so that what was copied one way is not copied again the other way.
"""

from __future__ import annotations

from typing import Final

from blobio.config import ReadConfig
from blobio.core.digest import Algorithm, hash_of, stored_hash
from blobio.core.ends import End
from blobio.core.metadata import MTIME_KEY, to_stat
from blobio.core.reader import RangeReader
from blobio.errors import Unsupported
from blobio.values import BlobMeta

__all__ = ["hashes_agree", "have_same_bytes", "looks_same"]

_SAME_TIME_S: Final = 1e-3
"""Times that differ less are one: a time of nanoseconds is kept as text of microseconds or so."""

_ROUNDED_S: Final = 1e-6
"""What a time may lose on a file system that keeps tenths of microseconds."""


def hashes_agree(left: BlobMeta, right: BlobMeta) -> bool | None:
    """Compare the strong hashes that both carry; None if there is no such hash."""
    pairs = ((left.md5, right.md5), (left.crc32c, right.crc32c))
    common = [one == other for one, other in pairs if one is not None and other is not None]
    return all(common) if common else None


def looks_same(source: BlobMeta, target: BlobMeta) -> bool:
    """Tell from two entries of listings whether `target` need not be written again.

    By size; then a hash that both carry; else the time of the source that was kept with the target
    when it was written, where listings return it; else the target must be as new as the source. A
    source whose time nobody tells, which is 0 then, may have changed at any time.
    """
    if source.size != target.size:
        return False
    by_hash = hashes_agree(source, target)
    if by_hash is not None:
        return by_hash
    wanted, there = to_stat(source).mtime, to_stat(target).mtime
    if wanted == 0.0:
        return False
    if MTIME_KEY in target.metadata:
        return abs(wanted - there) < _SAME_TIME_S
    return wanted < there + _ROUNDED_S


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
        stored_hash(meta, algorithm) or await _digest(end, meta, algorithm, config)
        for end, meta in heads
    ]
    return digests[0] == digests[1]


def _needs_request(end: End, meta: BlobMeta, algorithm: Algorithm) -> bool:
    return stored_hash(meta, algorithm) is None and not end.driver.capabilities.local_paths


def _algorithm(left: BlobMeta, right: BlobMeta) -> Algorithm:
    """Choose what one of them has stored already, so that only the other one is read."""
    choices: tuple[Algorithm, ...] = ("crc32c", "md5")
    return next((a for a in choices if stored_hash(left, a) or stored_hash(right, a)), "sha256")


async def _digest(end: End, meta: BlobMeta, algorithm: Algorithm, config: ReadConfig) -> str:
    """Read a blob, pinned to the version that `meta` describes."""
    reader = RangeReader(end.driver, end.url, config, size=meta.size, version=meta.version)
    return await hash_of(reader, algorithm, config)
