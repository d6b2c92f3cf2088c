"""Hashes of blobs: the MD5 that users ask for, and the check of a copy against both its stores.

An MD5 is the store's own where that is proof, otherwise computed and, where cheap, kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, final, get_args

from blobio.checksum import Crc32c, combine
from blobio.config import ReadConfig
from blobio.core.reader import RangeReader, blocks
from blobio.drivers.base import Driver
from blobio.errors import ChecksumMismatch, Conflict, NotFound, PermissionDenied
from blobio.url import BlobUrl
from blobio.values import BlobMeta, Body, MetaPatch, PutResult, Version

__all__ = [
    "ALGORITHMS",
    "MD5_KEY",
    "Algorithm",
    "CopyCheck",
    "Passed",
    "hash_of",
    "md5",
    "md5_of",
    "stored_hash",
]

Algorithm: TypeAlias = Literal["md5", "crc32c", "sha256"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

MD5_KEY = "md5"
"""Metadata name of an MD5 that was computed and kept, as blobfile writes it."""


_HEX_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MD5_IN_THREAD_BYTES: Final = 1 << 20  # a millisecond and a half


async def md5(
    driver: Driver, url: BlobUrl, config: ReadConfig, *, version: Version | None = None
) -> str:
    """Return the hex MD5 of a blob: 1 HEAD, and one read of it all if the store holds none.

    Where a change of metadata leaves the object alone (not on S3, where it rewrites the object)
    the result is kept with the blob, on condition that the version is still the one read. A refusal
    to keep it is no failure.

    Raises:
        VersionMismatch: `version` was given and is not what is there.
    """
    meta = await driver.head(url.key, version=version)
    if meta.md5 is not None:
        return meta.md5
    kept = meta.metadata.get(MD5_KEY, "")
    if _HEX_MD5.fullmatch(kept):  # others use the name too, some for base64
        return kept
    reader = RangeReader(driver, url, config, size=meta.size, version=meta.version)
    digest = await md5_of(reader, config)
    if driver.capabilities.cheap_patch and driver.capabilities.metadata:
        change = MetaPatch(metadata={MD5_KEY: digest})
        with contextlib.suppress(NotFound, PermissionDenied, Conflict):
            await driver.patch(url.key, change, if_version=meta.version)
    return digest


async def md5_of(reader: RangeReader, config: ReadConfig) -> str:
    """Return the hex MD5 of what `reader` reads, part by part, a few parts ahead."""
    return await hash_of(reader, "md5", config)


async def hash_of(reader: RangeReader, algorithm: Algorithm, config: ReadConfig) -> str:
    """Return a hex hash of all that `reader` reads, part by part, a few parts ahead."""
    digest = _NEW[algorithm]()
    async with contextlib.aclosing(blocks(reader, 0, reader.size or 0, config)) as parts:
        async for data in parts:
            await asyncio.to_thread(digest.update, data)
    return digest.hexdigest()


def stored_hash(meta: BlobMeta, algorithm: Algorithm) -> str | None:
    """Return the hex hash that a store tells of a blob, or None."""
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


_NEW: Final[dict[Algorithm, Callable[[], _Digest]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32c": _Crc32c,
    "sha256": hashlib.sha256,
}


@final
@dataclass(frozen=True, slots=True)
class Passed:
    """The bytes of a copy that passed through here.

    Attributes:
        size: How many.
        crc32c: Their CRC32C.
        md5: Their hex MD5, if it was computed.
    """

    size: int
    crc32c: int
    md5: str | None


@final
class CopyCheck:
    """Follows the bytes of one copy, in order, and compares them with what both stores say.

    The CRC32C is computed (half a millisecond for 8 MiB) unless nobody can say anything about it.
    The MD5, thirty times slower, only if the caller wants it, or the source's store vouches for
    nothing else.

    Args:
        source: The blob read.
        meta: What its store says of it.
        target: The blob written.
        want_md5: Compute the MD5, and the CRC32C, in any case.
        target_tells: The destination's store may tell a hash; a disk keeps none.
    """

    def __init__(
        self,
        source: BlobUrl,
        meta: BlobMeta,
        target: BlobUrl,
        *,
        want_md5: bool,
        target_tells: bool = True,
    ) -> None:
        self._source = source
        self._target = target
        self._meta = meta
        self._size = 0
        self._crc = Crc32c()
        self._needs_crc = want_md5 or target_tells or meta.crc32c is not None
        needs_md5 = want_md5 or (meta.crc32c is None and meta.md5 is not None)
        self._md5 = hashlib.md5(usedforsecurity=False) if needs_md5 else None

    @property
    def md5(self) -> str | None:
        """Hex MD5 of the bytes so far, or None if it is not computed."""
        return None if self._md5 is None else self._md5.hexdigest()

    @property
    def _what(self) -> str:
        return f"copy of {self._source} to {self._target}"

    @property
    def passed(self) -> Passed | None:
        """The bytes so far, or None if their CRC32C is not computed."""
        if not self._needs_crc:
            return None
        return Passed(self._size, self._crc.value, self.md5)

    @property
    def needs_bytes(self) -> bool:
        """Whether `update` needs all bytes: an MD5 cannot be put together, as a CRC32C can."""
        return self._md5 is not None

    def skip(self, size: int, crc32c: int) -> None:
        """Count in the `size` bytes that follow those before, by their CRC32C alone."""
        self._size += size
        self._crc.value = combine(self._crc.value, crc32c, size)

    async def update(self, data: Body) -> None:
        """Count in the bytes that follow those before."""
        self._size += len(data)
        if self._needs_crc:
            self._crc.update(data)
        if self._md5 is None:
            return
        if len(data) > _MD5_IN_THREAD_BYTES:
            await asyncio.to_thread(self._md5.update, data)
        else:
            self._md5.update(data)

    def confirm_read(self) -> None:
        """Compare with the source, before anything is published.

        Raises:
            ChecksumMismatch: The bytes are not those that its store vouches for.
        """
        told = (self._meta.crc32c, self._meta.md5)
        if self._size != self._meta.size or not self._agrees(*told):
            message = f"{self._what}: the bytes read are not those stored; nothing was written"
            raise ChecksumMismatch(message, url=self._source, operation="copy")

    def confirm_written(self, result: PutResult) -> None:
        """Compare with what the destination's store says it has.

        Raises:
            ChecksumMismatch: It has other bytes, or says so. They are published: nothing can take
                them back without the risk of removing what somebody wrote since.
        """
        if not self._agrees(result.crc32c, result.md5):
            message = (
                f"{self._what}: the store of the destination says that it has other bytes than "
                "were sent; what is there is not a copy: write it again with overwrite"
            )
            error = ChecksumMismatch(message, url=self._target, operation="copy")
            error.ambiguous = True
            raise error

    def _agrees(self, crc32c: int | None, md5: str | None) -> bool:
        own_md5 = self.md5 or self._meta.md5
        return crc32c in (None, self._crc.value) and (None in (md5, own_md5) or md5 == own_md5)
