"""Indexing: a file becomes a `Shard`, pinned, with its blocks, in as few requests as it takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Final

import pyarrow as pa

from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.core.formats import compression_of
from blobio.core.tail import Tail, read_tail
from blobio.dataset.engine import on_thread
from blobio.dataset.errors import BadShard
from blobio.dataset.formats import arrow, parquet
from blobio.dataset.formats.rowcounts import count_rows
from blobio.dataset.local import map_file
from blobio.dataset.manifest import BlockTable, Format, Shard
from blobio.dataset.scanning import Found, Indexed, scan_stream, scan_text
from blobio.errors import IsDirectory, NotFound, RangeNotSatisfiable, VersionMismatch

__all__ = ["format_of", "index"]

TAIL_BYTES: Final = 64 << 10
_AT_ONCE: Final = 32

_SUFFIXES: Final[dict[str, Format]] = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrow_stream",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "ndjson",
    ".ndjson": "ndjson",
    ".json": "ndjson",
}


def format_of(name: str) -> Format | None:
    """Return the format that a name promises, compressed or not; None for any other name."""
    stem, suffix = os.path.splitext(name.lower())
    if compression_of(name, "infer") is not None:
        suffix = os.path.splitext(stem)[1]
    return _SUFFIXES.get(suffix)


async def index(core: AsyncContext, files: Sequence[Found], format: Format | None) -> list[Indexed]:
    """Index files side by side, 32 at once; the shards are in the order of the files.

    Parquet costs 1 GET a file: its last 64 KiB, which tell its size and version too; 1 more for a
    longer footer, and 1 HEAD more for a file that no listing told the size of in a store that
    knows no ranges from the end. An Arrow file costs as much, and the headers of its batches, those
    less than 1 MiB apart in one GET. A stream and text are read once from end to end.

    Args:
        core: Where they are.
        files: What to index.
        format: How rows are stored; None to go by the name, then by the last bytes.

    Raises:
        NotFound: A file is not there.
        BadShard: A file is not what its name or its bytes promise.
    """
    shards: dict[int, Indexed] = {}

    async def one(numbered: tuple[int, Found]) -> None:
        number, file = numbered
        try:
            shards[number] = await _index(core, file, format or format_of(file.url))
        except (IsDirectory, NotFound) as error:
            error.add_note(f"all files below a directory are opened with {file.url + '/'!r}")
            raise

    await each(one, enumerate(files), window=min(_AT_ONCE, max(1, len(files))))
    return [shards[number] for number in range(len(files))]


async def _index(core: AsyncContext, file: Found, format: Format | None) -> Indexed:
    if format in ("csv", "ndjson"):
        return await scan_text(core, file, format)
    if format == "arrow_stream":
        return await scan_stream(core, file)
    tail = await _tail(core, file)
    is_arrow = tail.data[-len(arrow.MAGIC) :] == arrow.MAGIC
    if format == "arrow" and not is_arrow:  # Hugging Face's files of that name are streams
        return await scan_stream(core, file)
    if is_arrow and format != "parquet":
        return await _index_arrow(core, file, tail)
    if format is None and tail.data[-4:] not in (parquet.MAGIC, parquet.ENCRYPTED):
        message = (
            f"open of {file.url}: neither its name nor its end tells the format; "
            "name it, as in format='csv'"
        )
        raise BadShard(message, url=file.url, operation="open")
    return await _index_parquet(core, file, tail)


async def _index_parquet(core: AsyncContext, file: Found, tail: Tail) -> Indexed:
    length = parquet.footer_bytes(file.url, tail)
    footer = await _footer(core, file, tail, length, parquet.END_BYTES)
    shard, schema = await on_thread(
        partial(parquet.shard_of, file.url, tail.size, tail.version, footer)
    )
    return Indexed(shard, schema)


async def _index_arrow(core: AsyncContext, file: Found, tail: Tail) -> Indexed:
    length = int.from_bytes(tail.data[-arrow.END_BYTES : -len(arrow.MAGIC)], "little")
    if length + arrow.END_BYTES > tail.size:
        raise _bad_arrow(file, f"a footer of {length} bytes in a file of {tail.size}")
    footer = await _footer(core, file, tail, length, arrow.END_BYTES)
    try:
        schema = arrow.file_schema(footer)
        pieces = arrow.batch_pieces(footer, tail.size)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _bad_arrow(file, error) from error
    driver, url = core.stores.blob(file.url, "open")
    headers: Iterable[tuple[bytes | memoryview, int, int]]
    if driver.capabilities.local_paths:
        mapped = await on_thread(partial(map_file, url.key, tail.version, tail.size))
        whole = memoryview(mapped.slice(0, tail.size)).cast("B")
        headers = zip(repeat(whole), pieces.starts, pieces.header_stops)
    else:
        reader = core.stores.reader(file.url, size=tail.size, version=tail.version)
        spans = list(zip(pieces.starts, pieces.header_stops, strict=True))
        headers = ((header, 0, len(header)) for header in await reader.read_ranges(spans))
    try:
        rows = await on_thread(partial(count_rows, headers))
    except ValueError as error:
        raise _bad_arrow(file, error) from error
    shard = Shard(
        url=file.url,
        size=tail.size,
        version=tail.version,
        format="arrow",
        blocks=BlockTable(rows, pieces.starts, pieces.stops),
        footer=footer,
    )
    return Indexed(shard, schema)


def _bad_arrow(file: Found, what: object) -> BadShard:
    message = f"open of {file.url}: the Arrow file is damaged ({what})"
    return BadShard(message, url=file.url, operation="open")


async def _tail(core: AsyncContext, file: Found) -> Tail:
    if file.size:
        try:
            return await read_tail(
                core.stores, file.url, TAIL_BYTES, size=file.size, version=file.version
            )
        except (VersionMismatch, RangeNotSatisfiable):
            pass  # it was replaced since it was listed: take what is there now
    return await read_tail(core.stores, file.url, TAIL_BYTES)


async def _footer(
    core: AsyncContext, file: Found, tail: Tail, length: int, end_bytes: int
) -> bytes:
    """Return the footer before the last `end_bytes`: 1 GET for what `tail` has not."""
    start = tail.size - end_bytes - length
    known = tail.size - len(tail.data)
    footer = tail.data[max(0, start - known) : -end_bytes]
    if start < known:
        reader = core.stores.reader(file.url, size=tail.size, version=tail.version)
        footer = await reader.read(start, known) + footer
    return footer
