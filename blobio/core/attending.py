"""What can be asked of a copy besides its bytes: the time of the source, and a look at the result.

What passed through here has been hashed on its way, so only the destination is asked, and read only
if its store keeps no hash to compare. Of a copy that the store made by itself nothing was seen:
both ends are asked.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from blobio.config import ReadConfig
from blobio.core.copying import copy
from blobio.core.digest import Algorithm, Passed, hash_of, stored_hash
from blobio.core.ends import Copied, End, Means
from blobio.core.metadata import MTIME_KEY, to_stat
from blobio.core.reader import RangeReader
from blobio.core.sameness import hashes_agree
from blobio.errors import ChecksumMismatch, VersionMismatch
from blobio.values import BlobMeta, MetaPatch, PutOptions, Version

__all__ = ["attended_copy"]


async def attended_copy(source: End, target: End, options: PutOptions, means: Means) -> Copied:
    """Copy as `copy` does, with what `Means.keeps_time` and `Means.verifies` ask for.

    The time of the source is kept where the destination keeps times: on disk as that of the file,
    in a store as `set_mtime` keeps it, in the metadata `blobfile-mtime`. It takes 1 HEAD.

    Verifying takes no request if the reply to the write has told the right CRC32C; else 1 HEAD of
    the destination, and a read of it if its store keeps no hash. After a copy by the store itself
    1 HEAD of each end, and a read of what has no hash.

    Raises:
        ChecksumMismatch: The destination holds other bytes, which may be what somebody has written
            since; `ambiguous` is set, for they are there.
        BlobError: As in `copy`.
    """
    mtime = await _time_of(source) if means.keeps_time else None
    if mtime is not None and target.driver.capabilities.metadata:
        options = replace(options, metadata={MTIME_KEY: repr(mtime), **options.metadata})
    copied = await copy(source, target, options, means)
    if means.verifies and not copied.is_proved:
        await _confirm(source, target, copied, means.config.read)
    if mtime is not None and target.driver.capabilities.local_paths:
        with contextlib.suppress(VersionMismatch):  # somebody else's by now, with its own time
            change = MetaPatch(mtime=mtime)
            key = target.url.key
            patched = await target.driver.patch(key, change, if_version=copied.version)
            return replace(copied, version=patched.version)
    return copied


async def _time_of(source: End) -> float | None:
    """Return the time of a blob, None if its store does not tell: a web server need not."""
    meta = await source.driver.head(source.url.key, version=source.version)
    return to_stat(meta).mtime or None


async def _confirm(source: End, target: End, copied: Copied, config: ReadConfig) -> None:
    """Compare what the destination holds with what passed, or with what its source holds."""
    # Not by its version: some servers tell another one in the reply to a write than later.
    there = await target.driver.head(target.url.key)
    if copied.passed is not None:
        agree = await _holds(target, there, copied.passed, config)
    else:
        here = await source.driver.head(source.url.key)
        agree = await _agree((source, here), (target, there), config)
    if not agree:
        message = f"verify of {target.url}: it holds other bytes than its source: write it again"
        error = ChecksumMismatch(message, url=target.url, operation="verify")
        error.ambiguous = True
        raise error


async def _holds(target: End, there: BlobMeta, passed: Passed, config: ReadConfig) -> bool:
    if there.size != passed.size:
        return False
    agree = hashes_agree(there, there._replace(crc32c=passed.crc32c, md5=passed.md5))
    if agree is not None:
        return agree
    return await _hash(target, there, "crc32c", config) == f"{passed.crc32c:08x}"


async def _agree(
    left: tuple[End, BlobMeta], right: tuple[End, BlobMeta], config: ReadConfig
) -> bool:
    if left[1].size != right[1].size:
        return False
    agree = hashes_agree(left[1], right[1])
    if agree is not None:
        return agree
    algorithm: Algorithm = "md5" if left[1].md5 or right[1].md5 else "crc32c"
    digests = [
        stored_hash(meta, algorithm) or await _hash(end, meta, algorithm, config)
        for end, meta in (left, right)
    ]
    return digests[0] == digests[1]


async def _hash(end: End, meta: BlobMeta, algorithm: Algorithm, config: ReadConfig) -> str:
    version: Version | None = meta.version
    reader = RangeReader(end.driver, end.url, config, size=meta.size, version=version)
    return await hash_of(reader, algorithm, config)
