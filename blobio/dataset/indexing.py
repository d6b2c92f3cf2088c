"""Indexing: a file becomes a `Shard`, pinned, with its blocks, in as few requests as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, final

from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.core.tail import Tail, read_tail
from blobio.dataset.engine import on_thread
from blobio.dataset.formats import parquet
from blobio.dataset.manifest import Format, Shard
from blobio.errors import RangeNotSatisfiable, VersionMismatch
from blobio.values import Version

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Found", "Indexed", "index"]

TAIL_BYTES: Final = 64 << 10
_AT_ONCE: Final = 32
_END_BYTES: Final = 8


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to become a shard.

    Attributes:
        url: Where it is.
        size: Bytes, if a listing told.
        version: The version, if a listing told.
    """

    url: str
    size: int | None = None
    version: Version | None = None


@final
@dataclass(frozen=True, slots=True)
class Indexed:
    """A shard and the schema of all its columns."""

    shard: Shard
    schema: pa.Schema


async def index(core: AsyncContext, files: Sequence[Found], format: Format | None) -> list[Indexed]:
    """Index files side by side, 32 at once; the shards are in the order of the files.

    Parquet costs 1 GET a file: its last 64 KiB, which tell its size and version too; 1 more for a
    longer footer, and 1 HEAD more for a file that no listing told the size of in a store that
    knows no ranges from the end.

    Raises:
        NotFound: A file is not there.
        BadShard: A file is not what its name or its bytes promise.
    """
    shards: dict[int, Indexed] = {}

    async def one(numbered: tuple[int, Found]) -> None:
        number, file = numbered
        shards[number] = await _index(core, file, format)

    await each(one, enumerate(files), window=min(_AT_ONCE, max(1, len(files))))
    return [shards[number] for number in range(len(files))]


async def _index(core: AsyncContext, file: Found, format: Format | None) -> Indexed:
    del format
    return await _index_parquet(core, file)


async def _index_parquet(core: AsyncContext, file: Found) -> Indexed:
    tail = await _tail(core, file)
    length = parquet.footer_bytes(file.url, tail)
    start = tail.size - _END_BYTES - length
    known = tail.size - len(tail.data)
    footer = tail.data[max(0, start - known) : -_END_BYTES]
    if start < known:
        reader = core.stores.reader(file.url, size=tail.size, version=tail.version)
        footer = await reader.read(start, known) + footer
    shard, schema = await on_thread(
        partial(parquet.shard_of, file.url, tail.size, tail.version, footer)
    )
    return Indexed(shard, schema)


async def _tail(core: AsyncContext, file: Found) -> Tail:
    if file.size:
        try:
            return await read_tail(
                core.stores, file.url, TAIL_BYTES, size=file.size, version=file.version
            )
        except (VersionMismatch, RangeNotSatisfiable):
            pass  # it was replaced since it was listed: take what is there now
    return await read_tail(core.stores, file.url, TAIL_BYTES)
