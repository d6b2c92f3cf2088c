"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.freezing import ShardFault, freeze, load_manifest, save_manifest, verify
from blobio.dataset.manifest import Block, Manifest, Shard, Split
from blobio.dataset.manifestfields import ManifestError

__all__ = [
    "Block",
    "Manifest",
    "ManifestError",
    "Shard",
    "ShardFault",
    "Split",
    "freeze",
    "load_manifest",
    "save_manifest",
    "verify",
]
