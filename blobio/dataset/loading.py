"""From the name of a dataset to its manifest, and to its rows: by URL, a registry, or the Hub.

`RESOLVERS` is the one place where kinds of names are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from blobio.blocking.binding import Binding
from blobio.dataset import hub
from blobio.dataset.cachedindex import remembered
from blobio.dataset.cachedreads import CacheChoice, CachedReads, cached_reads, chosen_cache
from blobio.dataset.dataset import Dataset
from blobio.dataset.freezing import load_manifest
from blobio.dataset.manifest import Manifest, Split
from blobio.dataset.opening import AnyFormat, Urls, closed_on_error, index_shards
from blobio.dataset.reading import ShardSource
from blobio.dataset.registry import Registry
from blobio.dataset.wholeshards import fetch_shards
from blobio.errors import InvalidConfig, NotFound, Unsupported
from blobio.url import PathLike, fspath

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

    from blobio.config import Config
    from blobio.dataset.cache import Cache
    from blobio.dataset.errors import OnError

__all__ = ["Wanted", "find_manifest", "load_dataset", "open_dataset", "split_of"]

_MANIFEST: Final = "manifest.json"


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """A dataset that is looked for.

    Attributes:
        name: As the user gave it: `org/name`, `hf://...`, or the URL of a manifest.
        split: The split that is wanted, None for all; resolvers may leave the others out.
        subset: The table of a dataset at the Hub, or None.
        revision: The version in a registry, or the revision at the Hub; None for the latest.
        registry: A prefix in any store, or None.
        cache: Where manifests are kept, or None.
        config: All settings; None for `Config.from_env()`.
    """

    name: str
    split: str | None
    subset: str | None
    revision: str | None
    registry: str | None
    cache: Cache | None
    config: Config | None


def open_dataset(
    urls: Urls | Manifest,
    *,
    format: AnyFormat = "auto",
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    split: str | None = None,
    schema: pa.Schema | None = None,
    on_error: OnError = "raise",
    cache: CacheChoice = None,
    in_memory_max_bytes: int = 0,
    config: Config | None = None,
) -> Dataset:
    """Open a dataset where it is: shards of any store, or a manifest that names them.

    Requests: of shards as `open_source`; of a manifest 1 GET, however many shards there are.

    Args:
        urls: What `open_source` takes; or one name that ends in `manifest.json`, or a `Manifest`.
        format: Of shards, as in `open_source`.
        columns: As in `open_source`.
        filter: As in `open_source`.
        split: Only the shards of this split, which a manifest tells.
        schema: Of shards, as in `open_source`.
        on_error: As in `open_source`.
        cache: Read through this `Cache`: ranges of shards that are there cost no request, others
            are put there. True for the one of the settings, False for none; None for what
            `Config.dataset.cached` (`BLOBIO_CACHE_DATASETS`) says. Offline, never none.
        in_memory_max_bytes: Keep all rows in memory, decoded, from when they are first read, if
            they take about as many bytes or less. 0 keeps none.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound: There is no such file, manifest or split.
        NotCached: Offline, and it is not in the cache; also on reading.
        ManifestError: The manifest is damaged.
        BadShard, InvalidConfig: As `open_source`.
    """
    with closed_on_error(config) as binding:
        cached = cached_reads(cache, binding.config)
        if isinstance(urls, Manifest):
            manifest = urls
        elif isinstance(urls, str) and urls.endswith(_MANIFEST) and format == "auto":
            manifest = load_manifest(urls, cache=cached and cached.cache, config=config)
        else:
            manifest = index_shards(
                urls, format=format, schema=schema, binding=binding, cached=cached
            )
        if split is not None:
            manifest = split_of(manifest, split)
        source = ShardSource(
            manifest,
            columns=columns,
            filter=filter,
            on_error=on_error,
            binding=binding,
            cached=cached,
            in_memory_max_bytes=in_memory_max_bytes,
        )
    return Dataset(source)


def load_dataset(
    name: str,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    registry: PathLike | None = None,
    cache: CacheChoice = None,
    cache_dir: PathLike | None = None,
    streaming: bool = True,
    on_error: OnError = "raise",
    in_memory_max_bytes: int = 0,
    config: Config | None = None,
) -> Dataset:
    """Open a dataset by its name, at one version; nothing but its index is fetched.

    Requests: those of `find_manifest`; with `streaming=False` those of the shards, once.

    Args:
        name: As in `find_manifest`.
        split: As in `find_manifest`; None for all splits, one after the other.
        subset: As in `find_manifest`.
        revision: As in `find_manifest`.
        columns: As in `open_source`.
        filter: As in `open_source`.
        registry: As in `find_manifest`.
        cache: As in `open_dataset`; manifests are kept there too.
        cache_dir: Read through the cache in this directory, in the place of `cache`.
        streaming: False fetches all shards whole into the cache first, all of their columns. Then
            nothing more is fetched, now or offline, as long as they are there. Copies are mapped:
            Arrow is read where it lies, in milliseconds whatever its size; Parquet and text are
            kept as they are and decoded on reading.
        on_error: As in `open_source`.
        in_memory_max_bytes: As in `open_dataset`.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound, ManifestError, BadShard, BlobError: As `find_manifest`.
        NotCached: Offline, and it is not in the cache; also on reading.
        CacheFull: With `streaming=False`, the shards do not fit into the cache.
        InvalidConfig: A column is unknown, or the filter does not fit; `cache` and `cache_dir` are
            both given, or `streaming=False` goes with `cache=False`.
    """
    chosen = _cache_for(cache, cache_dir, config, streaming=streaming)
    manifest = find_manifest(
        name,
        split=split,
        subset=subset,
        revision=revision,
        registry=registry,
        cache=chosen,
        config=config,
    )
    if chosen is not None and not streaming:
        fetch_shards(manifest, chosen)
    return open_dataset(
        manifest,
        columns=columns,
        filter=filter,
        on_error=on_error,
        cache=chosen or False,
        in_memory_max_bytes=in_memory_max_bytes,
        config=config,
    )


def _cache_for(
    cache: CacheChoice, cache_dir: PathLike | None, config: Config | None, *, streaming: bool
) -> Cache | None:
    """Return the cache to load through, None for none."""
    from blobio.dataset.cache import Cache as Opened

    if cache_dir is not None:
        if cache is not None:
            message = "load_dataset takes cache or cache_dir, not both"
            raise InvalidConfig(message, operation="open")
        return Opened(cache_dir, config=config)
    if streaming:
        return chosen_cache(cache, Binding(config).config)
    if cache is False:
        message = "streaming=False brings shards into a cache: it needs one"
        raise InvalidConfig(message, operation="open")
    return cache if isinstance(cache, Opened) else Opened(config=config)


def find_manifest(
    name: str,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    registry: PathLike | None = None,
    cache: Cache | None = None,
    config: Config | None = None,
) -> Manifest:
    """Return the manifest of a dataset by its name.

    Requests: 1 or 2 GETs to a registry; to the Hub those of `hub.splits`, and 1 GET a shard.

    Args:
        name: `NAME` or `ORG/NAME` in a registry; the URL of a manifest, which ends in `.json`; or
            `hf://datasets/ORG/NAME`, and without a registry `ORG/NAME`, at the Hub.
        split: Only the shards of this split.
        subset: One of the tables of a dataset at the Hub; None for the default one, or the only
            one. Elsewhere there are none.
        revision: The version; None for the latest.
        registry: Where to look; None for `Config.dataset.registry` (`BLOBIO_REGISTRY`). Without
            one, a name means the Hub.
        cache: Where the manifest is kept, and found offline, see `load_manifest`.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound: There is no such dataset, version or split.
        ManifestError: Its manifest is damaged.
        Unauthenticated, PermissionDenied, BadCard, Unsupported: As `hub.splits`.
        BadShard: A file at the Hub is not what it should be.
    """
    if registry is None:
        from blobio.config import Config as Settings

        registry = (config or Settings.from_env()).dataset.registry
    wanted = Wanted(name, split, subset, revision, _text(registry), cache, config)
    for applies, resolve in RESOLVERS:
        if applies(wanted):
            if subset is not None and resolve is not _from_hub:
                message = f"{name} has no subsets: those are of datasets at the Hugging Face Hub"
                raise NotFound(message, operation="open")
            manifest = resolve(wanted)
            return manifest if split is None else split_of(manifest, split, name)
    raise AssertionError


def split_of(manifest: Manifest, split: str, name: str = "the dataset") -> Manifest:
    """Return the manifest of one split alone.

    Raises:
        NotFound: There is no such split; the message tells which there are.
    """
    part = manifest.splits.get(split)
    if part is None:
        known = ", ".join(manifest.splits) or "none"
        message = f"{name} has no split {split!r}: its splits are {known}"
        raise NotFound(message, operation="open")
    return replace(manifest, shards=manifest.shards[part.start : part.stop], splits={})


def _text(path: PathLike | None) -> str | None:
    return None if path is None else fspath(path)


def _is_manifest(wanted: Wanted) -> bool:
    return wanted.name.endswith(".json")


def _from_manifest(wanted: Wanted) -> Manifest:
    if wanted.revision is not None:
        message = f"{wanted.name} is a manifest, which is pinned already: it has no revisions"
        raise Unsupported(message, operation="open")
    return load_manifest(wanted.name, cache=wanted.cache, config=wanted.config)


def _is_registered(wanted: Wanted) -> bool:
    return wanted.registry is not None and "://" not in wanted.name


def _from_registry(wanted: Wanted) -> Manifest:
    assert wanted.registry is not None
    registry = Registry(wanted.registry, cache=wanted.cache, config=wanted.config)
    return registry.load(wanted.name, wanted.revision)


def _from_hub(wanted: Wanted) -> Manifest:
    if "/" not in wanted.name:
        message = (
            f"{wanted.name!r} is a name for a registry, and none is known: give registry=, or set "
            "BLOBIO_REGISTRY; at the Hugging Face Hub names are namespace/name"
        )
        raise InvalidConfig(message, operation="open")
    cached = cached_reads(wanted.cache or False, Binding(wanted.config).config)
    asked = "\0".join(["hub", str(wanted.subset), str(wanted.revision)])
    # offline, what was opened as a whole has the split as well
    questions = [f"{asked}\0{split}\0{wanted.name}" for split in (wanted.split, None)]
    return remembered(cached, questions, lambda: _ask_hub(wanted, cached))


def _ask_hub(wanted: Wanted, cached: CachedReads | None) -> Manifest:
    found = hub.splits(
        wanted.name, subset=wanted.subset, revision=wanted.revision, config=wanted.config
    )
    chosen = {name: found[name] for name in found if wanted.split in (None, name)}
    if not chosen:
        message = f"{wanted.name} has no split {wanted.split!r}: its splits are {', '.join(found)}"
        raise NotFound(message, operation="open")
    urls = [_literal(file.url) for split in chosen.values() for file in split.files]
    with closed_on_error(wanted.config) as binding:
        manifest = index_shards(urls, binding=binding, cached=cached)
    splits: dict[str, Split] = {}
    start = 0
    for name, split in chosen.items():
        splits[name] = Split(start, start + len(split.files))
        start += len(split.files)
    return replace(manifest, splits=splits)


def _literal(url: str) -> str:
    """Return a pattern that matches this file alone."""
    return "".join(f"[{letter}]" if letter in "*?[{" else letter for letter in url)


RESOLVERS: Final[tuple[tuple[Callable[[Wanted], bool], Callable[[Wanted], Manifest]], ...]] = (
    (_is_manifest, _from_manifest),
    (_is_registered, _from_registry),
    (lambda _: True, _from_hub),
)
"""Tried in order: which names a resolver is for, and what it makes of them."""
