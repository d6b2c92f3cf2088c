"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.cache import Cache, CacheFull, CacheStats
from blobio.dataset.errors import BadShard, Skipped
from blobio.dataset.freezing import ShardFault, freeze, load_manifest, save_manifest, verify
from blobio.dataset.joining import join_manifests
from blobio.dataset.loading import find_manifest, split_of
from blobio.dataset.manifest import Block, Manifest, Shard, Split
from blobio.dataset.manifestfields import ManifestError
from blobio.dataset.memory import set_memory_bytes
from blobio.dataset.opening import field, open_dataset, open_source
from blobio.dataset.registry import Card, Registry
from blobio.dataset.writer import ShardWriter, discard_unfinished
from blobio.datasetconfig import DatasetConfig

__all__ = [
    "BadShard",
    "Block",
    "Cache",
    "CacheFull",
    "CacheStats",
    "Card",
    "DatasetConfig",
    "Manifest",
    "ManifestError",
    "Registry",
    "Shard",
    "ShardFault",
    "ShardWriter",
    "Skipped",
    "Split",
    "discard_unfinished",
    "field",
    "find_manifest",
    "freeze",
    "join_manifests",
    "load_manifest",
    "open_dataset",
    "open_source",
    "save_manifest",
    "set_memory_bytes",
    "split_of",
    "verify",
]
