"""`open_source`: names of files, in any store, become rows that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import pyarrow as pa
import pyarrow.compute as pc

from blobio.blocking.binding import Binding
from blobio.core.context import AsyncContext
from blobio.dataset.cachedindex import found_before, is_current, question_of, remembered
from blobio.dataset.cachedreads import CachedReads, cached_reads
from blobio.dataset.errors import BadShard, OnError
from blobio.dataset.finding import find
from blobio.dataset.indexing import index
from blobio.dataset.manifest import Format, Manifest
from blobio.dataset.reading import ShardSource
from blobio.dataset.scanning import Indexed
from blobio.errors import InvalidConfig
from blobio.url import BlobUrl, PathLike, fspath

if TYPE_CHECKING:
    from blobio.config import Config

__all__ = ["AnyFormat", "Urls", "closed_on_error", "field", "index_shards", "open_source"]

Urls: TypeAlias = "PathLike | Iterable[PathLike]"
AnyFormat: TypeAlias = 'Literal["auto"] | Format'

field: Final = pc.field
"""`pyarrow.compute.field`: a column by its name, for filters such as `field("label") > 3`."""


def open_source(
    urls: Urls,
    *,
    format: AnyFormat = "auto",
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    schema: pa.Schema | None = None,
    on_error: OnError = "raise",
    config: Config | None = None,
) -> ShardSource:
    """Open shards: find them, index them, check that they are of one schema.

    Args:
        urls: One file, a pattern (`s3://bucket/shards/*.parquet`), a directory (with a `/` at its
            end), or several of these. Shards are in the order given, those of a pattern sorted.
        format: How rows are stored; `"auto"` goes by the name, then by the first and last bytes.
        columns: Names of the columns to read, in this order; None for all.
        filter: A condition on rows, made of `field`; None for all rows. It may look at columns that
            are not read. Row groups of Parquet whose statistics rule it out are not fetched.
        schema: What the columns of CSV and NDJSON are, instead of what the first 4 MiB of the first
            shard look like. Of other formats, what they must be.
        on_error: With `"skip"`, blocks that are gone, were replaced or are damaged when they are
            read give no rows; with `"substitute"`, those of other blocks; see `ShardSource`. What
            is wrong on opening is raised.
        config: All settings; None for `Config.from_env()`.

    Returns:
        Rows to be read; nothing but indexes has been fetched.

    Raises:
        NotFound: There is no such file, or none that matches.
        BadShard: A file is not what it should be, or its columns are not those of the first.
        InvalidConfig: A column is unknown, or the filter does not fit.
    """
    with closed_on_error(config) as binding:
        cached = cached_reads(None, binding.config)
        manifest = index_shards(urls, format=format, schema=schema, binding=binding, cached=cached)
        return ShardSource(
            manifest,
            columns=columns,
            filter=filter,
            on_error=on_error,
            binding=binding,
            cached=cached,
        )


@contextmanager
def closed_on_error(config: Config | None) -> Iterator[Binding]:
    """Bind settings for what is being opened, and close its connections if that fails.

    An error that somebody keeps holds the frames of the loop, and with them open connections.
    """
    binding = Binding(config)
    try:
        yield binding
    except BaseException:
        binding.close()
        raise


def index_shards(
    urls: Urls,
    *,
    format: AnyFormat = "auto",
    schema: pa.Schema | None = None,
    binding: Binding,
    cached: CachedReads | None = None,
) -> Manifest:
    """Find and index shards; see `open_source`.

    With a cache, what was found for the same names before is taken if it is of the versions that
    are there now: 1 HEAD for each file that no listing tells the version of. Offline it is taken.
    """
    several = urls if isinstance(urls, Iterable) and not isinstance(urls, str) else [urls]
    names = [fspath(url) for url in several]
    if format != "auto" and format not in get_args(Format):
        message = f"format={format!r}: one of {('auto', *get_args(Format))}"
        raise InvalidConfig(message, operation="open")
    if all(binding.capabilities(BlobUrl.parse(name)).local_paths for name in names):
        cached = None  # what is here need not be kept
    question = question_of(names, format, schema)

    def make() -> Manifest:
        before = None if cached is None else found_before(cached, question)
        return _index(names, format, schema, binding, before)

    return remembered(cached, [question], make)


def _index(
    names: Sequence[str],
    format: AnyFormat,
    schema: pa.Schema | None,
    binding: Binding,
    before: Manifest | None,
) -> Manifest:
    async def find_and_index(core: AsyncContext) -> list[Indexed] | Manifest:
        files = [file for name in names for file in await find(core, name)]
        if before is not None and await is_current(core, before, files):
            return before
        return await index(core, files, None if format == "auto" else format)

    indexed = binding.call(find_and_index)
    if isinstance(indexed, Manifest):
        return indexed
    if not indexed:
        message = "open of no files: name at least one"
        raise InvalidConfig(message, operation="open")
    schema = indexed[0].schema if schema is None else schema
    for one in indexed:
        schema = _merged(one, schema)
    return Manifest(schema=schema, shards=tuple(one.shard for one in indexed))


def _merged(indexed: Indexed, schema: pa.Schema) -> pa.Schema:
    """Return `schema` with the types of columns that had nothing but nulls so far.

    Raises:
        BadShard: The shard lacks a column, or has it in another type.
    """
    found = indexed.schema
    if found is schema or found.equals(schema):
        return schema
    kind_of_file = indexed.shard.format
    for number, wanted in enumerate(schema):
        position = found.get_field_index(wanted.name)
        if position < 0:
            if kind_of_file == "ndjson" or not indexed.shard.blocks:
                continue  # what a line does not tell is null
            raise _another_schema(indexed.shard.url, wanted, "no such column")
        kind = found.field(position).type
        if pa.types.is_null(wanted.type):
            schema = schema.set(number, wanted.with_type(kind))
        elif kind_of_file in ("csv", "ndjson"):
            continue  # text is taken for what it should be, or refused when it is read
        elif kind != wanted.type and not pa.types.is_null(kind):
            raise _another_schema(indexed.shard.url, wanted, f"type {kind}")
    return schema


def _another_schema(url: str, wanted: pa.Field, has: str) -> BadShard:
    message = (
        f"open of {url}: column {wanted.name!r} is of type {wanted.type} in the first shard, and "
        f"here it has {has}, from row 0 on"
    )
    bad = BadShard(message, url=url, operation="open")
    bad.row = 0
    return bad
