"""From the name of a dataset to its manifest: a registry, a manifest's URL, or the Hub.

`RESOLVERS` is the one place where kinds of names are told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from blobio.dataset.freezing import load_manifest
from blobio.dataset.manifest import Manifest
from blobio.dataset.registry import Registry
from blobio.errors import NotFound, Unsupported
from blobio.url import PathLike, fspath

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.dataset.cache import Cache

__all__ = ["Wanted", "find_manifest", "split_of"]


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """A dataset that is looked for.

    Attributes:
        name: As the user gave it: `org/name`, `hf://...`, or the URL of a manifest.
        revision: The version in a registry, or the revision at the Hub; None for the latest.
        registry: A prefix in any store, or None.
        cache: Where manifests are kept, or None.
        config: All settings; None for `Config.from_env()`.
    """

    name: str
    revision: str | None
    registry: str | None
    cache: Cache | None
    config: Config | None


def find_manifest(
    name: str,
    *,
    split: str | None = None,
    revision: str | None = None,
    registry: PathLike | None = None,
    cache: Cache | None = None,
    config: Config | None = None,
) -> Manifest:
    """Return the manifest of a dataset by its name; 1 or 2 GETs from a registry.

    Args:
        name: `NAME` or `ORG/NAME` in a registry; or the URL of a manifest, which ends in `.json`.
        split: Only the shards of this split.
        revision: The version; None for the latest.
        registry: Where to look; None for `Config.dataset.registry` (`BLOBIO_REGISTRY`). Without
            one, a name means the Hub.
        cache: Where the manifest is kept, and found offline, see `load_manifest`.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound: There is no such dataset, version or split.
        ManifestError: Its manifest is damaged.
        Unsupported: The name means a place that this version of blobio cannot look at.
    """
    if registry is None:
        from blobio.config import Config as Settings

        registry = (config or Settings.from_env()).dataset.registry
    wanted = Wanted(name, revision, _text(registry), cache, config)
    for applies, resolve in RESOLVERS:
        if applies(wanted):
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
    message = (
        f"{wanted.name} means the Hugging Face Hub, which is not read by name yet: pass registry= "
        "or set BLOBIO_REGISTRY, or give the URL of a manifest"
    )
    raise Unsupported(message, operation="open")


RESOLVERS: Final[tuple[tuple[Callable[[Wanted], bool], Callable[[Wanted], Manifest]], ...]] = (
    (_is_manifest, _from_manifest),
    (_is_registered, _from_registry),
    (lambda _: True, _from_hub),
)
"""Tried in order: which names a resolver is for, and what it makes of them."""
