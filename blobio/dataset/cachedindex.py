"""What opening a dataset has found out, kept in a cache: which shards a name meant, their index.

It opens a dataset offline, by the versions that were there then; online it is believed if what is
there now has the same versions, and saves reading footers, and texts from end to end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from blobio.core.flow import each
from blobio.dataset.cachemeta import Identity
from blobio.dataset.manifest import Manifest
from blobio.dataset.manifestfields import ManifestError
from blobio.dataset.manifestjson import dump_manifest, parse_manifest
from blobio.errors import BlobError
from blobio.url import BlobUrl

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.core.context import AsyncContext
    from blobio.dataset.cachedreads import CachedReads
    from blobio.dataset.scanning import Found

__all__ = ["found_before", "is_current", "keep_found", "question_of", "remembered"]

_KIND: Final = "manifest"
_PLACE: Final = BlobUrl("file", "", "/manifest.json")  # shards of stores are named in full
_AT_ONCE: Final = 32


def question_of(names: Iterable[str], format: str, schema: pa.Schema | None) -> str:
    """Return what a manifest is kept under: what was asked for when it was opened."""
    given = "" if schema is None else hashlib.sha256(schema.serialize()).hexdigest()
    return "\0".join(["shards", format, given, *names])


def found_before(cached: CachedReads, question: str) -> Manifest | None:
    """Return the manifest that was kept last for a question, None if there is none."""
    for identity in cached.versions(question):
        data = cached.read(identity)
        if data is None:
            continue
        try:
            return parse_manifest(data, _PLACE)
        except ManifestError:  # of another release
            continue
    return None


def keep_found(cached: CachedReads, question: str, manifest: Manifest) -> None:
    """Keep the manifest of a question in the place of older ones, if its shards are of stores.

    One whose shards would be called by other names when it comes back is not kept.
    """
    places = [BlobUrl.parse(shard.url) for shard in manifest.shards]
    urls = [shard.url for shard in manifest.shards]
    if any(place.is_local for place in places) or [str(place) for place in places] != urls:
        return
    data = dump_manifest(manifest, _PLACE)
    digest = hashlib.sha256(data).hexdigest()
    older = cached.versions(question)
    new = Identity(url=question, version=digest, kind=_KIND)
    if new not in older:
        cached.put(new, data)
    cached.remove([identity for identity in older if identity != new])


def remembered(
    cached: CachedReads | None, questions: Sequence[str], make: Callable[[], Manifest]
) -> Manifest:
    """Return what `make` finds, and keep it for the first question; offline, what was kept.

    Raises:
        NotCached: Offline, and none of the questions was asked before.
    """
    if cached is None:
        return make()
    if cached.offline:
        found = (found_before(cached, question) for question in questions)
        manifest = next(filter(None, found), None)
        if manifest is None:
            name = questions[0].split("\0")[-1]
            raise cached.not_cached(name, None)
        return manifest
    manifest = make()
    keep_found(cached, questions[0], manifest)
    return manifest


async def is_current(core: AsyncContext, manifest: Manifest, files: Sequence[Found]) -> bool:
    """Tell whether files are the shards of a manifest: 1 HEAD for each that no listing told of."""
    if [shard.url for shard in manifest.shards] != [file.url for file in files]:
        return False
    differs = False

    async def one(number: int) -> None:
        nonlocal differs
        shard, file = manifest.shards[number], files[number]
        version = file.version
        if version is None and shard.version is not None and not differs:
            driver, url = core.stores.blob(file.url, "open")
            try:
                version = (await driver.head(url.key)).version
            except BlobError:  # indexing it tells
                version = None
        differs = differs or version is None or version != shard.version

    await each(one, range(len(files)), window=min(_AT_ONCE, max(1, len(files))))
    return not differs
