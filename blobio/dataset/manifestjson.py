"""Manifests as JSON, pure: a `Manifest` becomes bytes and comes back, or the lie in it is named.

The format is described in docs/guide/datasets-writing.md. Shards below the manifest's directory are
named relative to it, so that a dataset can be copied as a tree. The footers of all shards are
compressed as one, since they resemble each other: that is what brings ten thousand of them into one
GET.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from operator import le
from typing import Final, cast, get_args

import pyarrow as pa

from blobio.dataset.manifest import Block, BlockTable, Format, Manifest, Shard, Split
from blobio.dataset.manifestfields import Fields, ManifestError
from blobio.errors import BlobError, InvalidUrl
from blobio.url import BlobUrl
from blobio.values import Version

__all__ = ["FORMAT_VERSION", "dump_manifest", "parse_manifest"]

FORMAT_VERSION: Final = 1
"""Of the JSON. A reader takes this and older ones; fields it does not know it passes over."""

_FORMATS: Final = frozenset(get_args(Format))
_MAX_FOOTER_BYTES: Final = 4 << 30  # of all shards together, once unpacked: a bound against bombs
_BLOCK_NUMBERS: Final = 3
_MOST: Final = (1 << 63) - 1  # that fits into a table; more are looked at one by one
_ENDS: Final = 2


def dump_manifest(manifest: Manifest, url: BlobUrl) -> bytes:
    """Return a manifest as the JSON that is to be stored at `url`.

    Raises:
        InvalidUrl: A shard lies on this machine's disk and the manifest does not: nobody else
            could read it.
    """
    footers = b"".join(shard.footer for shard in manifest.shards)
    document = {
        "blobio_manifest": FORMAT_VERSION,
        "description": manifest.description,
        "license": manifest.license,
        "tags": list(manifest.tags),
        "num_rows": manifest.num_rows,
        "columns": {field.name: str(field.type) for field in manifest.schema},
        "splits": {name: [split.start, split.stop] for name, split in manifest.splits.items()},
        "schema": _base64(manifest.schema.serialize().to_pybytes()),
        "footers": _base64(pa.compress(footers, codec="zstd", asbytes=True)) if footers else "",
        "shards": [_dump_shard(shard, url) for shard in manifest.shards],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _dump_shard(shard: Shard, url: BlobUrl) -> dict[str, object]:
    fields: dict[str, object] = {
        "url": _relative(BlobUrl.parse(shard.url), url),
        "size": shard.size,
        "version": shard.version,
        "format": shard.format,
        "blocks": [[block.num_rows, block.start, block.stop] for block in shard.blocks],
        "footer_bytes": len(shard.footer),
    }
    if shard.compression is not None:
        fields["compression"] = shard.compression
    return fields


def _relative(shard: BlobUrl, manifest: BlobUrl) -> str:
    """Return how a manifest names a shard: below its own directory, or in full."""
    if shard.is_local:
        shard = shard.with_key(os.path.abspath(shard.key))
        if not manifest.is_local:
            raise InvalidUrl(_elsewhere(str(shard), manifest), url=manifest, operation="put")
        manifest = manifest.with_key(os.path.abspath(manifest.key))
    try:
        name = shard.relative_to(manifest.parent)
    except ValueError:
        return str(shard)
    return name if _is_plain(name) else str(shard)


def _is_plain(name: str) -> bool:
    """Tell whether a relative name can be told from a URL and leads nowhere but down."""
    parts = name.split("/")
    return bool(parts[0]) and "://" not in name and not {".", ".."}.intersection(parts)


def _elsewhere(shard: str, manifest: BlobUrl) -> str:
    return (
        f"manifest {manifest} names {shard}, a path of one machine: put the shards into a store, "
        "or the manifest beside them"
    )


def parse_manifest(data: bytes, url: BlobUrl) -> Manifest:
    """Return the manifest that was stored at `url`.

    Raises:
        ManifestError: It is damaged, contradicts itself, or a newer blobio wrote it; `field` says
            where.
    """
    fields = Fields(_load(data, url), url)
    version = fields.whole("blobio_manifest")
    if not 1 <= version <= FORMAT_VERSION:
        fields.refuse(
            "blobio_manifest",
            f"is {version}, and this blobio reads up to {FORMAT_VERSION}: upgrade blobio",
        )
    schema = _schema(fields)
    shards = tuple(_shards(fields, url))
    rows = sum(shard.num_rows for shard in shards)
    if fields.whole("num_rows") != rows:
        fields.refuse("num_rows", f"is {fields.whole('num_rows')}, but the shards have {rows}")
    return Manifest(
        schema=schema,
        shards=shards,
        splits=dict(_splits(fields, len(shards))),
        license=fields.maybe_text("license"),
        tags=fields.texts("tags"),
        description=fields.text("description"),
    )


def _load(data: bytes, url: BlobUrl) -> dict[str, object]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"manifest {url} is no JSON ({error}): is this the URL of a manifest?"
        raise ManifestError(message, url=url, operation="get") from error
    if not isinstance(document, dict) or "blobio_manifest" not in document:
        message = f"{url} is JSON, but no manifest: it has no field blobio_manifest"
        raise ManifestError(message, url=url, operation="get", field="blobio_manifest")
    return cast("dict[str, object]", document)


def _schema(fields: Fields) -> pa.Schema:
    data = _bytes(fields, "schema")
    try:
        schema = pa.ipc.read_schema(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        fields.refuse("schema", f"is no Arrow schema: {error}")
    columns = list(fields.mapping("columns"))
    if columns != schema.names:
        fields.refuse("columns", f"names {columns}, but the schema has {schema.names}")
    return schema


def _splits(fields: Fields, shards: int) -> Iterator[tuple[str, Split]]:
    for name, value in fields.mapping("splits").items():
        ends = _numbers(value, _ENDS)
        if ends is None or not 0 <= ends[0] <= ends[1] <= shards:
            fields.refuse(f"splits.{name}", f"is {value}: not a range of the {shards} shards")
        yield name, Split(*ends)


def _shards(fields: Fields, url: BlobUrl) -> Iterator[Shard]:
    entries = list(fields.parts("shards"))
    sizes = [entry.whole("footer_bytes") for entry in entries]
    footers = _footers(fields, sum(sizes))
    place = 0
    for entry, size in zip(entries, sizes, strict=True):
        yield _shard(entry, footers[place : place + size], url)
        place += size


def _shard(entry: Fields, footer: bytes, url: BlobUrl) -> Shard:
    form, size, version = entry.text("format"), entry.whole("size"), entry.maybe_text("version")
    if form not in _FORMATS:
        entry.refuse("format", f"is {form!r}: this blobio knows {', '.join(sorted(_FORMATS))}")
    if len(footer) > size:
        entry.refuse("footer_bytes", f"is {len(footer)}, more than the shard's {size} bytes")
    return Shard(
        url=_resolve(entry, url),
        size=size,
        version=None if version is None else Version(version),
        format=cast("Format", form),
        compression=entry.maybe_text("compression", None),
        blocks=_blocks(entry, size),
        footer=footer,
    )


def _resolve(entry: Fields, url: BlobUrl) -> str:
    name = entry.text("url")
    if _is_plain(name):
        return str(url.parent.join(name)) if url.parent.key else str(url.with_key(name))
    try:
        shard = BlobUrl.parse(name)
    except BlobError as error:
        entry.refuse("url", f"is {name!r}: {error}")
    if shard.is_local and not url.is_local:
        entry.refuse("url", _elsewhere(name, url))
    if shard.is_local and not os.path.isabs(shard.key):
        entry.refuse("url", f"is {name!r}, which leads out of the directory of the manifest")
    return str(shard)


def _blocks(entry: Fields, size: int) -> Sequence[Block]:
    values = entry.sequence("blocks")
    # Text that is compressed as a whole has windows of what it unpacks to, see `Shard.compression`.
    limit = None if entry.maybe_text("compression", None) is not None else size
    return _sound_blocks(values, limit) or _checked_blocks(entry, values, size, limit)


def _sound_blocks(values: Sequence[object], limit: int | None) -> BlockTable | None:
    """Return blocks if nothing is wrong with any: of 20,000 in 10 ms, where one by one takes 60."""
    lists = [value for value in values if type(value) is list and len(value) == _BLOCK_NUMBERS]
    if not lists or len(lists) < len(values):
        return None
    if set(map(type, chain.from_iterable(lists))) != {int}:
        return None
    rows, starts, stops = zip(*cast("list[list[int]]", lists), strict=True)
    is_sound = (
        min(rows) >= 0
        and starts[0] >= 0
        and all(map(le, starts, stops))
        and all(map(le, stops, starts[1:]))
        and max(rows) <= _MOST
        and stops[-1] <= min(_MOST, _MOST if limit is None else limit)
    )
    return BlockTable(rows, starts, stops) if is_sound else None


def _checked_blocks(
    entry: Fields, values: Sequence[object], size: int, limit: int | None
) -> tuple[Block, ...]:
    """Return blocks looked at one by one, so that what is wrong is told of the one that has it."""
    blocks = []
    for number, value in enumerate(values):
        numbers = _numbers(value, _BLOCK_NUMBERS)
        if numbers is None:
            entry.refuse(f"blocks[{number}]", f"is {value}, not [rows, start, stop]")
        rows, start, stop = numbers
        if min(rows, start) < 0 or stop < start or (limit is not None and stop > limit):
            entry.refuse(f"blocks[{number}]", f"is {value} in a shard of {size} bytes")
        blocks.append(Block(rows, start, stop))
    for number, (one, other) in enumerate(pairwise(blocks), 1):
        if other.start < one.stop:
            entry.refuse(f"blocks[{number}]", "starts before the block ahead of it ends")
    return tuple(blocks)


def _numbers(value: object, count: int) -> Sequence[int] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    return value if all(type(number) is int for number in value) else None


def _footers(fields: Fields, total: int) -> bytes:
    if total > _MAX_FOOTER_BYTES:
        fields.refuse("footers", f"would unpack to {total} bytes, which nothing real does")
    packed = _bytes(fields, "footers")
    if not total and not packed:
        return b""
    try:
        footers = pa.decompress(packed, decompressed_size=total, codec="zstd", asbytes=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        fields.refuse("footers", f"do not unpack to the {total} bytes of footer_bytes: {error}")
    if len(footers) != total:
        fields.refuse("footers", f"are {len(footers)} bytes, but footer_bytes add up to {total}")
    return cast("bytes", footers)


def _bytes(fields: Fields, name: str) -> bytes:
    try:
        return base64.b64decode(fields.text(name), validate=True)
    except (binascii.Error, ValueError) as error:
        fields.refuse(name, f"is no base64: {error}")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
