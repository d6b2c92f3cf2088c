"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.freezing import ShardFault, freeze, load_manifest, save_manifest, verify
from blobio.dataset.manifest import Block, Manifest, Shard, Split
from blobio.dataset.manifestfields import ManifestError
from blobio.dataset.writer import ShardWriter, discard_unfinished

__all__ = [
    "Block",
    "Manifest",
    "ManifestError",
    "Shard",
    "ShardFault",
    "ShardWriter",
    "Split",
    "discard_unfinished",
    "freeze",
    "load_manifest",
    "save_manifest",
    "verify",
]
