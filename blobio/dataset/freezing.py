"""Manifests in stores: saved, loaded, frozen from a dataset, and held against what is there now."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, final

from blobio.dataset.blobs import Blobs
from blobio.dataset.cacheroom import CacheFull
from blobio.dataset.dataset import Dataset
from blobio.dataset.manifest import Manifest, Shard, Split
from blobio.dataset.manifestjson import dump_manifest, parse_manifest
from blobio.dataset.stored import manifest_of
from blobio.errors import BlobError, NotFound, VersionMismatch, redact
from blobio.url import BlobUrl, PathLike
from blobio.values import BlobMeta, CreateOnly, Overwrite

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.dataset.cache import Cache

__all__ = [
    "HasManifest",
    "ShardFault",
    "freeze",
    "load_manifest",
    "read_document",
    "save_manifest",
    "verify",
]


_log = logging.getLogger("blobio.dataset")


class HasManifest(Protocol):
    """A dataset, or a source of one, that knows its shards."""

    @property
    def manifest(self) -> Manifest:
        """The shards, pinned and counted."""
        ...


def save_manifest(
    manifest: Manifest, url: PathLike, *, overwrite: bool = False, config: Config | None = None
) -> None:
    """Store a manifest as JSON; 1 PUT up to one part.

    Args:
        manifest: What to store.
        url: Where: `.../manifest.json`. Shards below its directory are named relative to it.
        overwrite: False stores it only if nothing is there, decided by the store.
        config: All settings; None for `Config.from_env()`.

    Raises:
        AlreadyExists: `overwrite` is false and something is there.
        Unsupported: `overwrite` is false and the store cannot decide that.
        InvalidUrl: A shard lies on the local disk, and `url` does not.
    """
    place = BlobUrl.parse(url)
    mode = Overwrite() if overwrite else CreateOnly()
    Blobs(config).write(place, dump_manifest(manifest, place), mode)


def load_manifest(
    url: PathLike, *, cache: Cache | None = None, config: Config | None = None
) -> Manifest:
    """Load a manifest; 1 GET, whatever the number of shards. No shard is looked at.

    Args:
        url: The manifest.
        cache: Keep a copy there, and find it there offline; 1 HEAD, and the download if it is new.
            Offline, None stands for the cache of the settings.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound: There is none; or, offline, no copy of it.
        ManifestError: It is damaged, contradicts itself, or a newer blobio wrote it.
    """
    place = BlobUrl.parse(url)
    return parse_manifest(read_document(Blobs(config), place, cache), place)


def read_document(blobs: Blobs, url: BlobUrl, cache: Cache | None) -> bytes:
    """Return a small blob, from a cache if there is one, or offline."""
    if cache is None and blobs.config.dataset.offline:
        from blobio.dataset.cache import Cache as Opened

        cache = Opened(config=blobs.given)
    if cache is None:
        return blobs.read(url)[0]
    try:
        with cache.lease(str(url)) as path, open(path, "rb") as file:
            return file.read()
    except OSError as error:
        is_of_store = isinstance(error, BlobError) and not isinstance(error, CacheFull)
        if is_of_store or blobs.config.dataset.offline:
            raise
        _log.warning("%s is read without the cache: %s", redact(str(url)), error)
        return blobs.read(url)[0]


def freeze(
    dataset: Dataset | Manifest | HasManifest,
    url: PathLike,
    *,
    license: str | None = None,
    tags: tuple[str, ...] | None = None,
    description: str | None = None,
    splits: Mapping[str, Split] | None = None,
    overwrite: bool = False,
    config: Config | None = None,
) -> Manifest:
    """Pin a dataset: store which shards it has, in which versions, and where their rows are.

    Args:
        dataset: As it was opened; or a manifest, or anything with one.
        url: Where; see `save_manifest`.
        license: As an SPDX identifier or words; None keeps what the dataset says.
        tags: Words to find it by; None keeps what the dataset says.
        description: For people; None keeps what the dataset says.
        splits: Its named parts, as ranges of shards; None keeps what the dataset says.
        overwrite: False stores it only if nothing is there.
        config: All settings; None for `Config.from_env()`.

    Returns:
        The manifest as it was stored.

    Raises:
        ValueError: A split is not a range of the shards.
        InvalidConfig: Something was made of the dataset since it was opened.
        AlreadyExists, Unsupported, InvalidUrl: See `save_manifest`.
    """
    if isinstance(dataset, Dataset):
        manifest = manifest_of(dataset.tree)
    else:
        manifest = dataset if isinstance(dataset, Manifest) else dataset.manifest
    count = len(manifest.shards)
    for name, split in (splits or {}).items():
        if not 0 <= split.start <= split.stop <= count:
            message = f"split {name!r} is shards {split.start} to {split.stop} of {count}"
            raise ValueError(message)
    frozen = replace(
        manifest,
        license=manifest.license if license is None else license,
        tags=manifest.tags if tags is None else tuple(tags),
        description=manifest.description if description is None else description,
        splits=manifest.splits if splits is None else dict(splits),
    )
    save_manifest(frozen, url, overwrite=overwrite, config=config)
    return frozen


@final
@dataclass(frozen=True, slots=True)
class ShardFault:
    """A shard that is not what its manifest says.

    Attributes:
        number: Of the shard in the manifest, from 0.
        url: The shard.
        kind: `missing`: nothing is there; `changed`: another version or size is; `unknown`: the
            store would not say.
        found: What is there, or what the store said, for people.
    """

    number: int
    url: str
    kind: Literal["missing", "changed", "unknown"]
    found: str


def verify(manifest: Manifest, *, config: Config | None = None) -> tuple[ShardFault, ...]:
    """Hold every shard against the store; 1 HEAD each, 64 side by side. No byte is read.

    A shard that was indexed in a store without versions is held against its size alone.

    Returns:
        What is wrong, in the order of the shards; empty if all is as pinned.
    """
    blobs = Blobs(config)
    found = blobs.heads([(BlobUrl.parse(shard.url), None) for shard in manifest.shards])
    return tuple(_faults(manifest.shards, found))


def _faults(shards: tuple[Shard, ...], found: list[BlobMeta | BlobError]) -> Iterator[ShardFault]:
    for number, (shard, there) in enumerate(zip(shards, found, strict=True)):
        if isinstance(there, NotFound):
            yield ShardFault(number, shard.url, "missing", "nothing")
        elif isinstance(there, VersionMismatch):
            yield ShardFault(number, shard.url, "changed", str(there))
        elif isinstance(there, BlobError):
            yield ShardFault(number, shard.url, "unknown", str(there))
        elif shard.version not in (None, there.version):
            text = f"version {there.version} of {there.size} bytes, pinned {shard.version}"
            yield ShardFault(number, shard.url, "changed", text)
        elif there.size != shard.size:
            text = f"{there.size} bytes, pinned {shard.size}"
            yield ShardFault(number, shard.url, "changed", text)
