"""Several datasets as one: what tasks on many machines have written, each below its own prefix."""

from __future__ import annotations

from collections.abc import Iterable

from blobio.dataset.manifest import Manifest, Shard, Split

__all__ = ["join_manifests"]


def join_manifests(manifests: Iterable[Manifest]) -> Manifest:
    """Return one manifest of the shards of several, in their order; no request.

    A split has the shards of all splits of its name, one manifest after the other; splits come in
    the order in which their names are first met. Tags are united; licence and description are
    kept if they are the same everywhere.

    Args:
        manifests: At least one, of one schema. Each has splits that cover all its shards, or none
            of them has splits; one without shards fits either.

    Raises:
        ValueError: There is none, or they do not fit together; the message tells which.
    """
    parts = list(manifests)
    if not parts:
        message = "there are no manifests to be joined"
        raise ValueError(message)
    first = next((part for part in parts if part.shards), parts[0])
    shards: dict[str, list[Shard]] = {}
    for number, part in enumerate(parts):
        if not part.schema.equals(first.schema):
            message = f"manifest {number} has another schema than the first: {part.schema}"
            raise ValueError(message)
        if not part.shards:
            continue
        if bool(part.splits) != bool(first.splits):
            message = (
                f"manifest {number} has {'' if part.splits else 'no '}splits, unlike the first"
            )
            raise ValueError(message)
        _check_cover(number, part)
        for name, split in (part.splits or {"": Split(0, len(part.shards))}).items():
            shards.setdefault(name, []).extend(part.shards[split.start : split.stop])
    splits, start = {}, 0
    for name, group in shards.items():
        splits[name] = Split(start, start + len(group))
        start += len(group)
    return Manifest(
        schema=first.schema,
        shards=tuple(shard for group in shards.values() for shard in group),
        splits=splits if first.splits else {},
        license=first.license if len({part.license for part in parts}) == 1 else None,
        tags=tuple(dict.fromkeys(tag for part in parts for tag in part.tags)),
        description=first.description if len({part.description for part in parts}) == 1 else "",
    )


def _check_cover(number: int, manifest: Manifest) -> None:
    """Refuse splits that share shards, or leave some out: nothing could be said of those."""
    place = 0
    for split in sorted(manifest.splits.values(), key=lambda split: (split.start, split.stop)):
        if split.start != place:
            break
        place = split.stop
    if manifest.splits and place != len(manifest.shards):
        message = f"manifest {number} has splits that overlap, or shards that are in none"
        raise ValueError(message)
