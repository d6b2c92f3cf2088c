"""The end of a blob, and with it its size and version, in as few requests as it takes.

Columnar files keep their table of contents at their end: one request for the last bytes tells all
that a reader needs to plan its further ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from blobio.errors import RangeNotSatisfiable, TransportFailed
from blobio.values import GetOptions, Last, Span, Version

if TYPE_CHECKING:
    from blobio.core.stores import Stores
    from blobio.url import PathLike

__all__ = ["Tail", "read_tail"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The last bytes of one version of a blob.

    Attributes:
        size: Bytes of the whole blob.
        version: The version, or None if the store has no such thing.
        crc32c: CRC32C of the whole, or None if it is not known.
        data: The last bytes: as many as were asked for, or the whole blob if it has fewer.
    """

    size: int
    version: Version | None
    crc32c: int | None
    data: bytes


async def read_tail(
    stores: Stores,
    path: PathLike,
    length: int,
    *,
    size: int | None = None,
    version: Version | None = None,
) -> Tail:
    """Read the last `length` bytes: 1 GET.

    A store that knows no ranges from the end costs 1 HEAD more, unless the size is given. A blob
    that is empty, or a body that breaks off, costs a HEAD and a GET more.

    Args:
        stores: Where drivers are.
        path: The blob.
        length: Bytes wanted.
        size: The size of the blob if it is known; not 0.
        version: The version to read, or None for whatever is there.

    Raises:
        VersionMismatch, RangeNotSatisfiable: The blob is not what `size` and `version` tell.
        NotFound, IsDirectory: There is no such blob.
    """
    driver, url = stores.blob(path, "open")
    wanted = Last(length) if size is None else Span(max(0, size - length), size)
    try:
        async with await driver.get(url.key, GetOptions(range=wanted, version=version)) as result:
            data = b"".join([chunk async for chunk in result.chunks()])
            meta = result.meta
            if result.span.stop == meta.size:
                return Tail(size=meta.size, version=meta.version, crc32c=meta.crc32c, data=data)
    except RangeNotSatisfiable:
        if version is not None:
            raise
    except TransportFailed as error:  # the body broke off: a reader that knows the size resumes
        if not error.retryable:
            raise
    reader = await stores.open_reader(str(url), version=version)
    found = reader.size or 0
    data = await reader.read(max(0, found - length), found)
    return Tail(size=found, version=reader.version, crc32c=reader.crc32c, data=data)
